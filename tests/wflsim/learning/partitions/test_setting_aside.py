from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Samples
from wflsim.learning.models import Mlp
from wflsim.learning.partitions.alike import Iid
from wflsim.learning.partitions.hold_out import hold_out
from wflsim.learning.partitions.labels import Dirichlet
from wflsim.learning.task import hold
from wflsim.randomness import Streams
from wflsim.scenario.schema import TaskSection

LABELS = np.random.default_rng(2).choice(6, size=940, p=[0.4, 0.3, 0.1, 0.1, 0.06, 0.04])
STREAMS = Streams(5)
SHARE = st.floats(0.01, 0.9)


@dataclass(frozen=True)
class Numbers:
    """Samples of one number, of which the publisher keeps forty."""

    input_shape: tuple[int, ...] = (1,)
    classes: int = 6

    def load(self):
        return Samples(np.zeros((940, 1), np.float32), LABELS, None, 40)


SECTION = TaskSection(Numbers(), Dirichlet(0.5, least=12), Mlp(hidden=(3,)))


def mixes(parts):
    return np.array([np.bincount(LABELS[part], minlength=6) for part in parts])


@given(st.integers(2, 300), SHARE, st.integers(0, 100))
@settings(deadline=None)
def test_what_is_set_aside_has_the_mix_of_the_device_to_within_one_sample_a_class(
    count, share, seed
):
    samples = np.random.default_rng(seed).choice(900, size=count, replace=False)
    stays, aside = hold_out(samples, LABELS, share, np.random.default_rng(seed))
    assert sorted([*stays, *aside]) == sorted(samples)
    assert len(aside) == min(count - 1, max(1, round(share * count)))
    whole, taken = mixes([samples, aside])
    assert (np.abs(taken - whole * len(aside) / count) < 1).all()


@given(SHARE, SHARE, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_three_parts_share_a_device_out_and_shares_are_of_the_whole_device(
    test, validation, devices
):
    total = test + validation  # a device has twelve samples at least, of which every part needs one
    if total >= 0.8:
        test, validation = 0.8 * test / total, 0.8 * validation / total
    section = replace(SECTION, test_share=test, validation_share=validation)
    held = hold(section, np.zeros((devices, 2)), STREAMS)
    three = [held.train, held.validation, held.test]
    parts = SECTION.partition.split(
        Numbers().load(), np.zeros((devices, 2)), STREAMS.stream("partition")
    ).parts
    for own, *kept in zip(parts, *three, strict=True):
        assert sorted(np.concatenate(kept)) == own.tolist()
        assert all(len(part) for part in kept)
    sizes, (trained, chosen, tested) = np.array([len(part) for part in parts]), map(mixes, three)
    slack = np.maximum(1.0, 1.0 - validation * sizes)  # one at least is set aside, and one stays
    assert (np.abs(tested.sum(axis=1) - test * sizes) <= 1.0).all()
    assert (np.abs(chosen.sum(axis=1) - validation * sizes) <= slack + 0.5).all()
    whole = trained + chosen + tested
    for taken in (chosen, tested):
        share = taken.sum(axis=1, keepdims=True) / sizes[:, None]
        assert (np.abs(taken - whole * share) < 2).all()


def test_setting_validation_aside_leaves_the_test_samples_as_they_were():
    places_m = np.zeros((7, 2))
    without = hold(SECTION, places_m, STREAMS)
    with_ = hold(replace(SECTION, validation_share=0.25), places_m, STREAMS)
    for one, other in zip(without.test, with_.test, strict=True):
        assert np.array_equal(one, other)
    assert not any(map(len, without.validation))


def test_half_of_what_is_left_is_a_quarter_of_the_device():
    section = replace(SECTION, partition=Iid(), test_share=0.5, validation_share=0.25)
    held = hold(section, np.zeros((9, 2)), STREAMS)
    for train, validation, test in zip(held.train, held.validation, held.test, strict=True):
        assert (len(train), len(validation), len(test)) == (25, 25, 50)


def test_the_publishers_samples_are_the_common_test_set():
    held = hold(SECTION, np.zeros((5, 2)), STREAMS)
    assert held.common_test.tolist() == list(range(900, 940))
