"""From descriptions to PyTorch modules: standard layers with the library's own initial weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from wflsim.learning import blueprint as bp


class Sum(nn.Module):
    """Body plus shortcut."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of both ways, shape (B, …)."""
        total: torch.Tensor = self.body(values) + self.shortcut(values)
        return total


class Swapped(nn.Module):
    """Channels first to tokens: (B, C, …) to (B, places, C)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the tokens."""
        return values.flatten(2).transpose(1, 2)


class Added(nn.Module):
    """A learnt vector for every token."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(tokens, width).normal_(std=0.02))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return tokens that know their places, shape (B, T, D)."""
        return values + self.bias


class Drop(nn.Module):
    """Values of which a share is dropped while training, by draws that are keyed by device and step."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.draw: Callable[[float, tuple[int, ...]], torch.Tensor] | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what remains, scaled up; everything where nobody gave it anything to draw from."""
        if not self.training or self.draw is None:
            return values
        kept = self.draw(self.share, tuple(values.shape[1:]))[0, : len(values)]
        return values * kept.to(values)


class Mean(nn.Module):
    """The mean over some dimensions."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean."""
        return values.mean(self.dims)


class LastStep(nn.LSTM):
    """A recurrent layer of which only the last step is asked for."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return what the units hold after the last step, shape (B, H)."""
        # PyTorch's recurrent layer takes numbers of its weights' precision alone.
        with torch.autocast(values.device.type, enabled=False):
            held: torch.Tensor = super().forward(
                values.to(torch.float32 if values.dtype == torch.bfloat16 else values.dtype)
            )[0][:, -1]
        return held


class SelfAttention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, width: int, heads: int, seen: int) -> None:
        super().__init__()
        self.heads, self.seen = heads, seen
        self.qkv, self.out = nn.Linear(width, 3 * seen), nn.Linear(seen, width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mixed tokens, shape (B, T, D)."""
        batch, tokens, _ = values.shape
        parts = self.qkv(values).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        near = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        mixed = near.softmax(-1) @ value
        projected: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, self.seen))
        return projected


def built(part: bp.Part, flow: bp.Flow) -> nn.Module:
    """Return a fresh module of a part for a flow."""
    return BUILDERS[type(part)](part, flow)


def _chain(part: bp.Chain, flow: bp.Flow) -> nn.Module:
    made = nn.Sequential()
    for name, each in part.named():
        made.add_module(name, built(each, flow))
        flow = each.through(flow, name).flow
    return made


def _conv(part: bp.Conv, flow: bp.Flow) -> nn.Module:
    layer = nn.Conv2d if len(flow.shape) == 3 else nn.Conv1d
    made = layer(flow.width, part.out, part.kernel, part.stride, part.padding, bias=part.bias)
    return _silent(made) if part.silent else made


def _linear(part: bp.Linear, flow: bp.Flow) -> nn.Module:
    made = nn.Linear(flow.width, part.out, bias=part.bias)
    return _silent(made) if part.silent else made


def _silent(made: nn.Module) -> nn.Module:
    """Return a layer with zeros for its first weights."""
    for each in made.parameters():
        nn.init.zeros_(each)
    return made


def _batch_norm(part: bp.BatchNorm, flow: bp.Flow) -> nn.Module:
    return (nn.BatchNorm2d if len(flow.shape) == 3 else nn.BatchNorm1d)(flow.width)


ACTS: Mapping[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
POOLS = {
    (bp.MaxPool, 3): nn.MaxPool2d,
    (bp.MaxPool, 2): nn.MaxPool1d,
    (bp.MeanPool, 3): nn.AvgPool2d,
    (bp.MeanPool, 2): nn.AvgPool1d,
}


def _pool(part: Any, flow: bp.Flow) -> nn.Module:
    made: nn.Module = POOLS[type(part), len(flow.shape)](part.size)
    return made


BUILDERS: Mapping[type, Callable[[Any, bp.Flow], nn.Module]] = {
    bp.Chain: _chain,
    bp.Residual: lambda part, flow: Sum(*(built(way, flow) for way in part.ways)),
    bp.Conv: _conv,
    bp.Linear: _linear,
    bp.Act: lambda part, flow: ACTS[part.kind](),
    bp.Dropout: lambda part, flow: Drop(part.share),
    bp.MaxPool: _pool,
    bp.MeanPool: _pool,
    bp.GlobalMean: lambda part, flow: Mean(*range(2, len(flow.shape) + 1)),
    bp.Flatten: lambda part, flow: nn.Flatten(),
    bp.BatchNorm: _batch_norm,
    bp.GroupNorm: lambda part, flow: nn.GroupNorm(flow.width // part.size, flow.width),
    bp.LayerNorm: lambda part, flow: nn.LayerNorm(flow.width),
    bp.Steps: lambda part, flow: Swapped(),
    bp.Tokens: lambda part, flow: Swapped(),
    bp.Positions: lambda part, flow: Added(flow.positions, flow.width),
    bp.MeanTokens: lambda part, flow: Mean(1),
    bp.Lstm: lambda part, flow: LastStep(flow.width, part.out, batch_first=True),
    bp.Attention: lambda part, flow: SelfAttention(flow.width, part.heads, part.seen(flow.width)),
}
