"""The disciplined convex program, compiled once for each shape of a round, with numbers as parameters.

All variables are relative deviations from a reference point of the round: r/r₀ − 1 of the ratio,
x/x₀ − 1 of the rate, b/b₀ − 1 of the bandwidth, p/p₀ − 1 of the power. A solver stops by errors relative
to the size of its vectors; so they are small. Parameters enter affinely in every row (DPP), so that
another round of the same shape costs no compilation.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NODES = 5
WINDOWS = ("_1", "_2")


@dataclass(frozen=True)
class Shape:
    """Which rows a round needs; what is absent leaves no row.

    Attributes:
        devices: The number of devices K.
        error: Name of the error model: Linear, Quadratic, NegLog or Lorenz.
        pieces: Straight pieces of a Lorenz curve, otherwise 0.
        second: Whether a second window limits the upload.
        energy: Whether energy limits a power that is a variable.
        ceiling: Whether the spectral efficiency has a ceiling.
        fixed_snr: Whether the rate is linear in bandwidth.
        rent: Whether bandwidth costs.
        wideband: Whether some signal-to-noise ratio is so low that bandwidth hardly raises the rate.
    """

    devices: int
    error: str
    pieces: int = 0
    second: bool = False
    energy: bool = False
    ceiling: bool = False
    fixed_snr: bool = False
    rent: bool = False
    wideband: bool = False


@dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
        problem: The program of the conic solver's front end.
        parameters: Its numbers by name.
        ratio: Ratios q in units of the reference, shape (K,).
        bands: Bandwidths b̃ in units of the reference, shape (K,).
        power: Powers ũ in units of the reference, shape (K,); none where all are the largest.
        share: The row Σ b ≤ B, whose multiplier is the price.
    """

    problem: Any
    parameters: Mapping[str, Any]
    ratio: Any
    bands: Any
    power: Any
    share: Any


class Numbers(dict[str, Any]):
    """Parameters of a program by name, of shape (K,) unless made otherwise."""

    def __init__(self, devices: int) -> None:
        super().__init__()
        self._devices = devices

    def __missing__(self, name: str) -> Any:
        return self.new(name, self._devices)

    def new(self, name: str, *shape: int, nonneg: bool = False) -> Any:
        """Return a new parameter.

        Args:
            name: Its name.
            shape: Its shape.
            nonneg: Whether it is never negative, where convexity needs that.
        """
        import cvxpy as cp

        self[name] = cp.Parameter(shape, nonneg=nonneg)
        return self[name]


@functools.lru_cache(maxsize=128)
def compiled(shape: Shape) -> Program:
    """Return the program of a shape, the same one each time.

    Args:
        shape: Which rows it has.
    """
    import cvxpy as cp

    numbers = Numbers(shape.devices)
    ratio, rate, bands = (cp.Variable(shape.devices) for _ in range(3))
    power = cp.Variable(shape.devices) if shape.energy else None
    share = numbers["share"] @ bands <= numbers.new("spare")
    rows = [
        share,
        numbers["bands_least"] + bands >= 0,
        numbers["keep_least"] <= ratio,
        ratio <= numbers["keep_most"],
        *_link(shape, numbers, rate, bands, power),
    ]
    if shape.second:
        for which in WINDOWS:
            lead = cp.Variable(shape.devices)
            reach, ahead = numbers["reach" + which], numbers["ahead" + which]
            rows += [lead == ahead + cp.multiply(reach, rate)]
            rows += _window(numbers, which, ratio, lead)
    else:
        rows += _window(numbers, WINDOWS[0], ratio, rate)
    if power is not None:
        rows += _budget(numbers, rate, ratio, power)
    cost, more = lost(shape.error, shape.pieces, numbers, ratio)
    if shape.rent:
        cost = cost + numbers["rent"] @ bands
    return Program(cp.Problem(cp.Minimize(cost), rows + more), numbers, ratio, bands, power, share)


def _window(numbers: Numbers, which: str, ratio: Any, lead: Any) -> list[Any]:
    """Return the rows n q ≤ l − g l²/(1 + g l) of a window; l is the rate beyond what r₀ needs."""
    import cvxpy as cp

    load, bow = (cp.Variable(ratio.shape) for _ in range(2))
    need, bend = numbers["need" + which], numbers["bend" + which]
    return [
        load == 1 + cp.multiply(bend, lead),
        cp.SOC(
            bow + load, cp.vstack([cp.multiply(numbers["root" + which], lead), bow - load]), axis=0
        ),
        cp.multiply(need, ratio) <= lead - bow,
    ]


