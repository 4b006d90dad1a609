"""How good the models are: each device's own on its own test data, and the global one on everybody's.

Only test samples are read, never those of training or validation, and nothing is chosen by what is measured here.
Devices and samples are taken a few at a time. How many does not change which answers are counted; it may change the last
bits of the logits, and so of losses and calibration, as the shape of any matrix product does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from wflsim.contracts import Algorithm, FloatArray, IntArray, Masked, Scores
from wflsim.learning.batched import Network
from wflsim.learning.reliability import Reliability, right
from wflsim.learning.task import Task
from wflsim.randomness import Streams

Params = Mapping[str, torch.Tensor]
Forward = Callable[[Params, torch.Tensor], torch.Tensor]
Answered = tuple[IntArray, torch.Tensor, torch.Tensor]

BUDGET_BYTES = 2**26
"""Memory for the models and the samples that are looked at together, roughly."""

_BATCH = 1000  # samples of one model at once
_TOGETHER, _FEW = (
    10,
    32,
)  # models that are asked together, and samples of each up to which that is faster


@torch.no_grad()
def evaluate(
    algorithm: Algorithm,
    state: Any,
    task: Task,
    devices: IntArray | None = None,
    budget_bytes: int = BUDGET_BYTES,
) -> Scores:
    """Return how good the models of a state are.

    Args:
        algorithm: What has the models.
        state: Its state.
        task: What was learned.
        devices: The devices whose own models are measured; None for all.
        budget_bytes: Memory for models and samples, roughly.
    """
    examination = _Examination(algorithm, state, task, budget_bytes)
    who = np.arange(task.devices) if devices is None else devices
    whole = Reliability.none()
    with at_rest(task.module):
        accuracy, personal = examination.own(who)
        for _, logits, labels in examination.whole():
            whole += Reliability.of(logits, labels)
    return Scores(
        accuracy,
        whole.accuracy,
        loss_personal=personal.mean_loss,
        loss_whole=whole.mean_loss,
        calibration_personal=personal.calibration_error,
        calibration_whole=whole.calibration_error,
    )


@torch.no_grad()
def evaluate_masked(
    algorithm: Masked, state: Any, task: Task, devices: IntArray | None = None
) -> float:
    """Return the mean accuracy of devices' own models as they were pruned last; not a number where that is not remembered.

    Arguments as of ``evaluate``.
    """
    who = np.arange(task.devices) if devices is None else devices
    if algorithm.masked_model_for(state, int(who[0])) is None:
        return float("nan")
    examination = _Examination(_AsPruned(algorithm), state, task, BUDGET_BYTES)
    with at_rest(task.module):
        accuracy, _ = examination.own(who)
    return Scores(accuracy, float("nan")).mean


def drawn(devices: int, wanted: int | None, streams: Streams) -> IntArray | None:
    """Return which devices are evaluated, the same in every round and variant: None for all.

    >>> drawn(1000, 3, Streams(1)).tolist() == drawn(1000, 3, Streams(1)).tolist()
    True
    """
    if wanted is None or wanted >= devices:
        return None
    return np.sort(streams.stream("evaluation").choice(devices, wanted, replace=False))


def forward_of(task: Task) -> Forward | None:
    """Return the function from stacked parameters, shapes (k, …), and inputs (k, B, …) to logits (k, B, classes).

    None where models are asked one after another, which every module can be.
    """
    return task.network if isinstance(task.network, Network) else None


class Owner(Protocol):
    """Whoever has a model for every device, and a global one."""

    def model_for(self, state: Any, device: int | None) -> Params:
        """Return the parameters of a device's own model, or of the global model (None)."""
        ...


@dataclass(frozen=True)
class _AsPruned:
    """An algorithm whose devices use their models as they were pruned last."""

    algorithm: Masked

    def model_for(self, state: Any, device: int | None) -> Params:
        """Return the parameters of a device's pruned model."""
        found = None if device is None else self.algorithm.masked_model_for(state, device)
        assert found is not None, "only devices whose masks are remembered are asked"
        return found


