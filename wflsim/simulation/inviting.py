"""Who is asked to begin, where not everybody can be at work at once: rules that know the channels of today and the past."""

from dataclasses import dataclass

import numpy as np

from optimizers.selection.candidates import Candidates
from wflsim.contracts import Exchange, FloatArray, IntArray, Turn
from wflsim.simulation.air import Sensed
from wflsim.simulation.posing import Site

NEVER_TAKEN = -1


@dataclass(frozen=True, eq=False)
class Past:
    """What is remembered of the rounds before, for rules who is invited.

    Attributes:
        rounds: Number of rounds.
        gain_sum: Sum of every device's uplink gains over them, shape (N,).
        taken: The last round in which the server took an update of it, or ``NEVER_TAKEN``, shape (N,).
    """

    rounds: int
    gain_sum: FloatArray
    taken: IntArray

    @classmethod
    def none(cls, devices: int) -> "Past":
        """Return the past before the first round."""
        return cls(0, np.zeros(devices), np.full(devices, NEVER_TAKEN))

    def and_then(self, gain: FloatArray, taken: IntArray) -> "Past":
        """Return the past after one more round.

        Args:
            gain: Uplink gain of every device in it, shape (N,).
            taken: Devices whose updates the server took.
        """
        last = self.taken.copy()
        last[taken] = self.rounds
        return Past(self.rounds + 1, self.gain_sum + gain, last)

    def age_rounds(self, who: IntArray) -> FloatArray:
        """Return how many rounds ago each device was taken last, infinite for never, shape (K,)."""
        last = self.taken[who]
        return np.where(last == NEVER_TAKEN, np.inf, self.rounds - last)


def invited(
    site: Site,
    ready: Exchange,
    sensed: Sensed,
    turn: Turn,
    *,
    past: Past,
    busy: int,
    band_hz: float,
) -> IntArray:
    """Return which of the devices that could begin are asked to, by their rows in the exchange.

    Not more are at work at once than `invited` says, nor more asked than there are blocks to grant.

    Args:
        site: Where the exchange is posed.
        ready: The exchange of those that can be reached and are idle.
        sensed: The links.
        turn: When it is.
        past: What is remembered of the rounds before.
        busy: Number of devices at work.
        band_hz: Bandwidth that is free.
    """
    who, most = ready.participants, site.system.invited
    room = len(who) if most is None else max(most - busy, 0)
    room = min(room, site.blocks(band_hz))
    if room >= len(who):
        return np.arange(len(who))
    luck = turn.streams.stream("invitation", turn.round_).random(len(past.taken))
    candidates = Candidates(
        gain=sensed.uplink(site.radio, who).gain,
        average_gain=past.gain_sum[who] / max(past.rounds, 1),
        age_rounds=past.age_rounds(who),
        data_weight=ready.weight,
        luck=1.0 - luck[who],
        round=turn.round_,
    )
    stream = turn.streams.stream("selection", turn.round_)
    return site.system.selection.select(candidates, room, stream)
