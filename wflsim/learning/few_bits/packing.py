"""Whole numbers in as few bits as they need, one after another in bytes; and exchanges of messages that are made of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.contracts import Exchange, IntArray, Load

Bytes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.integer[Any]]


def bits_for(values: int) -> int:
    """Return how many bits tell so many values apart: ⌈log₂ values⌉.

    >>> bits_for(1), bits_for(3), bits_for(256), bits_for(257)
    (0, 2, 8, 9)
    """
    return (values - 1).bit_length()


def packed_bits(count: int, width: int) -> int:
    """Return the size of so many numbers of a width in bits, in whole bytes.

    >>> packed_bits(8, 1), packed_bits(5, 3)
    (8, 16)
    """
    return 8 * -(-count * width // 8)


def pack(numbers: Whole, width: int) -> Bytes:
    """Return numbers, shape (…, n), as bytes, shape (…, ⌈n · width/8⌉); the highest bit comes first, zeros fill up.

    >>> pack(np.array([5, 2, 7]), 3).tolist()
    [171, 128]
    """
    bits = np.empty((*numbers.shape, width), dtype=np.uint8)
    for place in range(width):
        bits[..., place] = (numbers >> (width - 1 - place)) & 1
    return np.packbits(bits.reshape(*numbers.shape[:-1], numbers.shape[-1] * width), axis=-1)


def unpack(packed: Bytes, width: int, count: int) -> IntArray:
    """Return so many numbers of a width in bits, shape (…, n), from what ``pack`` made of them.

    >>> unpack(np.array([171, 128], dtype=np.uint8), 3, 3).tolist()
    [5, 2, 7]
    """
    bits = np.unpackbits(packed, axis=-1, count=count * width)
    bits = bits.reshape(*packed.shape[:-1], count, width)
    numbers = np.zeros(bits.shape[:-1], dtype=np.int64)
    for place in range(width):
        numbers = 2 * numbers + bits[..., place]
    return numbers


def dense_places(total: int, count: int) -> bool:
    """Return whether a bitmap tells where some of so many entries belong in fewer bits than their places do."""
    return packed_bits(total, 1) < packed_bits(count, bits_for(total))


def largest_bits(total: int, count: int) -> int:
    """Return the size of some of so many entries in 32 bits each, and of where they belong.

    >>> largest_bits(1000, 10), largest_bits(1000, 500)
    (424, 17000)
    """
    return 32 * count + min(packed_bits(count, bits_for(total)), packed_bits(total, 1))


def carrying(exchange: Exchange, *, up: int, down: int | None = None) -> Exchange:
    """Return an exchange whose messages have a size that does not depend on pruning.

    Args:
        exchange: What else is agreed on.
        up: Bits from each participant to the server.
        down: Bits of the server's message; None for as many as before.
    """
    none = np.zeros(len(exchange.participants))
    down_bits = exchange.down_bits if down is None else Load(none + down, none)
    return replace(exchange, up_bits=Load(none + up, none), down_bits=down_bits)
