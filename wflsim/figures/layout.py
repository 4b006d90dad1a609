"""Where panels and legends stand: as many panels beside each other as can be read, legends outside of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from wflsim.figures.paper import WIDTHS_IN

LEAST_IN = 1.7
"""Width that a panel needs."""
HEIGHT_IN = 1.75
LONG = 44
"""Letters of a legend's label that stand on one line."""


@dataclass(frozen=True)
class Wanted:
    """What a figure shall show, and how.

    Attributes:
        width_in: Its width in inches.
        measure: The column that says how good a model is.
        over: What progress is drawn over: round, s or j; empty for all three.
        style: The style that is laid over that for papers; empty for none.
    """

    width_in: float = WIDTHS_IN["two"]
    measure: str = "accuracy_personal"
    over: str = ""
    style: str = ""


def panels(
    count: int, width_in: float, height_in: float = HEIGHT_IN, last_in: float = 0.0
) -> tuple[Figure, tuple[Axes, ...]]:
    """Return a figure of so many panels, and these; where their number does not fit, the first has a row of its own.

    Args:
        count: How many.
        width_in: Width of the figure.
        height_in: Height of a row.
        last_in: Height of the last one; 0 for that of the others.
    """
    rows: Any = placed(count, int(width_in // LEAST_IN))
    heights_in = [height_in] * (len(rows) - 1) + [last_in or height_in]
    figure = Figure(figsize=(width_in, sum(heights_in)))
    found = figure.subplot_mosaic(rows, height_ratios=heights_in)
    return figure, tuple(found[number] for number in range(count))


def placed(count: int, most: int) -> list[list[int]]:
    """Return the rows of a mosaic of so many panels, at most so many beside each other.

    >>> placed(4, 4), placed(4, 2), placed(3, 2)
    ([[0, 1, 2, 3]], [[0, 1], [2, 3]], [[0, 0], [1, 2]])
    """
    even = [across for across in range(min(count, most), 1, -1) if count % across == 0]
    across = even[0] if even else min(count, most)
    first = count % across
    rows = [[0] * across] if first else []
    return rows + [list(range(at, at + across)) for at in range(first, count, across)]


def share(axes: Sequence[Axes]) -> None:
    """Let panels in a row have one vertical axis, labelled at the first of them."""
    rows: dict[int, list[Axes]] = {}
    for panel in axes:
        spec = panel.get_subplotspec()
        rows.setdefault(spec.rowspan.start if spec else 0, []).append(panel)
    for row in rows.values():
        alike(row)
        for panel in row[1:]:
            panel.tick_params(labelleft=False)
            panel.set_ylabel("")


def alike(axes: Sequence[Axes]) -> None:
    """Let panels have the same vertical scale, on which all of them are seen."""
    first, last = zip(*(panel.get_ylim() for panel in axes), strict=True)
    upside = first[0] <= last[0]
    for panel in axes[1:]:
        panel.sharey(axes[0])
    axes[0].set_ylim((min if upside else max)(first), (max if upside else min)(last))


def legend(
    figure: Figure, handles: Mapping[str, Artist], where: Literal["upper", "lower"] = "upper"
) -> None:
    """Put a legend above or below all panels, as wide as the figure allows, for which it grows."""
    width, dpi = figure.bbox.width, figure.dpi
    made = _legend(figure, handles, len(handles), where)
    for columns in range(len(handles), 1, -1):
        if _size(figure, made)[0] <= width:
            break
        made.remove()
        made = _legend(figure, handles, columns - 1, where)
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + _size(figure, made)[1] / dpi)


def _legend(
    figure: Figure, handles: Mapping[str, Artist], columns: int, where: Literal["upper", "lower"]
) -> Legend:
    rows = -(-len(handles) // columns)
    return figure.legend(
        list(handles.values()),
        [fill(label, LONG) for label in handles],
        loc="outside upper center" if where == "upper" else "outside lower center",
        ncols=-(-len(handles) // rows),
        handlelength=2.6,
        columnspacing=1.2,
    )


def _size(figure: Figure, made: Legend) -> tuple[float, float]:
    """Return width and height of a legend in pixels."""
    canvas: Any = FigureCanvasAgg(figure)
    box = made.get_window_extent(canvas.get_renderer())
    return box.width, box.height
