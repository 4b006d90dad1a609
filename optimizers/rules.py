"""What every column of a round must be: rules, and errors that name column, device and value."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from optimizers.arrays import BoolArray, FloatArray, column


def _not_negative(value: FloatArray) -> BoolArray:
    return np.isfinite(value) & (value >= 0.0)


def _positive(value: FloatArray) -> BoolArray:
    return np.isfinite(value) & (value > 0.0)


def _span(value: FloatArray) -> BoolArray:
    return value > 0.0


def _budget(value: FloatArray) -> BoolArray:
    return value >= 0.0


def _share(value: FloatArray) -> BoolArray:
    return (value > 0.0) & (value <= 1.0)


_Rule = tuple[Callable[[FloatArray], BoolArray], str]
_SPAN_OR_NONE: _Rule = (_span, "must be above 0, or infinite for no limit")
_NOT_NEGATIVE: _Rule = (_not_negative, "must be finite and not negative")
_POSITIVE: _Rule = (_positive, "must be finite and above 0")
_SPAN: _Rule = (_span, "must be above 0, or infinite for no deadline")
_BUDGET: _Rule = (_budget, "must not be negative, and may be infinite")
_SHARE: _Rule = (_share, "must be above 0 and at most 1")
RULES: dict[str, _Rule] = {
    "gain": _NOT_NEGATIVE,
    "noise_w_per_hz": _POSITIVE,
    "power_max_w": _POSITIVE,
    "fixed_s": _NOT_NEGATIVE,
    "slope_s": _NOT_NEGATIVE,
    "fixed_bits": _NOT_NEGATIVE,
    "prunable_bits": _NOT_NEGATIVE,
    "deadline_s": _SPAN,
    "energy_j": _BUDGET,
    "slope_j": _NOT_NEGATIVE,
    "weight": _NOT_NEGATIVE,
    "keep_min": _SHARE,
    "keep_max": _SHARE,
    "gap": _POSITIVE,
    "efficiency_max": _SPAN_OR_NONE,
    "slot_s": _SPAN_OR_NONE,
    "rent": _NOT_NEGATIVE,
}


def columns(given: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
    """Return values by name as columns of the same length; single numbers are repeated.

    Args:
        given: Numbers or arrays of shape (K,), by column.
    """
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}
    lengths = {name: array.size for name, array in arrays.items() if array.ndim == 1}
    if 0 in lengths.values():
        empty = next(name for name, length in lengths.items() if length == 0)
        raise ValueError(f"RoundProblem.{empty}: empty; a round needs at least one device")
    devices = max(lengths.values(), default=1)
    return {name: column(f"RoundProblem.{name}", array, devices) for name, array in arrays.items()}


def require(name: str, value: FloatArray, holds: BoolArray, rule: str) -> None:
    """Raise an error about the first device whose value does not keep a rule.

    Args:
        name: The column.
        value: Its values, shape (K,).
        holds: Where the rule is kept, shape (K,).
        rule: The rule in words.
    """
    wrong = np.flatnonzero(~holds)
    if wrong.size:
        device = int(wrong[0])
        raise ValueError(f"RoundProblem.{name}: device {device} has {value[device]}, and it {rule}")
