"""How the server ends a round: when it closes, over how many rounds an update may take, and what lies behind it."""

from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Literal

import numpy as np

from channel_models.units import Count
from optimizers.closed_forms.tt_prune import tier_weights
from wflsim.contracts import Backhaul, FloatArray, IntArray, Lateness, Tally
from wflsim.network.backhaul import Wired
from wflsim.network.lateness import Aged, Dropped

Length = Annotated[float, ("least", 1e-6), ("most", 4e6)]


@dataclass(frozen=True)
class WaitForAll:
    """The server waits for everyone; whoever comes after the deadline is late and still taken."""

    @property
    def late(self) -> Lateness:
        """Nobody is under way when the round closes."""
        return Dropped()

    def closes(self, tally: Tally) -> bool:
        """Return whether nobody is awaited any more."""
        return tally.awaited == 0

    def limit_s(self, deadline_s: float) -> float:
        """Return infinity: the server is patient."""
        return inf


@dataclass(frozen=True)
class AtDeadline:
    """The server stops waiting at the deadline, or earlier when everybody is there.

    Attributes:
        late: What becomes of updates that are not there by then.
    """

    late: Lateness = field(default_factory=Dropped)

    def closes(self, tally: Tally) -> bool:
        """Return whether nobody is awaited any more or the time is up."""
        return tally.awaited == 0 or tally.expired

    def limit_s(self, deadline_s: float) -> float:
        """Return the deadline."""
        return deadline_s


@dataclass(frozen=True)
class FirstOf:
    """The server closes when the first m updates are there: over-selection, with `invited` devices at work.

    Updates that come in the same nanosecond as the last of them are taken too, so that no tie needs to be broken.

    Attributes:
        count: Updates m for which the server waits; it also closes when the time is up or nobody is awaited any more.
        late: What becomes of the others.

    Reference:
        Bonawitz et al., Towards federated learning at scale: system design, MLSys 2019, select 130 % of the devices that
        they need [S].
    """

    count: Count
    late: Lateness = field(default_factory=Dropped)

    def closes(self, tally: Tally) -> bool:
        """Return whether enough have come, or no more will, or the time is up."""
        return tally.arrived >= self.count or tally.awaited == 0 or tally.expired

    def limit_s(self, deadline_s: float) -> float:
        """Return the deadline."""
        return deadline_s


@dataclass(frozen=True)
class Buffered:
    """Buffered asynchronous: whenever a number of updates has come, the server takes them in and starts idle devices anew.

    The others go on with the model that they have. One update is asynchronous learning without a buffer. `invited` says
    how many devices are at work at once. It needs no deadline; one that is set is planned for, and ends no round.

    Attributes:
        size: Updates that the buffer holds.
        late: How much updates count that began with an older model.

    Reference:
        Nguyen et al., Federated learning with buffered asynchronous aggregation, arXiv 2106.06639 [S].
    """

    size: Count = 10
    late: Lateness = field(default_factory=Aged)

    def closes(self, tally: Tally) -> bool:
        """Return whether the buffer is full, or nothing will come any more."""
        return tally.arrived >= self.size or tally.awaited == 0

    def limit_s(self, deadline_s: float) -> float:
        """Return infinity."""
        return inf


@dataclass(frozen=True)
class Period:
    """Semi-synchronous: the server takes in what is there whenever a period is over, neither earlier nor later.

    Attributes:
        period_s: Length of every round, a deadline for all devices.
        late: What becomes of updates that are not there by then.
    """

    period_s: Length
    late: Lateness = field(default_factory=Aged)

    def closes(self, tally: Tally) -> bool:
        """Return whether the period is over."""
        return tally.expired

    def limit_s(self, deadline_s: float) -> float:
        """Return the period."""
        return self.period_s


