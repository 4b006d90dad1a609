"""What the bound on convergence is made of, measured while a run goes on: slopes of training losses, their scatter and bend.

Everything is taken where the theorem of ``convergence`` speaks of it, at the shared part that a round began with and the
personal parts that it ended with, on some training samples of every device, with models at rest (no dropout, norms by their
statistics). No constant found here is a guarantee: it is told for the points of the path that were looked at, where an
assumption speaks of all points. The scatter of samples makes ‖∇F‖² larger than it is on all data, not smaller.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan, sqrt
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, grad, grad_and_value, vjp
from torch.nn import functional

from wflsim.contracts import IntArray
from wflsim.learning.evaluation import at_rest
from wflsim.learning.personal import SplitState
from wflsim.learning.pruning.masks import unpacked
from wflsim.learning.task import Task
from wflsim.randomness import Streams

Params = Mapping[str, torch.Tensor]
Loss = Callable[[Params], torch.Tensor]

GROUPS = 8
"""Groups of a device's samples whose slopes tell how much those of single samples scatter."""
PRODUCTS = 8
"""Products of a Hessian and a vector from which its norm is told."""


@dataclass(frozen=True)
class Gauge:
    """What measures the quantities of the bound.

    Attributes:
        task: What is learned.
        rows: Training samples of each device on which it measures, in the order of their draw.
        batch: Samples of a step, for which variances are told as if drawn with replacement.
        streams: The scenario's random streams.
    """

    task: Task
    rows: list[IntArray]
    batch: int
    streams: Streams

    def told(self, before: Any, after: Any, came: IntArray) -> dict[str, float]:
        """Return what is known of a round's slopes, by the names of columns; nothing where states are not split in two.

        Args:
            before: The state that the round began with.
            after: The state that it ended with.
            came: The devices whose updates were fused, shape (K,).
        """
        if not isinstance(before, SplitState) or not isinstance(after, SplitState):
            return {}
        middle, here = replace(after, shared=before.shared), set(came.tolist())
        fused, found = _Fused(), []
        # cuDNN cannot differentiate recurrent layers twice.
        with at_rest(self.task.module), torch.backends.cudnn.flags(enabled=False):
            for device in range(self.task.devices):
                view = self._view(middle, device)
                mask = view.mask(middle, device) if device in here else None
                found.append(self._slopes(view, device, mask, fused))
        masked = after.traces.masks is not None or not after.traces.told
        return {
            "loss_train": float(np.mean([each.loss for each in found])),
            "gradient_square": fused.square,
            "gradient_variance": float(np.mean([each.variance for each in found])),
            "gradient_second_moment": max(each.second_moment for each in found),
            "coverage_bias": fused.bias if masked else nan,
            "smoothness": max(each.smoothness for each in found),
            "personal_variance": float(np.mean([each.personal_variance for each in found])),
            "personal_smoothness": max(each.personal_smoothness for each in found),
        }

    def _view(self, state: SplitState, device: int) -> "View":
        """Return a device's training loss around its model."""
        model = {n: t.to(self.task.inputs.device) for n, t in state.model_for(device).items()}
        still = self.task.anatomy.statistics
        shared = tuple(name for name in state.part.tensors if name not in still)
        own = tuple(name for name in state.personal.names if name not in still)
        return View(self.task, torch.from_numpy(self.rows[device]), model, shared, own)

    def _slopes(
        self, view: "View", device: int, mask: torch.Tensor | None, fused: "_Fused"
    ) -> "_Slopes":
        """Return what is known of a device's slopes; what the fleet has in common is added up."""
        loss, slope, scatter, own_scatter = view.slopes()
        fused.add(slope, mask)
        bend = view.bend(view.shared, self.streams.stream("bend", device))
        own_bend = view.bend(view.own, self.streams.stream("bend", device))
        variance, second = scatter / self.batch, 0.0
        if mask is not None:
            moved, secant = view.pruned(slope, mask)
            bend = max(bend, secant)
            second = max(float(slope @ slope), moved) + variance
        return _Slopes(loss, variance, second, bend, own_scatter / self.batch, own_bend)


@dataclass(frozen=True)
class _Slopes:
    """What is known of one device; names as of columns."""

    loss: float
    variance: float
    second_moment: float
    smoothness: float
    personal_variance: float
    personal_smoothness: float


@dataclass
class _Fused:
    """Sums over devices of their slopes, and of what fusion takes of them.

    Attributes:
        devices: Number of devices.
        slope: Sum of all slopes, shape (W,).
        kept: Sum of the slopes of kept weights, of those who came, shape (W,).
        count: How many kept each weight, shape (W,).
    """

    devices: int = 0
    slope: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    kept: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    count: torch.Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, slope: torch.Tensor, mask: torch.Tensor | None) -> None:
        """Add a device's slope, shape (W,), and what it kept, shape (W,); None where it did not come."""
        self.devices += 1
        self.slope = self.slope + slope
        if mask is not None:
            self.kept, self.count = self.kept + slope * mask, self.count + mask

    @property
    def square(self) -> float:
        """‖∇F‖², F being the plain mean over devices."""
        return float((self.slope / self.devices).square().sum())

    @property
    def bias(self) -> float:
        """ζ² of assumption (v): Σ (mean over those who kept a weight − mean over all)², with 0 for what nobody kept."""
        mean = self.kept / self.count.clamp(min=1)
        return float((mean - self.slope / self.devices).square().sum())