def _budget(numbers: Numbers, rate: Any, ratio: Any, power: Any) -> list[Any]:
    """Return the rows p ≤ p_max and p ≤ (E − e₁ r)/t, which is affine in the rate."""
    import cvxpy as cp

    left = numbers["left"] + cp.multiply(numbers["left_rate"], rate)
    return [
        power <= numbers["power_most"],
        power <= left - cp.multiply(numbers["left_ratio"], ratio),
    ]


def _link(shape: Shape, numbers: Numbers, rate: Any, bands: Any, power: Any) -> list[Any]:
    """Return the rows by which a bandwidth, and a power where it is a variable, carry a rate.

    With s = 1 + z₀ at the reference, b ln(1 + z) is a plane that touches it there, less a divergence
    of b̃ from b̃/s + ũ z₀/s, which is of second order: nothing cancels at small or large z₀.
    """
    import cvxpy as cp

    size = shape.devices
    most = numbers["room"] + cp.multiply(numbers["by_band"], bands)
    if shape.fixed_snr:
        return [rate <= most]
    noise, gap = (cp.Variable(size) for _ in range(2))
    heard = 1 + cp.multiply(numbers["heard_band"], bands)
    if power is not None:
        most = most + cp.multiply(numbers["by_power"], power)
        heard = heard + cp.multiply(numbers["heard_power"], power)
    rows = [noise == heard, gap >= cp.kl_div(1 + bands, noise)]
    most = most - cp.multiply(numbers["by_gap"], gap)
    if shape.wideband:
        for node in range(NODES):
            bow, more = _node(numbers, f"_{node}", bands, power)
            most, rows = most - bow, rows + more
    rows += [rate <= most]
    if shape.ceiling:
        rows += [rate <= numbers["ceiling_room"] + cp.multiply(numbers["ceiling"], bands)]
    return rows


def _node(numbers: Numbers, node: str, bands: Any, power: Any) -> tuple[Any, list[Any]]:
    """Return w ≥ κ (b̃ − ũ)²/(b̃ + c ũ), and its rows, for one node of the integral over 1/(1 + τ z)."""
    import cvxpy as cp

    bow, load, side = (cp.Variable(bands.shape) for _ in range(3))
    total = 1 + cp.multiply(numbers["load_band" + node], bands)
    apart = cp.multiply(numbers["side_band" + node], bands)
    if power is not None:
        apart = apart - cp.multiply(numbers["side_power" + node], power)
        total = total + cp.multiply(numbers["load_power" + node], power)
    rows = [
        load == total,
        side == apart,
        cp.SOC(bow + load, cp.vstack([2 * side, bow - load]), axis=0),
    ]
    return bow, rows


def lost(error: str, pieces: int, numbers: Numbers, ratio: Any) -> tuple[Any, list[Any]]:
    """Return Σ a φ(1 − r) up to a constant, and the rows that it needs.

    Args:
        error: Name of the error model.
        pieces: Straight pieces of a Lorenz curve.
        numbers: Parameters of the program.
        ratio: Ratios q in units of the reference, shape (K,).
    """
    import cvxpy as cp

    if error == "Linear":
        return -(numbers["worth"] @ ratio), []
    if error == "NegLog":
        whole = cp.Variable(ratio.shape)
        rows = [whole == 1 + cp.multiply(numbers["unit"], ratio)]
        worth = numbers.new("worth", *ratio.shape, nonneg=True)
        return -(worth @ cp.log(whole)), rows
    if error == "Quadratic":
        tilt = numbers["worth"] @ ratio
        return cp.sum_squares(cp.multiply(numbers["part"], ratio)) - tilt, []
    size, height = ratio.shape[0], cp.Variable(ratio.shape)
    levels = numbers.new("levels", size, pieces)
    steeps = numbers.new("steeps", size, pieces)
    across, tall = (
        cp.reshape(line, (size, 1), order="C") @ np.ones((1, pieces)) for line in (ratio, height)
    )
    return numbers["worth"] @ height, [tall >= levels - cp.multiply(steeps, across)]
