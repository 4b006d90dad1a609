"""How the devices of a cohort are trained on the host: the gradient of one device's loss, for all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from wflsim.contracts import Engine

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

Loss = Callable[..., Any]
Threads = Annotated[int, ("least", 1), ("most", 256)]


@dataclass(frozen=True)
class Batched:
    """All devices at once: every operation has a leading axis over devices.

    The gradient of the sum of all devices' losses is every device's own gradient, since no loss depends on another
    device's parameters; one backward pass serves all.

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
    """

    threads: Threads = 1

    def gradients(self, loss: Loss, stacked: Loss | None = None) -> Loss:
        """Return stacked parameters, inputs and labels → stacked gradients, shapes (K, …)."""
        from torch.func import vmap

        return _slopes(stacked or vmap(loss))


@dataclass(frozen=True)
class Loop:
    """One device after another: the reference that the batched engine is compared with.

    Attributes:
        threads: Host threads of one operation; part of the scenario, since it can change a result's last bit.
    """

    threads: Threads = 1

    def gradients(self, loss: Loss, stacked: Loss | None = None) -> Loss:
        """Return stacked parameters, inputs and labels → stacked gradients, shapes (K, …)."""
        import torch

        single = _slopes(loss)

        def looped(
            moving: "Tensors", frozen: "Tensors", inputs: "torch.Tensor", labels: "torch.Tensor"
        ) -> "Tensors":
            each = [
                single(
                    {n: t[k] for n, t in moving.items()},
                    {n: t[k] for n, t in frozen.items()},
                    inputs[k],
                    labels[k],
                )
                for k in range(len(labels))
            ]
            return {name: torch.stack([found[name] for found in each]) for name in moving}

        return looped


@contextmanager
def host_threads(engine: Engine) -> Iterator[None]:
    """Give torch as many host threads as an engine asks for, and the old number back afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(engine.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _slopes(loss: Loss) -> Loss:
    """Return the gradient of a loss, or of the sum of many, by the moving parameters.

    Not ``torch.func.grad``: it imports the compiler, which takes longer than a small run.
    """
    import torch

    def slopes(
        moving: "Tensors", frozen: "Tensors", inputs: "torch.Tensor", labels: "torch.Tensor"
    ) -> "Tensors":
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in moving.items()}
        total = loss(leaves, frozen, inputs, labels).sum()
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))

    return slopes
