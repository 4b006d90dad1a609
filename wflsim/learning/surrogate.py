"""A stand-in for training: accuracy as a curve of rounds, and the curve that fits a run."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from channel_models.units import FloatArray, Positive, Share

LEAST_POINTS = 4  # as many as a curve has numbers
SPAN = 1e3  # the first gains take at most so many times as long as what was seen, or as short
EXPONENTS = (0.02, 20.0)  # beyond the larger one a power cannot be told from an exponential


@dataclass(frozen=True)
class Surrogate:
    """Accuracy after x rounds' worth of learning: ceiling − (ceiling − floor) · (1 + x / rounds)^(−exponent).

    With it a scenario plays the network without training anything, at the price that accuracy knows of the network only
    how much was learned. Four numbers are enough for curves that rise fast and then slowly; `wflsim fit` finds them.

    Attributes:
        floor: Accuracy before anything is learned.
        ceiling: Accuracy that is approached and never reached; not below the floor.
        rounds: How many rounds the first gains take.
        exponent: How fast what is missing dies away once the first gains are made.

    Reference:
        A power law with a limit, the common form of learning curves [R]; that progress may be counted in rounds is our
        own choice [X].

    >>> curve = Surrogate(floor=0.1, ceiling=0.9, rounds=10.0, exponent=1.0)
    >>> [round(curve.accuracy(x), 3) for x in (0.0, 10.0, 70.0)]
    [0.1, 0.5, 0.8]
    """

    floor: Share = 0.1
    ceiling: Share = 0.9
    rounds: Positive = 10.0
    exponent: Positive = 1.0

    def __post_init__(self) -> None:
        """Refuse a curve that falls."""
        if self.ceiling < self.floor:
            raise ValueError(
                f"ceiling must not be below the floor, got {self.ceiling} below {self.floor}; exchange them"
            )

    @property
    def trains(self) -> bool:
        """No."""
        return False

    def accuracy(self, progress: float) -> float:
        """Return the accuracy after so many rounds' worth of learning, at least 0 of them."""
        missing = _missing(np.float64(progress), self.rounds, self.exponent)
        return float(self.ceiling - (self.ceiling - self.floor) * missing)


@dataclass(frozen=True)
class Fit:
    """A curve and how well it fits.

    Attributes:
        surrogate: The curve.
        rmse: Root of the mean squared error of its accuracy at what was seen.
    """

    surrogate: Surrogate
    rmse: float


def fit(progress: npt.ArrayLike, accuracy: npt.ArrayLike) -> Fit:
    """Return the curve with the least squared error; accuracies that are not a number were not evaluated.

    Args:
        progress: Rounds' worth of learning at each evaluation, at least 0, shape (N,).
        accuracy: Accuracy there, between 0 and 1, shape (N,).
    """
    x, y = _evaluated(progress, accuracy)

    def errors(numbers: FloatArray) -> FloatArray:
        return _curve(numbers, x) - y

    numbers = _polished(errors, _start(x, y), x.max())
    floor, ceiling = (float(np.clip(value, 0.0, 1.0)) for value in _limits(numbers))
    rounds, exponent = (float(value) for value in np.exp(numbers[2:]))
    rmse = float(np.sqrt(np.mean(errors(numbers) ** 2)))
    return Fit(Surrogate(floor, max(floor, ceiling), rounds, exponent), rmse)


def _missing(progress: FloatArray | np.float64, rounds: float, exponent: float) -> FloatArray:
    """Return the share of the gain that is still missing, one at 0, of the shape of progress."""
    return np.asarray(np.exp(-exponent * np.log1p(progress / rounds)))


def _limits(numbers: FloatArray) -> tuple[float, float]:
    """Return floor and ceiling of (floor, gained share of what the floor leaves, …)."""
    return numbers[0], numbers[0] + numbers[1] * (1.0 - numbers[0])


def _curve(numbers: FloatArray, x: FloatArray) -> FloatArray:
    """Return the accuracies of (floor, gained share, log rounds, log exponent), shape of x."""
    floor, ceiling = _limits(numbers)
    rounds, exponent = np.exp(numbers[2:])
    return ceiling - (ceiling - floor) * _missing(x, rounds, exponent)


def _evaluated(progress: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return what was evaluated, shapes (N,); refuse what tells no curve."""
    x, y = np.asarray(progress, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(
            f"progress and accuracy must be rows of one length, got shapes {x.shape} and {y.shape}"
        )
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    points = len(np.unique(x))
    if points < LEAST_POINTS:
        raise ValueError(
            f"accuracy must be known after at least {LEAST_POINTS} rounds, got {points}; evaluate more of them"
        )
    if not (np.isfinite(x).all() and x.min() >= 0.0):
        raise ValueError(f"progress must be finite and at least 0, got {x.min()}; count from 0")
    if y.min() < 0.0 or y.max() > 1.0:
        raise ValueError(
            f"accuracy must be between 0 and 1, got {y.min()} to {y.max()}; divide per cent by 100"
        )
    if np.ptp(y) == 0.0:
        raise ValueError(f"accuracy must change, got {y[0]} everywhere; play more rounds")
    return x, y


def _start(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return a rough best curve from a grid of rounds and exponents; floor and ceiling are then a straight line's."""
    best, found = np.inf, np.array([0.5, 0.5, 0.0, 0.0])
    for rounds, exponent in product(
        x.max() * np.logspace(-2.5, 2.5, 21), np.logspace(-1.5, 1.2, 10)
    ):
        missing = _missing(x, rounds, exponent)
        spread = missing - missing.mean()
        slope = -float(spread @ y) / max(float(spread @ spread), 1e-300)  # ceiling − floor
        floor = float(np.clip(y.mean() + slope * (missing.mean() - 1.0), 0.0, 0.999))
        gained = float(np.clip(slope / (1.0 - floor), 0.0, 1.0))
        numbers = np.array([floor, gained, np.log(rounds), np.log(exponent)])
        error = float(np.sum((_curve(numbers, x) - y) ** 2))
        if error < best:
            best, found = error, numbers
    return found


def _polished(
    errors: Callable[[FloatArray], FloatArray], start: FloatArray, longest: float
) -> FloatArray:
    """Return the numbers with the least squared error within their bounds, from a start near them."""
    from scipy.optimize import least_squares

    low = np.array([0.0, 0.0, np.log(longest / SPAN), np.log(EXPONENTS[0])])
    high = np.array([1.0, 1.0, np.log(longest * SPAN), np.log(EXPONENTS[1])])
    within = np.clip(start, low + 1e-9, high - 1e-9)
    tight = 1e-15
    done = least_squares(
        errors, within, bounds=(low, high), ftol=tight, xtol=tight, gtol=tight, max_nfev=2000, jac="3-point",
    )  # fmt: skip
    numbers: FloatArray = np.asarray(done.x, dtype=np.float64)
    return numbers
