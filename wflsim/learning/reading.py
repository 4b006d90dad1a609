"""From PyTorch modules to descriptions: rows of standard layers, the inverse of ``wflsim.learning.modules``."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from wflsim.learning import blueprint as bp
from wflsim.learning.blueprint.flow import Flow, below
from wflsim.learning.modules import Added, Drop, LastStep, Mean, SelfAttention, Sum, Swapped

EPSILON, MOMENTUM = 1e-5, 0.1  # PyTorch's own


class UnreadableError(ValueError):
    """A module that is not made of standard layers in a row; says which layer is to blame."""


def read(module: nn.Module, input_shape: tuple[int, ...]) -> bp.Blueprint:
    """Return the network of a module, all its layers under their own names.

    Args:
        module: The module; what it computes is not run.
        input_shape: Shape of a sample.

    >>> read(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), (3, 2, 2)).anatomy.tensors
    ('1.weight', '1.bias')
    """
    once = {name for name, _ in module.named_parameters()}
    every = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    _demand(once == every, "", f"{', '.join(sorted(every - once))} is shared by several layers")
    _demand(_is_row(module), "", f"a {type(module).__name__} is no nn.Sequential")
    chain = _chain(module, "", Flow(input_shape), "")
    return bp.Blueprint(chain, input_shape)


def _is_row(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _chain(module: nn.Module, name: str, flow: Flow, path: str) -> bp.Chain:
    """Return the parts of a row of layers."""
    _demand(_is_row(module), path, f"a {type(module).__name__} is no nn.Sequential")
    # Layers that stand in a row twice are there twice, which named_children would not tell.
    every = module.named_modules(remove_duplicate=False)
    children = [(key, child) for key, child in every if key and "." not in key]
    parts: list[bp.Part] = []
    for index, (key, child) in enumerate(children):
        if type(child) is nn.Identity:
            continue
        full = below(path, key)
        follows = children[index + 1][1] if index + 1 < len(children) else None
        if type(child) in ONE_PLACE:
            flat = type(follows) is nn.Flatten and _is(follows, start_dim=1, end_dim=-1)
            _demand(flat, full, "a mean over all places must be followed by nn.Flatten()")
        parts.append(_part(child, key, flow, full))
        try:
            flow = parts[-1].through(flow, full).flow
        except ValueError as error:
            raise UnreadableError(str(error)) from error
    return bp.Chain(tuple(parts), name)


def _part(module: nn.Module, name: str, flow: Flow, path: str) -> bp.Part:
    """Return the part that describes a module."""
    if _is_row(module):
        return _chain(module, name, flow, path)
    if isinstance(module, Sum):
        body, shortcut = (
            _chain(way, "", flow, below(path, key)).parts for key, way in module.named_children()
        )
        return bp.Residual(name, body, shortcut)
    reader = READERS.get(type(module))
    if reader is None:
        raise UnreadableError(f"{path}: {type(module).__name__} is none of the standard layers")
    return reader(module, name, flow, path)


def _demand(holds: bool, path: str, what: str) -> None:
    if not holds:
        raise UnreadableError(f"{path}: {what}" if path else what)


def _is(module: Any, **wanted: Any) -> bool:
    """Return whether a module's attributes are what they should be."""
    return all(getattr(module, name) == value for name, value in wanted.items())


def _places(flow: Flow, dims: int, path: str) -> None:
    fits = flow.axis == 0 and len(flow.shape) == dims + 1
    _demand(fits, path, f"does not take values of shape {flow.shape}")


def _tokens(flow: Flow, path: str) -> None:
    fits = flow.axis == -1 and len(flow.shape) == 2
    _demand(fits, path, f"takes tokens, and not values of shape {flow.shape}")


def _features(flow: Flow, path: str) -> None:
    fits = flow.axis == -1 or len(flow.shape) == 1
    _demand(fits, path, f"would run over the last dimension of values of shape {flow.shape}")


def _one(value: Any, path: str) -> int:
    """Return the one number of a setting that may be given for each dimension."""
    each = set(value) if isinstance(value, tuple) else {value}
    _demand(len(each) == 1, path, "must have the same kernel, stride and padding everywhere")
    found: int = each.pop()
    return found


