"""Named random streams: a draw depends on (seed, purpose, round, device) and on nothing drawn before."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from channel_models.channel import Draw

_CHILDREN = 2**31  # beyond any round, step or device


@dataclass(frozen=True)
class Streams:
    """The random streams of one seed.

    Indices enter as a spawn key and not as entropy: ``SeedSequence([7])`` and ``SeedSequence([7, 0])`` are the same
    stream in NumPy, ``spawn_key=(5,)`` and ``spawn_key=(5, 0)`` are not.

    Attributes:
        seed: The scenario's seed.

    >>> a, b = Streams(7).stream("fading", 3), Streams(7).stream("fading", 3)
    >>> bool(a.random() == b.random())
    True
    """

    seed: int

    def stream(self, purpose: str, *indices: int) -> np.random.Generator:
        """Return the stream of a purpose, at a round and a device where the purpose has them."""
        key = (crc32(purpose.encode()), *indices)
        # What a component spawns from a stream has keys of its own: (…, 0) would be the stream of round 0.
        return np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=key, n_children_spawned=_CHILDREN)
        )

    def at(self, *indices: int) -> Draw:
        """Return a function from a purpose to its stream at these indices."""
        return lambda purpose: self.stream(purpose, *indices)
