"""Layers of K devices whose way back PyTorch finds: normalisation, recurrence, attention, means, dropout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from wflsim.learning.batched.moment import Moment
from wflsim.learning.batched.sinks import Params, Sink

Function = Callable[[Params, torch.Tensor, Moment], torch.Tensor]
MOMENTUM, EPSILON = 0.1, 1e-5  # PyTorch's own


@dataclass(frozen=True)
class Traced:
    """A function of tensors and values that is differentiated as it runs.

    Attributes:
        function: From tensors, shapes (K, …), values and the moment to values.
        names: Names of its tensors.
    """

    function: Function
    names: tuple[str, ...] = ()

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, and the graph that leads back."""
        own = {name: params[name] for name in self.names}
        if not moment.training:
            return self.function(own, values, moment), None
        own = {
            name: each.detach().requires_grad_(each.is_floating_point())
            for name, each in own.items()
        }
        before = values.detach().requires_grad_()
        with torch.enable_grad():
            after = self.function(own, before, moment)
        return after.detach(), (own, before, after)

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope of the inputs if it is needed; hand those of the tensors to the sink."""
        own, before, after = saved
        wanted = [name for name in self.names if sink.wants(name)]
        leaves = [own[name] for name in wanted] + [before] * needed
        found = torch.autograd.grad(after, leaves, slope, allow_unused=True)
        for name, each in zip(wanted, found, strict=False):
            if each is not None:
                sink.whole(name, each)
        return found[-1] if needed else None


def _along(each: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return a value a channel, shape (K, C), so that it meets values (K, C, …, B)."""
    return each.view(*each.shape, *[1] * (values.dim() - 2))


def batch_norm(path: str) -> Function:
    """Return batch normalisation of values (K, C, …, B), each device by itself."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        if moment.training:
            mean, variance = _measured(path, params, values, moment)
        else:
            mean, variance = params[f"{path}.running_mean"], params[f"{path}.running_var"]
        scale = params[f"{path}.weight"] / (variance + EPSILON).sqrt()
        shift = params[f"{path}.bias"] - mean * scale
        return values * _along(scale, values) + _along(shift, values)

    return function


def _measured(
    path: str, params: Params, values: torch.Tensor, moment: Moment
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel over the real samples; note the running ones."""
    dims = tuple(range(2, values.dim()))
    places = values[0, 0, ..., 0].numel()
    if moment.real is None:
        count = values.new_full((len(values), 1), places * values.shape[-1])
        real = None
    else:
        count = (places * moment.real.sum(1, keepdim=True)).to(values.dtype).clamp(min=1)
        real = moment.real.view(len(values), *[1] * (values.dim() - 2), -1).to(values.dtype)
    mean = (values if real is None else values * real).sum(dims) / count
    away = values - _along(mean, values)
    square = (away * away if real is None else away * away * real).sum(dims)
    with torch.no_grad():
        busy = torch.ones_like(count) if real is None else (count > 1).to(count.dtype)
        for name, now in (
            ("running_mean", mean),
            ("running_var", square / (count - 1).clamp(min=1)),
        ):
            old = params[f"{path}.{name}"]
            moment.statistics[f"{path}.{name}"] = old.detach() + busy * MOMENTUM * (
                now.detach() - old.detach()
            )
    return mean, square / count


def group_norm(path: str, size: int) -> Function:
    """Return group normalisation of values (K, C, …, B) in groups of some channels."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        groups = values.unflatten(1, (-1, size))  # type: ignore[no-untyped-call]
        dims = tuple(range(2, groups.dim() - 1))
        variance, mean = torch.var_mean(groups, dims, correction=0, keepdim=True)
        even: torch.Tensor = ((groups - mean) / (variance + EPSILON).sqrt()).flatten(1, 2)
        return even * _along(params[f"{path}.weight"], values) + _along(
            params[f"{path}.bias"], values
        )

    return function


def layer_norm(path: str) -> Function:
    """Return layer normalisation of tokens (K, B, T, D)."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        even = functional.layer_norm(values, values.shape[-1:], eps=EPSILON)
        ones = [1] * (values.dim() - 2)
        scale, shift = (
            params[f"{path}.{name}"].view(len(values), *ones, -1) for name in ("weight", "bias")
        )
        return even * scale + shift

    return function


