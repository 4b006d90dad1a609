"""What devices are told to do with their samples: batches in order, a loss, a rule of descent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch

Params = Mapping[str, torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Penalty = Callable[[Params, Params], torch.Tensor]
Call = Callable[[Params, torch.Tensor], torch.Tensor]
Whole = Callable[[Call, Params, torch.Tensor, torch.Tensor, Params], torch.Tensor]


@dataclass(frozen=True)
class Batches:
    """The samples of every step of K devices.

    Attributes:
        rows: Indices of the samples, shape (steps, K, B).
        counts: How many of them are real, the first ones, shape (steps, K); the others only fill the batch up. A device
            with none has finished. None if all are real.
        first: Number of the first step within the turn, which keys what is drawn at it.
    """

    rows: torch.Tensor
    counts: torch.Tensor | None = None
    first: int = 0

    @property
    def size(self) -> int:
        """Samples of a full batch."""
        return self.rows.shape[2]

    def only(self, devices: torch.Tensor) -> "Batches":
        """Return the batches of some of the devices."""
        counts = None if self.counts is None else self.counts[:, devices]
        return Batches(self.rows[:, devices], counts, self.first)

    def split(self, steps: Sequence[int]) -> tuple["Batches", ...]:
        """Return consecutive phases of some numbers of steps."""
        starts = np.cumsum([0, *steps]).tolist()
        return tuple(
            Batches(
                self.rows[start:end],
                None if self.counts is None else self.counts[start:end],
                self.first + start,
            )
            for start, end in pairwise(starts)
        )


@dataclass(frozen=True)
class Batch:
    """The samples of one step.

    Attributes:
        inputs: Samples, shape (K, B, …).
        labels: Their classes, shape (K, B).
        shares: How much each counts in its device's mean, shape (K, B) or (1, 1); zero for what only fills up.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    shares: torch.Tensor


@dataclass(frozen=True)
class Descent:
    """Stochastic gradient descent; a device that begins has no momentum.

    Attributes:
        rate: Step size.
        momentum: Share of the last step that goes on.
        decay: Weight decay: this many times the parameters is added to their slopes.
    """

    rate: float
    momentum: float = 0.0
    decay: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether a step follows from the slope alone."""
        return self.momentum == 0.0 and self.decay == 0.0


@dataclass(frozen=True)
class Objective:
    """The loss of one device, as plain PyTorch; the engine batches it over devices.

    Attributes:
        loss: From scores (B, C) and labels (B,) to the loss of each sample (B,); None for cross-entropy.
        penalty: From parameters and the context to a number that is added to the mean loss; None for nothing.
        whole: For losses that need more than scores: from the model as a function of parameters and inputs, the
            parameters, inputs, labels and the context to the loss of each sample (B,). It replaces ``loss``.
        context: What ``penalty`` and ``whole`` are handed besides: tensors of each device, shapes (K, …).
    """

    loss: Loss | None = None
    penalty: Penalty | None = None
    whole: Whole | None = None
    context: Params = field(default_factory=dict)


def proximal(strength: float, towards: Params) -> Objective:
    """Return cross-entropy and strength/2 ‖x − x₀‖² over all that is trained (arXiv 1812.06127 [V]).

    Args:
        strength: Weight of the penalty; without any it is cross-entropy alone.
        towards: Where each device is drawn to, shapes (K, …).
    """
    if not strength:
        return Objective()

    def penalty(params: Params, context: Params) -> torch.Tensor:
        away = [((each - context[name]) ** 2).sum() for name, each in params.items()]
        return 0.5 * strength * torch.stack(away).sum()

    return Objective(penalty=penalty, context=towards)


@dataclass(frozen=True)
class Lesson:
    """What K devices do.

    Attributes:
        names: Names of the tensors that may change.
        batches: The samples of every step.
        descent: The rule of descent.
        masks: For some names, what is kept, shapes (K, …); what is not kept is zero after every step.
        objective: The loss.
        draw: From a step's number to a stream for each device; None if no part draws.
        half: Whether steps are computed in bfloat16.
    """

    names: frozenset[str]
    batches: Batches
    descent: Descent
    masks: Params = field(default_factory=dict)
    objective: Objective = field(default_factory=Objective)
    draw: Callable[[int], Sequence[np.random.Generator]] | None = None
    half: bool = False

    def copied(self, params: Params) -> dict[str, torch.Tensor]:
        """Return stacked parameters of which those that may change are copies, to be changed in place."""
        return {
            name: each.clone(memory_format=torch.contiguous_format) if name in self.names else each
            for name, each in params.items()
        }

    def on(self, device: torch.device) -> "Lesson":
        """Return the lesson with its tensors where the devices are trained."""
        counts, context = self.batches.counts, self.objective.context
        return replace(
            self,
            batches=replace(
                self.batches,
                rows=self.batches.rows.to(device),
                counts=None if counts is None else counts.to(device),
            ),
            masks={name: mask.to(device) for name, mask in self.masks.items()},
            objective=replace(
                self.objective, context={name: each.to(device) for name, each in context.items()}
            ),
        )

    def chances(self, step: int, device: int | None = None) -> "Chances | None":
        """Return what parts draw at a step, for all devices or for one."""
        if self.draw is None:
            return None
        return Chances(self.draw, self.batches.first + step, device, self.batches.size)


@dataclass(frozen=True)
class Chances:
    """What parts draw at one step.

    Attributes:
        draw: From a step's number to a stream for each device.
        step: The step.
        device: The device that is asked for; None for all.
        size: Samples of a full batch; a smaller one uses the first of what is drawn.
    """

    draw: Callable[[int], Sequence[np.random.Generator]]
    step: int
    device: int | None
    size: int

    @cached_property
    def streams(self) -> Sequence[np.random.Generator]:
        """The streams, made when the first part draws."""
        every = self.draw(self.step)
        return every if self.device is None else every[self.device : self.device + 1]

    def __call__(self, share: float, shape: tuple[int, ...]) -> torch.Tensor:
        """Return what remains of values of some shape, scaled up, shape (K, B, …)."""
        draws = [stream.random((self.size, *shape), np.float32) for stream in self.streams]
        return torch.from_numpy(np.stack(draws) >= share) / (1.0 - share)


def epochs(parts: Sequence[np.ndarray], size: int, least: int = 1) -> Batches:
    """Return the batches of shuffled epochs: K devices by rows of samples, the last batch of an epoch as short as it is.

    Args:
        parts: For each device its epochs, shape (epochs, samples).
        size: Samples of a full batch.
        least: Samples without which a last batch is left out.
    """
    steps = [part.shape[0] * -(-part.shape[1] // size) for part in parts]
    rows = np.empty((max(steps), len(parts), size), dtype=np.int64)
    counts = np.zeros((max(steps), len(parts)), dtype=np.int64)
    for device, part in enumerate(parts):
        whole, left = divmod(part.shape[1], size)
        turns = whole + (left > 0)
        wide = np.full((len(part), turns * size), part[0, 0])  # any sample of its own fills up
        wide[:, : part.shape[1]] = part
        rows[:, device] = part[0, 0]
        rows[: steps[device], device] = wide.reshape(-1, size)
        counts[: steps[device], device] = size if size >= least else 0
        if left:
            counts[turns - 1 : steps[device] : turns, device] = left if left >= least else 0
    full = bool((counts == size).all())
    return Batches(torch.from_numpy(rows), None if full else torch.from_numpy(counts))
