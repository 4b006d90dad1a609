"""What axes are called: words and units of the table of columns, and prefixes for numbers that are easy to read."""

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from wflsim.contracts import FloatArray
from wflsim.records.columns import EVERY_TABLE

UNITS = {column.name: column.unit for table in EVERY_TABLE.values() for column in table}
WORDS = {
    "round": "round",
    "end_s": "simulated time",
    "length_s": "length of a round",
    "energy_j": "energy",
    "accuracy_personal": "accuracy on own test data",
    "accuracy_global": "accuracy of the global model",
    "accuracy_decile": "mean of the worst tenth",
    "accuracy_worst": "accuracy of the worst",
    "accuracy_jain": "Jain's index",
    "gain_db": "channel gain",
    "bandwidth_hz": "bandwidth",
    "power_w": "transmit power",
    "keep": "kept share",
}
"""What columns are called where their name alone would not do."""
SMALL = ((1.0, ""), (1e3, "m"), (1e6, "µ"), (1e9, "n"))
LARGE = ((1e-9, "G"), (1e-6, "M"), (1e-3, "k"))
LONG = 18
"""Letters of a label that stand on one line."""
STAY = "\N{NO-BREAK SPACE}"
WIDE = 20.0
"""From which ratio of the largest value to small ones on an axis is logarithmic."""


def in_percent(column: str) -> bool:
    """Return whether a column is an accuracy, which is drawn in percent."""
    return column.startswith("accuracy_") and column != "accuracy_jain"


def scale(column: str) -> float:
    """Return by what to multiply a measure before it is drawn."""
    return 100.0 if in_percent(column) else 1.0


def label(column: str, prefix: str = "", words: str = "") -> str:
    r"""Return what an axis of a column is called.

    >>> label("end_s"), label("accuracy_worst"), label("bandwidth_hz", "M"), label("gap")
    ('simulated time [s]', 'accuracy of the\nworst [%]', 'bandwidth [MHz]', 'gap')
    """
    unit = "%" if in_percent(column) else UNITS.get(column, "")
    bare = column.removesuffix(f"_{unit.lower()}") if unit else column
    called = words or WORDS.get(column, bare.replace("_", " "))
    whole = f"{called}{STAY}[{prefix}{unit}]" if unit else called
    return fill(whole, LONG).replace(STAY, " ")


def prefixed(largest: float, unit: str) -> tuple[float, str]:
    """Return by what to multiply for numbers that are neither tiny nor, of hertz and bits, huge, and the unit after that.

    >>> prefixed(0.02, "s"), prefixed(3.0, "J"), prefixed(0.0, "J"), prefixed(2e6, "Hz"), prefixed(2e6, "s")
    ((1000.0, 'ms'), (1.0, 'J'), (1.0, 'J'), (1e-06, 'MHz'), (1.0, 's'))
    """
    large = LARGE if unit in {"Hz", "bit", "bit/s"} else ()
    for factor, prefix in (*large, *SMALL):
        if unit and largest * factor >= 0.5:
            return factor, f"{prefix}{unit}"
    return 1.0, unit


def handy(column: str, values: FloatArray) -> tuple[float, str]:
    """Return by what to multiply values of a column, and the prefix of its unit then."""
    unit = UNITS.get(column, "")
    finite = values[np.isfinite(values)]
    factor, whole = prefixed(float(np.abs(finite).max(initial=0.0)), unit)
    return factor, whole.removesuffix(unit)


def stretch(axes: Axes, values: FloatArray) -> None:
    """Make the horizontal axis logarithmic where the largest value is far above nearly all others."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) > 1 and positive.max() > WIDE * np.quantile(positive, 0.05):
        axes.set_xscale("log")
