"""Random access: the closed form of one attempt, crowds, and what a device draws for itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.rates.access import RandomAccess


def test_a_hundred_devices_on_52_preambles():
    assert RandomAccess().success_probability(100) == pytest.approx((51 / 52) ** 99)
    assert RandomAccess().success_probability(100) == pytest.approx(0.146, abs=5e-4)
    np.testing.assert_array_equal(
        RandomAccess(preambles=4).success_probability(np.array([1, 2])), [1, 0.75]
    )


@pytest.mark.parametrize(("preambles", "devices"), [(52, 100), (52, 10), (4, 3), (1, 1)])
def test_contention_succeeds_as_often_as_the_formula_says(preambles, devices):
    access, rng = RandomAccess(preambles=preambles), np.random.default_rng(1)
    shares = np.array([access.contend(devices, rng).mean() for _ in range(4000)])
    error = shares.std() / len(shares) ** 0.5
    assert abs(shares.mean() - access.success_probability(devices)) <= 3 * error


def test_with_one_preamble_nobody_is_heard_in_company():
    assert not RandomAccess(preambles=1).contend(2, np.random.default_rng(1)).any()


def test_alone_a_device_waits_for_the_occasion_the_answer_and_the_contention():
    access = RandomAccess(period_s=0.02, window_s=0.003, contention_s=0.005)
    ready_s = np.array([0.0, 0.02, 0.0401, 0.999])
    done = access.draw(ready_s, np.random.default_rng(1))
    np.testing.assert_allclose(done.elapsed_s, [0.008, 0.008, 0.0199 + 0.008, 0.001 + 0.008])
    assert done.admitted.all()
    assert done.attempts.tolist() == [1, 1, 1, 1]


def test_a_time_that_rounding_put_past_its_occasion_still_meets_it():
    assert RandomAccess().draw(np.array([0.1 + 0.2]), np.random.default_rng(1)).elapsed_s == (
        pytest.approx(0.008)
    )


def test_the_first_attempts_of_a_crowd_succeed_as_the_formula_says():
    access, crowds = RandomAccess(), 400
    first = np.array(
        [
            np.mean(access.draw(np.zeros(100), np.random.default_rng(seed)).attempts == 1)
            for seed in range(crowds)
        ]
    )
    assert abs(first.mean() - access.success_probability(100)) < 3 * first.std() / crowds**0.5


def test_a_crowd_is_admitted_in_the_end_and_late():
    alone_s, crowd = 0.008, RandomAccess(attempts=200).draw(np.zeros(100), np.random.default_rng(1))
    assert crowd.admitted.all()
    assert crowd.attempts.mean() > 2.0
    assert crowd.elapsed_s.mean() > 3 * alone_s


def test_without_wait_two_devices_on_one_preamble_collide_until_they_give_up():
    access = RandomAccess(preambles=1, backoff_s=0.0, attempts=3)
    done = access.draw(np.zeros(2), np.random.default_rng(1))
    assert done.attempts.tolist() == [3, 3]
    assert not done.admitted.any()
    np.testing.assert_allclose(done.elapsed_s, 2 * 0.010 + 0.008)


def test_even_an_answer_at_once_is_followed_by_another_occasion():
    access = RandomAccess(
        preambles=1, backoff_s=0.0, window_s=0.0, contention_s=0.0, attempts=3, period_s=0.01
    )
    done = access.draw(np.zeros(2), np.random.default_rng(1))
    np.testing.assert_allclose(done.elapsed_s, 0.02)


def test_those_who_collided_wait_uniformly_and_part():
    access = RandomAccess(preambles=1, backoff_s=1.0, attempts=200)
    elapsed_s = []
    for seed in range(400):
        done = access.draw(np.zeros(2), np.random.default_rng(seed))
        assert done.admitted.all()
        elapsed_s.extend(done.elapsed_s[done.attempts == 2])
    # The first attempt, a wait, half a period on average to the next occasion, the second attempt.
    expected_s = 0.008 + 0.5 + 0.005 + 0.008
    spread_s = 1.0 / 12.0**0.5
    assert len(elapsed_s) > 750
    assert np.std(elapsed_s) == pytest.approx(spread_s, rel=0.1)
    assert abs(np.mean(elapsed_s) - expected_s) < 3 * spread_s / len(elapsed_s) ** 0.5


def test_an_attempt_never_starts_before_the_last_has_ended():
    access = RandomAccess(preambles=1, backoff_s=0.0, attempts=4, contention_s=0.030)
    done = access.draw(np.zeros(2), np.random.default_rng(1))
    np.testing.assert_allclose(done.elapsed_s, 3 * 0.040 + 0.033)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32), st.integers(1, 8), st.floats(0.0, 0.1))
def test_every_device_ends_admitted_or_out_of_attempts(devices, seed, attempts, backoff_s):
    access = RandomAccess(preambles=8, attempts=attempts, backoff_s=backoff_s)
    ready_s = np.random.default_rng(seed).uniform(0.0, 0.05, devices)
    done = access.draw(ready_s, np.random.default_rng(seed))
    assert np.all((done.attempts >= 1) & (done.attempts <= attempts))
    assert np.all(done.admitted | (done.attempts == attempts))
    assert np.all(done.elapsed_s >= 0.008 - 1e-9)
    # Each attempt takes at most its wait, the way to the next occasion, and the answer.
    assert np.all(done.elapsed_s <= done.attempts * (backoff_s + 0.010 + 0.008) + 1e-9)


def test_latecomers_change_nothing_for_those_before_and_all_have_draws_of_their_own():
    access = RandomAccess(preambles=8)
    crowd = access.draw(np.zeros(30), np.random.default_rng(5))
    ready_s = np.concatenate([np.zeros(30), np.full(10, 60.0)])
    more = access.draw(ready_s, np.random.default_rng(5))
    np.testing.assert_array_equal(more.elapsed_s[:30], crowd.elapsed_s)
    np.testing.assert_array_equal(more.attempts[:30], crowd.attempts)


def test_company_can_only_hurt_a_first_attempt():
    access = RandomAccess(preambles=8, attempts=1)
    few = access.draw(np.zeros(5), np.random.default_rng(5))
    many = access.draw(np.zeros(9), np.random.default_rng(5))
    assert np.all(few.admitted | ~many.admitted[:5])


def test_a_time_before_the_first_occasion_is_refused():
    with pytest.raises(
        ValueError, match=r"ready_s must be finite and at least 0, got -1.0 for device 0"
    ):
        RandomAccess().draw(np.array([-1.0]), np.random.default_rng(1))
