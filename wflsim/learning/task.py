"""What the fleet learns: one base array, index lists for every device, a module and its initial weights."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wflsim import contracts
from wflsim.contracts import Division, FloatArray, IntArray, Samples
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy
from wflsim.learning.blueprint import Blueprint
from wflsim.learning.native.plan import Plan, planned
from wflsim.learning.partitions.hold_out import hold_out
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

if TYPE_CHECKING:
    import torch
    from torch import nn

    from wflsim.learning.batched import Network

    Params = Mapping[str, torch.Tensor]


Blaming = Callable[[str, str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Holdings:
    """What lies on the devices, known without torch.

    Attributes:
        data: The data set, as the partition left it.
        train: Indices of each device's training samples.
        validation: Indices of each device's samples on which choices are made; none where no share is set aside.
        test: Indices of each device's test samples, on which nothing is ever trained or chosen.
        blueprint: The model.
        clusters: The group that each device belongs to by construction, shape (K,), or None.
    """

    data: Samples
    train: list[IntArray]
    validation: list[IntArray]
    test: list[IntArray]
    blueprint: contracts.Blueprint
    clusters: IntArray | None = None

    def plan(self, widths: Mapping[str, int] | None = None) -> Plan | None:
        """Return what compiled code needs to know, with fewer units where some were pruned; None where there is none."""
        blueprint = self.blueprint
        if not isinstance(blueprint, Blueprint):
            return None
        return planned(blueprint.narrowed(widths) if widths else blueprint)

    @property
    def anatomy(self) -> Anatomy:
        """The model's layers."""
        found: Anatomy = self.blueprint.anatomy
        return found

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
        seed: What the initial weights were drawn from, and what others are drawn from.
    """

    holdings: Holdings
    inputs: "torch.Tensor"
    labels: "torch.Tensor"
    module: "nn.Module"
    seed: int = 0

    @property
    def anatomy(self) -> Anatomy:
        """The model's layers."""
        return self.holdings.anatomy

    @property
    def devices(self) -> int:
        """Number of devices."""
        return len(self.holdings.train)

    @cached_property
    def network(self) -> "Network | None":
        """The model of K devices at once; None where its layers are not known."""
        from wflsim.learning.batched import network

        blueprint = self.holdings.blueprint
        return network(blueprint) if isinstance(blueprint, Blueprint) else None

    @cached_property
    def drops(self) -> bool:
        """Whether the model drops values at random while it is trained."""
        from wflsim.learning.modules import Drop

        return any(isinstance(part, Drop) and part.share > 0 for part in self.module.modules())

    def on(self, device: str) -> "Task":
        """Return the task with its samples and its module on a device; initial weights stay on the host."""
        if device == "cpu":
            return self
        return replace(
            self,
            inputs=self.inputs.to(device),
            labels=self.labels.to(device),
            module=self.module.to(device),
        )

    def fresh_module(self, widths: Mapping[str, int] | None = None) -> "nn.Module":
        """Return a module of one's own to train in, with fewer units where some were pruned."""
        import torch

        if not widths:
            return deepcopy(self.module)
        blueprint = self.holdings.blueprint
        assert isinstance(blueprint, Blueprint), "only known layers have units"
        with torch.device("meta"):  # its weights come from elsewhere: nothing is drawn for them
            module = blueprint.narrowed(widths).build()
        return module.to(self.inputs.dtype).to_empty(device=self.inputs.device)

    @cached_property
    def initial(self) -> "Params":
        """The initial tensors by name, statistics included."""
        found = self.module.state_dict()
        return {name: found[name].detach().cpu().clone() for name in self.anatomy.tensors}

    def beginning(self, index: int) -> "Params":
        """Return initial tensors that are drawn anew for every index; those of index 0 are the initial ones."""
        if index == 0:
            return self.initial
        seed = int(Streams(self.seed).stream("weights", index).integers(2**63))
        found = _built(self.holdings.blueprint, seed).state_dict()
        return {name: found[name].to(like.dtype) for name, like in self.initial.items()}


def hold(
    section: TaskSection,
    position_m: FloatArray,
    streams: Streams,
    blaming: Blaming = lambda *_: nullcontext(),
) -> Holdings:
    """Return what lies on the devices that stand at some places, shape (K, 2).

    Args:
        section: The task.
        position_m: Where the devices stand.
        streams: The scenario's random streams.
        blaming: From a key and a remedy to a context that tells an impossible value as a mistake at that key.
    """
    with blaming("task.data", "change the data"):
        data = section.data.load()
        _examine(data.labels, section.data.classes)
    with blaming("task.partition", "change the partition, the data or the number of devices"):
        division = section.partition.split(data, position_m, streams.stream("partition"))
    with blaming("task.test_share", "take other shares, fewer devices or more data"):
        train, validation, test = _shares(section, division, streams)
    with blaming("task.model", "change the model"):
        blueprint = section.model.blueprint(section.data.input_shape, section.data.classes)
    return Holdings(division.samples, train, validation, test, blueprint, division.clusters)


def _examine(labels: IntArray, classes: int) -> None:
    """Raise unless labels are classes."""
    least, most = int(labels.min(initial=0)), int(labels.max(initial=0))
    if least < 0 or most >= classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}, got {least} to {most}")


def _shares(
    section: TaskSection, division: Division, streams: Streams
) -> tuple[list[IntArray], list[IntArray], list[IntArray]]:
    """Return each device's samples to train on, to choose on, and to test on."""
    test_share, validation_share = section.test_share, section.validation_share
    if not test_share and not division.samples.held_out:
        raise ValueError(
            "test_share is 0, and the data have no test samples of their own; set some aside"
        )
    rest, test = _set_aside(division.parts, division, test_share, streams, "hold_out")
    share = validation_share / (1.0 - test_share)
    train, validation = _set_aside(rest, division, share, streams, "validation")
    return train, validation, test


def _set_aside(
    parts: list[IntArray], division: Division, share: float, streams: Streams, purpose: str
) -> tuple[list[IntArray], list[IntArray]]:
    """Return of each device's samples those that stay and a share that is set aside, with the same mix of classes."""
    if not share:
        return parts, [np.empty(0, dtype=np.int64) for _ in parts]
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


def chosen_device(asked: str) -> str:
    """Return where tensors are computed."""
    if asked == "cpu":
        return asked
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise UserError("device: this host has no GPU that torch can use; write auto or cpu")
    return "cuda" if there else "cpu"


def make_task(section: TaskSection, holdings: Holdings, streams: Streams) -> Task:
    """Return the task of a scenario; the initial weights are the same for every variant."""
    import torch

    data = holdings.data
    seed = int(streams.stream("weights").integers(2**63))
    return Task(
        holdings,
        torch.from_numpy(np.require(data.inputs, requirements=["C", "W"])),
        torch.from_numpy(np.require(data.labels, requirements=["C", "W"])),
        _built(holdings.blueprint, seed),
        seed,
    )


def _built(blueprint: contracts.Blueprint, seed: int) -> "nn.Module":
    """Return a module whose weights are drawn from a seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return blueprint.build()
