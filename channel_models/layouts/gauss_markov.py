"""Gauss–Markov mobility: devices whose velocity keeps part of what it was."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from channel_models.refusals import refuse, refuse_negative
from channel_models.units import FloatArray, NonNegative, Positive, Share


@dataclass(frozen=True, eq=False)
class Course:
    """How K devices move on an endless ground, of which the rectangle is a fold.

    Attributes:
        endless_m: Where they are on the endless ground, from the corner of the rectangle, shape (K, 2).
        velocity_m_s: Velocity there, shape (K, 2).
        mean_m_s: Mean velocity there, shape (K, 2).
        until_s: How long until the velocity changes.
    """

    endless_m: FloatArray
    velocity_m_s: FloatArray
    mean_m_s: FloatArray
    until_s: float


@dataclass(frozen=True)
class GaussMarkov:
    """Devices that go their own mean ways with a random velocity: v ← α v + (1 − α) v̄ + σ √(1 − α²) n.

    n is standard normal along each axis, and the velocity changes at fixed intervals. Each device has a mean velocity
    v̄ of its own, of uniform direction, and starts where it was placed, with a velocity drawn as if it had moved forever.
    If the placement is uniform over the rectangle, so are the positions at any time.

    Attributes:
        memory: How much of its velocity a device keeps from one interval to the next: α, 0 for none and 1 for all.
        mean_speed_m_s: Length of the mean velocity v̄, in m/s.
        deviation_m_s: Standard deviation σ of the velocity along each axis, in m/s.
        update_s: Interval at which the velocity changes, in s.
        border: Whether a device that meets the border is thrown back (reflect) or goes on at the other side (wrap).
        length_m: Length of the rectangle along x, in m.
        width_m: Width of the rectangle along y, in m.
        centre_m: Centre of the rectangle, in m from the server's site.

    Reference:
        Liang and Haas, Predictive distance-based mobility management for PCS networks, IEEE INFOCOM 1999 [S].

    >>> GaussMarkov().init(np.zeros((3, 2)), np.random.default_rng(1))[1].shape
    (3, 2)
    """

    memory: Share = 0.85
    mean_speed_m_s: NonNegative = 1.0
    deviation_m_s: NonNegative = 0.5
    update_s: Positive = 1.0
    border: Literal["reflect", "wrap"] = "reflect"
    length_m: Positive = 1000.0
    width_m: Positive = 1000.0
    centre_m: tuple[float, float] = (0.0, 0.0)

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[Course, FloatArray]:
        """Return courses of stationary velocity and the positions handed in, shape (K, 2)."""
        refuse(
            "position_m",
            placed_m,
            2.0 * np.abs(placed_m - self.centre_m) <= (self.length_m, self.width_m),
            f"within {self.length_m:g} m by {self.width_m:g} m around centre_m (raise length_m and width_m)",
            axes=("device", "axis"),
        )
        devices = len(placed_m)
        of_mean, of_velocity = rng.spawn(2)
        turn = 2.0 * np.pi * of_mean.random(devices)
        mean_m_s = self.mean_speed_m_s * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        velocity_m_s = mean_m_s + self.deviation_m_s * of_velocity.standard_normal((devices, 2))
        endless_m = placed_m - self._corner_m()
        return Course(endless_m, velocity_m_s, mean_m_s, self.update_s), placed_m

    def step(
        self, state: Course, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Course, FloatArray]:
        """Return the courses after some seconds and the positions then in m, shape (K, 2)."""
        refuse_negative("elapsed_s", elapsed_s)
        endless_m, velocity_m_s, until_s = state.endless_m, state.velocity_m_s, state.until_s
        while elapsed_s >= until_s:
            endless_m = endless_m + until_s * velocity_m_s
            velocity_m_s = self._next(velocity_m_s, state.mean_m_s, rng.spawn(1)[0])
            elapsed_s, until_s = elapsed_s - until_s, self.update_s
        endless_m = endless_m + elapsed_s * velocity_m_s
        state = Course(endless_m, velocity_m_s, state.mean_m_s, until_s - elapsed_s)
        return state, self._folded_m(endless_m)

    def _next(
        self, velocity_m_s: FloatArray, mean_m_s: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return the velocity after an update, shape (K, 2)."""
        noise_m_s = self.deviation_m_s * rng.standard_normal(velocity_m_s.shape)
        kept, fresh = self.memory, np.sqrt(1.0 - self.memory**2)
        return np.asarray(kept * velocity_m_s + (1.0 - kept) * mean_m_s + fresh * noise_m_s)

    def _corner_m(self) -> FloatArray:
        return np.asarray(self.centre_m) - 0.5 * np.array([self.length_m, self.width_m])

    def _folded_m(self, endless_m: FloatArray) -> FloatArray:
        """Return where in the rectangle a place on the endless ground is, shape (K, 2)."""
        sides_m = np.array([self.length_m, self.width_m])
        if self.border == "wrap":
            within_m = endless_m % sides_m
        else:
            within_m = sides_m - np.abs(sides_m - endless_m % (2.0 * sides_m))
        return np.asarray(self._corner_m() + within_m)
