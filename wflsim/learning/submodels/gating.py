"""A small network on a device that looks at samples and tells which blocks of a model it needs, and how much of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch.nn import functional

from wflsim.contracts import FloatArray, IntArray, Message, Updates
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.payload import KEPT
from wflsim.learning.pruning.masks import packed
from wflsim.learning.shelf import Shelf
from wflsim.learning.submodels.blocks import Blocks, packed_blocks
from wflsim.learning.task import Task
from wflsim.learning.views import Glance

WEIGHT, BIAS, FACTOR, BLOCKS = "gate/weight", "gate/bias", "gate/factor", "blocks"


@dataclass(frozen=True, eq=False)
class GateState:
    """What the server and the devices know between rounds.

    Attributes:
        shared: The model, which travels.
        gates: Every device's gate, and the factor of each block that it has told last, which stay.
        samples: Number of training samples of each device, shape (N,).
        blocks: The blocks.
    """

    shared: Params
    gates: Shelf
    samples: IntArray
    blocks: Blocks

    @property
    def width(self) -> int:
        """Coarse means that a gate sees."""
        return int(self.gates.layout.default[WEIGHT].shape[1])

    def only(self, devices: IntArray) -> "GateState":
        """Return no more than some devices need to train."""
        return replace(self, gates=self.gates.only(devices))

    def moved(self, came: Sequence[Updates], weights: Sequence[FloatArray]) -> "GateState":
        """Return the state after what devices have learnt was added, each with its weight."""
        shared = {name: tensor.clone() for name, tensor in self.shared.items()}
        gates = self.gates
        for updates, each in zip(came, weights, strict=True):
            for message, weight in zip(updates.messages, each.tolist(), strict=True):
                for name, step in unpacked_steps(message, self.blocks, self.shared).items():
                    shared[name] += weight * step
            gates = gates.replaced(updates.devices, updates.private or {})
        return replace(self, shared=shared, gates=gates)

    def model_for(self, device: int | None) -> Params:
        """Return the model that travels, or what a device's gate makes of it."""
        if device is None:
            return self.shared
        stacked = {name: tensor[None] for name, tensor in self.shared.items()}
        factor = self.gates.row(device)[FACTOR][None]
        return {name: each[0] for name, each in scaled(stacked, factor, self.blocks).items()}


def first_state(task: Task, share: float, features: int) -> GateState:
    """Return the initial weights and gates that find all blocks alike, so that nothing is drawn."""
    blocks = Blocks(task.anatomy)
    seen = min(features, task.inputs[0].numel())
    gate = {WEIGHT: torch.zeros(blocks.count, seen), BIAS: torch.zeros(blocks.count)}
    alike = np.full((1, blocks.count), 0.5)
    chosen = packed_blocks(alike, blocks.sizes, blocks.strip, blocks.budget(share))
    factor = torch.from_numpy(chosen[0]).float()
    dtype = next(iter(task.initial.values())).dtype
    record = {name: each.to(dtype) for name, each in {**gate, FACTOR: factor}.items()}
    shelf = Shelf.of_default(record, task.devices)
    return GateState(dict(task.initial), shelf, task.holdings.samples, blocks)


