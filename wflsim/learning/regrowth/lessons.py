"""What devices do and tell in the exchanges of a method with a mask for each group."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.lessons import Descent, proximal
from wflsim.learning.pruning.importance import taylor
from wflsim.learning.regrowth.state import ENTROPY, SLOPE, RegrowthState, everything
from wflsim.learning.regrowth.targets import label_entropy


@dataclass(frozen=True)
class Regimen:
    """How devices train.

    Attributes:
        epochs: Epochs.
        batch_size: Samples of a step.
        descent: The rule of descent.
        strength: Weight λ of λ/2 ‖w − w_begun‖².
    """

    epochs: int
    batch_size: int
    descent: Descent
    strength: float = 0.0

    def taught(
        self,
        cohort: Cohort,
        begun: Params,
        masks: Params,
        *,
        widths: Mapping[str, int] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return what it makes of models, shapes (K, …).

        Args:
            cohort: The devices.
            begun: Their models.
            masks: For some names, what is kept at every step.
            widths: Where models are smaller: the number of units of each space.
        """
        batches = cohort.epochs(self.epochs, self.batch_size)
        names, near = cohort.task.anatomy.tensors, proximal(self.strength, begun)
        return cohort.train(
            begun, names, batches, self.descent, masks, objective=near, widths=widths
        )


def grouping(state: RegrowthState, cohort: Cohort, regimen: Regimen, *, told: bool) -> Updates:
    """Return whole models after training, by which devices are grouped, and how mixed their classes are where that is told."""
    then = _apart(cohort, 1)
    params = regimen.taught(then, state.groups.of(then), {})
    rows, task = cohort.rows(params, tuple(params)), cohort.task
    if told:
        for row, device in zip(rows, cohort.devices.tolist(), strict=True):
            labels = task.labels[torch.from_numpy(task.holdings.train[device])].cpu().numpy()
            row[ENTROPY] = torch.tensor([label_entropy(labels)], dtype=torch.float32)
    return cohort.updates(rows)


def evidence(state: RegrowthState, cohort: Cohort, batch_size: int) -> Updates:
    """Return what members' last training came to, and the slopes of all weights at their groups' models: one batch, no dropout."""
    then, names = replace(_apart(cohort, 2), drops=False), cohort.task.anatomy.prunable
    (batch,) = then.phases((1,), batch_size)
    slopes = cohort.rows(then.slopes(state.groups.of(then), names, batch), names)
    models = state.sent(cohort, state.members(cohort.devices))
    pairs = zip(models, slopes, strict=True)
    return cohort.updates(
        [
            {**model, **{SLOPE + name: each for name, each in slope.items()}}
            for model, slope in pairs
        ]
    )


def scores(state: RegrowthState, cohort: Cohort, batch_size: int) -> Updates:
    """Return |g w| of every weight, by the slopes g of one batch, without dropout."""
    then, names = replace(_apart(cohort, 1), drops=False), cohort.task.anatomy.prunable
    begun, (batch,) = state.groups.of(then), then.phases((1,), batch_size)
    found = taylor(begun, then.slopes(begun, names, batch))
    return cohort.updates(cohort.rows(found, names))


def scored(state: RegrowthState, updates: Updates, share: float) -> RegrowthState:
    """Return the state of one group within what lies strictly above a quantile of the summed scores of all who came so far.

    Args:
        state: The state.
        updates: What has come.
        share: Share of the quantile, over the weights of all layers.
    """
    if not len(updates.devices):
        return state
    names, rows = state.groups.part.prunable, [m.tensors for m in updates.messages]
    collected = state.collecting(updates, {n: torch.stack([row[n] for row in rows]) for n in names})
    _, brought = everything(collected)
    total = {name: each.double().sum(0) for name, each in brought.items()}
    least = np.quantile(torch.cat([each.flatten() for each in total.values()]).numpy(), share)
    before, kept = collected.before.whole(), {name: each > least for name, each in total.items()}
    model = before.groups.model(0)
    within = {name: torch.where(mask, model[name], 0.0) for name, mask in kept.items()}
    return replace(before.with_group(0, within, kept), collected=collected)


def _apart(cohort: Cohort, step: int) -> Cohort:
    """Return a cohort that draws what no training does: training's draws are those of the round's first step."""
    return replace(cohort, turn=replace(cohort.turn, step=step))
