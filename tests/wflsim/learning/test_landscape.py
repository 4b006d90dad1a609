"""Deviations, guidance and masks: the digest's golden numbers, exact counts, and what is spared."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.learning.exploration.landscape import (
    Threshold,
    deviation,
    floor_of,
    guidance,
    kept,
    mean_deviation,
    says_nothing,
)
from wflsim.learning.models import Mlp
from wflsim.learning.models.convolutional import FedAvgCnn

ANATOMY = Mlp(hidden=(5, 4)).blueprint((1, 3, 3), 3).anatomy
SIZES = {t.name: t.shape for t in ANATOMY.every() if t.role == "weight"}
N = sum(int(np.prod(shape)) for shape in SIZES.values())
GOLDEN = {"a": np.array([[0.05, 0.0], [0.08, 0.02]]), "b": np.array([0.02, 0.06])}


def drawn(seed, alike=0.0):
    """Return mean deviations of a small network, a share of the entries exactly zero."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.exponential(1.0, shape) ** 3 * (rng.random(shape) >= alike)
        for name, shape in SIZES.items()
    }


def of(share, mean, **options):
    """Return the masks of all tensors, those of which nothing goes too."""
    found = Threshold(share, **options).masks(ANATOMY, mean)
    return {name: found.get(name, np.ones(shape, bool)) for name, shape in SIZES.items()}


def flat(masks):
    return np.concatenate([mask.ravel() for mask in masks.values()])


# The digest's numbers.


def test_g8_deviation_and_guidance():
    base = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    came = (torch.tensor([[0.1, 0.0], [1.4, -1.0]]), torch.tensor([[-0.3, 0.0], [1.0, -1.2]]))
    far = [deviation({"a": base}, {"a": each})["a"] for each in came]
    mean = mean_deviation({"a": torch.stack(far).numpy(), "b": np.tile([0.02, 0.06], (2, 1))})
    np.testing.assert_allclose(mean["a"], GOLDEN["a"], atol=1e-7)
    found = guidance(mean)
    np.testing.assert_allclose(found["a"], [[0.625, 0.0], [1.0, 0.25]], atol=1e-6)
    np.testing.assert_allclose(found["b"], [0.0, 1.0])


def test_the_mean_is_the_same_in_whatever_order_devices_explored():
    far = np.repeat(np.array([[2.0**24], *[[1.0]] * 7], dtype=np.float32), 2, axis=1)
    assert (far.mean(axis=0) != far[::-1].mean(axis=0)).all()  # where float32 adds up
    for order in (far, far[::-1], np.roll(far, 3, axis=0)):
        mean = mean_deviation({"a": order})["a"]
        assert mean.dtype == np.float64
        assert mean.tolist() == [(2**24 + 7) / 8] * 2


@pytest.mark.parametrize(
    ("share", "theta", "a"),
    [
        (0.3, 0.125, [[1, 0], [1, 1]]),
        (0.5, 0.4375, [[1, 0], [1, 0]]),
        (0.1, 0.0, [[1, 0], [1, 1]]),
    ],
)
def test_g9_the_strict_quantile(share, theta, a):
    guide = guidance(GOLDEN)
    assert np.quantile(flat(guide), share) == pytest.approx(theta)
    found = kept(guide, share, "quantile_strict")
    np.testing.assert_array_equal(found["a"], np.array(a, bool))
    np.testing.assert_array_equal(found["b"], [False, True])


def test_g9_with_ties_in_order_a_tenth_of_six_is_none():
    assert flat(kept(guidance(GOLDEN), 0.1)).all()
    third = kept(guidance(GOLDEN), 1 / 3)
    np.testing.assert_array_equal(third["a"], [[True, False], [True, True]])
    np.testing.assert_array_equal(third["b"], [False, True])
    one = kept(guidance(GOLDEN), 0.2)  # of two zeros the earlier goes
    assert not one["a"][0, 1]
    assert one["b"].all()


def test_g11_the_published_network_is_the_one_of_federated_averaging():
    """Padding 1 and pooling padded by 1, brought to 7 × 7, has the tensors of padding 2 and plain pooling on 28 × 28."""
    anatomy = FedAvgCnn().blueprint((3, 28, 28), 10).anatomy
    assert anatomy.weights + anatomy.others == 1_664_970


