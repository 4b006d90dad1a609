"""Models that are as small as what is kept of them: cut out of dense tensors, and put back where they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from wflsim.learning.anatomy import Anatomy, Axis, Tensor
from wflsim.learning.pruning.masks import Masks, at_dim, followed, spread

Stacked = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Thinning:
    """Where the units of K thin models lie in the dense one.

    All devices have as many places as the one that keeps most; a device's kept units come first, in their order, and
    its other places stay zero. Zeros stay zero in plain SGD: nothing comes into such a unit and nothing goes out of it.

    Attributes:
        anatomy: The dense model, or a part of it.
        places: For each space the unit of the dense model at each place, shapes (K, w).
        taken: For each space which places hold a kept unit, booleans, shapes (K, w).
    """

    anatomy: Anatomy
    places: Stacked
    taken: Stacked

    @classmethod
    def of(cls, anatomy: Anatomy, masks: Masks) -> "Thinning":
        """Return the thinning of masks that were made of units."""
        places, taken = {}, {}
        for name, kept in masks.units.items():
            width = int(kept.sum(1).max())
            order = torch.argsort(kept.int(), dim=1, descending=True, stable=True)[:, :width]
            places[name], taken[name] = order, kept.gather(1, order)
        return cls(anatomy, places, taken)

    @property
    def widths(self) -> dict[str, int]:
        """Number of places of each space: the widths of the thin model's blueprint."""
        return {name: places.shape[1] for name, places in self.places.items()}

    def thin(self, params: Stacked) -> dict[str, torch.Tensor]:
        """Return what is left of stacked tensors, shapes (K, …), with zero at places that hold nothing."""
        return {**params, **{t.name: self._cut(t, params[t.name]) for t in self._touched(params)}}

    def scattered(self, thin: Stacked, into: Stacked | None = None) -> dict[str, torch.Tensor]:
        """Return thin tensors where they belong in dense ones, shapes (K, …).

        Args:
            thin: The thin tensors.
            into: Dense tensors whose other entries stay; zero without them.
        """
        return {
            **thin,
            **{
                t.name: self._placed(t, thin[t.name], None if into is None else into[t.name])
                for t in self._touched(thin)
            },
        }

    def rows(self, thin: Stacked, names: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """Return the named thin tensors of each device, without its empty places."""
        told = {tensor.name: tensor for tensor in self.anatomy.every()}
        return [
            {name: self._own(told[name], thin[name][device], device) for name in names}
            for device in range(len(next(iter(thin.values()))))
        ]

    @cached_property
    def _uneven(self) -> Stacked:
        """Which places are taken, of the spaces of which some are not."""
        return {name: taken for name, taken in self.taken.items() if not bool(taken.all())}

    def _touched(self, params: Stacked) -> list[Tensor]:
        """Return the tensors among those given that run over units with places."""
        return [t for t in self.anatomy.every() if t.name in params and self._depth(t)]

    def _cut(self, tensor: Tensor, dense: torch.Tensor) -> torch.Tensor:
        found = (
            self._rows_of(tensor, dense) if self._depth(tensor) == 1 else dense[self._mesh(tensor)]
        )
        held = self._held(tensor)
        return found if held is None else torch.where(held, found, 0)

    def _rows_of(self, tensor: Tensor, dense: torch.Tensor) -> torch.Tensor:
        """Return some rows of each device's tensor: whole rows are copied, several times faster than single entries."""
        rows, one = self._along(tensor.axes[0], tensor.shape[0]), not dense.stride(0)
        table = dense[0] if one else dense.flatten(0, 1)
        begin = 0 if one else torch.arange(len(dense))[:, None] * tensor.shape[0]
        shape = (*rows.shape, *dense.shape[2:])
        return table.index_select(0, (begin + rows).flatten()).view(shape)

    def _own(self, tensor: Tensor, thin: torch.Tensor, device: int) -> torch.Tensor:
        """Return a thin tensor of a device without its empty places."""
        for dim, axis in enumerate(tensor.axes):
            if axis is not None and axis.space in self._uneven:
                along = spread(self.taken[axis.space][device : device + 1], axis)[0]
                thin = thin if along.all() else thin.index_select(dim, along.nonzero()[:, 0])
        return thin

    def _placed(
        self, tensor: Tensor, thin: torch.Tensor, into: torch.Tensor | None
    ) -> torch.Tensor:
        shape = (len(thin), *tensor.shape)
        dense = thin.new_zeros(shape) if into is None else into.expand(shape).clone()
        mesh, held = self._mesh(tensor), self._held(tensor)
        dense[mesh] = thin if held is None else torch.where(held, thin, dense[mesh])
        return dense

    def _mesh(self, tensor: Tensor) -> tuple[torch.Tensor, ...]:
        """Return an index into the stacked tensor, open over devices and all dimensions up to the last with places."""
        depth = self._depth(tensor)
        who = torch.arange(len(next(iter(self.places.values()))))
        dims = zip(tensor.axes, tensor.shape, range(depth), strict=False)
        along = [at_dim(self._along(axis, size), dim, depth) for axis, size, dim in dims]
        return who.view(-1, *[1] * depth), *along

    def _along(self, axis: Axis | None, size: int) -> torch.Tensor:
        """Return which entries of a dimension are taken, shape (K, w) or, where all are, (1, size)."""
        if axis is None or axis.space not in self.places:
            return torch.arange(size)[None]
        units = size // (axis.before * axis.after)
        blocks = torch.arange(axis.before)[:, None, None] * units
        inner = (blocks + self.places[axis.space][:, None, :, None]) * axis.after
        return (inner + torch.arange(axis.after)).flatten(1)

    def _held(self, tensor: Tensor) -> torch.Tensor | None:
        """Return which entries of a thin tensor hold something, to be broadcast, or None where all do."""
        if not any(axis is not None and axis.space in self._uneven for axis in tensor.axes):
            return None
        return followed(tensor, self._uneven)

    def _depth(self, tensor: Tensor) -> int:
        """Return the number of dimensions up to the last that runs over units with places."""
        dims = [
            dim
            for dim, axis in enumerate(tensor.axes)
            if axis is not None and axis.space in self.places
        ]
        return dims[-1] + 1 if dims else 0
