"""Laws that every model obeys, as assertions with a sentence."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.units import FloatArray

MANY = 4000
"""Links over which statistical checks take their means."""


def rng(*key: int) -> np.random.Generator:
    """Return the stream of a key, the same for every check."""
    return np.random.default_rng(np.random.SeedSequence(38901, spawn_key=key))


def standard_error(samples: FloatArray) -> FloatArray:
    """Return the standard error of the mean over the last axis."""
    return np.asarray(samples.std(axis=-1) / np.sqrt(samples.shape[-1]))


def require(holds: bool, sentence: str) -> None:
    """Raise AssertionError with a sentence unless a law holds."""
    if not holds:
        raise AssertionError(sentence)


def require_array(
    array: npt.NDArray[np.generic], shape: tuple[int, ...], kind: type, name: str
) -> None:
    """Require a shape, a kind of number, and that all are finite."""
    require(array.shape == shape, f"{name} must have shape {shape}, got {array.shape}.")
    require(np.issubdtype(array.dtype, kind), f"{name} must be {kind.__name__}, got {array.dtype}.")
    require(bool(np.isfinite(array).all()), f"{name} must be finite.")


def require_same(one: npt.NDArray[np.generic], two: npt.NDArray[np.generic], name: str) -> None:
    """Require the same bits."""
    require(np.array_equal(one, two), f"{name} must be the same bits, and they differ.")


def require_pure(state: Any, ask: Callable[[], npt.NDArray[Any]], name: str) -> None:
    """Require that asking twice gives the same bits and leaves the state as it was."""
    before = pickle.dumps(state)
    first, second = ask(), ask()
    require(
        pickle.dumps(state) == before,
        "step must return a new state and leave the old one as it was.",
    )
    require_same(first, second, f"{name} from the same state and seed")


def require_mean(samples: FloatArray, mean: float, name: str) -> None:
    """Require a mean, five standard errors wide."""
    found, error = float(samples.mean()), float(standard_error(samples))
    require(
        abs(found - mean) <= 5.0 * error + 1e-9, f"{name} must have mean {mean}, got {found:.4f}."
    )
