"""Whether a figure can be read: which of its texts lie over each other, or beyond its edge."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

TOUCH = 0.5
"""Pixels by which boxes may lie over each other."""


def clashes(figure: Figure) -> list[str]:
    """Return a sentence for every two visible texts that overlap, and for every one that leaves the figure."""
    canvas: Any = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    beyond = [f"'{said}' leaves the figure" for said, box in boxes if _beyond(box, figure.bbox)]
    return beyond + [
        f"'{one}' and '{other}' overlap"
        for place, (one, here) in enumerate(boxes)
        for other, there in boxes[place + 1 :]
        if _over(here, there)
    ]


def texts(figure: Figure) -> Iterator[Text]:
    """Yield the visible texts of a figure that was drawn: titles, labels, legends, notes, and ticks that are in view."""
    ticks = {
        tick for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in _labels(axis)
    }
    seen = {
        tick
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in _in_view(axis)
        if axes.get_visible()
    }
    found: list[Any] = figure.findobj(Text)
    for text in found:
        said = text.get_visible() and text.get_text().strip()
        if said and (text not in ticks or text in seen):
            yield text


def _labels(axis: Axis) -> Iterator[Text]:
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        yield from (tick.label1, tick.label2)


def _in_view(axis: Axis) -> Iterator[Text]:
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        if low - slack <= tick.get_loc() <= high + slack:
            yield from (tick.label1, tick.label2)


def _over(one: BboxBase, other: BboxBase) -> bool:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    along = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(across > TOUCH and along > TOUCH)


def _beyond(box: BboxBase, page: BboxBase) -> bool:
    left, low = min(box.x0 - page.x0, page.x1 - box.x1), min(box.y0 - page.y0, page.y1 - box.y1)
    return bool(min(left, low) < -TOUCH)
