"""What a device does with its samples in a round in which thresholds are learnt: weights within a mask, and the thresholds."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from wflsim.contracts import FloatArray
from wflsim.learning.cohort import Cohort
from wflsim.learning.lessons import Batches, Descent, epochs
from wflsim.learning.thresholds.gates import (
    Gate,
    gated,
    kept_units,
    masked,
    ratios,
    regulariser,
    reopened,
    spread,
)
from wflsim.learning.thresholds.units import Moves, Units
from wflsim.learning.views import Glance, Params, Variables, train_through

THRESHOLDS = "thresholds"
Schedule = Literal["last_epoch", "joint", "post_pass"]


@dataclass
class Watch:
    """What is noted while K devices train, step by step.

    Attributes:
        units: The units.
        least: The largest share of a layer's kept units at which its thresholds become zero.
        ratio: The share of each layer's units that the last forward pass kept; 1 for devices that rest, shape (K, L).
        resets: How many layers' thresholds became zero, shape (K,).
        macs: Operations so far, shape (K,).
    """

    units: Units
    least: float
    ratio: torch.Tensor
    resets: torch.Tensor
    macs: FloatArray

    @classmethod
    def of(cls, units: Units, least: float, devices: int) -> "Watch":
        """Return a watch that has seen nothing."""
        ratio = torch.ones(devices, len(units.layers), dtype=torch.float64)
        return cls(units, least, ratio, torch.zeros(devices, dtype=torch.int64), np.zeros(devices))

    def saw(self, kept: torch.Tensor, seen: torch.Tensor, moves: Moves) -> None:
        """Note a forward pass with some units, shape (K, V), over so many samples a device, shape (K,)."""
        works = seen[:, None] > 0
        self.ratio = torch.where(works, ratios(kept, self.units), 1.0)
        self.macs = self.macs + seen.numpy() * self.units.operations(kept.numpy(), moves)

    def guarded(self, thresholds: torch.Tensor) -> torch.Tensor:
        """Return thresholds that are zero in layers of which the last forward pass kept too little, and count them."""
        found, fallen = reopened(thresholds, self.ratio, self.least, self.units)
        self.resets = self.resets + fallen
        return found


@dataclass(frozen=True)
class Learnt:
    """What came of a round.

    Attributes:
        params: All tensors of the model, of pruned units, too, shapes (K, …).
        thresholds: The thresholds, shape (K, V).
        watch: What was noted.
    """

    params: Params
    thresholds: torch.Tensor
    watch: Watch


@dataclass(frozen=True)
class ThresholdLesson:
    """A device's round.

    Attributes:
        units: The units that have thresholds.
        gate: How slopes come through the step.
        schedule: When thresholds move: with the weights in the last epoch or in all, or in a pass of their own afterwards.
        epochs: Local epochs in which weights move.
        batch_size: Samples of a step.
        descent: The rule of descent, of weights and thresholds; each phase begins without momentum.
        threshold_rate: Step size of thresholds.
        strength: Weight of the regulariser.
        bounded: Whether thresholds are brought back to [0, 1] after every step.
        collapse_ratio: Share of a layer's kept units at which its thresholds become zero.
        clip: Largest norm of a device's slopes; None for any.
    """

    units: Units
    gate: Gate
    schedule: Schedule
    epochs: int
    batch_size: int
    descent: Descent
    threshold_rate: float
    strength: float
    bounded: bool
    collapse_ratio: float
    clip: float | None

    def taught(self, cohort: Cohort, params: Params, thresholds: torch.Tensor) -> Learnt:
        """Return what a round makes of whole models, shapes (K, …), and the server's thresholds, shape (V,)."""
        thresholds = thresholds.repeat(len(cohort.devices), 1)
        watch = Watch.of(self.units, self.collapse_ratio, len(cohort.devices))
        frozen = {"joint": 0, "last_epoch": self.epochs - 1, "post_pass": self.epochs}
        first, last = parted(cohort, frozen[self.schedule], self.batch_size)
        if len(first.rows):
            params, thresholds = self._frozen(cohort, params, thresholds, first, watch)
        if self.schedule == "joint":
            last = cohort.epochs(self.epochs, self.batch_size)
        found = self._learning(cohort, params, thresholds, last, watch)
        learnt = found.pop(THRESHOLDS)
        return Learnt({**params, **found}, learnt, watch)

    def _frozen(
        self,
        cohort: Cohort,
        params: Params,
        thresholds: torch.Tensor,
        batches: Batches,
        watch: Watch,
    ) -> tuple[Params, torch.Tensor]:
        """Return weights after epochs within the mask as it is, those of pruned units as they were, and the thresholds.

        A layer that is all but closed is opened before the first step [D]; the code makes one step with it closed.
        """
        watch.ratio = ratios(kept_units(params, thresholds, self.units), self.units)
        thresholds = watch.guarded(thresholds)
        kept = kept_units(params, thresholds, self.units)
        masks = {
            name: each.expand_as(params[name]) for name, each in spread(kept, self.units).items()
        }
        begun, names = masked(params, kept, self.units), cohort.task.anatomy.tensors
        if self.clip is None:
            moved = cohort.train(begun, names, batches, self.descent, masks)
        else:

            def view(variables: Params, glance: Glance) -> Params:
                return masked(variables, kept, self.units)

            moved = train_through(cohort, begun, view, batches, self.descent, clip=self.clip)
        watch.saw(kept, samples_seen(batches), "weights")
        found = {name: torch.where(masks[name], moved[name], params[name]) for name in masks}
        return {**moved, **found}, thresholds

    def _learning(
        self,
        cohort: Cohort,
        params: Params,
        thresholds: torch.Tensor,
        batches: Batches,
        watch: Watch,
    ) -> Variables:
        """Return the thresholds after some epochs, and the weights that moved with them."""
        alone = self.schedule == "post_pass"
        moves: Moves = "thresholds" if alone else "both"
        if not self.gate.learns:
            moves = "weights"

        def view(variables: Params, glance: Glance) -> Params:
            found, kept = gated(
                {**params, **variables}, variables[THRESHOLDS], self.units, self.gate
            )
            watch.saw(kept, glance.seen, moves)
            found.pop(THRESHOLDS)
            return found

        def penalty(variables: Params) -> torch.Tensor:
            return self.strength * regulariser(variables[THRESHOLDS])

        return train_through(
            cohort,
            {**({} if alone else params), THRESHOLDS: thresholds},
            view,
            batches,
            self.descent,
            rates={THRESHOLDS: self.threshold_rate},
            penalty=penalty if self.strength else None,
            clip=self.clip,
            projected=lambda after, momenta: self._projected(after, momenta, watch),
        )

    def _projected(self, variables: Variables, momenta: Variables, watch: Watch) -> Variables:
        """Return the variables with thresholds within their bounds, and layers opened that have collapsed, without momentum [D]."""
        found = variables[THRESHOLDS]
        found = found.clamp(0.0, 1.0) if self.bounded else found
        opened = watch.guarded(found)
        if THRESHOLDS in momenta:
            momenta[THRESHOLDS] = momenta[THRESHOLDS].masked_fill(opened != found, 0.0)
        return {**variables, THRESHOLDS: opened}