@dataclass(eq=False)
class Gatekeeper:
    """A view of a model through gates, which remembers what it has let through.

    Attributes:
        task: Where samples lie.
        blocks: The blocks.
        budget: Entries that all chosen blocks may have together.
        rescales: Whether chosen blocks are scaled by their gates.
        devices: Number of devices.
        touched: Which blocks a device has trained, shape (K, B).
        macs: Operations that it has spent on them and on what is in no block, shape (K,).
    """

    task: Task
    blocks: Blocks
    budget: int
    rescales: bool
    devices: int
    touched: torch.Tensor = field(init=False)
    macs: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.touched = torch.zeros(self.devices, self.blocks.count, dtype=torch.bool)
        self.macs = np.zeros(self.devices)

    def __call__(self, given: Params, glance: Glance) -> dict[str, torch.Tensor]:
        """Return all tensors of the model as the gates make them, shapes (K, …)."""
        gates = self.looked(given, glance.rows, glance.real)
        chosen = self.chosen(gates)
        seen = np.full(self.devices, glance.rows.shape[1])
        if glance.real is not None:
            seen = glance.real.sum(1).numpy()
        self.touched |= chosen & torch.from_numpy(seen > 0)[:, None]
        self.macs += seen * (chosen.numpy() @ self.blocks.macs + self.blocks.other_macs)
        params = {name: each for name, each in given.items() if name not in {WEIGHT, BIAS}}
        return scaled(params, self.factors(gates, chosen), self.blocks)

    def looked(
        self, given: Params, rows: torch.Tensor, real: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean gate of each block over samples, in (0, 1), shape (K, B).

        Args:
            given: The gates.
            rows: The samples, shape (K, S).
            real: Which of them are real, shape (K, S); None for all.
        """
        inputs = self.task.inputs[rows.to(self.task.inputs.device)].to(rows.device)
        seen = given[WEIGHT].shape[2]
        flat = functional.adaptive_avg_pool1d(inputs.flatten(2), seen)
        features = functional.layer_norm(flat, (seen,))
        logits = features @ given[WEIGHT].transpose(1, 2) + given[BIAS][:, None]
        if real is None:
            return torch.sigmoid(logits).mean(1)
        share = real.to(logits.dtype) / real.sum(1, keepdim=True).clamp(min=1)
        return (torch.sigmoid(logits) * share[:, :, None]).sum(1)

    def chosen(self, gates: torch.Tensor) -> torch.Tensor:
        """Return which blocks fit the budget best, shape (K, B)."""
        importance = gates.detach().double().numpy()
        found = packed_blocks(importance, self.blocks.sizes, self.blocks.strip, self.budget)
        return torch.from_numpy(found)

    def factors(self, gates: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return what blocks are multiplied with, shape (K, B): zero where not chosen, else one or twice the gate.

        The choice passes slopes straight through to the gate, of chosen blocks and others alike.
        """
        hard = chosen.to(gates.dtype) + gates - gates.detach()
        return 2.0 * gates * hard if self.rescales else hard

    def settled(self, given: Params, cohort: Cohort) -> torch.Tensor:
        """Return the factors that each gate tells after a look at all of its device's own training samples, shape (K, B)."""
        gates = [
            self.looked(
                {WEIGHT: given[WEIGHT][[k]], BIAS: given[BIAS][[k]]},
                torch.from_numpy(self.task.holdings.train[device])[None],
            )
            for k, device in enumerate(cohort.devices.tolist())
        ]
        found = torch.cat(gates)
        return self.factors(found, self.chosen(found)).detach()


def scaled(params: Params, factor: torch.Tensor, blocks: Blocks) -> dict[str, torch.Tensor]:
    """Return stacked tensors, shapes (K, …), whose blocks are multiplied with factors, shape (K, B)."""
    found = dict(params)
    pieces = torch.split(factor, [strip.blocks for strip in blocks.strips], dim=1)
    for strip, piece in zip(blocks.strips, pieces, strict=True):
        for tensor in strip.tensors:
            along = piece.view(*piece.shape, *[1] * (len(tensor.shape) - 1))
            found[tensor.name] = params[tensor.name] * along
    return found


def packed_steps(
    steps: Params, touched: torch.Tensor, blocks: Blocks
) -> list[dict[str, torch.Tensor]]:
    """Return what devices send: how far the blocks have moved that they trained, which those are, and all that is in none.

    Args:
        steps: How far all tensors have moved, shapes (K, …).
        touched: Which blocks each has trained, shape (K, B).
        blocks: The blocks.
    """
    bitmaps, sent = packed(touched), []
    for k, row in enumerate(touched):
        there = torch.split(row, [strip.blocks for strip in blocks.strips])
        kept = [
            steps[tensor.name][k][rows].flatten()
            for strip, rows in zip(blocks.strips, there, strict=True)
            for tensor in strip.tensors
        ]
        others = {tensor.name: steps[tensor.name][k] for tensor in blocks.others}
        sent.append({KEPT: torch.cat(kept), BLOCKS: bitmaps[k], **others})
    return sent


def unpacked_steps(
    message: Message, blocks: Blocks, like: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return how far all tensors have moved on a device, zero where it has trained no block."""
    bits = np.unpackbits(message.tensors[BLOCKS].numpy(), count=blocks.count).astype(bool)
    found = {tensor.name: message.tensors[tensor.name] for tensor in blocks.others}
    there = torch.split(torch.from_numpy(bits), [strip.blocks for strip in blocks.strips])
    begin = 0
    for strip, rows in zip(blocks.strips, there, strict=True):
        for tensor in strip.tensors:
            step = torch.zeros_like(like[tensor.name])
            count = int(rows.sum()) * (tensor.size // strip.blocks)
            step[rows] = message.tensors[KEPT][begin : begin + count].view(-1, *tensor.shape[1:])
            found[tensor.name], begin = step, begin + count
    return found
