import numpy as np
import pytest

from wflsim.contracts import Samples
from wflsim.learning.partitions.users import Users

WHO = np.random.default_rng(1).integers(3, 15, size=600) * 7
SAMPLES = Samples(
    np.zeros((640, 1), np.float32), np.arange(640) % 6, np.append(WHO, [500] * 40), 40
)


def users_of(devices, per_device=1, seed=0):
    draws = np.random.default_rng(seed)
    parts = Users(per_device).split(SAMPLES, np.zeros((devices, 2)), draws).parts
    return parts, [np.unique(SAMPLES.users[part]).tolist() for part in parts]


@pytest.mark.parametrize("per_device", [1, 3])
def test_a_device_has_all_samples_of_its_users_and_no_others(per_device):
    parts, users = users_of(4, per_device)
    assert [len(own) for own in users] == [per_device] * 4
    assert len({user for own in users for user in own}) == 4 * per_device
    for part, own in zip(parts, users, strict=True):
        assert part.tolist() == np.flatnonzero(np.isin(WHO, own)).tolist()


def test_a_device_has_the_same_users_however_many_there_are():
    assert users_of(12)[1][:5] == users_of(5)[1]
    assert users_of(6, 2)[1][:3] == users_of(3, 2)[1]


def test_who_is_drawn_depends_on_the_seed():
    assert users_of(4, seed=1)[1] != users_of(4, seed=2)[1]


def test_all_users_have_a_device_where_there_are_as_many():
    assert sum(map(len, users_of(12)[0])) == 600


def test_more_devices_than_users_are_refused_and_those_of_the_test_set_do_not_count():
    with pytest.raises(ValueError, match=r"^per_device asks for 13 users.*got 12; take fewer"):
        users_of(13)
    with pytest.raises(ValueError, match=r"^per_device asks for 14 users, 2 on each of 7 devices"):
        users_of(7, 2)


def test_data_without_users_are_refused():
    with pytest.raises(ValueError, match=r"^users are not known"):
        Users().split(
            Samples(SAMPLES.inputs, SAMPLES.labels), np.zeros((2, 2)), np.random.default_rng(0)
        )
