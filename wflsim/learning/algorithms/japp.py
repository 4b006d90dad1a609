"""Joint adaptive pruning with personalisation: system A of the core paper (arXiv 2309.01816), as far as it is known.

Steps, order and switches are those of docs/papers.md. The paper's body could not be read: what is not in
its abstract is a summary's [S] or our own reconstruction [X], and nothing here claims to be the paper's equation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Split, step_macs
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.levels import levels, reported_curve, unit_exchange

if TYPE_CHECKING:
    import torch

    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.lessons import Batches
    from wflsim.learning.personal import Beginning, SplitState
    from wflsim.learning.task import Task

Weighting = Literal["samples", "uniform"]
Steps = Annotated[int, ("least", 0)]
Importance = Literal["delta", "magnitude", "taylor", "grad"]


@dataclass(frozen=True)
class Japp:
    """LocalAlt whose shared part is pruned by the ratio that the allocator chose.

    Personal steps, dense shared steps that score the weights, masked shared steps; then the kept weights travel.

    Attributes:
        personal: Which layer is personal: the last (output), the first (input), or none.
        personal_steps: Steps τ_v on the personal part.
        scoring_steps: Dense steps τ̂_u on the shared part, after which weights are scored.
        masked_steps: Steps τ_u on what is kept of the shared part.
        batch_size: Samples of a step.
        personal_rate: Step size of the personal part.
        shared_rate: Step size of the shared part.
        importance: Score of a weight: its change in the scoring steps (delta), its size before them (magnitude), and with the
            slope that those steps have added up, the square of the product of slope and weight (taylor) or of the slope
            alone (grad), which keeps the same single weights as delta.
        scope: Compare weights across all layers (global), or within each (per_layer).
        grain: Prune weights one by one, which saves air and no work on common hardware, or whole units (channels,
            neurons), with which devices train a smaller model [ours].
        levels: Pruning whole units, how many shares of them a device may keep: 1/levels, 2/levels, …, all of them.
        restart: Begin the masked steps from the received weights instead of the scored ones.
        keep_min: Least share of the shared weights that a device keeps; where that is all of them, no mask travels.
        mask: Whether the mask travels with the weights and is paid for (bitmap), or travels unpaid (free), as many papers
            have it.
        fusion: A weight's new value: the mean over those who kept it (kept), or over all with zeros filled in (zeros), which
            shrinks what few devices keep.
        fusion_weight: What a device counts in it: by its samples, or the same for all (uniform).
        objective_weight: What pruning a device costs in the allocator's objective, likewise.
        curve_points: Pruning ratios at which every device measures what pruning would take away, and reports it for
            error_model: lorenz; 0 for none.
        remember_masks: Keep every device's last mask, so that its model is evaluated as it was pruned too.
    """

    paper_verified: ClassVar[bool] = False

    personal: Split = "output"
    personal_steps: Steps = 5
    scoring_steps: Count = 1
    masked_steps: Steps = 2
    batch_size: Count = 32
    personal_rate: Positive = 0.05
    shared_rate: Positive = 0.05
    importance: Importance = "delta"
    scope: Literal["global", "per_layer"] = "global"
    grain: Literal["weights", "units"] = "weights"
    levels: Count = 16
    restart: bool = False
    keep_min: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.1
    mask: Literal["bitmap", "free"] = "bitmap"
    fusion: Literal["kept", "zeros"] = "kept"
    fusion_weight: Weighting = "samples"
    objective_weight: Weighting = "uniform"
    curve_points: Annotated[int, ("least", 0), ("most", 255)] = 0
    remember_masks: bool = False

    def __post_init__(self) -> None:
        """Refuse switches that would not do what they say with whole units."""
        if self.grain == "units" and self.remember_masks:
            raise ValueError(
                "remember_masks: units take biases and parts of other layers with them; write grain: weights"
            )
        if self.grain == "units" and self.fusion == "zeros":
            raise ValueError(
                "fusion: zeros would also shrink the statistics of pruned units; write grain: weights, or fusion: kept"
            )

    @property
    def averages_plainly(self) -> bool:
        """Whether fusion is what updates of older rounds are fused by, too: the mean over those who kept, by samples."""
        return self.fusion == "kept" and self.fusion_weight == "samples"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "SplitState | None"
    ) -> Exchange | None:
        """Return one exchange whose upload and masked steps scale with the kept share."""
        if turn.step:
            return None
        exchange = self._by_units(anatomy, samples)
        if exchange is None:
            exchange = self._by_weights(anatomy, samples)
        if self.mask == "free":
            exchange = exchange.telling(-float(exchange.mask_bits[0]))
        if self.objective_weight == "samples":
            exchange = replace(exchange, weight=samples * (len(samples) / samples.sum()))
        if not self.curve_points:
            return exchange
        reported = None if state is None else state.traces.curve
        curve = reported_curve(reported, self.curve_points, len(samples))
        return replace(exchange.telling(BITS_PER_VALUE * self.curve_points), curve=curve)

    def _by_weights(self, anatomy: Anatomy, samples: IntArray) -> Exchange:
        """Return the exchange in which weights are pruned one by one."""
        shared = anatomy.split(self.personal)[0]
        dense, fixed, scaled = self._macs(anatomy)
        macs = (
            self.batch_size * (dense + self.masked_steps * fixed),
            self.batch_size * self.masked_steps * scaled,
        )
        return shared.pruned_exchange(
            samples, macs, keep_min=self.keep_min, mask=self.keep_min < 1.0
        )

    def _by_units(self, anatomy: Anatomy, samples: IntArray) -> Exchange | None:
        """Return the exchange in which whole units are pruned; None where weights are."""
        if self.grain != "units":
            return None
        shared = anatomy.split(self.personal)[0]
        if not free_spaces(shared) and self.keep_min < 1.0:
            raise UserError(
                "algorithm.grain: the shared part of the model has no units that can be pruned; write grain: weights"
            )
        table = levels(shared, anatomy, self.levels)
        pairs = zip(table.whole, table.shared, strict=True)
        step = np.array([step_macs(whole, part)[0] for whole, part in pairs])
        each = self.batch_size * (self._macs(anatomy)[0] + self.masked_steps * step)
        return unit_exchange(shared, samples, table, each, keep_min=self.keep_min)

    def _macs(self, anatomy: Anatomy) -> tuple[int, int, int]:
        """Return the operations a sample of the dense phases, and of a masked step: left by pruning, and scaled by it."""
        shared, own = anatomy.split(self.personal)
        fixed, scaled = step_macs(anatomy, shared, pruned=shared.layers)
        personal = self.personal_steps * step_macs(anatomy, own)[0]
        return personal + self.scoring_steps * (fixed + scaled), fixed, scaled

    def init(self, task: "Task") -> "SplitState":
        """Return the initial weights, split in two."""
        from wflsim.learning.personal import initial_state
        from wflsim.learning.pruning.traces import untouched

        state = initial_state(task, self.personal)
        return replace(state, traces=untouched(state, self.remember_masks))

    def train(self, state: "Beginning", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device keeps of its shared part; its personal part stays with it."""
        from wflsim.learning.payload import BITMAP, UNITS

        shared, own = cohort.task.anatomy.split(self.personal)
        names = shared.tensors
        steps = (self.personal_steps, self.scoring_steps, self.masked_steps)
        first, second, third = cohort.phases(steps, self.batch_size)
        received = cohort.train(state.of(cohort), own.tensors, first, self.personal_rate)
        scored = cohort.train(received, names, second, self.shared_rate)
        scores = self._scores(received, scored, shared)
        start = received if self.restart else scored
        last = self._units if self.grain == "units" else self._weights
        sent, kept = last(cohort, start, scores, keep, third)
        if self.curve_points:
            sent = self._told(cohort, received, scores, sent)
        unpaid = (BITMAP, UNITS) if self.mask == "free" else ()
        return cohort.updates(sent, {name: kept[name] for name in own.tensors}, unpaid)

    def fuse(self, state: "SplitState", updates: Updates) -> "SplitState":
        """Return the masked mean of the shared part and the personal parts of those who took part."""
        from wflsim.learning.pruning.traces import after

        evenly, zeros = self.fusion_weight == "uniform", self.fusion == "zeros"
        fused = state.fused(updates, evenly=evenly, zero_filled=zeros)
        return replace(fused, traces=after(state, [(state, updates)], self.curve_points))

    def fuse_late(self, state: "SplitState", late: Sequence[Late]) -> "SplitState":
        """Return the state after updates that began with older ones."""
        from wflsim.learning.pruning.traces import after

        brought = [(group.base, group.updates) for group in late]
        return replace(state.fused_late(late), traces=after(state, brought, self.curve_points))

    def model_for(self, state: "SplitState", device: int | None) -> "Params":
        """Return a device's personalised model, or the shared part with the mean of the personal parts."""
        return state.model_for(device)

    def masked_model_for(self, state: "SplitState", device: int) -> "Params | None":
        """Return a device's personalised model as it was pruned last; None where masks are not remembered."""
        from wflsim.learning.pruning.traces import as_pruned

        return as_pruned(state, device)

    def told(self, state: "SplitState") -> Mapping[str, float]:
        """Return what pruning did in the last round."""
        return state.traces.told

    def _scores(self, received: "Params", scored: "Params", shared: Anatomy) -> "Params":
        """Return the importance of every weight, shapes (K, …)."""
        from wflsim.learning.pruning.importance import delta, magnitude, taylor

        before = {name: received[name] for name in shared.prunable}
        if self.importance == "magnitude":
            return magnitude(before)
        change = delta(before, scored)
        if self.importance == "delta":
            return change
        slope = {name: tensor / self.shared_rate for name, tensor in change.items()}
        found = slope if self.importance == "grad" else taylor(scored, slope)
        return {name: tensor.square() for name, tensor in found.items()}

    def _masks(self, anatomy: Anatomy, scores: "Params", keep: FloatArray) -> "Params":
        """Return which weights devices keep at some shares, shapes (K, …)."""
        from wflsim.learning.pruning.choosing import keep_largest
        from wflsim.learning.pruning.masks import Masks

        if self.grain == "weights":
            return keep_largest(scores, keep, self.scope)
        shared = anatomy.split(self.personal)[0]
        entries = Masks.structured(shared, self._chosen(anatomy, scores, keep)).entries
        return {name: entries[name] for name in shared.prunable if name in entries}

    def _chosen(
        self, anatomy: Anatomy, scores: "Params", keep: FloatArray
    ) -> "dict[str, torch.Tensor]":
        """Return which units devices keep at some shares, shapes (K, n)."""
        from wflsim.learning.pruning.choosing import keep_units
        from wflsim.learning.pruning.importance import unit_scores

        shared = anatomy.split(self.personal)[0]
        widths = levels(shared, anatomy, self.levels).widths_at(keep)
        return keep_units(shared.spaces, unit_scores(shared, scores), widths)

    def _told(
        self, cohort: "Cohort", received: "Params", scores: "Params", sent: "Sequence[Params]"
    ) -> "list[dict[str, torch.Tensor]]":
        """Return messages that also report what pruning would take away."""
        from wflsim.learning.pruning.effects import CURVE, curve

        anatomy = cohort.task.anatomy
        weights = {name: received[name] for name in anatomy.split(self.personal)[0].prunable}
        found = curve(
            weights, lambda keep: self._masks(anatomy, scores, keep), self.curve_points, len(sent)
        )
        return [{**message, CURVE: row} for message, row in zip(sent, found, strict=True)]

    def _weights(
        self,
        cohort: "Cohort",
        start: "Params",
        scores: "Params",
        keep: FloatArray,
        batches: "Batches",
    ) -> "tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]":
        """Return what devices send, and their models, after masked steps on the weights that matter most."""
        from wflsim.learning.payload import pruned

        anatomy = cohort.task.anatomy
        names = anatomy.split(self.personal)[0].tensors
        masks = self._masks(anatomy, scores, keep) if self.keep_min < 1.0 else {}
        start = {
            name: tensor * masks[name] if name in masks else tensor
            for name, tensor in start.items()
        }
        params = cohort.train(start, names, batches, self.shared_rate, masks)
        rows = zip(cohort.rows(params, names), cohort.rows(masks, tuple(masks)), strict=True)
        return [pruned(*row) for row in rows], params

    def _units(
        self,
        cohort: "Cohort",
        start: "Params",
        scores: "Params",
        keep: FloatArray,
        batches: "Batches",
    ) -> "tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]":
        """Return what devices send and keep after steps on smaller models, made of the units that matter most."""
        import torch

        anatomy = cohort.task.anatomy
        shared, own = anatomy.split(self.personal)
        table, units = levels(shared, anatomy, self.levels), self._chosen(anatomy, scores, keep)
        # What is dropped at random is drawn for a model as wide as the device's own, not as the widest of the chunk.
        level = table.at(keep) if cohort.task.drops else np.zeros(len(keep))
        sent: list[dict[str, torch.Tensor]] = [{}] * len(keep)
        kept = {name: start[name].clone() for name in own.tensors}
        for each in np.unique(level):
            (rows,) = np.nonzero(level == each)
            some = torch.from_numpy(rows)
            part = replace(cohort, devices=cohort.devices[rows])
            found = self._thin(part, _rows(start, some), _rows(units, some), batches.only(some))
            for row, message in zip(rows.tolist(), found[0], strict=True):
                sent[row] = message
            for name, tensor in found[1].items():
                kept[name][some] = tensor
        return sent, kept

    def _thin(
        self, cohort: "Cohort", start: "Params", units: "Params", batches: "Batches"
    ) -> "tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]":
        """Return what devices send and keep that train smaller models together."""
        from wflsim.learning.payload import with_units
        from wflsim.learning.pruning.masks import Masks
        from wflsim.learning.pruning.thinning import Thinning

        anatomy = cohort.task.anatomy
        shared, own = anatomy.split(self.personal)
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, units))
        small = cohort.train(
            thinning.thin(start), shared.tensors, batches, self.shared_rate, widths=thinning.widths
        )
        sent = [
            with_units(shared, row, {name: kept[device] for name, kept in units.items()})
            for device, row in enumerate(thinning.rows(small, shared.tensors))
        ]
        kept = thinning.scattered({name: small[name] for name in own.tensors}, into=start)
        return sent, {name: kept[name] for name in own.tensors}


def _rows(params: "Params", rows: "torch.Tensor") -> "dict[str, torch.Tensor]":
    """Return what belongs to some of the devices."""
    return {name: tensor[rows] for name, tensor in params.items()}
