import numpy as np
import pytest

from wflsim.contracts import Samples
from wflsim.learning.partitions.alike import Iid
from wflsim.learning.partitions.clusters import Permuted, Rotated
from wflsim.learning.partitions.features import FeatureShift
from wflsim.learning.partitions.labels import Classes, Dirichlet
from wflsim.learning.partitions.users import Users

RNG = np.random.default_rng(9)
IMAGES = RNG.random((700, 2, 5, 5), np.float32)
LABELS = RNG.integers(7, size=700)
SAMPLES = Samples(IMAGES, LABELS, RNG.integers(10, size=700), held_out=100)
IMAGES.flags.writeable = LABELS.flags.writeable = False


def split(partition, devices=12, samples=SAMPLES, seed=3):
    return partition.split(samples, np.zeros((devices, 2)), np.random.default_rng(seed))


@pytest.mark.parametrize("base", [Iid(), Classes(3), Dirichlet(0.2), Users()])
@pytest.mark.parametrize("kind", [Rotated, Permuted, FeatureShift])
def test_who_holds_what_is_up_to_the_base_alone(kind, base):
    devices = 8
    expected = split(base, devices).parts
    found = split(kind(base=base), devices).parts
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("clusters", [2, 4])
def test_the_images_of_a_cluster_are_turned_and_nothing_else_is(clusters):
    found = split(Rotated(clusters))
    assert found.clusters.tolist() == [device % clusters for device in range(12)]
    for part, cluster in zip(found.parts, found.clusters, strict=True):
        back = np.rot90(found.samples.inputs[part], -int(cluster) * 4 // clusters, axes=(2, 3))
        assert np.array_equal(back, IMAGES[part])
    assert np.array_equal(found.samples.labels, LABELS)


def test_a_quarter_turn_is_counter_clockwise():
    image = np.zeros((2, 1, 3, 3), np.float32)
    image[:, 0, 0, 0] = 1.0  # top left, which a quarter turn takes to the bottom left
    samples = Samples(np.repeat(image, 4, axis=0), np.arange(8) % 2)
    found = split(Rotated(4), 8, samples)
    turned = found.samples.inputs[found.parts[1][0], 0]
    assert np.argwhere(turned).tolist() == [[2, 0]]


def test_the_publishers_test_samples_are_an_even_mixture_of_all_turns():
    found = split(Rotated(4))
    kept, original = found.samples.inputs[600:], IMAGES[600:]
    turns = np.array(
        [
            [np.array_equal(np.rot90(one, turn, axes=(1, 2)), other) for turn in range(4)]
            for one, other in zip(original, kept, strict=True)
        ]
    )
    assert (turns.sum(axis=1) == 1).all()
    assert turns.sum(axis=0).tolist() == [25, 25, 25, 25]
    for label in range(7):
        assert np.ptp(turns[LABELS[600:] == label].sum(axis=0)) <= 1


@pytest.mark.parametrize("shape", [(9, 128), (1, 8, 6), (64,)])
def test_only_square_images_can_be_turned(shape):
    samples = Samples(np.zeros((20, *shape), np.float32), np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"^clusters .* square images, got samples of shape \("):
        split(Rotated(2), 4, samples)


@pytest.mark.parametrize("kind", [Rotated, Permuted])
def test_more_clusters_than_devices_are_refused(kind):
    with pytest.raises(ValueError, match=r"^clusters asks for 4 groups, got 3 devices"):
        split(kind(clusters=4), 3)


def test_a_cluster_has_one_permutation_and_no_two_have_the_same():
    found = split(Permuted(clusters=5))
    assert np.array_equal(found.samples.inputs, IMAGES)
    names = {}
    for part, cluster in zip(found.parts, found.clusters, strict=True):
        pairs = zip(LABELS[part].tolist(), found.samples.labels[part].tolist(), strict=True)
        names.setdefault(int(cluster), {}).update(pairs)
        own = names[int(cluster)]
        assert (found.samples.labels[part] == [own[label] for label in LABELS[part]]).all()
    orders = {tuple(own[label] for label in range(7)) for own in names.values()}
    assert len(orders) == 5
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert names[0] == {label: label for label in range(7)}
    assert np.bincount(found.samples.labels[600:]).sum() == 100


def test_the_permutations_depend_on_the_seed_and_not_on_the_number_of_devices():
    few, many, other = (split(Permuted(3), *how) for how in ((6,), (12,), (6, SAMPLES, 4)))
    assert np.array_equal(few.samples.labels[600:], many.samples.labels[600:])
    assert not np.array_equal(few.samples.labels[600:], other.samples.labels[600:])


def test_two_classes_have_two_orders_only():
    samples = Samples(np.zeros((40, 1), np.float32), np.arange(40) % 2)
    swapped = split(Permuted(2), 4, samples)
    assert (swapped.samples.labels[swapped.parts[1]] == 1 - samples.labels[swapped.parts[1]]).all()
    with pytest.raises(ValueError, match=r"^clusters asks for 3 orders of 2 classes"):
        split(Permuted(3), 4, samples)


def test_clusters_of_clusters_are_dealt_within_each_other():
    found = split(Rotated(4, base=Permuted(2)), 16)
    assert sorted(np.bincount(found.clusters).tolist()) == [2] * 8
    assert (found.clusters // 4).tolist() == [device % 2 for device in range(16)]


def test_noise_grows_with_the_device_as_its_formula_says():
    samples = Samples(np.ones((5000, 1, 6, 6), np.float32), np.arange(5000) % 5, None, 1000)
    shift = FeatureShift(variance=0.8, gain=0.5)
    found = split(shift, 4, samples)
    for device, part in enumerate(found.parts):
        level = (device + 1) / 4
        seen = found.samples.inputs[part]
        assert seen.mean() == pytest.approx(1 + 0.5 * level, abs=0.02)
        assert seen.var() == pytest.approx(0.8 * level, rel=0.03)
    assert (found.samples.inputs[4000:] == 1).all()
    assert (samples.inputs == 1).all()
    assert found.samples.inputs.dtype == np.float32


def test_the_noise_of_a_device_is_its_own_however_many_there_are():
    shift = FeatureShift(variance=1.0, base=Users())
    few, many = split(shift, 2), split(shift, 8)
    part = few.parts[1]
    noise = (few.samples.inputs - IMAGES)[part] / np.sqrt(2 / 2)
    assert np.allclose(noise, (many.samples.inputs - IMAGES)[part] / np.sqrt(2 / 8), atol=1e-5)
    nobodys = np.setdiff1d(np.arange(600), np.concatenate(few.parts))
    assert len(nobodys)
    assert np.array_equal(few.samples.inputs[nobodys], IMAGES[nobodys])


def test_no_noise_and_no_gain_change_nothing():
    assert np.array_equal(split(FeatureShift(variance=0.0)).samples.inputs, IMAGES)
