"""Access: how idle devices win a connection when many ask at once, and how long that takes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.refusals import refuse_negative
from channel_models.units import BoolArray, FloatArray, IntArray, NonNegative, Positive


@dataclass(frozen=True, eq=False)
class Admission:
    """How the random access of K devices went.

    Attributes:
        elapsed_s: Seconds from asking until admitted or given up, shape (K,).
        attempts: Preambles sent, shape (K,).
        admitted: Whether the device was admitted, shape (K,).
    """

    elapsed_s: FloatArray
    attempts: IntArray
    admitted: BoolArray


@dataclass(frozen=True)
class RandomAccess:
    """Four-step random access with collisions: of n devices that ask together one is heard with (1 − 1/R)^(n − 1).

    A device sends one of R preambles at the next occasion, waits for the answer and for the contention to be resolved,
    and is admitted if nobody else sent that preamble there; otherwise it waits a uniform time and asks again. Devices
    whose training ends together are such a crowd: with R = 52 and n = 100 one attempt succeeds with 0.146 only.

    Attributes:
        preambles: Number of preambles R to choose from.
        period_s: Seconds between occasions to send a preamble; the first is at 0.
        window_s: Seconds until the base station's answer to a preamble.
        contention_s: Seconds from there until the contention is resolved.
        backoff_s: Longest wait after a failed attempt, in s.
        attempts: Preambles that a device sends before it gives up.

    Reference:
        3GPP TS 38.321, section 5.1 [S]; 52 preambles and the windows of 3 ms and 5 ms are 5G-LENA's [1]. Colliding
        devices all fail, and nothing else fails: no capture, no preamble lost to noise.

    >>> RandomAccess().success_probability(100).round(3)
    np.float64(0.146)
    >>> RandomAccess().draw(np.array([0.001]), np.random.default_rng(1)).elapsed_s.round(6)
    array([0.017])
    """

    preambles: Annotated[int, ("least", 1), ("most", 4096)] = 52
    period_s: Positive = 0.010
    window_s: NonNegative = 0.003
    contention_s: NonNegative = 0.005
    backoff_s: NonNegative = 0.020
    attempts: Annotated[int, ("least", 1), ("most", 200)] = 10

    def success_probability(self, devices: IntArray | int) -> FloatArray:
        """Return the probability that one of n devices which ask together is admitted, any shape."""
        return np.asarray((1.0 - 1.0 / self.preambles) ** (np.asarray(devices) - 1.0))

    def contend(self, devices: int, rng: np.random.Generator) -> BoolArray:
        """Return who is admitted of n devices that ask at one occasion, shape (n,)."""
        return alone(rng.integers(self.preambles, size=devices))

    def draw(self, ready_s: FloatArray, rng: np.random.Generator) -> Admission:
        """Return how long devices take that begin to ask at these times.

        What a device draws, preambles and waits, is its own whoever else asks; what becomes of it is not: a device more
        may collide with earlier ones.

        Args:
            ready_s: When each device begins to ask, in s, shape (K,).
            rng: Where preambles and waits are drawn.
        """
        ready = np.asarray(ready_s, dtype=np.float64)
        refuse_negative("ready_s", ready)
        preamble, wait_s = self.drawn(len(ready), rng)
        occasion = self._occasion(ready)
        tried = np.zeros(len(ready), dtype=np.int64)
        admitted = np.zeros(len(ready), dtype=np.bool_)
        end_s = ready.copy()
        asking = np.arange(len(ready))
        while asking.size:  # once for every occasion at which anybody asks
            now = occasion[asking].min()
            together = asking[occasion[asking] == now]
            heard = alone(preamble[together, tried[together]])
            end_s[together] = now * self.period_s + self.window_s + self.contention_s
            admitted[together] = heard
            lost = together[~heard]
            occasion[lost] = self._occasion(end_s[lost] + wait_s[lost, tried[lost]])
            occasion[lost] = np.maximum(occasion[lost], now + 1)
            tried[together] += 1
            asking = asking[~admitted[asking] & (tried[asking] < self.attempts)]
        return Admission(end_s - ready, tried, admitted)

    def drawn(self, devices: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return the preamble of each attempt and the seconds to wait after it, shapes (K, attempts)."""
        preamble_rng, wait_rng = rng.spawn(2)
        shape = (devices, self.attempts)
        return (
            preamble_rng.integers(self.preambles, size=shape),
            self.backoff_s * wait_rng.random(shape),
        )

    def _occasion(self, at_s: FloatArray) -> IntArray:
        """Return the number of the first occasion not before these times; a billionth of a period early is on time."""
        return np.asarray(np.ceil(at_s / self.period_s - 1e-9), dtype=np.int64)


def alone(preamble: IntArray) -> BoolArray:
    """Return which of these preambles nobody else has sent, shape (n,).

    >>> alone(np.array([3, 1, 3]))
    array([False,  True, False])
    """
    return np.asarray(np.bincount(preamble)[preamble] == 1)