@dataclass(frozen=True)
class Tiers:
    """Time-triggered tiers: a device of tier m begins every m-th period and has m periods; its update counts at their end.

    A device's tier is the least that holds its dense update on an equal share of the band, ⌈t/ΔT⌉; the last tier holds
    all slower ones. With a ``profile`` below one it is the least that holds a pruned update, so that devices of all tiers
    have to prune. An update that comes before the end of its periods waits for it.

    Fast tiers report more often. ``weighting`` may counter that: then a tier's updates are averaged by their samples, and
    tier m adds α_m times what it has learnt, where α adds up to one over all tiers at work; the part of tiers that do not
    report in a round stays with the server's model. Tier m reports once in m periods. With ``reversed`` the first of J
    tiers has the count of the last as its weight, the second that of the last but one, and so on, so that in the long run
    the first makes up as much as the last.

    Attributes:
        period_s: Length ΔT of every round.
        tiers: Number of tiers.
        late: What becomes of updates that are not there at the end of their periods.
        weighting: How much tiers count: by the samples of the updates that came (samples), by the reversed counts of their
            reports (reversed), or all tiers alike (equal).
        profile: Share of the prunable part with which tiers are assigned.

    Reference:
        Time-triggered federated learning clusters devices into tiers by fixed intervals, with synchronous and
        asynchronous learning as limits (arXiv 2511.04653 [V]); that tiers are averaged and then combined by weights which
        counter the bias towards fast ones [S]. The rule of assignment is our reconstruction [X], reversed counts are those
        of tiered asynchronous learning [R], counted as if nobody ever missed a report [X].

    >>> Tiers(0.1, weighting="reversed").tier_shares(np.array([1, 2, 3])).round(3).tolist()
    [0.182, 0.273, 0.545]
    """

    period_s: Length
    tiers: Count = 4
    late: Lateness = field(default_factory=Dropped)
    weighting: Literal["samples", "reversed", "equal"] = "samples"
    profile: Annotated[float, ("above", 0.0), ("most", 1.0)] = 1.0

    def closes(self, tally: Tally) -> bool:
        """Return whether the period is over."""
        return tally.expired

    def limit_s(self, deadline_s: float) -> float:
        """Return the period."""
        return self.period_s

    def windows(self, profile_s: FloatArray) -> IntArray:
        """Return each device's tier, shape (K,)."""
        return np.clip(np.ceil(profile_s / self.period_s), 1, self.tiers).astype(np.int64)

    def tier_shares(self, tiers: IntArray) -> FloatArray | None:
        """Return what part of the next model each tier makes up when it reports, shape (J,); they add up to one."""
        if self.weighting == "samples":
            return None
        return tier_weights(1.0 / tiers if self.weighting == "reversed" else np.ones(len(tiers)))


@dataclass(frozen=True)
class Hierarchical:
    """Device, edge, cloud: every cell of the layout gathers its devices' updates and relays one message to the cloud.

    A cell relays when all its devices are settled, at the latest at the deadline, which is that of the cells. The message
    is as large as the largest that it gathered, after every exchange, unless the method says otherwise: it may keep
    models at the edges for some exchanges, and then hand on a whole one.

    Attributes:
        backhaul: What carries a cell's message to the cloud.
        late: What becomes of updates that are not at their cell by the deadline.
    """

    backhaul: Backhaul = field(default_factory=Wired)
    late: Lateness = field(default_factory=Dropped)

    def closes(self, tally: Tally) -> bool:
        """Return whether nobody is awaited any more or the time is up."""
        return tally.awaited == 0 or tally.expired

    def limit_s(self, deadline_s: float) -> float:
        """Return the deadline."""
        return deadline_s

    def relayed_s(self, cell: IntArray, came_s: FloatArray, bits: FloatArray) -> float:
        """Return when the last cell's message has reached the cloud; cells that gathered nothing relay nothing."""
        largest = np.zeros(int(cell.max(initial=-1)) + 1)
        ready_s = np.zeros_like(largest)
        np.maximum.at(largest, cell, bits)
        np.maximum.at(ready_s, cell, came_s)
        relays = largest > 0.0
        there_s = ready_s[relays] + self.backhaul.relay_s(largest[relays])
        return float(there_s.max(initial=0.0))