# Counts.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.0, 0.8), st.sampled_from([0.0, 0.4]))
def test_exactly_so_many_go_however_many_are_alike(seed, share, alike):
    mask = flat(of(share, drawn(seed, alike)))
    assert mask.sum() == N - int(np.floor(share * N + 1e-9))
    assert Threshold(share).expected(ANATOMY) == N - mask.sum()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0.0, 0.99),
    st.floats(0.0, 0.99),
    st.sampled_from(["quantile", "quantile_strict", "absolute"]),
    st.sampled_from(["per_tensor", "global", "robust"]),
)
def test_what_stays_of_more_stays_of_less(seed, one, other, mode, normalise):
    mean, (low, high) = drawn(seed, 0.3), sorted((one, other))
    less, more = (flat(of(s, mean, mode=mode, normalise=normalise)) for s in (low, high))
    assert not (more & ~less).any()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(-20, 20),
    st.sampled_from(["per_tensor", "global", "robust"]),
)
def test_the_size_of_deviations_does_not_matter(seed, power, normalise):
    """A power of two costs no digit; with ``robust`` where the middle half has a range, as here."""
    mean = drawn(seed)
    scaled = {name: each * 2.0**power for name, each in mean.items()}
    one, other = (of(0.3, each, normalise=normalise) for each in (mean, scaled))
    np.testing.assert_array_equal(flat(one), flat(other))


def test_the_strict_quantile_takes_all_that_are_alike():
    mean = drawn(3, alike=0.6)
    assert (~flat(of(0.3, mean, mode="quantile_strict"))).sum() > 0.5 * N
    assert (~flat(of(0.3, mean))).sum() == int(0.3 * N)


def test_an_absolute_threshold_is_on_the_scale_of_each_tensor():
    mean = drawn(4)
    guide, found = guidance(mean), of(0.2, mean, mode="absolute")
    for name, mask in found.items():
        spared = floor_of(ANATOMY, guide)[name]
        np.testing.assert_array_equal(mask, (guide[name] > 0.2) | spared)


# Scales.


def test_scales():
    mean = {"a": np.array([1.0, 2.0, 3.0, 5.0]), "b": np.array([0.0, 10.0])}
    np.testing.assert_allclose(guidance(mean)["a"], [0.0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(guidance(mean, "global")["a"], [0.1, 0.2, 0.3, 0.5])
    np.testing.assert_allclose(
        guidance(mean, "robust")["a"], np.array([-1.5, -0.5, 0.5, 2.5]) / 1.75
    )
    spike = {"a": np.array([0.0, 0.0, 0.0, 0.0, 4.0])}  # its middle half has no range
    np.testing.assert_allclose(guidance(spike, "robust")["a"], [0, 0, 0, 0, 4.0])


@pytest.mark.parametrize("normalise", ["per_tensor", "global", "robust"])
@pytest.mark.parametrize("mode", ["quantile", "quantile_strict", "absolute"])
def test_who_was_moved_nowhere_says_nothing_and_all_is_kept(normalise, mode):
    still = {name: np.zeros(shape) for name, shape in SIZES.items()}
    assert Threshold(0.5, mode, normalise).masks(ANATOMY, still) == {}


@pytest.mark.parametrize("normalise", ["per_tensor", "robust"])
def test_a_tensor_that_says_nothing_is_kept_whole_and_others_go_instead(normalise):
    name = next(iter(SIZES))
    mean = {**drawn(5), name: np.full(SIZES[name], 0.3)}
    assert says_nothing(mean, normalise) == {name}
    found = of(0.3, mean, normalise=normalise)
    assert found[name].all()
    assert (~flat(found)).sum() == min(int(0.3 * N), N - found[name].size - 6)
    assert not says_nothing(mean, "global")


# What is spared.


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 0.99), st.sampled_from([0.0, 0.9]))
def test_no_layer_and_no_class_falls_silent(seed, share, alike):
    for mode in ("quantile", "quantile_strict", "absolute"):
        masks = list(of(share, drawn(seed, alike), mode=mode).values())
        assert all(mask.any() for mask in masks)
        assert masks[-1].any(axis=1).all()


def test_the_floor_matters_only_where_a_layer_or_a_class_would_go():
    mean = drawn(6)
    plain, spared = flat(kept(guidance(mean), 0.3)), flat(of(0.3, mean))
    np.testing.assert_array_equal(plain, spared)
    last = list(SIZES)[-1]
    mean[last][1] = 1e-9 * np.arange(1, 5)
    mean[last][0, 0] = 0.0
    plain, spared = kept(guidance(mean), 0.3), of(0.3, mean)
    assert not plain[last][1].any()
    assert spared[last][1].tolist() == [False, False, False, True]
    assert flat(plain).sum() == flat(spared).sum()
    assert (flat(spared) & ~flat(plain)).sum() == 1


def test_biases_go_only_where_they_may():
    assert Threshold(0.3).size(ANATOMY) == N
    with_biases = Threshold(0.3, biases=True)
    assert with_biases.size(ANATOMY) == N + 12
    assert set(with_biases.names(ANATOMY)) == set(ANATOMY.tensors)
