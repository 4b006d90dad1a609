"""Access: which devices have lost their connection, and the rules by which they win a new one."""

from dataclasses import dataclass, field

import numpy as np

from channel_models.rates.access import RandomAccess, alone
from channel_models.units import NonNegative
from wflsim.contracts import BoolArray, FloatArray, IntArray
from wflsim.network.procedures.slots import next_occasion_ns, period_ns, whole_ns


@dataclass(frozen=True)
class Connected:
    """Nobody ever loses its connection."""

    @property
    def attempts(self) -> int:
        """None."""
        return 0

    @property
    def expected_s(self) -> float:
        """No time."""
        return 0.0

    def needed(self, silent_s: FloatArray) -> BoolArray:
        """Return False for everybody."""
        return np.zeros(np.shape(silent_s), dtype=np.bool_)

    def occasion_ns(self, ready_ns: IntArray) -> IntArray:
        """Return the same instants."""
        return ready_ns

    def answered_ns(self, occasion_ns: int) -> int:
        """Return the same instant."""
        return occasion_ns

    def draw(self, devices: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return no attempts, shapes (K, 0)."""
        return np.zeros((devices, 0), dtype=np.int64), np.zeros((devices, 0))

    def heard(self, preamble: IntArray) -> BoolArray:
        """Return True for everybody."""
        return np.ones(np.shape(preamble), dtype=np.bool_)


@dataclass(frozen=True)
class WhenIdle:
    """A device that was silent for long has lost its connection, and wins a new one by random access.

    Devices whose training ends together ask together, and collide: of n one is heard with (1 − 1/R)^(n − 1).

    Attributes:
        inactivity_s: Seconds of silence after which the base station lets a device go.
        procedure: The random access: preambles, occasions, answers and waits.

    Reference:
        3GPP TS 38.321, section 5.1 (random access) and TS 38.331, section 5.3.8 (release); ten seconds are a common
        setting of the base station's inactivity timer [S].

    >>> access = WhenIdle()
    >>> access.needed(np.array([1.0, 60.0])).tolist(), access.heard(np.array([7, 7, 8])).tolist()
    ([False, True], [False, False, True])
    """

    inactivity_s: NonNegative = 10.0
    procedure: RandomAccess = field(default_factory=RandomAccess)

    @property
    def attempts(self) -> int:
        """Preambles that a device sends before it gives up."""
        return self.procedure.attempts

    @property
    def expected_s(self) -> float:
        """Half a period until the next occasion, the answer, and the contention."""
        return 0.5 * self.procedure.period_s + self._answer_s

    def needed(self, silent_s: FloatArray) -> BoolArray:
        """Return who was silent for longer than the base station keeps a connection, shape (K,)."""
        return np.asarray(silent_s) > self.inactivity_s

    def occasion_ns(self, ready_ns: IntArray) -> IntArray:
        """Return the first occasions not before these instants, shape (K,); the very first is at 0."""
        return next_occasion_ns(ready_ns, period_ns(self.procedure.period_s))

    def answered_ns(self, occasion_ns: int) -> int:
        """Return when answer and contention are over."""
        return occasion_ns + whole_ns(self._answer_s)

    def draw(self, devices: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return the preamble of each attempt and the seconds to wait after it, shapes (K, attempts)."""
        return self.procedure.drawn(devices, rng)

    def heard(self, preamble: IntArray) -> BoolArray:
        """Return whose preamble nobody else has sent, shape (n,)."""
        return alone(preamble)

    @property
    def _answer_s(self) -> float:
        return self.procedure.window_s + self.procedure.contention_s
