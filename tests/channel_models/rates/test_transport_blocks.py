"""Sizes of transport blocks, and the code blocks they are cut into."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_models.rates.modulation import schemes
from channel_models.rates.transport_blocks import (
    code_blocks,
    resource_elements,
    transport_block_bits,
)
from channel_models.standards import table

# Coded bits G, code rate R and size in bits: NVlabs/sionna, test/unit/nr/tb_refs (Apache-2.0).
REFERENCES = [
    (20004, 0.5, 9992),
    (124800, 0.754, 94248),
    (624, 0.188, 112),
    (1362816, 0.895, 1213032),
]
SIZES = table("ts38214_tbs")["TBS"]


def test_sizes_of_the_reference_vectors():
    coded, rate, size = np.array(REFERENCES).T
    found = transport_block_bits(coded * rate, rate)
    np.testing.assert_array_equal(found, size)
    assert found.shape == (4,)


def test_the_list_of_sizes_is_whole():
    assert len(SIZES) == 93
    assert (SIZES[0], SIZES[-1]) == (24, 3824)
    assert all(np.diff(SIZES) > 0)
    assert all(size % 8 == 0 for size in SIZES)
    assert sum(SIZES) == 104_712


def stepped(info, rate):
    """The size by the steps of section 5.1.3.2 in exact arithmetic, one block at a time."""
    info, rate = Fraction(info), Fraction(rate)
    if info <= 3824:
        n = max(3, floor(info).bit_length() - 1 - 6)
        return min(size for size in SIZES if size >= max(24, 2**n * floor(info / 2**n)))
    n = floor(info - 24).bit_length() - 1 - 5
    quantised = max(3840, 2**n * floor((info - 24) / 2**n + Fraction(1, 2)))
    if rate <= Fraction(1, 4):
        count = ceil(Fraction(quantised + 24, 3816))
    else:
        count = ceil(Fraction(quantised + 24, 8424)) if quantised > 8424 else 1
    return 8 * count * ceil(Fraction(quantised + 24, 8 * count)) - 24


def test_every_listed_size_is_that_of_the_steps():
    info = np.arange(1, 3825)
    found = transport_block_bits(info, 0.5)
    np.testing.assert_array_equal(found, [stepped(int(bits), 0.5) for bits in info])
    assert len(np.unique(found)) == 93


@given(st.floats(3000.0, 2e6), st.sampled_from([0.1, 0.25, 0.2500001, 0.5, 0.92578125]))
def test_sizes_are_those_of_the_steps_one_by_one(info, rate):
    assert transport_block_bits(info, rate) == stepped(info, rate)


@pytest.mark.parametrize(
    "info", [512.0, 1024.0, 2048.0, 3824.0, 3824.5, 8216.0, 8217.0, 8448.0, 65560.0]
)
@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_sizes_at_the_edges_of_the_steps(info, rate):
    assert transport_block_bits(info, rate) == stepped(info, rate)


def test_a_tie_is_rounded_up():
    assert transport_block_bits(60.5 * 64 + 24, 0.6) == 61 * 64
    assert transport_block_bits(61.5 * 64 + 24, 0.6) == 62 * 64


@given(st.floats(24.0, 1e6), st.floats(1.0, 1.5), st.sampled_from([0.2, 0.6]))
def test_more_room_takes_no_smaller_block(info, factor, rate):
    assert transport_block_bits(factor * info, rate) >= transport_block_bits(info, rate)


@given(st.floats(3825.0, 3e6), st.sampled_from([0.12, 0.25, 0.26, 0.9]))
def test_a_size_above_the_list_is_cut_into_equal_code_blocks_of_whole_bytes(info, rate):
    size = transport_block_bits(info, rate)
    count, bits = code_blocks(size, rate)
    assert bits <= (3840 if rate <= 0.25 else 8448)
    assert float(bits) == int(bits)
    assert int(bits) % 8 == 0
    assert count * bits == size + 24 + (24 * count if count > 1 else 0)


@pytest.mark.parametrize(
    ("bits", "rate", "count", "each"),
    [
        (24, 0.5, 1, 40),
        (3824, 0.5, 1, 3840),
        (3840, 0.5, 1, 3864),
        (3840, 0.25, 2, 1956),
        (8424, 0.5, 1, 8448),
        (8432, 0.5, 2, 4252),
        (1213032, 0.895, 144, 8448),
    ],
)
def test_code_blocks_of_known_sizes(bits, rate, count, each):
    assert code_blocks(bits, rate) == (count, each)


def test_a_slot_of_resource_blocks():
    assert resource_elements(1) == 156
    assert resource_elements(1, reference_elements=0) == 156
    assert (
        resource_elements(273, symbols=10, reference_elements=24, overhead_elements=6) == 90 * 273
    )
    np.testing.assert_array_equal(resource_elements(np.array([1, 50])), [156, 7800])


@pytest.mark.parametrize("number", [1, 2])
def test_blocks_of_many_resource_blocks_are_within_some_percent_of_their_room(number):
    room = resource_elements(100) * schemes(number).efficiency
    ratio = transport_block_bits(room, schemes(number).code_rate) / room
    assert np.all(np.abs(ratio - 1.0) < 0.03)
    assert ratio.max() > 1.0 > ratio.min()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"information_bits must be finite and above 0, got 0.0"):
        transport_block_bits(np.array([100.0, 0.0]), 0.5)
    with pytest.raises(ValueError, match="transport_bits must be finite and at least 1, got -1"):
        code_blocks(-1, 0.5)
    with pytest.raises(ValueError, match="resource_blocks must be finite and at least 1, got 0"):
        resource_elements(0)
    with pytest.raises(ValueError, match="data elements of a resource block must be"):
        resource_elements(1, symbols=1, reference_elements=12)
