"""Which layers each device trains and sends, what it gets of the others, and what that costs; known without torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from wflsim.contracts import BoolArray, FloatArray, IntArray
from wflsim.errors import UserError
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, Layer, step_macs
from wflsim.learning.pruning.prefixes import prefix_widths
from wflsim.randomness import Streams


@dataclass(frozen=True)
class Deal:
    """How layers are given to devices, once and for all.

    A piece is a layer with weights, what follows it without any, and in the first one what stands before it. Pieces are dealt
    from packs: as many devices as it takes share one shuffled pack and get neighbouring cards of it. So every device draws every
    set alike, every piece has an owner as soon as a pack is dealt, and further devices change nobody's cards.

    Attributes:
        least: Number of pieces of a device.
        most: Where given, a device's number is drawn from the least to this.
        everybody: Whether the last piece is among those of every device.
        kept: Share of the weights of others' layers that a device is sent: drawn from the first number to the second.
    """

    least: int
    most: int | None = None
    everybody: bool = True
    kept: tuple[float, float] = (1.0, 1.0)

    def dealt(self, anatomy: Anatomy, devices: int, streams: Streams) -> "Ownership":
        """Return what each device owns, and what share of the rest it is sent; both are the same in all rounds."""
        drawn = [streams.stream("kept_share", device).random() for device in range(devices)]
        kept = self.kept[0] + (self.kept[1] - self.kept[0]) * np.array(drawn)
        return Ownership(anatomy, self.cards(len(pieces_of(anatomy)), devices, streams), kept)

    def cards(self, pieces: int, devices: int, streams: Streams) -> BoolArray:
        """Return which pieces each device owns, shape (N, G); refuse pieces that nobody owns."""
        most = self.least if self.most is None else self.most
        self._refuse(pieces, most)
        free, whole = pieces - self.everybody, np.zeros((devices, pieces), dtype=np.bool_)
        whole[:, free:] = True
        step = max(1, self.least - self.everybody)
        sharing = max(1, -(-free // step))
        packs = [
            streams.stream("layer_pack", pack).permutation(free)
            for pack in range(-(-devices // sharing))
        ]
        for device in range(devices):
            pack, place = divmod(device, sharing)
            count = streams.stream("layer_count", device).integers(self.least, most + 1)
            taken = (place * step + np.arange(count - self.everybody)) % max(1, free)
            whole[device, packs[pack][taken]] = True
        if devices and not whole.any(0).all():
            raise UserError(
                f"algorithm.owned: {devices} devices with {self.least} layers each leave {np.count_nonzero(~whole.any(0))} of "
                f"{pieces} without an owner, which would never be trained; give them more"
            )
        return whole

    def _refuse(self, pieces: int, most: int) -> None:
        if self.least > most:
            raise UserError(
                f"algorithm.owned_most: must be at least owned, {self.least}, got {most}; write more"
            )
        if most > pieces:
            key = "owned" if self.most is None else "owned_most"
            raise UserError(
                f"algorithm.{key}: the model has {pieces} layers with weights, got {most}; take fewer"
            )


def pieces_of(anatomy: Anatomy) -> tuple[tuple[Layer, ...], ...]:
    """Return the layers, those together that are dealt together."""
    begins = [place for place, layer in enumerate(anatomy.layers) if layer.weights]
    edges = [0, *begins[1:], len(anatomy.layers)]
    return tuple(anatomy.layers[begin:end] for begin, end in pairwise(edges))


@dataclass(frozen=True, eq=False)
class Ownership:
    """What some devices own of a model, and how much of the rest they are sent.

    Attributes:
        anatomy: The model's layers.
        owned: Which pieces each device owns, shape (K, G).
        kept: Share of the weights of every other layer that it is sent, shape (K,).
    """

    anatomy: Anatomy
    owned: BoolArray
    kept: FloatArray

    @cached_property
    def pieces(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers, piece by piece."""
        return pieces_of(self.anatomy)

    @cached_property
    def layers(self) -> BoolArray:
        """Which layers each device owns, shape (K, L)."""
        return np.repeat(self.owned, [len(piece) for piece in self.pieces], axis=1)

    def only(self, rows: IntArray) -> "Ownership":
        """Return what some of the devices own, by their rows."""
        return Ownership(self.anatomy, self.owned[rows], self.kept[rows])

    def names(self, piece: int) -> tuple[str, ...]:
        """Return the names of a piece's tensors."""
        return tuple(tensor.name for layer in self.pieces[piece] for tensor in layer.tensors)

    def owners(self, names: Iterable[str]) -> dict[str, BoolArray]:
        """Return for some tensors who owns them, shapes (K,)."""
        place = {t.name: at for at, layer in enumerate(self.anatomy.layers) for t in layer.tensors}
        return {name: self.layers[:, place[name]] for name in names}

    def together(self) -> list[tuple[tuple[str, ...], IntArray]]:
        """Return the devices that own the same, as names of tensors and rows."""
        sets, which = np.unique(self.owned, axis=0, return_inverse=True)
        return [
            (
                tuple(name for piece in np.flatnonzero(each) for name in self.names(int(piece))),
                np.flatnonzero(which.reshape(-1) == at),
            )
            for at, each in enumerate(sets)
        ]

    @property
    def own_entries(self) -> IntArray:
        """Entries of the layers that each device owns, Σ P_l, shape (K,)."""
        return np.asarray(self.layers @ _entries(self.anatomy))

    @property
    def other_entries(self) -> IntArray:
        """Entries of the layers that it does not own, shape (K,)."""
        return np.asarray(~self.layers @ _entries(self.anatomy))

    @property
    def down_bits(self) -> FloatArray:
        """Bits that each device is sent: its layers, the kept weights of the others with their bitmap, the others' rest."""
        weights = np.array([layer.weights for layer in self.anatomy.layers])
        others = np.array([layer.others for layer in self.anatomy.layers])
        apart = ~self.layers
        bitmap = 8 * -(-(apart @ weights) // 8) * ((self.kept > 0.0) & (self.kept < 1.0))
        entries = self.own_entries + apart @ others + (apart * self._sent()).sum(1)
        return np.asarray(BITS_PER_VALUE * entries + bitmap, dtype=np.float64)

    def macs(self, locally: FloatArray) -> FloatArray:
        """Return the operations of one sample's training step of each device, shape (K,).

        Own layers are trained, the others only carry samples and errors with what is left of their weights.

        Args:
            locally: Share of the weights of each layer that it was sent which a device uses, shape (K, L).
        """
        sets, which = np.unique(self.layers, axis=0, return_inverse=True)
        layers = np.array(self.anatomy.layers, dtype=object)
        each = np.array(
            [
                [
                    step_macs(self.anatomy, Anatomy(tuple(layers[own])), (layer,))[1]
                    for layer in layers
                ]
                for own in sets
            ]
        )[which.reshape(-1)]
        weights = np.array([max(1, layer.weights) for layer in self.anatomy.layers])
        there = np.array([layer.weights > 0 for layer in self.anatomy.layers])
        share = np.where(self.layers | ~there, 1.0, locally * self._sent() / weights)
        return np.asarray((each * share).sum(1))

    def _sent(self) -> IntArray:
        """Return how many weights of each layer a device is sent where it does not own it, shape (K, L).

        Tensor by tensor as ``choosing.keep_largest`` rounds, so that the sum is exact.
        """
        tensors = [(layer, t) for layer in self.anatomy.layers for t in layer.tensors]
        sizes = np.cumsum([t.size if t.role == "weight" else 0 for _, t in tensors])
        counts = np.diff(np.rint(np.outer(self.kept, sizes)), axis=1, prepend=0).astype(np.int64)
        edges = np.cumsum([0, *(len(layer.tensors) for layer in self.anatomy.layers)])
        return np.stack([counts[:, a:b].sum(1) for a, b in pairwise(edges.tolist())], axis=1)


def first_widths(anatomy: Anatomy, share: FloatArray) -> dict[str, IntArray]:
    """Return how many units of each free space are the first ones for devices with some shares, shapes (K,)."""
    each = [prefix_widths(anatomy, one) for one in share.tolist()]
    names = each[0] if each else ()
    return {name: np.array([widths[name] for widths in each]) for name in names}


def first_units(anatomy: Anatomy, share: FloatArray) -> FloatArray:
    """Return the share of each layer's weights that the first units of all free spaces have, shape (K, L)."""
    widths = first_widths(anatomy, share)
    units = {name: each / anatomy.spaces[name].units for name, each in widths.items()}
    found = np.ones((len(share), len(anatomy.layers)))
    for place, layer in enumerate(anatomy.layers):
        if not layer.weights:
            continue
        kept = np.zeros(len(share))
        for tensor in (each for each in layer.tensors if each.role == "weight"):
            within = np.full(len(share), float(tensor.size))
            for axis in tensor.axes:
                if axis is not None and axis.space in units:
                    within *= units[axis.space]
            kept += within
        found[:, place] = kept / layer.weights
    return found


def _entries(anatomy: Anatomy) -> IntArray:
    return np.array([layer.weights + layer.others for layer in anatomy.layers])
