"""SpaFL: devices keep their weights to themselves and share a threshold an output unit (arXiv 2406.00431, docs/papers.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from channel_models.units import Count, NonNegative, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Late, Load, Reckoning, Turn, Updates
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Split, step_macs
from wflsim.learning.thresholds.units import Units, units_of

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.task import Task
    from wflsim.learning.thresholds.lessons import ThresholdLesson
    from wflsim.learning.thresholds.state import Response, ThresholdState

Below = Annotated[float, ("least", 0.0), ("below", 1.0)]


@dataclass(frozen=True)
class SpaFl:
    """Private weights, and a shared threshold for each output unit: a unit whose mean magnitude is not above it is pruned.

    Devices train weights within the mask, and thresholds by straight-through slopes; the server takes the plain mean of
    thresholds and tells everybody. Whoever hears them moves all weights of a unit by −d/q sgn(Σ w), where its threshold has changed
    by d; that broadcast is the next round's beginning here [D]. Biases and norms stay private and are never pruned.

    Attributes:
        epochs: Local epochs a round; the last batch of an epoch is as short as the data leave it.
        batch_size: Samples of a step.
        learning_rate: Step size of weights.
        threshold_rate: Step size of thresholds; None for that of the weights, as the programs have it [C]. Their inputs are bytes.
        threshold_decay: Factor on the step size of thresholds from round to round, besides that of both, so that masks settle [D].
        momentum: Share of the last step that goes on; every phase of every round begins without [D].
        rate_decay: Factor on the step size from round to round.
        reg_weight: Weight of Σ exp(−τ), which drives thresholds up.
        reg_warmup_rounds: Rounds P of its warm-up 1/(1 + exp(5 − 10 t/P)); None for none.
        ste: Where slopes come through the step: everywhere; at distances up to 1 (clipped); or beyond, as in two official programs.
        mask_grad: Whether slopes reach weights also by way of the mask, as one program has it.
        threshold_schedule: When thresholds move: with weights in the last epoch or in all (joint), or in a pass of their own after them.
        importance: Who moves weights with thresholds: all that hear; those that train, by the last change; or nobody.
        importance_divisor: What d is divided by: weights of a unit, or the area of a convolution's kernel, as the programs do.
        bounded: Whether thresholds are kept within [0, 1].
        collapse_ratio: Share of a layer's kept units at which its thresholds become zero.
        stale_thresholds: Whether devices are examined with the thresholds that they trained last.
        grad_clip: Largest norm of a device's slopes, of weights and thresholds together; None for any.
        unmasked: Layers without thresholds: a preset (output, input, norms, adapters, none) or layer names.
    """

    paper_verified: ClassVar[bool] = False
    trains_first: ClassVar[bool] = True

    epochs: Count = 2
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    threshold_rate: Positive | None = None
    threshold_decay: Annotated[float, ("above", 0.0), ("most", 1.0)] = 1.0
    momentum: Below = 0.0
    rate_decay: Annotated[float, ("above", 0.0), ("most", 1.0)] = 1.0
    reg_weight: NonNegative = 0.01
    reg_warmup_rounds: Count | None = None
    ste: Literal["identity", "clipped", "inverted_gate"] = "identity"
    mask_grad: bool = False
    threshold_schedule: Literal["last_epoch", "joint", "post_pass"] = "last_epoch"
    importance: Literal["all", "sampled_next", "off"] = "all"
    importance_divisor: Literal["fan_in", "kernel_area"] = "fan_in"
    bounded: bool = True
    collapse_ratio: Below = 0.01
    stale_thresholds: bool = False
    grad_clip: Positive | None = None
    unmasked: Split = "none"

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "ThresholdState | None"
    ) -> Exchange | None:
        """Return one exchange of thresholds; operations are those of dense models, fewer of which will be computed."""
        if turn.step:
            return None
        passes = samples * (self.epochs + (self.threshold_schedule == "post_pass"))
        nothing, macs = anatomy.split("*")[0], passes * step_macs(anatomy, anatomy)[0]
        exchange = nothing.dense_exchange(samples, macs)
        size, none = BITS_PER_VALUE * units_of(anatomy, self.unmasked).count, np.zeros(len(samples))
        bits = Load(none + size, none)
        everybody = exchange.participants if self.importance == "all" else None
        return replace(exchange, down_bits=bits, up_bits=bits, listeners=everybody)

    def init(self, task: "Task") -> "ThresholdState":
        """Return common weights, and thresholds of zero."""
        from wflsim.learning.thresholds.state import first_state

        return first_state(task, self.unmasked, remembers=self.stale_thresholds)

    def train(self, state: "ThresholdState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return every device's thresholds; its weights stay with it."""
        from wflsim.learning.thresholds.state import brought

        params, drift = state.of(cohort.devices, self._response)
        lesson = self._lesson(state.units, cohort.turn.round_)
        learnt = lesson.taught(cohort, params, state.thresholds)
        return brought(cohort, learnt, drift, remembers=self.stale_thresholds)

    def fuse(self, state: "ThresholdState", updates: Updates) -> "ThresholdState":
        """Return the plain mean of thresholds, after those who heard the last ones have moved their weights."""
        return state.fused(updates, self._response)

    def fuse_late(self, state: "ThresholdState", late: Sequence[Late]) -> "ThresholdState":
        """Return the state after updates that began with older thresholds, of which the changes are added."""
        return state.fused_late(late, self._response)

    def model_for(self, state: "ThresholdState", device: int | None) -> "Params":
        """Return a device's masked model once it has heard the present thresholds, or the mean of all, masked by these."""
        return state.model_for(device, self._response)

    def told(self, state: "ThresholdState") -> Mapping[str, float]:
        """Return how dense models were, how often a layer was opened, and how far thresholds moved weights."""
        return state.told

    def reckoned(
        self, anatomy: Anatomy, samples: IntArray, devices: IntArray, state: "ThresholdState"
    ) -> Reckoning:
        """Return thresholds in both directions, and masked passes of which the way back costs twice the way there (A.4 [C][X])."""
        units, came = state.units, (state.kept[devices], samples[devices])
        macs = units.reckoned(*came, self.epochs, self.batch_size).sum()
        return Reckoning(2 * BITS_PER_VALUE * units.count * len(devices), float(macs))

    @property
    def _response(self) -> "Response":
        """What devices do with their weights when they hear thresholds."""
        from wflsim.learning.thresholds.state import Response

        return Response(self.importance, self.importance_divisor, self.bounded, self.collapse_ratio)

    def _lesson(self, units: Units, round_: int) -> "ThresholdLesson":
        """Return a device's round."""
        from wflsim.learning.lessons import Descent
        from wflsim.learning.thresholds.gates import Gate, warmed
        from wflsim.learning.thresholds.lessons import ThresholdLesson

        shrink = self.rate_decay**round_
        return ThresholdLesson(
            units=units,
            gate=Gate(self.ste, self.mask_grad),
            schedule=self.threshold_schedule,
            epochs=self.epochs,
            batch_size=self.batch_size,
            descent=Descent(self.learning_rate * shrink, self.momentum),
            threshold_rate=(self.threshold_rate or self.learning_rate)
            * shrink
            * self.threshold_decay**round_,
            strength=self.reg_weight * warmed(round_, self.reg_warmup_rounds),
            bounded=self.bounded,
            collapse_ratio=self.collapse_ratio,
            clip=self.grad_clip,
        )
