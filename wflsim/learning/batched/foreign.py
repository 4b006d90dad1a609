"""Any PyTorch module for K devices by torch.func: slower than layers that are written out, but it takes what comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from wflsim.errors import UserError
from wflsim.learning.batched.moment import Moment
from wflsim.learning.batched.sinks import Sink
from wflsim.learning.lessons import Batch, Objective
from wflsim.learning.modules import Drop

Params = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Foreign:
    """A module of which nothing is known but that it computes.

    Attributes:
        module: The module; calls pass its parameters in.
    """

    module: nn.Module

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the tensors that have slopes."""
        return tuple(name for name, _ in self.module.named_parameters())

    def forward(
        self, params: Params, inputs: torch.Tensor, moment: Moment
    ) -> tuple[torch.Tensor, Any]:
        """Return scores, shape (K, B, classes), of inputs, shape (K, B, …), and the graph that leads back."""
        leaves = self._leaves(params)
        with torch.enable_grad():
            scores = self._scores(leaves, inputs)
        return scores.detach(), (leaves, scores)

    def backward(self, params: Params, saved: Any, slope: torch.Tensor, sink: Sink) -> None:
        """Hand the slopes of all tensors that are wanted to a sink, given those of the scores."""
        leaves, scores = saved
        self._hand(leaves, scores, slope, sink)

    def whole(self, params: Params, batch: Batch, objective: Objective, sink: Sink) -> None:
        """Hand the slopes of a loss that needs more than scores to a sink."""
        from torch.func import functional_call, vmap

        assert objective.whole is not None
        of_one = objective.whole
        leaves = self._leaves(params)

        def call(given: Params, values: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = functional_call(self.module, dict(given), (values,))
            return scores

        def one(given: Any, values: Any, classes: Any, context: Any) -> torch.Tensor:
            return of_one(call, given, values, classes, context)

        self._refuse_own_state()
        with torch.enable_grad():
            each = vmap(one)(leaves, batch.inputs, batch.labels, dict(objective.context))
            total = (each * batch.shares).sum()
        self._hand(leaves, total, torch.ones_like(total), sink)

    def __call__(self, params: Params, inputs: torch.Tensor) -> torch.Tensor:
        """Return the scores of models that are only asked, shape (K, B, classes)."""
        self.module.eval()
        with torch.no_grad():
            return self._scores(params, inputs)

    def _leaves(self, params: Params) -> dict[str, torch.Tensor]:
        """Return the parameters as those that slopes are asked by."""
        trained = set(self.trained)
        return {
            name: each.detach().requires_grad_(name in trained) for name, each in params.items()
        }

    def _scores(self, params: Params, inputs: torch.Tensor) -> torch.Tensor:
        from torch.func import functional_call, vmap

        if self.module.training:
            self._refuse_own_state()
        scores: torch.Tensor = vmap(
            lambda given, values: functional_call(self.module, given, (values,))
        )(dict(params), inputs)
        return scores

    def _refuse_own_state(self) -> None:
        """Refuse what one call for all devices cannot keep apart."""
        drops = any(isinstance(part, Drop) and part.share for part in self.module.modules())
        if drops or list(self.module.buffers()):
            what = "drops values at random" if drops else "keeps running statistics"
            raise UserError(
                f"engine: a model that {what} can only be batched if it is made of standard layers in a row, and its loss "
                "of scores; write engine: loop"
            )

    @staticmethod
    def _hand(leaves: Params, result: torch.Tensor, slope: torch.Tensor, sink: Sink) -> None:
        wanted = [name for name in leaves if sink.wants(name)]
        if not wanted:
            return
        found = torch.autograd.grad(
            result, [leaves[name] for name in wanted], slope, materialize_grads=True
        )
        for name, each in zip(wanted, found, strict=True):
            sink.whole(name, each)
