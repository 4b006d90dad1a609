"""A whole network of K devices: its parts compiled into stages, run forward and backward."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from wflsim.learning import blueprint as bp
from wflsim.learning.batched import traced, written
from wflsim.learning.batched.moment import Moment
from wflsim.learning.batched.sinks import Params, Sink
from wflsim.learning.batched.traced import Traced
from wflsim.learning.blueprint.flow import below


class Stage(Protocol):
    """A part of K devices."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its tensors."""
        ...

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, and what the way back needs."""
        ...

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the slope of the inputs if it is needed; hand those of the tensors to the sink."""
        ...


@dataclass(frozen=True)
class Row:
    """Stages one after another.

    Attributes:
        stages: The stages.
    """

    stages: tuple[Stage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors."""
        return tuple(name for stage in self.stages for name in stage.names)

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return outputs, and what each stage needs on the way back."""
        saved = []
        for stage in self.stages:
            values, kept = stage.forward(params, values, moment)
            saved.append(kept)
        return values, saved

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Go back through the stages, no further than anybody wants."""
        wanting = [any(map(sink.wants, stage.names)) for stage in self.stages]
        first = 0 if needed or not any(wanting) else wanting.index(True)
        found: torch.Tensor | None = slope
        for index in range(len(self.stages) - 1, first - 1, -1):
            assert found is not None
            found = self.stages[index].backward(
                params, saved[index], found, sink, needed or index > first
            )
        return found if needed else None


@dataclass(frozen=True)
class Both:
    """The sum of two ways.

    Attributes:
        body: One way.
        shortcut: The other.
    """

    body: Row
    shortcut: Row

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors."""
        return self.body.names + self.shortcut.names

    def forward(self, params: Params, values: torch.Tensor, moment: Moment) -> tuple[Any, Any]:
        """Return the sum, and what both ways need on the way back."""
        one, saved_one = self.body.forward(params, values, moment)
        other, saved_other = self.shortcut.forward(params, values, moment)
        return one + other, (saved_one, saved_other)

    def backward(
        self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink, needed: bool
    ) -> torch.Tensor | None:
        """Return the sum of both ways' slopes."""
        found = [
            way.backward(params, kept, slope, sink, needed)
            for way, kept in zip((self.body, self.shortcut), saved, strict=True)
            if needed or any(map(sink.wants, way.names))
        ]
        return found[0] + found[1] if needed else None  # type: ignore[operator]


@dataclass(frozen=True)
class Network:
    """A network of K devices.

    Attributes:
        row: Its stages.
        trained: Names of the tensors that have slopes.
    """

    row: Row
    trained: tuple[str, ...]

    def forward(
        self, params: Params, inputs: torch.Tensor, moment: Moment
    ) -> tuple[torch.Tensor, Any]:
        """Return scores, shape (K, B, classes), of inputs, shape (K, B, …), and what the way back needs.

        What is returned may lie in the moment's memory, and is overwritten by the next pass.
        """
        scores, saved = self.row.forward(params, inputs, moment)
        return scores, saved

    def backward(self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink) -> None:
        """Hand the slopes of all tensors that are wanted to a sink, given those of the scores."""
        if any(map(sink.wants, self.row.names)):
            self.row.backward(params, saved, slope, sink, needed=False)

    def __call__(self, params: Params, inputs: torch.Tensor) -> torch.Tensor:
        """Return the scores of models that are only asked, shape (K, B, classes)."""
        with torch.no_grad():
            return self.forward(params, inputs, Moment())[0]


@dataclass
class Compiler:
    """Compiles parts into stages.

    Attributes:
        last: Whether values have the batch last at this place.
        number: Number of the next part.
    """

    last: bool = False
    number: int = 0

    def row(self, chain: bp.Chain, flow: bp.Flow, path: str) -> Row:
        """Return the stages of a chain."""
        stages: list[Stage] = []
        for name, part in bp.pooled_first(chain.named()):
            full = below(path, name)
            stages += self._turned(part)
            self.number += 1
            stages.append(self.stage(part, flow, full, stages[-1:]))
            flow = part.through(flow, full).flow
        return Row(tuple(stages))

    def _turned(self, part: bp.Part) -> list[Stage]:
        """Return what brings the batch to where a part wants it."""
        before, self.last = self.last, WANTS_LAST.get(type(part), self.last)
        if self.last == before:
            return []
        return [written.BatchLast() if self.last else Traced(traced.batch_first)]

    def stage(self, part: Any, flow: bp.Flow, path: str, before: Sequence[Stage]) -> Stage:
        """Return the stage of a part that follows another; what a written layer gives is nobody else's."""
        made: Stage
        if isinstance(part, bp.Chain):
            made = self.row(part, flow, path)
        elif isinstance(part, bp.Residual):
            made = self._both(part, flow, path)
        elif isinstance(part, bp.Act) and part.kind == "relu":
            made = written.Relu(self.number, any(type(stage) in OWNING for stage in before))
        elif isinstance(part, bp.Flatten):
            made = written.Flatten(self.last)
        elif isinstance(part, bp.Dropout):
            made = Traced(traced.dropout(part.share, last=self.last))
        else:
            made = STAGES[type(part)](part, flow, path, self.number)
        if type(part) in GIVES_FIRST:
            self.last = False
        return made

    def _both(self, part: bp.Residual, flow: bp.Flow, path: str) -> Both:
        body, shortcut = part.ways
        before = self.last
        one = self.row(body, flow, below(path, "body"))
        after, self.last = self.last, before
        other = self.row(shortcut, flow, below(path, "shortcut"))
        if self.last != after:
            other, self.last = replace(other, stages=(*other.stages, written.BatchLast())), after
        return Both(one, other)


def network(blueprint: bp.Blueprint) -> Network:
    """Return the network of K devices."""
    anatomy = blueprint.anatomy
    trained = tuple(name for name in anatomy.tensors if name not in anatomy.statistics)
    return Network(Compiler().row(blueprint.chain, blueprint.entry, ""), trained)


def _linear(part: bp.Linear, flow: bp.Flow, path: str, number: int) -> Stage:
    return written.Linear(path, part.bias)


def _conv(part: bp.Conv, flow: bp.Flow, path: str, number: int) -> Stage:
    return written.Conv(path, part.kernel, part.stride, part.padding, part.bias)


def _max_pool(part: bp.MaxPool, flow: bp.Flow, path: str, number: int) -> Stage:
    return written.HalvingPool(number) if part.size == 2 else Traced(traced.pool(part.size))


def _tensors(part: bp.Part, flow: bp.Flow, path: str) -> tuple[str, ...]:
    return tuple(
        tensor.name for layer in part.through(flow, path).layers for tensor in layer.tensors
    )


def _traced(make: Callable[[Any, str], traced.Function]) -> Callable[..., Stage]:
    """Return a maker of stages from a maker of functions."""
    return lambda part, flow, path, number: Traced(make(part, path), _tensors(part, flow, path))


WANTS_LAST = dict.fromkeys(
    (bp.Conv, bp.MaxPool, bp.MeanPool, bp.BatchNorm, bp.GroupNorm, bp.GlobalMean, bp.Tokens), True
) | dict.fromkeys(
    (bp.Linear, bp.LayerNorm, bp.Steps, bp.Lstm, bp.Attention, bp.Positions, bp.MeanTokens), False
)
OWNING = {written.Conv, written.Linear, written.HalvingPool}
GIVES_FIRST = {bp.Flatten, bp.GlobalMean, bp.Tokens, bp.Steps}
STAGES: dict[type, Callable[[Any, bp.Flow, str, int], Stage]] = {
    bp.Linear: _linear,
    bp.Conv: _conv,
    bp.MaxPool: _max_pool,
    bp.MeanPool: _traced(lambda part, path: traced.mean_pool(part.size)),
    bp.GlobalMean: _traced(lambda part, path: traced.global_mean),
    bp.Act: _traced(lambda part, path: traced.act(part.kind)),
    bp.BatchNorm: _traced(lambda part, path: traced.batch_norm(path)),
    bp.GroupNorm: _traced(lambda part, path: traced.group_norm(path, part.size)),
    bp.LayerNorm: _traced(lambda part, path: traced.layer_norm(path)),
    bp.Steps: _traced(lambda part, path: traced.steps_first),
    bp.Tokens: _traced(lambda part, path: traced.tokens),
    bp.Positions: _traced(lambda part, path: traced.positions(path)),
    bp.MeanTokens: _traced(lambda part, path: traced.mean_tokens),
    bp.Lstm: _traced(lambda part, path: traced.lstm(path)),
    bp.Attention: _traced(lambda part, path: traced.attention(path, part.heads)),
}
