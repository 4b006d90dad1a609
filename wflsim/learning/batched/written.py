"""Layers of K devices whose backward pass is written out: linear layers, convolutions, rectifiers, pooling, reshaping.

Values of images have the batch as their last dimension, (K, C, H, W, B): then copying patches, pooling and adding up are
operations on long contiguous rows, and a convolution of K devices is one batched product of (O × C k²) by (C k² × H W B).
Values of linear layers have it as their second, (K, B, F), for which batched products are fastest.
"""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import torch

from wflsim.learning.batched.moment import Moment, Scratch
from wflsim.learning.batched.sinks import Params, Sink


@dataclass(frozen=True)
class Linear:
    """y = x Wᵀ + b over the last dimension.

    Attributes:
        path: Name of the layer.
        bias: Whether there is a bias.
    """

    path: str
    bias: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its tensors."""
        return (f"{self.path}.weight", f"{self.path}.bias")[: 1 + self.bias]

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, shape (K, B, …, O), and what the way back needs."""
        weight = params[f"{self.path}.weight"]
        flat = values.reshape(len(values), -1, values.shape[-1])
        shape = (*flat.shape[:2], weight.shape[1])
        out = moment.scratch.like(flat, self.path, "out", shape=shape)
        if self.bias:
            torch.baddbmm(
                params[f"{self.path}.bias"][:, None], flat, weight.transpose(1, 2), out=out
            )
        else:
            torch.bmm(flat, weight.transpose(1, 2), out=out)
        return out.view(*values.shape[:-1], -1), (flat, values.shape, moment.scratch)

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope of the inputs if it is needed; hand those of the tensors to the sink."""
        flat, shape, scratch = saved
        slope = slope.reshape(*flat.shape[:2], -1)
        back = None
        if needed:
            back = scratch.like(flat, self.path, "back", shape=tuple(flat.shape))
            torch.bmm(slope, params[f"{self.path}.weight"], out=back)
            back = back.view(shape)
        sink.product(f"{self.path}.weight", slope.transpose(1, 2), flat)
        if self.bias and sink.wants(f"{self.path}.bias"):
            sink.whole(f"{self.path}.bias", slope.sum(1))
        return back


@dataclass(frozen=True)
class Conv:
    """A convolution of values (K, C, …, B): patches as columns, then one batched product.

    Attributes:
        path: Name of the layer.
        kernel: Size of the kernel.
        stride: Its step.
        padding: Zeros at each border.
        bias: Whether there is a bias.
    """

    path: str
    kernel: int
    stride: int
    padding: int
    bias: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its tensors."""
        return (f"{self.path}.weight", f"{self.path}.bias")[: 1 + self.bias]

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, shape (K, O, …, B), and what the way back needs."""
        weight = params[f"{self.path}.weight"].flatten(2)
        wide = self._padded(values, moment)
        columns, places = self._columns(wide, moment)
        shape = (len(values), weight.shape[1], columns.shape[2])
        out = moment.scratch.like(values, self.path, "out", shape=shape)
        if self.bias:
            torch.baddbmm(params[f"{self.path}.bias"][:, :, None], weight, columns, out=out)
        else:
            torch.bmm(weight, columns, out=out)
        saved = (columns, tuple(wide.shape), places, moment.scratch)
        return out.view(*shape[:2], *places, values.shape[-1]), saved

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope of the inputs if it is needed; hand those of the tensors to the sink."""
        columns, wide, places, scratch = saved
        slope = slope.reshape(*slope.shape[:2], -1)
        back = None
        if needed:
            weight = params[f"{self.path}.weight"].flatten(2)
            spread = scratch.like(columns, self.path, "spread", shape=tuple(columns.shape))
            torch.bmm(weight.transpose(1, 2), slope, out=spread)
            back = self._folded(spread, wide, places, scratch)
        sink.product(f"{self.path}.weight", slope, columns.transpose(1, 2))
        if self.bias and sink.wants(f"{self.path}.bias"):
            sink.whole(f"{self.path}.bias", slope.sum(2))
        return back

    @property
    def _plain(self) -> bool:
        """Whether a patch is one place, so that values are their own columns."""
        return self.kernel == 1 and self.stride == 1

    def _padded(self, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        """Return contiguous values with zeros around them."""
        if not self.padding:
            return values.contiguous()
        edge = 2 * self.padding
        shape = (*values.shape[:2], *(size + edge for size in values.shape[2:-1]), values.shape[-1])
        wide = moment.scratch.like(values, self.path, "wide", shape=shape)
        self._inner(wide).copy_(values)
        return wide

    def _inner(self, wide: torch.Tensor) -> torch.Tensor:
        """Return what lies between the zeros."""
        for dim in range(2, wide.dim() - 1):
            wide = wide.narrow(dim, self.padding, wide.shape[dim] - 2 * self.padding)
        return wide

    def _columns(self, wide: torch.Tensor, moment: Moment) -> tuple[torch.Tensor, tuple[int, ...]]:
        """Return each place's patch, shape (K, C kⁿ, places · B), and the numbers of places."""
        places = tuple((size - self.kernel) // self.stride + 1 for size in wide.shape[2:-1])
        if self._plain:
            return wide.flatten(2), places
        steps, kernel = wide.stride(), (self.kernel,) * len(places)
        over = (*wide.shape[:2], *kernel, *places, wide.shape[-1])
        strides = (
            *steps[:-1],
            *(self.stride * step for step in steps[2:-1]),
            steps[-1],
        )
        columns = moment.scratch.like(wide, self.path, "columns", shape=over)
        columns.copy_(wide.as_strided(over, strides))
        return columns.view(len(wide), prod(over[1 : 2 + len(places)]), -1), places

    def _folded(
        self, spread: torch.Tensor, wide: tuple[int, ...], places: tuple[int, ...], scratch: Any
    ) -> torch.Tensor:
        """Return the sum of all patches' slopes at each place, shape (K, C, …, B) without the borders."""
        if self._plain:
            flat = spread.view(wide)
            return self._inner(flat) if self.padding else flat
        total = scratch.like(spread, self.path, "folded", shape=wide).zero_()
        kernel = (self.kernel,) * len(places)
        patches = spread.view(*wide[:2], *kernel, *places, wide[-1])
        for offsets in product(*map(range, kernel)):
            where = tuple(
                slice(offset, offset + self.stride * (count - 1) + 1, self.stride)
                for offset, count in zip(offsets, places, strict=True)
            )
            total[(..., *where, slice(None))].add_(patches[(slice(None), slice(None), *offsets)])  # type: ignore[index]
        return self._inner(total) if self.padding else total


@dataclass(frozen=True)
class Relu:
    """max(x, 0).

    Attributes:
        key: Its number, which its memory is kept under.
        in_place: Whether the values before it are nobody else's.
    """

    key: int
    in_place: bool
    names: tuple[str, ...] = ()

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, and what the way back needs."""
        out = values.relu_() if self.in_place else values.relu()
        return out, (out, moment.scratch)

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope where the output is positive."""
        out, scratch = saved
        back: torch.Tensor = scratch.like(out, self.key, "relu", shape=tuple(out.shape))
        torch.ops.aten.threshold_backward.grad_input(slope, out, 0, grad_input=back)
        return back


@dataclass(frozen=True)
class HalvingPool:
    """The largest of 2 × 2 places, or of 2 in a row; of equal ones the first, row by row, as PyTorch has it.

    Attributes:
        key: Its number, which its memory is kept under.
    """

    key: int
    names: tuple[str, ...] = ()

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, and what the way back needs: along the last place first, so that ties fall right."""
        saved: list[Any] = []
        for dim in range(values.dim() - 2, 1, -1):
            first, second = _pair(values, dim)
            out = moment.scratch.like(values, self.key, dim, shape=tuple(first.shape))
            saved.append((dim, tuple(values.shape), torch.ge(first, second)))
            values = torch.maximum(first, second, out=out)
        return values, (saved, moment.scratch)

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope at the places that were largest."""
        ways: list[Any] = saved[0]
        scratch: Scratch = saved[1]
        for dim, shape, was_first in reversed(ways):
            back = scratch.like(slope, self.key, "back", dim, shape=shape)
            first, second = _pair(back, dim)
            torch.mul(slope, was_first, out=first)
            torch.sub(slope, first, out=second)
            slope = back  # where a place was left over at the border, it is zero as it was at first
        return slope


def _pair(values: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the even and the odd places along a dimension, as views; a last one without a partner is left out."""
    end = values.shape[dim] // 2 * 2
    every: list[Any] = [slice(None)] * dim
    return values[(*every, slice(0, end, 2))], values[(*every, slice(1, end, 2))]


@dataclass(frozen=True)
class BatchLast:
    """Values (K, B, C, …) as (K, C, …, B)."""

    names: tuple[str, ...] = ()

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return the values with the batch last."""
        return values.movedim(1, -1).contiguous(), None

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope with the batch second."""
        return slope.movedim(-1, 1)


@dataclass(frozen=True)
class Flatten:
    """All values of a sample in a row, (K, B, F).

    Attributes:
        last: Whether the batch comes last before.
    """

    last: bool
    names: tuple[str, ...] = ()

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return the rows, and the shape before."""
        first = values.movedim(-1, 1) if self.last else values
        return first.flatten(2).contiguous(), first.shape

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope in the shape before."""
        back = slope.reshape(saved)
        return back.movedim(1, -1).contiguous() if self.last else back