@dataclass(frozen=True)
class _Examination:
    """Models and the samples that they are asked about, as many at once as there is memory for.

    Attributes:
        algorithm: What has the models.
        state: Its state.
        task: What was learned.
        budget_bytes: Memory for models and samples, roughly.
    """

    algorithm: Owner
    state: Any
    task: Task
    budget_bytes: int

    def whole(self) -> Iterator[Answered]:
        """Yield owners (none: -1), logits and labels of the global model on the common test samples."""
        rows = self.task.holdings.common_test
        model = self.algorithm.model_for(self.state, None)
        return self._alone(model, np.full(len(rows), -1), rows)

    def own(self, who: IntArray) -> tuple[FloatArray, Reliability]:
        """Return the accuracy of devices' own models, not a number where none was measured, shape (N,), and all answers."""
        hits, count = np.zeros(self.task.devices), np.zeros(self.task.devices)
        personal = Reliability.none()
        for owner, logits, labels in self.personal(who):
            personal += Reliability.of(logits, labels)
            hits += np.bincount(owner, right(logits, labels), self.task.devices)
            count += np.bincount(owner, minlength=self.task.devices)
        return np.divide(hits, count, out=np.full_like(hits, np.nan), where=count > 0), personal

    def personal(self, who: IntArray) -> Iterator[Answered]:
        """Yield owners, logits and labels of devices' own models on their own test samples.

        Devices with equally many samples come together, so that little is padded.
        """
        tests = self.task.holdings.test
        size = sum(tensor.nbytes for tensor in self.task.initial.values())
        most = max(1, self.budget_bytes // max(1, 2 * size))  # models, and a stack of them
        order = who[np.argsort([len(tests[device]) for device in who], kind="stable")]
        for begin in range(0, len(order), most):
            yield from self._some(order[begin : begin + most].tolist())

    def _some(self, who: Sequence[int]) -> Iterator[Answered]:
        """Yield the answers of some devices: models that several have in common are asked once."""
        models = [self.algorithm.model_for(self.state, device) for device in who]
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, model in enumerate(models):
            # Tensors that are one object, all alive in the list, have one identity.
            groups.setdefault(tuple(map(id, model.values())), []).append(place)
        own = [group[0] for group in groups.values() if len(group) == 1]
        forward = forward_of(self.task)
        answered: list[Answered] = []
        if forward is not None and len(own) > 1 and self._pays([who[place] for place in own]):
            groups = {key: group for key, group in groups.items() if len(group) > 1}
            most = len(own) if self._accelerated else _TOGETHER
            for begin in range(0, len(own), most):
                some = own[begin : begin + most]
                answered += self._stacked(forward, [models[k] for k in some], np.array(who)[some])
        for group in groups.values():
            parts = [self.task.holdings.test[who[k]] for k in group]
            owner = np.repeat([who[k] for k in group], [len(part) for part in parts])
            answered += self._alone(models[group[0]], owner, np.concatenate(parts))
        if answered:
            owners, logits, labels = zip(*answered, strict=True)
            yield np.concatenate(owners), torch.cat(logits), torch.cat(labels)

    @property
    def _accelerated(self) -> bool:
        return self.task.inputs.device.type != "cpu"

    def _pays(self, who: Sequence[int]) -> bool:
        """Return whether models are asked together: on a processor only where each is asked little, a rule and no clock."""
        return self._accelerated or max(len(self.task.holdings.test[k]) for k in who) <= _FEW

    def _alone(self, model: Params, owner: IntArray, rows: IntArray) -> Iterator[Answered]:
        """Yield the answers of one model to samples, of which each has an owner."""
        there = {name: tensor.to(self.task.inputs.device) for name, tensor in model.items()}
        batch = max(1, min(_BATCH, self.budget_bytes // self._sample_bytes))
        for begin in range(0, len(rows), batch):
            some = torch.from_numpy(rows[begin : begin + batch])
            logits = functional_call(self.task.module, there, (self.task.inputs[some],))
            yield owner[begin : begin + batch], logits.cpu(), self.task.labels[some].cpu()

    def _stacked(
        self, forward: Forward, models: Sequence[Params], who: IntArray
    ) -> Iterator[Answered]:
        """Yield the answers of several models at once, each to its own device's samples."""
        params = _stack(models, self.task.inputs.device)
        rows, present = _padded([self.task.holdings.test[device] for device in who])
        batch = max(1, self.budget_bytes // (len(models) * self._sample_bytes))
        for begin in range(0, rows.shape[1], batch):
            some, real = rows[:, begin : begin + batch], present[:, begin : begin + batch]
            logits = forward(params, self.task.inputs[some]).cpu()
            owner = np.repeat(who, real.sum(1).numpy())
            yield owner, logits[real], self.task.labels[some].cpu()[real]

    @cached_property
    def _sample_bytes(self) -> int:
        """Roughly what a sample takes up in a forward pass, found by trying one."""
        return _forward_bytes(self.task.module, self.task.inputs[:1])


def _stack(models: Sequence[Params], device: torch.device) -> dict[str, torch.Tensor]:
    """Return models as stacked parameters on a device, shapes (k, …); what all have in common is not copied."""
    return {
        name: first.to(device).expand(len(models), *first.shape)
        if all(model[name] is first for model in models)
        else torch.stack([model[name] for model in models]).to(device)
        for name, first in models[0].items()
    }


def _forward_bytes(module: nn.Module, sample: torch.Tensor) -> int:
    """Return the bytes of a batch, of what every layer makes of it, and of what layers with weights unfold it to."""
    found = [sample.nbytes]

    def note(layer: nn.Module, _: Any, output: Any) -> None:
        weight = getattr(layer, "weight", None)
        unfolded = 0 if weight is None or weight.ndim < 2 else weight[0].numel() / len(weight)
        found.append(int(output.nbytes * (1 + unfolded)))

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    try:
        module(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(found)


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Let a module answer as it does when nobody trains it: dropout keeps everything, statistics are not touched."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _padded(parts: Sequence[IntArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return index lists as a rectangle, shape (K, longest), and which entries are real."""
    longest = max(map(len, parts))
    rows = np.zeros((len(parts), longest), dtype=np.int64)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    present = np.arange(longest) < np.array([len(part) for part in parts])[:, None]
    return torch.from_numpy(rows), torch.from_numpy(present)