def lstm(path: str) -> Function:
    """Return a recurrent layer over steps (K, B, L, I): what the units hold after the last, (K, B, H)."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        fed, held_by = (params[f"{path}.weight_{way}_l0"].transpose(1, 2) for way in ("ih", "hh"))
        bias = (params[f"{path}.bias_ih_l0"] + params[f"{path}.bias_hh_l0"])[:, None]
        devices, batch, steps = values.shape[:3]
        flat = torch.baddbmm(bias, values.flatten(1, 2), fed)
        drive = flat.view(devices, batch, steps, -1).unbind(2)
        held = cell = values.new_zeros(devices, batch, held_by.shape[1])
        for now in drive:
            enter, forget, new, leave = torch.baddbmm(now, held, held_by).chunk(4, dim=2)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            held = leave.sigmoid() * cell.tanh()
        return held

    return function


def attention(path: str, heads: int) -> Function:
    """Return self-attention over tokens (K, B, T, D)."""

    def linear(params: Params, name: str, values: torch.Tensor) -> torch.Tensor:
        weight, bias = params[f"{path}.{name}.weight"], params[f"{path}.{name}.bias"]
        flat = torch.baddbmm(bias[:, None], values.flatten(1, 2), weight.transpose(1, 2))
        return flat.view(*values.shape[:-1], -1)

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        parts = linear(params, "qkv", values).unflatten(-1, (3, heads, -1))  # type: ignore[no-untyped-call]
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5)  # (K, B, heads, T, D / heads)
        near = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        mixed = near.softmax(-1) @ value
        return linear(params, "out", mixed.transpose(2, 3).flatten(3))

    return function


def positions(path: str) -> Function:
    """Return the sum of tokens (K, B, T, D) and a vector for each place."""
    return lambda params, values, moment: values + params[f"{path}.bias"][:, None]


def pool(size: int) -> Function:
    """Return the largest of each window of values (K, C, …, B), as PyTorch finds it."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        turned = values.flatten(0, 1).movedim(-1, 1)  # (K C, B, …)
        found = (functional.max_pool2d if turned.dim() == 4 else functional.max_pool1d)(
            turned, size
        )
        back: torch.Tensor = found.movedim(1, -1).reshape(*values.shape[:2], *found.shape[2:], -1)
        return back

    return function


def mean_pool(size: int) -> Function:
    """Return the mean of each window of values (K, C, …, B)."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        for dim in range(2, values.dim() - 1):
            count = values.shape[dim] // size
            values = values.narrow(dim, 0, count * size).unflatten(dim, (count, size)).mean(dim + 1)  # type: ignore[no-untyped-call]
        return values

    return function


def global_mean(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return the mean of each channel over all places of values (K, C, …, B), shape (K, B, C)."""
    return values.flatten(2, -2).mean(2).transpose(1, 2)


def mean_tokens(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return the mean of all tokens (K, B, T, D), shape (K, B, D)."""
    return values.mean(2)


def tokens(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return the places of values (K, C, …, B) as tokens (K, B, T, C)."""
    return values.flatten(2, -2).permute(0, 3, 2, 1)


def batch_first(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return values (K, C, …, B) as (K, B, C, …)."""
    return values.movedim(-1, 1)


def steps_first(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return channels over places (K, B, C, …) as tokens (K, B, T, C)."""
    return values.flatten(3).transpose(2, 3)


def act(kind: str) -> Function:
    """Return an activation."""
    kinds: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "gelu": functional.gelu,
        "tanh": torch.tanh,
        "relu": torch.relu,
    }
    return lambda params, values, moment: kinds[kind](values)


def dropout(share: float, *, last: bool) -> Function:
    """Return values of which a share is dropped while training."""

    def function(params: Params, values: torch.Tensor, moment: Moment) -> torch.Tensor:
        if not moment.training or moment.draw is None:
            return values
        turned = values.movedim(-1, 1) if last else values
        kept = moment.draw(share, tuple(turned.shape[2:])).to(values)
        return values * (kept.movedim(1, -1) if last else kept)

    return function
