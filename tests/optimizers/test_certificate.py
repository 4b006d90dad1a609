"""A certificate says what is true of an answer, whatever the allocator claims."""

import math
import pickle

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.testing import random_problem


@pytest.fixture
def problem():
    return random_problem(np.random.default_rng(1), 6, 0.5)


def test_claims_are_checked(problem):
    best = solve_kkt(problem)
    late = problem.allocation(keep=1.0, bandwidth_hz=best.bandwidth_hz, status="optimal")
    assert late.certificate.status in {"infeasible", "unbounded"}
    poor = problem.allocation(
        keep=best.keep * 0.99,
        bandwidth_hz=best.bandwidth_hz,
        price=best.certificate.price,
        status="optimal",
    )
    assert (
        poor.certificate.status in {"infeasible", "unbounded"}
        if np.any(best.keep * 0.99 < problem.keep_min)
        else poor.certificate.status == "inaccurate"
    )
    unproven = problem.allocation(keep=best.keep, bandwidth_hz=best.bandwidth_hz, status="optimal")
    assert unproven.certificate.status == "inaccurate"
    assert math.isnan(unproven.certificate.gap)
    assert math.isnan(unproven.certificate.stationarity)


def test_each_constraint_is_measured(problem):
    best = solve_kkt(problem)
    bands, keep = best.bandwidth_hz, best.keep
    wide = problem.allocation(keep=keep, bandwidth_hz=bands * 1.5).certificate
    assert wide.violation["bandwidth"] == pytest.approx(0.5)
    assert wide.reason == "the limits on bandwidth are exceeded"
    loud = problem.allocation(
        keep=keep, bandwidth_hz=bands, power_w=problem.power_max_w * 2
    ).certificate
    assert loud.violation["power"] == pytest.approx(1.0)
    empty = problem.allocation(keep=0.01, bandwidth_hz=bands).certificate
    assert empty.violation["keep"] == pytest.approx(0.09)
    mute = problem.allocation(keep=keep, bandwidth_hz=bands * 0.0).certificate
    assert mute.violation["deadline"] == np.inf
    broken = problem.allocation(keep=np.nan, bandwidth_hz=bands).certificate
    assert broken.status == "infeasible"


def test_gap_bounds_the_loss_at_any_price(problem):
    best = solve_kkt(problem)
    for factor in (0.0, 1e-3, 0.5, 0.9, 1.1, 2.0, 1e3):
        told = problem.allocation(
            keep=best.keep,
            bandwidth_hz=best.bandwidth_hz,
            price=best.certificate.price * factor,
        ).certificate
        assert told.gap > 1e-6, "a wrong price proves nothing"
        assert told.stationarity > 0.05


def test_active_names_what_holds_each_device(problem):
    best = solve_kkt(problem)
    for keep, name in zip(best.keep, best.certificate.held, strict=True):
        assert (name == "keep_max") == (keep >= 1.0 - 1e-9)
        assert name in {"keep_max", "keep_min", "deadline"}
    lazy = problem.allocation(keep=best.keep * 0.5 + 0.05, bandwidth_hz=best.bandwidth_hz)
    assert set(lazy.certificate.held) <= {"slack", "keep_min"}


def test_negative_price_is_refused(problem):
    with pytest.raises(ValueError, match="price"):
        problem.allocation(keep=0.5, bandwidth_hz=1e6, price=-1.0)


def test_wrong_shape_is_refused(problem):
    with pytest.raises(ValueError, match=r"keep: shape \(2,\) does not fit 6 devices"):
        problem.allocation(keep=[0.5, 0.5], bandwidth_hz=1e6)


def test_an_answer_travels_between_processes(problem):
    answer = solve_kkt(problem)
    copy = pickle.loads(pickle.dumps(answer))
    np.testing.assert_array_equal(copy.keep, answer.keep)
    np.testing.assert_array_equal(answer.pruning, 1.0 - answer.keep)
    for name, value in vars(answer.certificate).items():
        np.testing.assert_equal(getattr(copy.certificate, name), value)
    back = pickle.loads(pickle.dumps(problem))
    np.testing.assert_array_equal(back.gain, problem.gain)