def _conv(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _places(flow, 2 if type(module) is nn.Conv2d else 1, path)
    plain = _is(module, groups=1, padding_mode="zeros") and _one(module.dilation, path) == 1
    _demand(plain, path, "must be without groups and dilation, padded with zeros")
    kernel, stride = _one(module.kernel_size, path), _one(module.stride, path)
    padding = module.padding
    if padding == "same":
        _demand(kernel % 2 == 1, path, "must have an odd kernel to keep the size")
        padding = kernel // 2
    padding = 0 if padding == "valid" else _one(padding, path)
    return bp.Conv(name, module.out_channels, kernel, stride, padding, module.bias is not None)


def _linear(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _features(flow, path)
    return bp.Linear(name, module.out_features, module.bias is not None)


def _pool(make: Callable[[int, str], bp.Part], dims: int, **wanted: Any) -> "Reader":
    """Return a reader of pooling whose windows do not overlap."""

    def reader(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
        _places(flow, dims, path)
        size, stride = _one(module.kernel_size, path), _one(module.stride, path)
        plain = size == stride and _one(module.padding, path) == 0 and _is(module, **wanted)
        _demand(plain, path, "must have windows that do not overlap, without padding and ceil_mode")
        return make(size, name)

    return reader


MAX = {"dilation": 1, "return_indices": False, "ceil_mode": False}


def _one_place(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _places(flow, 2 if type(module) is nn.AdaptiveAvgPool2d else 1, path)
    _demand(_one(module.output_size, path) == 1, path, "must leave one place")
    return bp.GlobalMean(name)


def _mean(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    if module.dims == (1,):
        _tokens(flow, path)
        return bp.MeanTokens(name)
    _places(flow, len(module.dims), path)
    return bp.GlobalMean(name)


def _batch_norm(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    dims = (2,) if type(module) is nn.BatchNorm2d else (0, 1)
    _demand(len(flow.shape) - 1 in dims and flow.axis == 0, path, "takes channels first")
    wanted = {"eps": EPSILON, "momentum": MOMENTUM, "affine": True, "track_running_stats": True}
    _demand(_is(module, **wanted), path, f"must be as it is by default: {wanted}")
    return bp.BatchNorm(name)


def _group_norm(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    plain = flow.axis == 0 and _is(module, eps=EPSILON, affine=True)
    _demand(plain, path, "must take channels first and be as it is by default")
    return bp.GroupNorm(name, module.num_channels // module.num_groups)


def _layer_norm(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _features(flow, path)
    plain = _is(module, eps=EPSILON, elementwise_affine=True) and module.bias is not None
    _demand(plain and len(module.normalized_shape) == 1, path, "must be as it is by default")
    return bp.LayerNorm(name)


def _flatten(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _demand(_is(module, start_dim=1, end_dim=-1), path, "must flatten whole samples")
    return bp.Flatten(name)


def _act(kind: Any) -> "Reader":
    def reader(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
        _demand(getattr(module, "approximate", "none") == "none", path, "must not approximate")
        return bp.Act(kind, name)

    return reader


def _swapped(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _places(flow, len(flow.shape) - 1, path)
    return bp.Steps(name) if len(flow.shape) == 2 else bp.Tokens(name)


def _added(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _tokens(flow, path)
    return bp.Positions(name)


def _lstm(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _tokens(flow, path)
    wanted = {"num_layers": 1, "batch_first": True, "bias": True, "bidirectional": False}
    _demand(_is(module, proj_size=0, **wanted), path, f"must have {wanted}")
    return bp.Lstm(name, module.hidden_size)


def _attention(module: Any, name: str, flow: Flow, path: str) -> bp.Part:
    _tokens(flow, path)
    return bp.Attention(name, module.heads, module.seen // module.heads)


Reader = Callable[[Any, str, Flow, str], bp.Part]
ONE_PLACE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
READERS: Mapping[type, Reader] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.ReLU: _act("relu"),
    nn.GELU: _act("gelu"),
    nn.Tanh: _act("tanh"),
    nn.Dropout: lambda module, name, flow, path: bp.Dropout(module.p, name),
    Drop: lambda module, name, flow, path: bp.Dropout(module.share, name),
    nn.MaxPool1d: _pool(bp.MaxPool, 1, **MAX),
    nn.MaxPool2d: _pool(bp.MaxPool, 2, **MAX),
    nn.AvgPool1d: _pool(bp.MeanPool, 1, ceil_mode=False),
    nn.AvgPool2d: _pool(bp.MeanPool, 2, ceil_mode=False, divisor_override=None),
    nn.AdaptiveAvgPool1d: _one_place,
    nn.AdaptiveAvgPool2d: _one_place,
    nn.Flatten: _flatten,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    Swapped: _swapped,
    Added: _added,
    Mean: _mean,
    LastStep: _lstm,
    SelfAttention: _attention,
}
