"""Access: the rules of one occasion, and a crowd that is played by them as by the closed procedure."""

import numpy as np
import pytest

from channel_models.rates.access import RandomAccess
from wflsim.clock import rounded_ns
from wflsim.network.procedures.access import Connected, WhenIdle


def played(access, ready_ns, rng):
    """Return elapsed nanoseconds, attempts and who was admitted: the contention as a list of occasions."""
    devices = len(ready_ns)
    preamble, wait_s = access.draw(devices, rng)
    occasion_ns, end_ns = access.occasion_ns(ready_ns), ready_ns.copy()
    tried, admitted = np.zeros(devices, np.int64), np.zeros(devices, np.bool_)
    asking = set(range(devices))
    while asking:
        now = min(occasion_ns[k] for k in asking)
        group = [k for k in asking if occasion_ns[k] == now]
        answer_ns = access.answered_ns(int(now))
        heard = access.heard(np.array([preamble[k, tried[k]] for k in group]))
        for k, well in zip(group, heard, strict=True):
            end_ns[k], admitted[k] = answer_ns, well
            waited = rounded_ns(answer_ns, wait_s[k : k + 1, tried[k]])
            occasion_ns[k] = access.occasion_ns(np.maximum(waited, now + 1))[0]
            tried[k] += 1
            if well or tried[k] == access.attempts:
                asking.remove(k)
    return end_ns - ready_ns, tried, admitted


PROCEDURES = {
    "usual": RandomAccess(),
    "crowded": RandomAccess(preambles=4, attempts=6),
    "no wait": RandomAccess(preambles=3, backoff_s=0.0, attempts=4),
    "answer at once": RandomAccess(preambles=2, backoff_s=0.0, window_s=0.0, contention_s=0.0),
    "odd period": RandomAccess(preambles=5, period_s=0.0137, attempts=8),
}


@pytest.mark.parametrize("name", PROCEDURES)
@pytest.mark.parametrize("seed", range(5))
def test_a_crowd_that_is_played_fares_as_the_procedure_says(name, seed):
    procedure = PROCEDURES[name]
    ready_ns = np.sort(np.random.default_rng(seed).integers(0, 50_000_000, 40))
    ready_ns[:10] = 0
    there = procedure.draw(ready_ns / 1e9, np.random.default_rng(seed))
    elapsed_ns, tried, admitted = played(
        WhenIdle(procedure=procedure), ready_ns, np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(tried, there.attempts)
    np.testing.assert_array_equal(admitted, there.admitted)
    np.testing.assert_allclose(elapsed_ns, there.elapsed_s * 1e9, rtol=0, atol=1.0)


@pytest.mark.parametrize(("preambles", "devices"), [(52, 100), (52, 10), (4, 3)])
def test_one_attempt_of_a_crowd_succeeds_as_often_as_the_formula_says(preambles, devices):
    access, rng = WhenIdle(procedure=RandomAccess(preambles=preambles)), np.random.default_rng(1)
    share = np.array([access.heard(access.draw(devices, rng)[0][:, 0]).mean() for _ in range(3000)])
    expected = (1 - 1 / preambles) ** (devices - 1)
    assert abs(share.mean() - expected) < 3 * share.std() / len(share) ** 0.5
    if (preambles, devices) == (52, 100):
        assert expected == pytest.approx(0.146, abs=5e-4)


def test_alone_a_device_takes_on_average_what_is_expected():
    access = WhenIdle()
    ready_ns = np.random.default_rng(1).integers(0, 10**9, 20_000)
    answered_ns = np.array([access.answered_ns(int(at)) for at in access.occasion_ns(ready_ns)])
    took_s = (answered_ns - ready_ns) / 1e9
    assert access.expected_s == pytest.approx(0.005 + 0.003 + 0.005)
    assert abs(took_s.mean() - access.expected_s) < 3 * took_s.std() / len(took_s) ** 0.5


def test_a_connection_is_lost_after_more_silence_than_allowed():
    silent_s = np.array([0.0, 10.0, np.nextafter(10.0, 11.0), np.inf])
    assert WhenIdle().needed(silent_s).tolist() == [False, False, True, True]
    assert WhenIdle(inactivity_s=0.0).needed(silent_s).tolist() == [False, True, True, True]


def test_occasions_are_inclusive_and_count_from_0():
    ready_ns = np.array([0, 1, 10_000_000, 10_000_001])
    assert WhenIdle().occasion_ns(ready_ns).tolist() == [0, 10**7, 10**7, 2 * 10**7]
    assert WhenIdle().answered_ns(10**7) == 18_000_000


def test_devices_at_the_end_change_nobody_elses_draw():
    few = WhenIdle().draw(3, np.random.default_rng(4))
    many = WhenIdle().draw(9, np.random.default_rng(4))
    for ours, theirs in zip(few, many, strict=True):
        np.testing.assert_array_equal(ours, theirs[:3])


def test_nobody_is_heard_where_nobody_asks():
    assert WhenIdle().heard(np.zeros(0, np.int64)).shape == (0,)


def test_the_connected_need_no_access_and_no_time():
    access, ready_ns = Connected(), np.array([3, 5])
    assert (access.attempts, access.expected_s, access.answered_ns(7)) == (0, 0.0, 7)
    assert not access.needed(np.array([0.0, np.inf])).any()
    assert access.occasion_ns(ready_ns) is ready_ns
    preamble, wait_s = access.draw(2, np.random.default_rng(1))
    assert (preamble.shape, wait_s.shape) == ((2, 0), (2, 0))
    assert access.heard(np.array([1, 1])).all()
