"""Availability by chance: sojourns within reach and out of it take turns."""

from dataclasses import dataclass

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray, Presence
from wflsim.world.availability.grid import Draws, Lasting, later_s


@dataclass(frozen=True, eq=False)
class Sojourns:
    """The sojourn in which each of K devices is.

    Attributes:
        here: Whether the device can be reached in it, shape (K,).
        until_s: When it ends, shape (K,).
        number: How many there were, this one included, shape (K,).
    """

    here: BoolArray
    until_s: FloatArray
    number: IntArray


@dataclass(frozen=True)
class Markov:
    """A two-state Markov chain in continuous time: reachable and unreachable sojourns of exponential length take turns.

    The chain starts in its stationary state, so that a share on / (on + off) of the devices can be reached on average
    at any time. A device's n-th sojourn has its own draw, whoever looks and however often. Each sojourn that has passed
    since the last look costs a draw, so means of milliseconds are slow in a run of days.

    Attributes:
        mean_on_s: Mean time for which a device can be reached.
        mean_off_s: Mean time for which it cannot.

    Reference:
        The Gilbert model of on and off times; the means are our own choice [X].

    >>> chain = Markov(mean_on_s=1e9, mean_off_s=1.0)
    >>> chain.at(chain.init(3, np.random.default_rng), 0.0, np.random.default_rng)[1].here
    array([ True,  True,  True])
    """

    mean_on_s: Lasting = 600.0
    mean_off_s: Lasting = 600.0

    def init(self, devices: int, draw: Draws) -> Sojourns:
        """Return each device in its stationary state, with the rest of its first sojourn before it."""
        here = draw(0).random(devices) * (self.mean_on_s + self.mean_off_s) < self.mean_on_s
        until_s = later_s(np.zeros(devices), self._lengths_s(1, here, draw))
        return Sojourns(here, until_s, np.ones(devices, dtype=np.int64))

    def at(self, state: Sojourns, now_s: float, draw: Draws) -> tuple[Sojourns, Presence]:
        """Return each device in the sojourn of an instant, and who can be reached then."""
        here, until_s, number = state.here.copy(), state.until_s.copy(), state.number.copy()
        while (over := until_s <= now_s).any():  # once for each number, the least first
            least = int(number[over].min())
            rows = over & (number == least)
            here[rows] = ~here[rows]
            length_s = self._lengths_s(least + 1, here, draw)
            until_s[rows] = later_s(until_s[rows], length_s[rows])
            number[rows] += 1
        return Sojourns(here, until_s, number), Presence(here, until_s)

    def _lengths_s(self, number: int, here: BoolArray, draw: Draws) -> FloatArray:
        """Return how long the n-th sojourns last, given in which state each device is in its own, shape (K,)."""
        mean_s = np.where(here, self.mean_on_s, self.mean_off_s)
        return np.asarray(mean_s * draw(number).standard_exponential(len(here)))
