import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.catalog import component, kinds
from wflsim.contracts import Samples
from wflsim.errors import UserError
from wflsim.learning.partitions.clusters import Permuted, Rotated
from wflsim.learning.partitions.features import FeatureShift
from wflsim.learning.partitions.labels import Dirichlet
from wflsim.learning.testing import check_partition
from wflsim.scenario.loading import parse

KINDS = sorted(kinds("partition"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("devices", [4, 8])
def test_every_kind_conforms(kind, devices):
    check_partition(component("partition", kind)(), devices)


def test_partitions_of_partitions_conform():
    check_partition(Rotated(2, base=Permuted(3, base=FeatureShift(base=Dirichlet(0.1)))), 8)


@given(st.sampled_from(sorted(set(KINDS) - {"users"})), st.integers(4, 30), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_kind_but_users_gives_every_sample_to_one_device(kind, devices, seed):
    labels = np.random.default_rng(seed).integers(8, size=500)
    samples = Samples(np.zeros((500, 1, 3, 3), np.float32), labels, None, 60)
    places_m = np.random.default_rng(seed + 1).normal(size=(devices, 2))
    partition = component("partition", kind)()
    parts = partition.split(samples, places_m, np.random.default_rng(seed)).parts
    dealt = np.sort(np.concatenate(parts))
    if kind in {
        "classes",
        "label_groups",
    }:  # a class that no device has drawn or owns lies on nobody
        assert len(np.unique(dealt)) == len(dealt)
        return
    assert dealt.tolist() == list(range(440))


@pytest.mark.parametrize(
    ("field", "fits"), [("variance: 1.0e+6", True), ("variance: 1.0e+7", False), ("gain: 1.0e+3", True), ("gain: 1.0e+4", False), ("gain: -1.0", False), ("variance: -0.1", False)]
)  # fmt: skip
def test_how_far_features_may_shift_is_bounded(tiny, field, fits):
    text = tiny.replace("{kind: classes, per_device: 2}", f"{{kind: feature_shift, {field}}}")
    assert text != tiny
    if fits:
        assert isinstance(parse(text, "t").scenario.world.task.partition, FeatureShift)
        return
    with pytest.raises(UserError, match=rf"task\.partition\.{field.split(':')[0]}"):
        parse(text, "t")


def test_a_partition_may_stand_on_another_in_a_scenario(tiny):
    text = tiny.replace(
        "{kind: classes, per_device: 2}",
        "{kind: rotated, clusters: 2, base: {kind: dirichlet, alpha: 0.3, balance: equal}}",
    )
    partition = parse(text, "t").scenario.world.task.partition
    assert partition == Rotated(2, Dirichlet(0.3, "equal"))
