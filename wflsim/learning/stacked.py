"""The forward pass of K models at once, written out for standard layers: batched products instead of K calls.

``torch.func.vmap`` serves every module, but it loads the compiler's decompositions at its first call, which takes
longer than a small run, and dispatches every operation twice.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

Params = Mapping[str, torch.Tensor]
Forward = Callable[[Params, torch.Tensor], torch.Tensor]


def _linear(name: str, params: Params, values: torch.Tensor) -> torch.Tensor:
    weight = params[f"{name}.weight"].transpose(1, 2)
    bias = params.get(f"{name}.bias")
    return (
        torch.bmm(values, weight) if bias is None else torch.baddbmm(bias[:, None], values, weight)
    )


LAYERS: Mapping[type, Callable[[str, Params, torch.Tensor], torch.Tensor]] = {
    nn.Flatten: lambda name, params, values: values.flatten(2),
    nn.ReLU: lambda name, params, values: values.relu(),
    nn.Linear: _linear,
}


def stacked_forward(module: nn.Module) -> Forward | None:
    """Return a function from stacked parameters, shapes (K, …), and inputs (K, B, …) to outputs (K, B, …).

    None if the module is not a sequence of layers that are written out here.
    """
    if not (isinstance(module, nn.Sequential) and all(type(layer) in LAYERS for layer in module)):
        return None

    def forward(params: Params, inputs: torch.Tensor) -> torch.Tensor:
        values = inputs
        for name, layer in module.named_children():
            values = LAYERS[type(layer)](name, params, values)
        return values

    return forward
