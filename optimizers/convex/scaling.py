"""The numbers of the disciplined convex program of a round, scaled around a reference point.

With the whole window t = T' − β r used, the rate x that a ratio needs is x = (σ + S r)/(T' − β r), and
the ratio is a concave function of it [X]. Around a point (r₀, x₀) of that curve, with the load
D = S + β x₀, n = D r₀/(σ + S r₀) and g = β x₀/D, it reads in q = r/r₀ − 1 and l = x/x₀ − 1

    n q = l − g l²/(1 + g l),    1/t = (1 + g l)/t₀,

without a division by β or by D. The reference point is feasible, but nothing else: any r₀ and b₀
describe the same program exactly.
"""

from dataclasses import dataclass

import numpy as np

from optimizers.arrays import BoolArray, FloatArray
from optimizers.convex.program import NODES, WINDOWS, Shape
from optimizers.convex.reference import FLOOR, Reference
from optimizers.errors import Linear, Lorenz, NegLog, Quadratic
from optimizers.lambert import LN2, marginal_nats
from optimizers.problem import RoundProblem

_LOW_SNR = 0.3
REACH = 30.0


@dataclass(frozen=True, eq=False)
class Window:
    """A time T' − β r for the upload, and the rate x₀ that it demands at the reference, shape (K,)."""

    span_s: FloatArray
    slope_s: FloatArray
    rate_bps: FloatArray


def shape_of(problem: RoundProblem, at: Reference, *, wideband: bool = True) -> Shape:
    """Return which rows the program of a round has.

    Args:
        problem: The round.
        at: Its reference point.
        wideband: Whether low signal-to-noise ratios may get rows of their own.
    """
    error, budgets = problem.error, bool(np.isfinite(problem.energy_j).any())
    return Shape(
        devices=problem.devices,
        error=type(error).__name__,
        pieces=error.pruning.size - 1 if isinstance(error, Lorenz) else 0,
        second=bool(np.isfinite(problem.slot_s).any()) or (problem.full_power and budgets),
        energy=budgets and not problem.full_power,
        ceiling=problem.noise_band_hz is None and bool(np.isfinite(problem.efficiency_max).any()),
        fixed_snr=problem.noise_band_hz is not None,
        rent=bool(np.any(problem.rent > 0.0)),
        wideband=wideband and bool(low_snr(problem, at).any()),
    )


def low_snr(problem: RoundProblem, at: Reference) -> BoolArray:
    """Return where the signal-to-noise ratio at the reference is so low that it is told apart.

    Args:
        problem: The round.
        at: Its reference point.
    """
    if problem.noise_band_hz is not None:
        return np.zeros(problem.devices, dtype=np.bool_)
    power_w = _power_w(problem, at)[1]
    return at.talks & (problem.snr_hz(power_w) < _LOW_SNR * at.bandwidth_hz)


def numbers(problem: RoundProblem, shape: Shape, at: Reference) -> dict[str, FloatArray]:
    """Return the parameters of the program.

    Args:
        problem: The round, with a deadline.
        shape: Its shape.
        at: Its reference point.
    """
    windows = _windows(problem, shape, at)
    rate = np.max([window.rate_bps for window in windows], axis=0)
    rate, unit = np.where(at.talks, rate, 1.0), at.elasticity
    values = {"unit": unit}
    for name, window in zip(WINDOWS, windows, strict=False):
        values |= _window(problem, at, window, rate, name)
    power_unit = unit
    if shape.energy:
        power_unit, more = _energy(problem, at, values)
        values |= more
    values |= _link(problem, shape, at, rate, power_unit)
    share = np.where(at.talks, at.bandwidth_hz * (shape.devices / problem.bandwidth_hz), 0.0)
    # A settled device keeps its largest ratio as its least, so that there is an inside.
    least = np.where(at.settled, at.keep_most, problem.keep_min)
    most = np.where(at.settled, 2.0, 1.0) * at.keep_most
    reach = REACH if shape.wideband else np.inf
    values |= {
        "spare": np.asarray(shape.devices - share.sum()),
        "share": np.where(at.talks, share, 1.0),
        "bands_least": np.where(at.talks, 1.0, 0.0),
        "keep_least": np.maximum((least / at.keep - 1.0) / unit, -reach),
        "keep_most": np.minimum((most / at.keep - 1.0) / unit, reach),
        "rent": problem.rent * at.bandwidth_hz / at.unit,
    }
    weight = np.where(at.settled, 0.0, problem.weight / at.unit)
    return values | _cost(problem, at, weight, unit)


