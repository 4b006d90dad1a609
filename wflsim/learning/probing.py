"""Modules of others: what they must keep to, and their layers found by watching them take a sample."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, Layer, Role, Tensor
from wflsim.learning.blueprint import Blueprint
from wflsim.learning.blueprint.flow import below
from wflsim.learning.modules import Drop
from wflsim.learning.reading import UnreadableError, read

NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *(nn.GroupNorm, nn.LayerNorm, nn.RMSNorm),
)
STATISTICS = ("running_mean", "running_var")
SAMPLES = 2  # one more than one, since modules that squeeze betray themselves with one
Make = Callable[[], nn.Module]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Opaque:
    """A network of which only layers, tensors and operations are known.

    Attributes:
        anatomy: Its layers; it has no units that could be taken out.
        make: What makes a fresh module.
    """

    anatomy: Anatomy
    make: Make

    def build(self) -> nn.Module:
        """Return a fresh module."""
        return _keyed(self.make())


def probed(make: Make, input_shape: tuple[int, ...], classes: int, path: str) -> Blueprint | Opaque:
    """Return the network of modules that a function makes: a description if it is a row of standard layers.

    Nothing is drawn from PyTorch's own stream.

    Args:
        make: The function, which may draw.
        input_shape: Shape of a sample.
        classes: Number of classes.
        path: What stands at the function's place, for messages.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
        _refuse_parts(module, path)
        _keyed(module).eval()
        samples = torch.randn(SAMPLES, *input_shape)
        scores = _scores(module, samples, classes, path)
        _refuse_chance(module, samples, path)
        try:
            found = replace(read(module, input_shape), source=make)
        except UnreadableError:
            return Opaque(watched(module, samples), make)
        twin = found.build()
        if list(twin.state_dict()) == list(module.state_dict()):
            twin.load_state_dict(module.state_dict())
            if torch.allclose(twin.eval()(samples), scores, rtol=1e-4, atol=1e-5):
                return found
        return Opaque(watched(module, samples), make)


def _refuse_parts(module: nn.Module, path: str) -> None:
    """Refuse what cannot be sent, averaged or pruned."""
    start = f"task.model.path: {path}"
    if not isinstance(module, nn.Module):
        raise UserError(
            f"{start} must make a PyTorch module, got {type(module).__name__}; return the module"
        )
    parameters = dict(module.named_parameters())
    if not parameters:
        raise UserError(f"{start} has nothing to train; give it layers with parameters")
    for name, each in parameters.items():
        _refuse_parameter(name, each, path)
    strange = sorted(set(_buffers(module)) - set(_statistics(module)))
    if strange:
        raise UserError(
            f"{start} keeps {', '.join(strange)}, which is neither trained nor a norm's running statistics; register "
            "constants with persistent=False, and leave out what changes by other ways"
        )


def _refuse_parameter(name: str, parameter: nn.Parameter, path: str) -> None:
    """Refuse a parameter that cannot be trained as all others are."""
    start = f"task.model.path: {path}: {name}"
    if nn.parameter.is_lazy(parameter):
        raise UserError(f"{start} has no size yet; give the layer its sizes")
    if parameter.numel() == 0:
        raise UserError(
            f"task.model: {path}: {name} has no elements, shape {tuple(parameter.shape)}; give the layer a width of at "
            "least 1, or leave it out"
        )
    if not parameter.requires_grad:
        raise UserError(
            f"{start} is frozen, but all parameters are trained and sent; let it require a gradient, or register it as "
            "a buffer with persistent=False"
        )
    if parameter.dtype != torch.float32:
        raise UserError(f"{start} is {parameter.dtype} and not float32; call .float()")


def _buffers(module: nn.Module) -> Iterator[str]:
    trained = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    yield from (name for name in module.state_dict() if name not in trained)


def _statistics(module: nn.Module) -> Iterator[str]:
    for path, each in module.named_modules():
        if isinstance(each, NORMS):
            for name, _ in each.named_buffers(recurse=False):
                yield f"{path}.{name}" if path else name


def _keyed(module: nn.Module) -> nn.Module:
    """Return a module whose dropout, where it is a layer, draws from streams that are keyed by device and step."""
    for name, each in list(module.named_modules(remove_duplicate=False)):
        if type(each) is nn.Dropout and name:
            parent, _, key = name.rpartition(".")
            module.get_submodule(parent).add_module(key, Drop(each.p))
    return module


def _refuse_chance(module: nn.Module, samples: torch.Tensor, path: str) -> None:
    """Refuse a module that draws by itself while it trains, since its runs could not be repeated."""
    found = []
    for seed in (1, 2):
        twin = deepcopy(module).train()
        for each in twin.modules():
            if isinstance(each, Drop):
                each.draw = lambda share, shape: torch.ones(1, SAMPLES, *shape)
        torch.manual_seed(seed)
        found.append(_taken(twin, samples, path))
    if not torch.equal(*found):
        raise UserError(
            f"task.model.path: {path} draws at random by itself in training, so that a run could not be repeated; drop values "
            "by layers nn.Dropout alone, which draw from the scenario's streams"
        )


