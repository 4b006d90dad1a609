"""Random waypoint: devices that walk from one place to the next, as if they had done so forever."""

from dataclasses import dataclass, replace
from math import acosh, hypot, log1p
from typing import Annotated

import numpy as np

from channel_models.refusals import refuse_negative
from channel_models.units import FloatArray, NonNegative, Positive

Side = Annotated[float, ("least", 1.0), ("most", 1e6)]


@dataclass(frozen=True, eq=False)
class Trips:
    """Where K devices are on their trips.

    Attributes:
        position_m: Where they are, shape (K, 2).
        target_m: Where they go, shape (K, 2).
        speed_m_s: How fast, shape (K,).
        rest_s: How long they still rest before they go, shape (K,).
    """

    position_m: FloatArray
    target_m: FloatArray
    speed_m_s: FloatArray
    rest_s: FloatArray


@dataclass(frozen=True)
class RandomWaypoint:
    """Devices that walk straight to a place uniform in a rectangle, at a uniform speed, rest, and walk to the next.

    They start as if they had walked forever: resting with probability rest / (rest + E[l] E[1/v]); or on a trip drawn
    with a density in proportion to its length, anywhere along it, at a speed of density in proportion to 1/v. Started
    from fresh trips, the mean speed would fall for hours, because slow trips last. Where the placement had put the
    devices is of no account.

    Attributes:
        speed_min_m_s: Least speed, in m/s; above 0, or devices would come to a halt for good.
        speed_max_m_s: Greatest speed, in m/s.
        pause_s: How long a device rests at the end of a trip, in s.
        length_m: Length of the rectangle along x, in m.
        width_m: Width of the rectangle along y, in m.
        centre_m: Centre of the rectangle, in m from the server's site.

    Reference:
        Navidi and Camp, Stationary distributions for the random waypoint mobility model, IEEE Trans. Mobile
        Computing 3(1), 2004 [S].

    >>> RandomWaypoint().init(np.zeros((3, 2)), np.random.default_rng(1))[1].shape
    (3, 2)
    """

    speed_min_m_s: Positive = 0.5
    speed_max_m_s: Positive = 2.0
    pause_s: NonNegative = 30.0
    length_m: Side = 600.0
    width_m: Side = 600.0
    centre_m: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.speed_max_m_s >= self.speed_min_m_s:
            raise ValueError(
                f"speed_max_m_s must be at least speed_min_m_s, got {self.speed_max_m_s} and {self.speed_min_m_s}"
            )

    @property
    def resting_share(self) -> float:
        """Share of its time that a device rests: of pause_s in pause_s + E[l] E[1/v]."""
        excess = self.speed_max_m_s / self.speed_min_m_s - 1.0
        slowness_s_m = (log1p(excess) / excess if excess else 1.0) / self.speed_min_m_s
        trip_s = mean_distance_m(self.length_m, self.width_m) * slowness_s_m
        return self.pause_s / (self.pause_s + trip_s)

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[Trips, FloatArray]:
        """Return trips under way and where they are, shape (K, 2)."""
        devices = len(placed_m)
        of_rest, of_trips, of_progress, of_next = rng.spawn(4)
        luck, still, east, north = of_rest.random((devices, 4)).T
        rests = luck < self.resting_share
        start_m, end_m = self._long_trips(devices, of_trips)
        along, fast = of_progress.random((devices, 2)).T
        next_m, next_m_s = self._next(devices, of_next)
        walking_m = start_m + along[:, None] * (end_m - start_m)
        resting_m = self._place_m(np.stack([east, north], axis=1))
        walking_m_s = self.speed_min_m_s * (self.speed_max_m_s / self.speed_min_m_s) ** fast
        trips = Trips(
            np.where(rests[:, None], resting_m, walking_m),
            np.where(rests[:, None], next_m, end_m),
            np.where(rests, next_m_s, walking_m_s),
            np.where(rests, self.pause_s * still, 0.0),
        )
        return trips, trips.position_m

    def step(
        self, state: Trips, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Trips, FloatArray]:
        """Return the trips after some seconds and where they are, shape (K, 2)."""
        refuse_negative("elapsed_s", elapsed_s)
        state, left_s = _walked(state, np.full(len(state.speed_m_s), elapsed_s))
        while (arrived := left_s > 0.0).any():
            target_m, speed_m_s = self._next(len(arrived), rng.spawn(1)[0])
            fresh = Trips(
                state.position_m,
                np.where(arrived[:, None], target_m, state.target_m),
                np.where(arrived, speed_m_s, state.speed_m_s),
                np.where(arrived, self.pause_s, state.rest_s),
            )
            state, left_s = _walked(fresh, left_s)
        return state, state.position_m

    def _long_trips(self, devices: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return ends of trips drawn with a density in proportion to their length, both of shape (K, 2)."""
        ends_m = np.zeros((2, devices, 2))
        missing = np.ones(devices, dtype=np.bool_)
        while missing.any():
            uniform = rng.spawn(1)[0].random((devices, 5))
            drawn_m = np.stack([self._place_m(uniform[:, :2]), self._place_m(uniform[:, 2:4])])
            ends_m = np.where(missing[:, None], drawn_m, ends_m)
            east_m, north_m = (drawn_m[1] - drawn_m[0]).T
            longest_m = hypot(self.length_m, self.width_m)
            missing &= np.hypot(east_m, north_m) < longest_m * uniform[:, 4]
        return ends_m[0], ends_m[1]

    def _next(self, devices: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return where to go and how fast, shapes (K, 2) and (K,)."""
        uniform = rng.random((devices, 3))
        faster_m_s = uniform[:, 2] * (self.speed_max_m_s - self.speed_min_m_s)
        return self._place_m(uniform[:, :2]), self.speed_min_m_s + faster_m_s

    def _place_m(self, uniform: FloatArray) -> FloatArray:
        """Return places in the rectangle from numbers uniform on [0, 1), shape (K, 2)."""
        return np.asarray((uniform - 0.5) * (self.length_m, self.width_m) + self.centre_m)


def mean_distance_m(length_m: float, width_m: float) -> float:
    """Return the mean distance between two places uniform in a rectangle, in m.

    With sides a, b and diagonal d: (a³/b² + b³/a² + d (3 − a²/b² − b²/a²)) / 15
    + (b²/a arcosh(d/b) + a²/b arcosh(d/a)) / 6.

    Reference:
        Ghosh, Random distances within a rectangle and between two rectangles, Bull. Calcutta Math. Soc. 43, 1951 [S].

    >>> round(mean_distance_m(1.0, 1.0), 6)
    0.521405
    """
    a, b, d = length_m, width_m, hypot(length_m, width_m)
    straight = a**3 / b**2 + b**3 / a**2 + d * (3.0 - a**2 / b**2 - b**2 / a**2)
    return straight / 15.0 + (b**2 / a * acosh(d / b) + a**2 / b * acosh(d / a)) / 6.0


def _walked(state: Trips, left_s: FloatArray) -> tuple[Trips, FloatArray]:
    """Return the trips when their time is up or their target reached, and the time that is left then, shape (K,)."""
    pause_s = np.minimum(state.rest_s, left_s)
    left_s = left_s - pause_s
    line_m = state.target_m - state.position_m
    need_s = np.hypot(line_m[:, 0], line_m[:, 1]) / state.speed_m_s
    short = left_s < need_s
    share = np.divide(left_s, need_s, where=short, out=np.zeros_like(need_s))[:, None]
    position_m = np.where(short[:, None], state.position_m + share * line_m, state.target_m)
    rest_s = state.rest_s - pause_s
    after = replace(state, position_m=position_m, rest_s=rest_s)
    return after, np.maximum(left_s - need_s, 0.0)