def parted(cohort: Cohort, first: int, size: int) -> tuple[Batches, Batches]:
    """Return the batches of some shuffled epochs, and of the one after them, in the order of ``Cohort.epochs``.

    Args:
        cohort: The devices.
        first: Number of epochs that come first, which may be none.
        size: Samples of a full batch.
    """
    holdings, least = cohort.task.holdings, 2 if cohort.task.anatomy.statistics else 1
    early, late = [], []
    for device in cohort.devices.tolist():
        rng = cohort.turn.draw("batches", device)
        orders = [rng.permutation(holdings.train[device]) for _ in range(first + 1)]
        early.append(np.stack(orders[:first] or orders)[:first])
        late.append(np.stack(orders[first:]))
    # Draws of later steps are keyed by their number, which may not depend on who else is in the cohort.
    begins = first * -(-int(holdings.samples.max()) // size)
    last = epochs(late, size, least)
    none = Batches(last.rows[:0], None if last.counts is None else last.counts[:0])
    return (
        epochs(early, size, least) if first else none,
        Batches(last.rows, last.counts, begins),
    )


def samples_seen(batches: Batches) -> torch.Tensor:
    """Return how many samples each device sees, shape (K,)."""
    if batches.counts is not None:
        return batches.counts.sum(0)
    return torch.full((batches.rows.shape[1],), len(batches.rows) * batches.size)