def _scores(module: nn.Module, samples: torch.Tensor, classes: int, path: str) -> torch.Tensor:
    """Return the scores of some samples; refuse a module that gives something else."""
    scores = _taken(module, samples, path)
    got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
    if got != (SAMPLES, classes):
        raise UserError(
            f"task.model.path: {path} must give a score a class, shape ({SAMPLES}, {classes}) for {SAMPLES} samples, got "
            f"{got}; change its last layer"
        )
    made: torch.Tensor = scores
    return made


def _taken(module: nn.Module, samples: torch.Tensor, path: str) -> Any:
    """Return what a module makes of samples; refuse one that does not take them."""
    try:
        return module(samples)
    except Exception as error:
        raise UserError(
            f"task.model.path: {path} does not take samples of shape (B, {', '.join(map(str, samples.shape[1:]))}) "
            f"{'in training' if module.training else 'in evaluation'}: {type(error).__name__}: {error}; change the "
            "module, its arguments or task.data"
        ) from error


def watched(module: nn.Module, samples: torch.Tensor) -> Anatomy:
    """Return the layers of a module in the order in which it calls them, with the operations of one sample.

    A layer is what has tensors of its own. Operations outside any layer count to the layer that was called last.
    """
    own = {name: _own(module, name) for name, _ in module.named_modules()}
    names = {each: name for name, each in module.named_modules() if own[name]}
    watch = Watch(names)
    with watch.attached(), sdpa_kernel(SDPBackend.MATH), watch.counter:
        module(samples)
        watch.charge(watch.now)
    layers = [
        Layer(
            name or "root",
            own[name],
            watch.operations.get(name, 0) // (2 * len(samples)),
            isinstance(module.get_submodule(name), NORMS),
        )
        for name in sorted(names.values(), key=watch.place)
    ]
    return Anatomy(tuple(layers))


def _counter() -> FlopCounterMode:
    """Return a counter that also knows recurrent layers, where the library has one operation for a whole layer."""

    def recurrent(values: Shape, to_gates: Shape, again: Shape, *_: object, **__: object) -> int:
        return 2 * prod(values[:-1]) * (prod(to_gates) + prod(again))

    return FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.mkldnn_rnn_layer: recurrent}
    )


@dataclass
class Watch:
    """Who multiplies how much while a module runs.

    Attributes:
        names: The layers and their names.
        counter: Counts floating-point operations, two for a multiplication and its sum.
        order: Names in the order of their first calls.
        operations: Name → floating-point operations.
        inside: Names of the layers that are running, the outermost first.
        last: Name of the layer that was called last.
        seen: Operations that are charged already.
    """

    names: Mapping[nn.Module, str]
    counter: FlopCounterMode = field(default_factory=_counter)
    order: list[str] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)
    last: str | None = None
    seen: int = 0

    @property
    def now(self) -> str:
        """The layer to which operations count."""
        return self.inside[-1] if self.inside else self.last or ""

    def charge(self, name: str) -> None:
        """Let what has been multiplied since the last time count to a layer."""
        total = self.counter.get_total_flops()
        self.operations[name] = self.operations.get(name, 0) + total - self.seen
        self.seen = total

    def place(self, name: str) -> int:
        """Return the place of a layer in the order; one that is never called stands behind what it is within."""
        while name not in self.order and name:
            name = name.rpartition(".")[0]
        return self.order.index(name) if name in self.order else -1

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen to all layers."""
        hooks = [each.register_forward_pre_hook(self._enter) for each in self.names]
        hooks += [each.register_forward_hook(self._leave) for each in self.names]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, inputs: object) -> None:
        name = self.names[module]
        self.charge(self.now if self.order else name)
        self.inside.append(name)
        if name not in self.order:
            self.order.append(name)

    def _leave(self, module: nn.Module, inputs: object, outputs: object) -> None:
        self.charge(self.now)
        self.last = self.inside.pop()


def _own(whole: nn.Module, path: str) -> tuple[Tensor, ...]:
    """Return the tensors of a layer that are kept: parameters, then running statistics; what is shared is the first's."""
    module = whole.get_submodule(path)
    norm = isinstance(module, NORMS)
    kept = {name for name, _ in whole.named_parameters()}
    found: dict[str, torch.Tensor] = {
        name: each
        for name, each in module.named_parameters(recurse=False)
        if below(path, name) in kept
    }
    found |= {
        name: each
        for name, each in module.named_buffers(recurse=False)
        if norm and name in STATISTICS
    }
    return tuple(
        Tensor(
            below(path, name),
            tuple(each.shape),
            _role(name, each.dim(), norm),
            (None,) * each.dim(),
        )
        for name, each in found.items()
    )


def _role(name: str, dims: int, norm: bool) -> Role:
    if name in STATISTICS:
        return "statistic"
    if norm:
        return "shift" if name == "bias" else "scale"
    if dims < 2:
        return "bias" if "bias" in name else "scale"
    return "weight"