@dataclass(frozen=True)
class View:
    """A device's training loss around its model.

    Attributes:
        task: What is learned.
        rows: The samples, shape (n,).
        model: The model, on the device of the samples.
        shared: Names of the trained tensors of the shared part.
        own: Those of the personal part.
    """

    task: Task
    rows: torch.Tensor
    model: Params
    shared: Sequence[str]
    own: Sequence[str]

    def loss(self, rows: torch.Tensor) -> Loss:
        """Return the mean loss over samples as a function of some tensors; the others stay as they are."""
        inputs, labels = self.task.inputs[rows], self.task.labels[rows]

        def of(some: Params) -> torch.Tensor:
            logits = functional_call(self.task.module, {**self.model, **some}, (inputs,))
            return functional.cross_entropy(logits, labels)

        return of

    def slopes(self) -> tuple[float, torch.Tensor, float, float]:
        """Return the loss, its slope in the shared part, shape (W,), and the variances of a sample's slopes in both parts.

        From m groups of b samples Σ b ‖mean of group − mean‖²/(m − 1) is a sample's variance without bias; one sample
        has none.
        """
        parts = self.rows.tensor_split(min(GROUPS, len(self.rows)))
        at = {name: self.model[name] for name in (*self.shared, *self.own)}
        loss, squares = 0.0, np.zeros(2)
        means = [torch.zeros(()), torch.zeros(())]
        for part in parts:
            slope, value = grad_and_value(self.loss(part))(at)
            share = len(part) / len(self.rows)
            loss += share * float(value)
            for index, names in enumerate((self.shared, self.own)):
                each = flat([slope[name] for name in names])
                means[index] = means[index] + share * each
                squares[index] += len(part) * float(each @ each)
        whole = np.array([len(self.rows) * float((mean**2).sum()) for mean in means])
        scatter = np.maximum(squares - whole, 0.0) / max(1, len(parts) - 1)
        return loss, means[0], float(scatter[0]), float(scatter[1])

    def bend(self, names: Sequence[str], rng: np.random.Generator) -> float:
        """Return the norm of the Hessian in some tensors, from below: ‖H x‖ after some steps of power iteration.

        It is how much the slope bends right here; a Lipschitz constant is the most that it bends anywhere.
        """
        if not names:
            return 0.0
        at = {name: self.model[name] for name in names}
        product = vjp(grad(self.loss(self.rows)), at)[1]
        drawn = (rng.standard_normal(tensor.shape) for tensor in at.values())
        x = [torch.from_numpy(each).to(like) for each, like in zip(drawn, at.values(), strict=True)]
        norm = _norm(x)
        for _ in range(PRODUCTS):
            (found,) = product({name: t / norm for name, t in zip(at, x, strict=True)})
            x = list(found.values())
            norm = _norm(x)
            if not norm:
                break
        return norm

    def mask(self, state: SplitState, device: int) -> torch.Tensor:
        """Return what a device kept of the shared part last, shape (W,); everything where nothing is remembered."""
        masks = {} if state.traces.masks is None else state.traces.masks.row(device)
        kept = [
            unpacked(masks[name][None], tuple(self.model[name].shape))[0]
            if name in masks
            else torch.ones_like(self.model[name], dtype=torch.bool)
            for name in self.shared
        ]
        return flat(kept) > 0

    def pruned(self, slope: torch.Tensor, mask: torch.Tensor) -> tuple[float, float]:
        """Return ‖m ⊙ ∇F_k‖² at the pruned model, and how much the slope bends on the way there: ‖difference‖/√π.

        Args:
            slope: The slope at the model as it is, shape (W,).
            mask: What is kept, shape (W,).
        """
        at = {name: self.model[name] for name in self.shared}
        gone = flat(at.values()) * ~mask
        energy = float(gone @ gone)
        if not energy:
            return 0.0, 0.0
        pieces = torch.split(mask, [tensor.numel() for tensor in at.values()])
        there = {
            name: tensor * piece.reshape(tensor.shape).to(tensor.device)
            for (name, tensor), piece in zip(at.items(), pieces, strict=True)
        }
        found = flat(grad(self.loss(self.rows))(there).values())
        apart = float((found - slope).square().sum())
        return float((found * mask).square().sum()), sqrt(apart / energy)


def gauged(task: Task, samples: int, batch: int, streams: Streams) -> Gauge:
    """Return a gauge that measures on so many training samples of every device, or on all where there are fewer."""
    rows = [
        streams.stream("gradient_samples", device).permutation(part)[:samples]
        for device, part in enumerate(task.holdings.train)
    ]
    return Gauge(task, rows, batch, streams)


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the entries of tensors one after another on the host, in double precision, shape (W,)."""
    every = [tensor.detach().double().flatten().cpu() for tensor in tensors]
    return torch.cat(every) if every else torch.zeros(0, dtype=torch.float64)


def _norm(tensors: Sequence[torch.Tensor]) -> float:
    return float(flat(tensors).norm())
