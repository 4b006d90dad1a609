"""Numbers in few bits come back, vectors in few bits are what they should be in the mean and at most."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Message
from wflsim.learning.few_bits.compression import (
    LEVELS,
    largest_of,
    placed,
    rounded,
    signed,
    signs_of,
    unrounded,
)
from wflsim.learning.few_bits.packing import (
    bits_for,
    dense_places,
    largest_bits,
    pack,
    packed_bits,
    unpack,
)

RNG = np.random.default_rng(5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 17), st.integers(1, 40), st.integers(1, 3))
def test_numbers_come_back_from_their_bits(width, count, devices):
    numbers = RNG.integers(0, 2**width, (devices, count))
    found = pack(numbers, width)
    assert found.shape == (devices, packed_bits(count, width) // 8)
    assert (unpack(found, width, count) == numbers).all()
    assert (unpack(found[0], width, count) == numbers[0]).all()


def test_a_bit_a_number_is_the_librarys_bitmap():
    flags = RNG.integers(0, 2, 77)
    assert (pack(flags, 1) == np.packbits(flags.astype(bool))).all()


@settings(max_examples=30)
@given(st.integers(1, 5000))
def test_as_many_bits_as_values_need(values):
    assert 2 ** bits_for(values) >= values > 2 ** bits_for(values) / 2


def rounded_often(vector, lengths, levels, times):
    many = vector.expand(times, -1)
    chance = torch.from_numpy(RNG.random(many.shape))
    numbers, norms = rounded(many, lengths, levels, chance)
    rows = zip(numbers, norms, strict=True)
    return torch.stack([unrounded(row, norm, lengths, levels) for row, norm in rows])


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("lengths", [(12,), (5, 7)])
def test_levels_are_the_vector_in_the_mean_and_vary_no_more_than_they_may(levels, lengths):
    vector, times = torch.from_numpy(RNG.normal(size=12)), 1500
    found = rounded_often(vector, lengths, levels, times)
    norms = torch.stack([part.norm() for part in torch.split(vector, lengths)])
    # An entry is spread over no more than a level, so that its mean is off by less than 5 of these.
    off = (found.mean(0) - vector).abs()
    assert (off < 5 * norms.max() / levels / 2 / times**0.5).all()
    for n, norm, error in zip(
        lengths, norms, torch.split((found - vector).square().mean(0), lengths), strict=True
    ):
        assert error.sum() <= 1.05 * min(n / levels**2, n**0.5 / levels) * norm**2


def test_many_levels_are_exact_and_few_are_whole():
    vector = torch.from_numpy(RNG.normal(size=30))
    assert (rounded_often(vector, (30,), 32767, 1) - vector).abs().max() <= vector.norm() / 32767
    level = rounded_often(vector, (30,), 4, 9) / vector.norm() * 4
    assert (level - level.round()).abs().max() < 1e-9
    assert (level.round() * vector.sign() >= 0).all()
    assert (rounded_often(torch.zeros(30), (10, 20), 4, 3) == 0).all()
    alone = torch.tensor([0.0, -3.0, 0.0])
    assert torch.equal(rounded_often(alone, (3,), 7, 1)[0], alone)


def test_what_is_no_number_is_told_by_norms():
    vectors = torch.tensor([[1.0, torch.nan], [torch.inf, 1.0]])
    numbers, norms = rounded(vectors, (2,), 3, torch.zeros(2, 2))
    assert ((numbers >= 0) & (numbers <= 6)).all()
    assert not Message({LEVELS: torch.from_numpy(numbers), "norms": norms[0]}).finite
    assert not norms[1].isfinite().any()


@pytest.mark.parametrize("total", [1, 40, 1000])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 1.0])
def test_the_largest_entries_contract_and_have_the_bits_that_they_cost(total, share):
    vectors, count = (
        torch.from_numpy(RNG.normal(size=(3, total))).float(),
        max(1, int(share * total)),
    )
    for vector, row in zip(vectors, largest_of(vectors, count), strict=True):
        message = Message(row)
        found = placed(message, total)
        assert message.bits == largest_bits(total, count)
        assert int((found != 0).sum()) == count
        assert torch.equal(torch.where(found != 0, vector, 0), found)
        left = (vector - found).square().sum()
        assert left <= (1 - count / total) * vector.square().sum() * (1 + 1e-6)
        assert (vector - found).abs().max() <= found[found != 0].abs().min()


def test_places_are_told_the_shorter_way():
    assert not dense_places(1000, 99)  # 99 · 10 bits in 124 bytes
    assert dense_places(1000, 101)


def test_signs_and_one_size_contract():
    vectors = torch.from_numpy(RNG.normal(size=(3, 21)))
    for vector, row in zip(vectors, signs_of(vectors), strict=True):
        found = signed(Message(row), 21)
        assert torch.equal(found.sign(), vector.sign())
        mean = vector.abs().mean()
        assert torch.allclose(found.abs(), mean)
        left, whole = (vector - found).square().sum(), vector.square().sum()
        assert torch.allclose(left, whole - 21 * mean**2)
