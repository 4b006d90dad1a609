"""Groups of devices that own labels: blocks, drawn mixes, and half turns on top."""

import numpy as np
import pytest

from wflsim.contracts import Samples
from wflsim.learning.partitions.clusters import Rotated
from wflsim.learning.partitions.label_groups import LabelGroups
from wflsim.learning.testing import check_partition

LABELS = np.random.default_rng(4).permutation(np.arange(2000) % 10)
IMAGES = np.random.default_rng(5).random((2000, 1, 3, 3), np.float32)
SAMPLES = Samples(IMAGES, LABELS, None, 200)


def split(partition, devices=20, samples=SAMPLES, seed=3):
    return partition.split(samples, np.zeros((devices, 2)), np.random.default_rng(seed))


def test_every_device_owns_the_labels_of_its_group_in_equal_consecutive_blocks():
    found = split(LabelGroups())
    assert found.clusters.tolist() == np.repeat(np.arange(5), 4).tolist()
    for label in range(10):
        members = np.flatnonzero(LABELS[:1800] == label)
        cut = np.array_split(members, 4)
        for place, device in enumerate(range(4 * (label // 2), 4 * (label // 2) + 4)):
            part = found.parts[device]
            assert part[LABELS[part] == label].tolist() == cut[place].tolist()
            assert set(LABELS[part]) == {2 * (device // 4), 2 * (device // 4) + 1}
    assert np.sort(np.concatenate(found.parts)).tolist() == list(range(1800))


def test_nothing_is_drawn_for_blocks():
    one, other = split(LabelGroups(), seed=1), split(LabelGroups(), seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(one.parts, other.parts, strict=True))


@pytest.mark.parametrize(("devices", "labels", "groups"), [(3, 2, 5), (2, 3, 4), (1, 10, 1)])
def test_after_the_last_labels_groups_begin_anew(devices, labels, groups):
    found = split(LabelGroups(devices, labels), devices=16)
    assert found.clusters.tolist() == [i // devices % groups for i in range(16)]
    for device, part in enumerate(found.parts):
        first = labels * int(found.clusters[device])
        assert set(LABELS[part]) == set(range(first, min(first + labels, 10)))
    assert len(np.unique(np.concatenate(found.parts))) == sum(map(len, found.parts))


def test_with_half_turns_it_is_the_authors_split():
    """Five groups of four by labels, ten of two by labels and turns; devices with even numbers are turned."""
    found = split(Rotated(2, LabelGroups(), first=1))
    plain = split(LabelGroups())
    assert all(np.array_equal(a, b) for a, b in zip(found.parts, plain.parts, strict=True))
    for device, part in enumerate(found.parts):
        turned = IMAGES[part][:, :, ::-1, ::-1] if device % 2 == 0 else IMAGES[part]
        assert np.array_equal(found.samples.inputs[part], turned)
    assert (found.clusters // 2).tolist() == plain.clusters.tolist()
    assert np.unique(found.clusters, return_counts=True)[1].tolist() == [2] * 10


def test_drawn_mixes_are_unlike_and_sizes_have_a_least():
    rich = Samples(np.zeros((60_000, 1), np.float32), np.arange(60_000) % 6)
    found = split(LabelGroups(10, 2, alpha=0.5), 30, rich)
    sizes = np.array([len(part) for part in found.parts])
    assert (sizes >= 50).all()
    assert found.clusters.tolist() == np.repeat(np.arange(3), 10).tolist()
    share = np.array([np.mean(rich.labels[part] % 2) for part in found.parts])
    assert share.std() > 0.2, "Dir(0.5) of two has a standard deviation of 0.35"
    draws = np.random.default_rng(3).lognormal(4.5, 0.8, 30)
    assert sizes.tolist() == (np.floor(draws).astype(int) + 50).tolist()
    even = split(LabelGroups(10, 2, alpha=1e6), 30, rich)
    share = np.array([np.mean(rich.labels[part] % 2) for part in even.parts])
    assert np.abs(share - 0.5).max() < 0.02
    check_partition(LabelGroups(alpha=0.5))


def test_who_wants_more_than_there_is_gets_its_share_and_nothing_twice():
    found = split(LabelGroups(10, 2, alpha=0.5, log_mean=8.0))
    every = np.concatenate(found.parts)
    assert np.sort(every).tolist() == np.flatnonzero(LABELS[:1800] < 4).tolist()