def _window(
    problem: RoundProblem, at: Reference, window: Window, rate: FloatArray, name: str
) -> dict[str, FloatArray]:
    """Return the numbers of a window; the largest rate that one demands at the reference is `rate`."""
    own, unit = window.rate_bps, at.elasticity
    load = problem.prunable_bits + window.slope_s * own
    safe = np.where(load > 0.0, load, 1.0)
    need = load * at.keep / np.maximum(problem.bits(at.keep), FLOOR)
    bend = np.where(at.talks, unit * window.slope_s * own / safe, 0.0)
    reach = np.where(at.talks, rate / np.maximum(own, FLOOR), 1.0)
    return {
        "need" + name: np.where(at.talks, need, 0.0),
        "bend" + name: bend,
        "root" + name: 2.0 * np.sqrt(bend),
        "reach" + name: reach,
        "ahead" + name: (reach - 1.0) / unit,
    }


def _windows(problem: RoundProblem, shape: Shape, at: Reference) -> list[Window]:
    """Return the windows; a second one that never is the shorter one is replaced by the first."""
    one_s, by_s = problem.deadline_s - problem.fixed_s, problem.slope_s
    spans = [(one_s, by_s)]
    if shape.second:
        other_s, less_s = problem.slot_s, np.zeros(problem.devices)
        if problem.full_power and np.isfinite(problem.energy_j).any():
            power_w = problem.power_max_w
            other_s, less_s = problem.energy_j / power_w, problem.slope_j / power_w
        ends = (problem.keep_min, at.keep_most)
        later = np.all([other_s - less_s * r >= one_s - by_s * r for r in ends], axis=0)
        spans += [(np.where(later, one_s, other_s), np.where(later, by_s, less_s))]
    bits = np.maximum(problem.bits(at.keep), FLOOR)
    return [
        Window(span_s, slope_s, bits / np.maximum(span_s - slope_s * at.keep, FLOOR))
        for span_s, slope_s in spans
    ]


def _power_w(problem: RoundProblem, at: Reference) -> tuple[FloatArray, FloatArray]:
    """Return the power that the energy affords at the reference, and p₀."""
    if problem.full_power:
        return problem.power_max_w, problem.power_max_w
    left_s = problem.deadline_s - problem.fixed_s - problem.slope_s * at.keep
    left_j = np.maximum(problem.energy_j - problem.slope_j * at.keep, 0.0)
    afforded = np.where(at.talks, left_j / np.maximum(left_s, FLOOR), np.inf)
    return afforded, np.minimum(problem.power_max_w, np.maximum(afforded, FLOOR))


def _link(
    problem: RoundProblem,
    shape: Shape,
    at: Reference,
    rate: FloatArray,
    power_unit: FloatArray,
) -> dict[str, FloatArray]:
    """Return the numbers of the rate of a bandwidth; a device without bits is given its rate."""
    bands_hz, talks, unit = at.bandwidth_hz, at.talks, at.elasticity
    if problem.noise_band_hz is not None:
        boost = np.where(talks, problem.rate_bps(bands_hz) / rate, 0.0)
        room = np.where(talks, boost - 1.0, 0.0)
        return {"by_band": boost / unit, "room": room / unit}
    snr = np.where(talks, problem.snr_hz(_power_w(problem, at)[1]) / bands_hz, 1.0)
    nats = np.log1p(snr)
    boost = np.where(talks, bands_hz * nats / (LN2 * rate), 0.0)
    tilt = marginal_nats(snr) / nats
    low = low_snr(problem, at) & shape.wideband & ~at.settled
    values = {
        "room": np.where(talks, boost - 1.0, 0.0) / unit,
        "by_band": boost * tilt / unit,
        "by_power": boost * snr / ((1.0 + snr) * nats) * power_unit / unit,
        "by_gap": np.where(low, 1.0, np.where(at.settled, 1.0, boost / nats / unit)),
        "heard_band": np.where(low, 1.0, np.where(at.settled, 0.5, 1.0 / (1.0 + snr))),
        "heard_power": np.where(
            low, 0.0, power_unit * np.where(at.settled, 0.5, snr / (1.0 + snr))
        ),
    }
    if shape.wideband:
        values |= _nodes(snr, np.where(low, boost / unit, 0.0), power_unit)
    if shape.ceiling:
        whole_hz = problem.bandwidth_hz
        most = whole_hz * np.log1p(problem.snr_hz() / whole_hz) / (LN2 * rate)
        ceiled = np.isfinite(problem.efficiency_max) & talks
        slope = np.where(ceiled, problem.efficiency_max * bands_hz / rate, 0.0)
        free = np.where(ceiled, slope, np.where(talks, 2.0 * most, 2.0))
        values |= {"ceiling": slope / unit, "ceiling_room": (free - 1.0) / unit}
    return values


