"""What the fleet learns: one base array, index lists for every device, a module and its initial weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wflsim.contracts import IntArray
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.partition import hold_out
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

if TYPE_CHECKING:
    import torch
    from torch import nn

    Params = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Holdings:
    """What lies on the devices, known without torch.

    Attributes:
        train: Indices of each device's training samples.
        test: Indices of each device's test samples.
        anatomy: The model's layers.
    """

    train: list[IntArray]
    test: list[IntArray]
    anatomy: Anatomy

    @property
    def samples(self) -> IntArray:
        """Number of training samples of each device, shape (K,)."""
        return np.array([len(part) for part in self.train])


@dataclass(frozen=True)
class Task:
    """What the fleet learns.

    Attributes:
        holdings: Which sample lies where, and the model's layers.
        inputs: All samples, shape (N, ...).
        labels: All labels, shape (N,).
        module: The model; its parameters are the initial weights, and calls pass others in.
    """

    holdings: Holdings
    inputs: "torch.Tensor"
    labels: "torch.Tensor"
    module: "nn.Module"

    @property
    def anatomy(self) -> Anatomy:
        """The model's layers."""
        return self.holdings.anatomy

    @property
    def devices(self) -> int:
        """Number of devices."""
        return len(self.holdings.train)

    @cached_property
    def initial(self) -> "Params":
        """The initial weights by name."""
        return {name: tensor.detach().clone() for name, tensor in self.module.named_parameters()}


def hold(section: TaskSection, devices: int, streams: Streams) -> Holdings:
    """Return what lies on the devices."""
    _, labels = section.data.load()
    parts = section.partition.split(labels, devices, streams.stream("partition"))
    short = [device for device, part in enumerate(parts) if len(part) < 2]
    if short:
        raise ValueError(
            f"{len(short)} devices get fewer than two samples, device {short[0]} among them"
        )
    pairs = [
        hold_out(part, labels, section.test_share, streams.stream("hold_out", device))
        for device, part in enumerate(parts)
    ]
    anatomy = section.model.anatomy(section.data.input_shape, section.data.classes)
    return Holdings([train for train, _ in pairs], [test for _, test in pairs], anatomy)


def make_task(section: TaskSection, holdings: Holdings, streams: Streams) -> Task:
    """Return the task of a scenario; the initial weights are the same for every variant."""
    import torch

    inputs, labels = section.data.load()
    seed = int(streams.stream("weights").integers(2**63))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = section.model.build(section.data.input_shape, section.data.classes)
    return Task(
        holdings,
        torch.from_numpy(np.require(inputs, requirements=["C", "W"])),
        torch.from_numpy(labels),
        module,
    )
