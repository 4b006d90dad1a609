"""What the fleet learns: one base array, index lists for every device, a module and its initial weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wflsim.contracts import Division, FloatArray, IntArray, Samples
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
        data: The data set, as the partition left it.
        train: Indices of each device's training samples.
        validation: Indices of each device's samples on which choices are made; none where no share is set aside.
        test: Indices of each device's test samples, on which nothing is ever trained or chosen.
        anatomy: The model's layers.
        clusters: The group that each device belongs to by construction, shape (K,), or None.
    """

    data: Samples
    train: list[IntArray]
    validation: list[IntArray]
    test: list[IntArray]
    anatomy: Anatomy
    clusters: IntArray | None = None

    @property
    def samples(self) -> IntArray:
        """Number of training samples of each device, shape (K,)."""
        return np.array([len(part) for part in self.train])

    @property
    def common_test(self) -> IntArray:
        """What the global model is measured on: the publisher's test set, or else all devices' test samples."""
        count = self.data.count
        return (
            np.arange(count, len(self.data.labels))
            if self.data.held_out
            else np.concatenate(self.test)
        )


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


def hold(section: TaskSection, position_m: FloatArray, streams: Streams) -> Holdings:
    """Return what lies on the devices that stand at some places, shape (K, 2)."""
    division = section.partition.split(section.data.load(), position_m, streams.stream("partition"))
    test_share, validation_share = section.test_share, section.validation_share
    rest, test = _set_aside(division.parts, division, test_share, streams, "hold_out")
    train, validation = rest, [np.empty(0, dtype=np.int64) for _ in rest]
    if validation_share:
        share = validation_share / (1.0 - test_share)
        train, validation = _set_aside(rest, division, share, streams, "validation")
    anatomy = section.model.anatomy(section.data.input_shape, section.data.classes)
    return Holdings(division.samples, train, validation, test, anatomy, division.clusters)


def _set_aside(
    parts: list[IntArray], division: Division, share: float, streams: Streams, purpose: str
) -> tuple[list[IntArray], list[IntArray]]:
    """Return of each device's samples those that stay and a share that is set aside, with the same mix of classes."""
    short = [device for device, part in enumerate(parts) if len(part) < 2]
    if short:
        raise ValueError(
            f"{len(short)} devices get too few samples to set some aside, device {short[0]} among them"
        )
    pairs = [
        hold_out(part, division.samples.labels, share, streams.stream(purpose, device))
        for device, part in enumerate(parts)
    ]
    return [stays for stays, _ in pairs], [aside for _, aside in pairs]


def make_task(section: TaskSection, holdings: Holdings, streams: Streams) -> Task:
    """Return the task of a scenario; the initial weights are the same for every variant."""
    import torch

    data = holdings.data
    seed = int(streams.stream("weights").integers(2**63))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = section.model.build(section.data.input_shape, section.data.classes)
    return Task(
        holdings,
        torch.from_numpy(np.require(data.inputs, requirements=["C", "W"])),
        torch.from_numpy(data.labels),
        module,
    )
