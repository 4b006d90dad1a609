"""How good devices' models are on what the devices may look at: samples to choose on, or those that they train on."""

import numpy as np
import torch
from torch.func import functional_call

from wflsim.contracts import FloatArray, IntArray
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.task import Holdings

_BATCH = 1000  # samples of one model at once


def looked_at(holdings: Holdings, device: int) -> IntArray:
    """Return the samples on which a device judges: those set aside for choosing, or else those that it trains on; no test samples."""
    aside = holdings.validation[device]
    return aside if len(aside) else holdings.train[device]


def looks(holdings: Holdings) -> IntArray:
    """Return on how many samples each device of the fleet judges, shape (N,)."""
    return np.array([len(looked_at(holdings, device)) for device in range(len(holdings.train))])


@torch.no_grad()
def own_accuracy(cohort: Cohort, params: Params) -> FloatArray:
    """Return the accuracy of devices' models at rest, shapes (K, …), each on its own samples, shape (K,).

    One device is asked after another, so that what is said of one depends on no other.
    """
    task, module, found = cohort.task, cohort.task.fresh_module().eval(), []
    for place, device in enumerate(cohort.devices.tolist()):
        model = {name: tensor[place].to(task.inputs.device) for name, tensor in params.items()}
        rows, hits = torch.from_numpy(looked_at(task.holdings, device)), 0
        for part in torch.split(rows, _BATCH):
            scores = functional_call(module, model, (task.inputs[part],))
            hits += int((scores.argmax(1) == task.labels[part]).sum())
        found.append(hits / len(rows))
    return np.array(found)
