"""The state of a method whose mask follows from explored losses: who explored, what is left of the model, what it has saved."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, nan

import numpy as np
import torch

from wflsim.contracts import FloatArray, IntArray, Late, Message, Reckoning, Turn, Updates
from wflsim.learning.anatomy import Anatomy, bitmap_bits, step_macs
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.damping import DampedState
from wflsim.learning.exploration.folding import Cut, Joint, cut, joints, within
from wflsim.learning.exploration.landscape import Threshold, mean_deviation
from wflsim.learning.exploration.remains import Remains
from wflsim.learning.payload import BITMAP, pruned
from wflsim.learning.personal import initial_state
from wflsim.learning.pruning.masks import packed
from wflsim.learning.shelf import Shelf
from wflsim.learning.task import Task


@dataclass(frozen=True)
class Pruner:
    """How explored deviations become a smaller model.

    Attributes:
        threshold: Which entries go.
        keep_min: Share ρ_s of its incoming weights up to which a unit goes as a whole.
        joints: Where units can go.
    """

    threshold: Threshold
    keep_min: float
    joints: tuple[Joint, ...] = ()

    def cut(self, anatomy: Anatomy, mean: dict[str, FloatArray]) -> Cut:
        """Return what is left of a model by the mean deviation."""
        masks = self.threshold.masks(anatomy, mean)
        stays = {name: torch.from_numpy(mask) for name, mask in masks.items()}
        return cut(anatomy, self.joints, stays, self.keep_min)


@dataclass(frozen=True)
class Ledger:
    """Bits, both directions, that were really sent and saved.

    Attributes:
        explored_bits: What exploring took, of all that explored.
        explorers: Their number.
        saved_bits: What was not sent of the dense model, over all participations.
        participations: Updates that the server took in since then.
    """

    explored_bits: float = 0.0
    explorers: int = 0
    saved_bits: float = 0.0
    participations: int = 0

    @property
    def break_even(self) -> float:
        """Participations of a device after which it has saved what its exploration took; infinite where nothing is saved."""
        if not self.participations:
            return nan
        each = self.explored_bits / max(self.explorers, 1)
        saving = self.saved_bits / self.participations
        return 0.0 if not each else each / saving if saving > 0.0 else inf


@dataclass(frozen=True)
class GuidedState:
    """What the server knows; what no mask has ever let move is as it was at first.

    Attributes:
        server: Its model, dense, and the mean of its steps.
        pruner: How deviations become a smaller model.
        deviations: Of every device that explored, how far each entry that may go was moved.
        told_version: Which version of what is left each device was told last, -1 before any, shape (N,).
        told_bits: Size of the bitmap that went to each with the model that it trained last, shape (N,).
        whole: What is left by all that explored.
        last: What was left when devices trained last, or after exploring.
        version: How often that has changed.
        came: Devices whose updates of the last training were taken.
        ledger: Bits sent and saved.
    """

    server: DampedState
    pruner: Pruner
    deviations: Shelf
    told_version: IntArray
    told_bits: IntArray
    whole: Cut = field(default_factory=Cut)
    last: Cut = field(default_factory=Cut)
    version: int = 0
    came: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ledger: Ledger = Ledger()

    @classmethod
    def first(cls, task: Task, threshold: Threshold, keep_min: float) -> "GuidedState":
        """Return the state before anybody has explored: nothing is pruned."""
        server = DampedState.of_model(initial_state(task, "none"))
        like = {
            name: torch.zeros_like(task.initial[name]) for name in threshold.names(task.anatomy)
        }
        pruner = Pruner(threshold, keep_min, joints(task.holdings.blueprint))
        untold, none = np.full(task.devices, -1), np.zeros(task.devices, dtype=np.int64)
        return cls(server, pruner, Shelf.of_default(like, task.devices), untold, none)

    @property
    def anatomy(self) -> Anatomy:
        """The model's layers."""
        return self.server.model.part

    def only(self, devices: IntArray) -> "GuidedState":
        """Return no more than some devices need to train: everybody's deviations, since they decide the mask together."""
        return replace(self, server=self.server.only(devices))

    def cut_at(self, turn: Turn) -> Cut:
        """Return what is left by those who explored of those that begin, of all where that is not known; if none did, as last."""
        explored = self.deviations.touched
        who = explored if turn.began is None else np.intersect1d(explored, turn.began)
        if not len(who):
            return self.last
        if len(who) == len(explored):
            return self.whole
        return self.pruner.cut(self.anatomy, _mean(self.deviations, who))

    def within(self, left: Cut) -> Params:
        """Return the server's model within a cut, as devices receive it."""
        return within(self.anatomy, self.pruner.joints, self.server.model.shared, left)

    @cached_property
    def used(self) -> Params:
        """The model as devices would use it: within what is left by all that explored, whoever trained last."""
        return self.within(self.whole)

    @property
    def remains(self) -> Remains:
        """What is planned with: what was left last, and what tells of it."""
        left, anatomy = self.last, self.anatomy
        kept = sum(each for each, *_ in left.weights(anatomy))
        small = left.shrunk(anatomy)
        return Remains(left.bits(anatomy), kept, self.owed_bits, step_macs(small, small)[0])

    def reckoned(self, samples: IntArray, devices: IntArray, epochs: int) -> Reckoning:
        """Return what the last training cost by the digest's rule (B.4 [D]), without what exploring took.

        Kept entries in both directions and the bitmap that went with them, and operations in the share of kept weights of each
        layer, a way back twice the way there, whether or not hardware can skip them.
        """
        who = np.intersect1d(devices, self.came)
        bits = len(who) * 2 * self.last.bits(self.anatomy) + int(self.told_bits[who].sum())
        each = sum(kept * macs // size for kept, size, macs in self.last.weights(self.anatomy))
        return Reckoning(bits, 3 * epochs * int(samples[who].sum()) * each)

    def of(self, cohort: Cohort) -> dict[str, torch.Tensor]:
        """Return what the devices of a cohort start with, shapes (K, …)."""
        return cohort.stack(self.within(self.cut_at(cohort.turn)))

    @property
    def owed_bits(self) -> IntArray:
        """Size of the bitmap, over all entries that may go, that goes to each device with its next model, shape (N,).

        It goes to whoever was told another version last, and to nobody where nothing has gone. Who begins is known only after
        a plan is made, so that a device pays for a change by those it trains with when it comes again [X]. With everybody
        there it is right: one bitmap for each in the first round. Who does not answer is told again [D].
        """
        size = bitmap_bits(self.pruner.threshold.size(self.anatomy)) if self.last.entries else 0
        return np.asarray(size * (self.told_version != self.version))

    def explored(self, updates: Updates, down_bits: float) -> "GuidedState":
        """Return the state after devices have told how far they came, and nothing else.

        Args:
            updates: What they sent.
            down_bits: Size of the model that each received, where that is counted.
        """
        if not len(updates.devices):
            return self
        names = self.deviations.names
        brought = {n: torch.stack([m.tensors[n] for m in updates.messages]) for n in names}
        shelf = self.deviations.replaced(updates.devices, brought)
        whole = self.pruner.cut(self.anatomy, _mean(shelf, shelf.touched))
        bits = self.ledger.explored_bits + down_bits * len(updates.devices)
        ledger = replace(
            self.ledger,
            explored_bits=bits + sum(message.bits for message in updates.messages),
            explorers=self.ledger.explorers + len(updates.devices),
        )
        version = self.version + (not whole.same(self.last))
        return replace(
            self, deviations=shelf, whole=whole, last=whole, version=version, ledger=ledger
        )

    def fused(self, updates: Updates, beta: float, *, hard_zero: bool = False) -> "GuidedState":
        """Return the state after a step towards the mean, weighted by samples, of what was left.

        Args:
            updates: What came.
            beta: Share of the old mean of steps.
            hard_zero: Whether what went is zero at the server, too, and does not come back with what it was.
        """
        if not len(updates.devices):
            return self
        left = self.cut_at(updates.turn)
        begun, model = self.within(left), self.server.model
        if hard_zero:
            model = replace(model, shared=begun)
        mean = model.fused(_told(updates, left))
        # What was folded into a bias on the way down is not the server's: it takes the step alone.
        back = {
            name: model.shared[name] + (mean.shared[name] - each)
            for name, each in begun.items()
            if name not in left.masks and not torch.equal(each, model.shared[name])
        }
        there = replace(mean, shared={**mean.shared, **back})
        server = replace(self.server, model=model).towards(there, beta, left.entries)
        return self._after([(self, left, updates)], server)

    def fused_late(
        self, late: Sequence[Late], beta: float, *, hard_zero: bool = False
    ) -> "GuidedState":
        """Return the state after a step by what devices learnt since they began, each within what was left for it.

        Where some could not move an entry, it moves by the mean of those who could; where nobody could, not at all.
        """
        cuts = [(group.base, group.base.cut_at(group.updates.turn), group) for group in late]
        cuts = [each for each in cuts if len(each[2].updates.devices)]
        if not cuts:
            return self
        model = self.server.model
        if hard_zero:
            model = replace(model, shared=self.within(cuts[-1][1]))
        groups = [
            replace(
                group,
                base=replace(base.server.model, shared=base.within(left)),
                updates=_told(group.updates, left),
            )
            for base, left, group in cuts
        ]
        server = replace(self.server, model=model)
        masks = _any([left.entries for _, left, _ in cuts])
        server = server.towards(model.fused_late(groups), beta, masks)
        return self._after([(base, left, group.updates) for base, left, group in cuts], server)

    def told(self) -> dict[str, float]:
        """Return what pruning did, by the names of columns."""
        shares = [kept / size for kept, size, _ in self.last.weights(self.anatomy)]
        return {
            "density": float(np.mean(shares)) if shares else 1.0,
            "removed_units": float(self.last.removed),
            "break_even": self.ledger.break_even,
        }

    def _after(
        self, groups: Sequence[tuple["GuidedState", Cut, Updates]], server: DampedState
    ) -> "GuidedState":
        """Return the state after updates, each with the state and the cut that it began with, moved the server."""
        dense, saved, left = self.anatomy.bits, 0.0, groups[-1][1]
        versions, bitmaps = self.told_version.copy(), self.told_bits.copy()
        for base, _, updates in groups:
            who, kept = updates.devices, base.last.bits(self.anatomy)
            versions[who], bitmaps[who] = base.version, base.owed_bits[who]
            up = sum(message.bits for message in updates.messages)
            saved += len(who) * (2 * dense - kept) - int(bitmaps[who].sum()) - up
        came = np.concatenate([updates.devices for _, _, updates in groups])
        ledger = replace(
            self.ledger,
            saved_bits=self.ledger.saved_bits + saved,
            participations=self.ledger.participations + len(came),
        )
        return replace(
            self,
            server=server,
            told_version=versions,
            told_bits=bitmaps,
            last=left,
            version=self.version + (not left.same(self.last)),
            came=came,
            ledger=ledger,
        )


def _mean(shelf: Shelf, who: IntArray) -> dict[str, FloatArray]:
    """Return the mean deviation of some devices."""
    return mean_deviation({name: each.numpy() for name, each in shelf.rows(who).items()})


def brought(cohort: Cohort, params: Params, left: Cut, epochs: int) -> Updates:
    """Return what devices send, and the operations of their epochs: those of the units that this round's mask leaves.

    Args:
        cohort: The devices.
        params: Their models, shapes (K, …); everybody knows where what was kept belongs.
        left: What is left for them.
        epochs: How many they have trained.
    """
    anatomy, samples = cohort.task.anatomy, cohort.task.holdings.samples[cohort.devices]
    small = left.shrunk(anatomy)
    macs = np.asarray(epochs * samples * step_macs(small, small)[0], dtype=np.float64)
    sent = [
        {name: each for name, each in pruned(row, left.entries).items() if name != BITMAP}
        for row in cohort.rows(params, anatomy.tensors)
    ]
    return cohort.updates(sent, {}, macs=macs)


def _told(updates: Updates, left: Cut) -> Updates:
    """Return updates whose messages say where what they keep belongs, which the server knows."""
    if not left.entries:
        return updates
    mask = torch.cat([mask.flatten() for mask in left.entries.values()])
    messages = [
        Message({**message.tensors, BITMAP: packed(mask[None])[0]}) for message in updates.messages
    ]
    return replace(updates, messages=messages)


def _any(every: Sequence[Params]) -> dict[str, torch.Tensor]:
    """Return what at least one of some cuts lets move; what one of them does not name moves."""
    found = dict(every[0])
    for other in every[1:]:
        found = {name: mask | other[name] for name, mask in found.items() if name in other}
    return found
