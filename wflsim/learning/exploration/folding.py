"""Units into which nothing flows any more: they say the same to every sample, so what they say can be folded into what follows.

Which units that are is told from masks (``Cut``); where the constant goes, from the network's blueprint (``joints``). It is exact
in a row of layers: from a linear layer or a convolution through activations and pooling to the next one that has a bias, a
convolution without padding, or from layers without a bias, whose silent units say zero, to any. What stands behind norms, in
sums of two ways, in recurrent layers or attention, or before dropout, is left where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch.nn import functional

from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Layer
from wflsim.learning.blueprint import (
    Act,
    Blueprint,
    Conv,
    Flatten,
    GlobalMean,
    Linear,
    MaxPool,
    MeanPool,
)
from wflsim.learning.pruning.counting import thinned
from wflsim.learning.pruning.masks import Masks, at_dim, both, spread

Params = Mapping[str, torch.Tensor]
_THROUGH = (Act, MaxPool, MeanPool, GlobalMean, Flatten)
_ACTS = {"relu": torch.relu, "gelu": functional.gelu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Joint:
    """Where the units of one layer enter the next one, and nothing else does anything to them.

    Attributes:
        space: The units, by the layer that makes them.
        acts: Activations on the way, in order.
        follows: The layer that they enter.
    """

    space: str
    acts: tuple[str, ...]
    follows: str


def joints(blueprint: object) -> tuple[Joint, ...]:
    """Return where constants can be folded, from input to output; nowhere in a network that is not told by a blueprint."""
    if not isinstance(blueprint, Blueprint):
        return ()
    found: list[Joint] = []
    maker: tuple[str, bool] | None = None
    acts: list[str] = []
    for name, part in blueprint.chain.named():
        if isinstance(part, Act):
            acts.append(part.kind)
        if isinstance(part, _THROUGH):
            continue
        if maker is not None and isinstance(part, Linear | Conv):
            everywhere = isinstance(part, Linear) or not part.padding
            if not maker[1] or (part.bias and everywhere):
                found.append(Joint(maker[0], tuple(acts), name))
        # The way from anything else is not known.
        maker, acts = (name, part.bias) if isinstance(part, Linear | Conv) else None, []
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Cut:
    """What is left of a model, the same for all devices.

    Attributes:
        masks: For every tensor of which entries go one by one, which stay.
        entries: The same, when what removed units take with them is gone, too.
        gone: Space → which of its units are removed, where some are.
    """

    masks: Params = field(default_factory=dict)
    entries: Params = field(default_factory=dict)
    gone: Params = field(default_factory=dict)

    def same(self, other: "Cut") -> bool:
        """Return whether another cut keeps the same entries."""
        ours, theirs = self.entries, other.entries
        return ours.keys() == theirs.keys() and all(
            torch.equal(ours[name], theirs[name]) for name in ours
        )

    @cached_property
    def dropped(self) -> int:
        """Number of entries that go."""
        return sum(int((~mask).sum()) for mask in self.entries.values())

    @property
    def removed(self) -> int:
        """Number of units that are removed."""
        return sum(int(units.sum()) for units in self.gone.values())

    def bits(self, anatomy: Anatomy) -> int:
        """Return the size of what is left of all tensors, without telling where it belongs."""
        return anatomy.bits - BITS_PER_VALUE * self.dropped

    def weights(self, anatomy: Anatomy) -> tuple[tuple[int, int, int], ...]:
        """Return of every layer with weights how many are kept, how many there are, and its operations."""
        found = []
        for layer in anatomy.layers:
            names = [t.name for t in layer.tensors if t.role == "weight" and t.name in self.entries]
            lost = sum(int((~self.entries[name]).sum()) for name in names)
            if layer.weights:
                found.append((layer.weights - lost, layer.weights, layer.macs))
        return tuple(found)

    def shrunk(self, anatomy: Anatomy) -> Anatomy:
        """Return the model without the units that are removed."""
        widths = {space: int((~units).sum()) for space, units in self.gone.items()}
        return thinned(anatomy, widths)


def cut(anatomy: Anatomy, ways: tuple[Joint, ...], masks: Params, keep_min: float) -> Cut:
    """Return what is left when units go of whose incoming weights no more than a share is kept.

    With them go their biases and what they feed, so that units behind them may follow; one of each layer stays. A unit whose
    own bias may not be told elsewhere, since some of the next layer's are pruned, goes only if its bias is pruned itself.

    Args:
        anatomy: The model's layers.
        ways: Where units can be removed.
        masks: For some tensors which entries stay.
        keep_min: The share ρ_s; with 0 nothing is lost, with more the rest of what comes in is.
    """
    entries, gone = dict(masks), {}
    layers = {layer.name: layer for layer in anatomy.layers}
    for way in ways:
        maker = next(t.name for t in layers[way.space].tensors if t.role == "weight")
        if maker not in entries or not anatomy.spaces[way.space].free:
            continue
        share = entries[maker].flatten(1).double().mean(1)
        units = share <= keep_min
        units[int(share.argmax())] = False
        own = _bias(layers[way.space])
        if own and _bias(layers[way.follows]) in masks:
            units &= ~masks[own] if own in masks else False
        if units.any():
            gone[way.space] = units
            followed = Masks.structured(anatomy, {way.space: ~units[None]}).entries
            entries = both(entries, {name: mask[0] for name, mask in followed.items()})
    return Cut(dict(masks), {n: entries[n] for n in anatomy.tensors if n in entries}, gone)


def within(anatomy: Anatomy, ways: tuple[Joint, ...], params: Params, left: Cut) -> Params:
    """Return a model within a cut, zero elsewhere: what removed units say goes into the biases of the layers behind them."""
    found = _masked(params, left.masks)
    layers = {layer.name: layer for layer in anatomy.layers}
    for way in ways:
        bias, behind = _bias(layers[way.space]), _bias(layers[way.follows])
        if way.space not in left.gone or not bias or not behind:
            continue
        said = torch.where(left.gone[way.space], found[bias], 0)
        for act in way.acts:
            said = _ACTS[act](said)
        weight = next(t for t in layers[way.follows].tensors if t.role == "weight")
        axis = weight.axes[1]
        assert axis is not None, "a layer over units says so"
        along = at_dim(spread(said[None], axis), 1, len(weight.shape))[0]
        found[behind] = found[behind] + (found[weight.name] * along).flatten(1).sum(1)
    return _masked(found, left.entries)


def _masked(params: Params, masks: Params) -> dict[str, torch.Tensor]:
    return {
        name: torch.where(masks[name], tensor, 0) if name in masks else tensor
        for name, tensor in params.items()
    }


def _bias(layer: Layer) -> str:
    """Return the name of a layer's bias, or nothing."""
    return next((tensor.name for tensor in layer.tensors if tensor.role == "bias"), "")
