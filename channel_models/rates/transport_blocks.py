"""Transport blocks: how many bits a slot carries, and the code blocks they are cut into."""

from functools import cache

import numpy as np
import numpy.typing as npt

from channel_models.refusals import refuse, refuse_not_positive
from channel_models.standards import table
from channel_models.units import FloatArray, IntArray

_LARGEST_FROM_TABLE = 3824  # N_info up to which sizes are listed
_BLOCK_CHECK_BITS = 24  # check bits of a code block, and of a transport block above 3824 bits


def resource_elements(
    resource_blocks: IntArray | int,
    symbols: int = 14,
    reference_elements: int = 12,
    overhead_elements: int = 0,
) -> IntArray:
    """Return the elements of a slot that carry data, N_RE = min(156, 12 N_symb − N_DMRS − N_oh) n_PRB.

    Args:
        resource_blocks: Resource blocks n_PRB, any shape.
        symbols: Symbols of the slot N_symb, at most 14.
        reference_elements: Elements N_DMRS of a resource block that carry reference signals.
        overhead_elements: Elements N_oh of a resource block that are configured as lost: 0, 6, 12 or 18.

    Reference:
        3GPP TS 38.214, section 5.1.3.2 [VV].

    >>> int(resource_elements(50)), int(resource_elements(50, symbols=12))
    (7800, 6600)
    """
    blocks = np.asarray(resource_blocks)
    refuse("resource_blocks", blocks, blocks >= 1, "at least 1", axes=("entry",))
    each = 12 * symbols - reference_elements - overhead_elements
    refuse_not_positive("data elements of a resource block", each)
    return np.asarray(min(156, each) * blocks, dtype=np.int64)


def transport_block_bits(
    information_bits: FloatArray | float, code_rate: FloatArray | float
) -> IntArray:
    """Return the size of a transport block in bits; shapes broadcast.

    Args:
        information_bits: Bits that would fit, N_info = N_RE R Q_m ν with ν layers, above 0.
        code_rate: Code rate R; up to a quarter, code blocks are smaller.

    Reference:
        3GPP TS 38.214, section 5.1.3.2; the same as the sizes in Sionna 2.2's test vectors [VV].

    >>> transport_block_bits(10002.0, 0.5), transport_block_bits(117.312, 0.188)
    (array(9992), array(112))
    """
    info, rate = np.broadcast_arrays(np.asarray(information_bits, dtype=np.float64), code_rate)
    refuse("information_bits", info, info > 0.0, "above 0", axes=("entry",))
    return np.where(info <= _LARGEST_FROM_TABLE, _listed_bits(info), _computed_bits(info, rate))


def code_blocks(
    transport_bits: IntArray | int, code_rate: FloatArray | float
) -> tuple[IntArray, FloatArray]:
    """Return into how many code blocks a transport block is cut, and the bits of each; shapes broadcast.

    The larger base graph of the code takes 8448 bits, the smaller 3840; with C > 1 blocks each has 24 check bits of
    its own, and the transport block has 24 of them, or 16 up to 3824 bits.

    Args:
        transport_bits: Size A of the transport block.
        code_rate: Code rate R; up to a quarter, the smaller base graph is used.

    Reference:
        3GPP TS 38.212, sections 5.1, 5.2.2 and 7.2.2 [S].

    >>> code_blocks(1213032, 0.895), code_blocks(112, 0.188)
    ((array(144), array(8448.)), (array(1), array(128.)))
    """
    bits, rate = np.broadcast_arrays(np.asarray(transport_bits, dtype=np.int64), code_rate)
    refuse("transport_bits", bits, bits >= 1, "at least 1", axes=("entry",))
    checked = bits + np.where(bits > _LARGEST_FROM_TABLE, _BLOCK_CHECK_BITS, 16)
    # The smaller graph also serves short blocks at higher rates; either takes those whole.
    most = np.where(rate <= 0.25, 3840, 8448)
    number = np.where(checked <= most, 1, -(-checked // (most - _BLOCK_CHECK_BITS)))
    return number, np.where(number > 1, checked / number + _BLOCK_CHECK_BITS, checked)


@cache
def _sizes() -> IntArray:
    """Return the listed sizes, Table 5.1.3.2-1 of TS 38.214, shape (93,)."""
    return np.array(table("ts38214_tbs")["TBS"], dtype=np.int64)


def _listed_bits(info: FloatArray) -> IntArray:
    """Return the least listed size that holds N_info rounded down to its grid."""
    grid = np.exp2(np.maximum(3.0, _floor_log2(info) - 6.0))
    rounded = np.clip(grid * np.floor(info / grid), 24.0, _LARGEST_FROM_TABLE)
    return np.asarray(_sizes()[np.searchsorted(_sizes(), rounded)])


def _computed_bits(info: FloatArray, rate: FloatArray) -> IntArray:
    """Return the size above the list: N_info − 24 rounded to its grid, then cut into code blocks of whole bytes."""
    above = np.maximum(info, 3825.0) - 24.0
    grid = np.exp2(_floor_log2(above) - 5.0)
    # The standard rounds a tie up; numpy's own rounding would take the even number.
    checked = np.maximum(3840.0, grid * np.floor(above / grid + 0.5)) + 24.0
    most = np.where(rate <= 0.25, 3816.0, np.where(checked > 8448.0, 8424.0, np.inf))
    bytes_of_all = 8.0 * np.maximum(1.0, np.ceil(checked / most))
    return np.asarray(bytes_of_all * np.ceil(checked / bytes_of_all) - 24.0).astype(np.int64)


def _floor_log2(value: npt.NDArray[np.float64]) -> FloatArray:
    """Return ⌊log2 x⌋, exact at powers of two too."""
    return np.asarray(np.frexp(value)[1] - 1.0)
