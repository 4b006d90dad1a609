"""Vectors in fewer bits: by random rounding to levels, by their largest entries, or by their signs and one size."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from wflsim.contracts import IntArray, Message
from wflsim.learning.few_bits.packing import bits_for, dense_places, pack, unpack
from wflsim.learning.pruning.choosing import largest

LEVELS, NORMS, VALUES, PLACES, SIZE, SIGNS = "levels", "norms", "values", "places", "size", "signs"


def rounded(
    vectors: torch.Tensor, lengths: Sequence[int], levels: int, chance: torch.Tensor
) -> tuple[IntArray, torch.Tensor]:
    """Return the level of every entry as a whole number from 0 to 2s, shape (K, P), and buckets' norms, shape (K, B).

    An entry of size |v| = (l + f) ‖v‖/s becomes l + 1 with probability f and l otherwise, with its sign, so that it is v in the
    mean (arXiv 1610.02132 [M]). 0 stands for −s, 2s for s.

    Args:
        vectors: What is rounded, shape (K, P).
        lengths: Entries of each bucket, one after another; each has a norm of its own.
        levels: Number of levels s above zero.
        chance: Uniform numbers below one, shape (K, P).
    """
    which = _buckets(tuple(lengths))
    squares = torch.zeros(len(vectors), len(lengths), dtype=torch.float64)
    squares.index_add_(1, which, vectors.double().square())
    norms = squares.sqrt().to(vectors.dtype)
    scaled = vectors.abs() * (levels / norms.clamp(min=1e-30))[:, which]
    whole = scaled.nan_to_num().clamp(max=levels).floor()  # norms tell what is no number
    level = (whole + (chance < scaled - whole)).clamp(max=levels)
    signed = levels + torch.where(vectors < 0, -level, level)
    return signed.long().numpy(), norms


def unrounded(
    numbers: IntArray, norms: torch.Tensor, lengths: Sequence[int], levels: int
) -> torch.Tensor:
    """Return the vector, shape (P,), of its levels from 0 to 2s and its buckets' norms, shape (B,)."""
    signed = torch.from_numpy(numbers - levels).to(norms.dtype)
    return signed * (norms / levels)[_buckets(tuple(lengths))]


def largest_of(vectors: torch.Tensor, count: int) -> list[dict[str, torch.Tensor]]:
    """Return for each vector, shape (K, P), its entries of the largest size and where they belong; ties go to the earlier.

    Places travel as numbers or as a bitmap, whichever is shorter.
    """
    total = vectors.shape[1]
    kept = largest(vectors.abs(), np.full(len(vectors), count))
    if dense_places(total, count):
        places = np.packbits(kept.numpy(), axis=1)
    else:
        places = pack(np.nonzero(kept.numpy())[1].reshape(-1, count), bits_for(total))
    rows = zip(vectors, kept, torch.from_numpy(places), strict=True)
    return [{VALUES: vector[there], PLACES: where} for vector, there, where in rows]


def placed(message: Message, total: int) -> torch.Tensor:
    """Return the vector, shape (P,), of a message of entries and places."""
    values, places = message.tensors[VALUES], message.tensors[PLACES].numpy()
    if dense_places(total, len(values)):
        (where,) = np.nonzero(np.unpackbits(places, count=total))
    else:
        where = unpack(places, bits_for(total), len(values))
    vector = torch.zeros(total, dtype=values.dtype)
    vector[torch.from_numpy(where)] = values
    return vector


def signs_of(vectors: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """Return for each vector, shape (K, P), the mean size of its entries and their signs; zero counts as positive."""
    sizes, signs = vectors.abs().mean(1, keepdim=True), np.packbits((vectors >= 0).numpy(), axis=1)
    pairs = zip(sizes, torch.from_numpy(signs), strict=True)
    return [{SIZE: size, SIGNS: row} for size, row in pairs]


def signed(message: Message, total: int) -> torch.Tensor:
    """Return the vector, shape (P,), of a message of signs and one size."""
    size, bits = message.tensors[SIZE], np.unpackbits(message.tensors[SIGNS].numpy(), count=total)
    return size * (2 * torch.from_numpy(bits).to(size.dtype) - 1)


@lru_cache(maxsize=8)
def _buckets(lengths: tuple[int, ...]) -> torch.Tensor:
    """Return which bucket each entry lies in, shape (P,)."""
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
