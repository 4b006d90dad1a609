"""Lottery tickets: devices whose part of the model is good enough prune it and begin anew from the first weights."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import BoolArray, IntArray
from wflsim.learning.cohort import Cohort
from wflsim.learning.own_masks.accuracy import own_accuracy
from wflsim.learning.own_masks.tickets import Kept, TicketState, without_lowest


@dataclass(frozen=True, eq=False)
class Ticket:
    """What devices train with.

    Attributes:
        params: What they begin with, zero where it is pruned, shapes (K, …).
        kept: What they keep.
        cuts: How often they have pruned, shape (K,).
    """

    params: dict[str, torch.Tensor]
    kept: Kept
    cuts: IntArray


def drawn(state: TicketState, cohort: Cohort, due: BoolArray, share: float, above: float) -> Ticket:
    """Return what devices begin with: their part of the server's model, or of the first one if they have just pruned.

    Args:
        state: The server's model, and what devices keep of it.
        cohort: The devices.
        due: Which of them may prune, shape (K,).
        share: Share of what a tensor keeps that goes.
        above: Accuracy that a device's part has to exceed.
    """
    form, who = state.form, cohort.devices
    kept, cuts = state.kept(who), state.cuts[who].copy()
    begun = kept.masks(form).applied(state.model.of(cohort))
    (asked,) = np.nonzero(due)
    some = {name: each[torch.from_numpy(asked)] for name, each in begun.items()}
    good = own_accuracy(replace(cohort, devices=who[asked]), some) > above
    pruned = asked[good]
    if not len(pruned):
        return Ticket(begun, kept, cuts)
    cuts[pruned] += 1
    rows, shares = torch.from_numpy(pruned), np.full(len(pruned), share)
    part = {name: each[rows] for name, each in begun.items()}
    kept = kept.instead(rows, Kept(without_lowest(part, kept.only(rows).weights, shares), {}))
    anew = torch.zeros(len(who), dtype=torch.bool)
    anew[rows] = True
    first = kept.masks(form).applied(cohort.stack(cohort.task.initial))
    return Ticket(
        {
            name: torch.where(anew.view(-1, *[1] * (each.dim() - 1)), first[name], each)
            for name, each in begun.items()
        },
        kept,
        cuts,
    )