def _nodes(snr: FloatArray, boost: FloatArray, unit: FloatArray) -> dict[str, FloatArray]:
    """Return the numbers of ln(1 + z) = ∫ z/(1 + τ z) dτ over (0, 1) by Gauss's nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    values: dict[str, FloatArray] = {}
    for node, (place, weight) in enumerate(zip(nodes, weights, strict=True)):
        part = 0.5 * (1.0 + place) * snr
        size = 0.5 * weight * boost * part * snr / (np.log1p(snr) * (1.0 + part) ** 3)
        values |= {
            f"side_band_{node}": np.sqrt(size),
            f"side_power_{node}": unit * np.sqrt(size),
            f"load_band_{node}": 1.0 / (1.0 + part),
            f"load_power_{node}": unit * part / (1.0 + part),
        }
    return values


def _energy(
    problem: RoundProblem, at: Reference, values: dict[str, FloatArray]
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return the unit of power, and the numbers of p ≤ (E − e₁ r)/t, affine in the rate [X]."""
    afforded, power_w = _power_w(problem, at)
    most = problem.power_max_w / power_w
    ends = (problem.keep_min, at.keep_most)
    span_s = problem.deadline_s - problem.fixed_s
    binds = at.talks & ~np.all(
        [
            problem.energy_j - problem.slope_j * r
            >= problem.power_max_w * (span_s - problem.slope_s * r)
            for r in ends
        ],
        axis=0,
    )
    left = np.where(binds, afforded / power_w, most)
    left_s = np.maximum(span_s - problem.slope_s * at.keep, FLOOR)
    drain = np.where(binds, problem.slope_j * at.keep / (left_s * power_w), 0.0)
    need = values["need_1"]
    moving = need > 0.0
    unit = values["unit"]
    by_rate = left * values["bend_1"] / unit - drain / np.where(moving, need, 1.0)
    by_rate = np.where(binds & moving, by_rate, 0.0)
    own = np.clip(unit * np.abs(by_rate), unit, 1.0)
    return own, {
        "power_unit": own,
        "power_most": (most - 1.0) / own,
        "left": (left - 1.0) / own,
        "left_rate": by_rate * unit / own,
        "left_ratio": np.where(moving, 0.0, drain) * unit / own,
    }


def _cost(
    problem: RoundProblem, at: Reference, weight: FloatArray, unit: FloatArray
) -> dict[str, FloatArray]:
    """Return the numbers of the cost for weights in units of the objective."""
    error, part = problem.error, at.keep * unit
    if isinstance(error, Linear):
        return {"worth": weight * part}
    if isinstance(error, NegLog):
        return {"worth": weight}
    if isinstance(error, Quadratic):
        return {"worth": 2.0 * weight * (1.0 - at.keep) * part, "part": np.sqrt(weight) * part}
    if not isinstance(error, Lorenz):
        raise TypeError(f"RoundProblem.error: the conic program does not know {error!r}")
    slopes = error.slopes((problem.devices,))
    size = np.where(slopes[:, -1] > 0.0, slopes[:, -1], 1.0) * part
    lost = 1.0 - at.keep
    curve = np.broadcast_to(error.error, (problem.devices, error.pruning.size))
    levels = curve[:, :-1] + slopes * (lost[:, None] - error.pruning[:-1])
    return {
        "worth": weight * size,
        "levels": (levels - error.value(lost)[:, None]) / size[:, None],
        "steeps": slopes * (part / size)[:, None],
    }
