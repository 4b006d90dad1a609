"""Error models: convex, non-decreasing, and what a vector of weights loses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import Lorenz, RoundProblem, lorenz
from optimizers.errors import Linear, NegLog, Quadratic, error_model


@given(st.integers(0, 10_000), st.integers(2, 40))
@settings(max_examples=40, deadline=None)
def test_a_lorenz_curve_is_the_share_of_the_smallest_weights(seed, points):
    weights = np.random.default_rng(seed).normal(size=200) ** 3
    curve = lorenz(weights, points=points)
    squares = np.sort(weights**2)
    for ratio, error in zip(curve.pruning, curve.error, strict=True):
        expected = squares[: round(ratio * 200)].sum() / squares.sum()
        assert error == pytest.approx(expected, abs=1e-12)
    share = np.linspace(0.0, 1.0, 101)
    value = curve.value(share)
    assert value[0] == 0.0
    assert value[-1] == pytest.approx(1.0)
    assert (np.diff(value) >= -1e-12).all()
    assert (np.diff(value, n=2) >= -1e-12).all()
    assert (value <= share + 1e-12).all()


def test_curves_of_every_device():
    weights = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 3.0]])
    curve = lorenz(weights, points=5)
    np.testing.assert_allclose(curve.error, [[0, 0.25, 0.5, 0.75, 1], [0, 0, 0, 0.1, 1]])
    np.testing.assert_allclose(curve.value(np.array([0.125, 0.875])), [0.125, 0.55])


def test_models_by_name():
    ratio = np.array([0.0, 0.5])
    np.testing.assert_allclose(error_model("linear").value(ratio), [0, 0.5])
    np.testing.assert_allclose(error_model("quadratic").value(ratio), [0, 0.25])
    np.testing.assert_allclose(error_model("neglog").value(ratio), [0, np.log(2)])
    for model in (Linear(), Quadratic(), NegLog()):
        assert error_model(model) is model


@pytest.mark.parametrize(
    ("pruning", "error", "complaint"),
    [
        ([0, 0.5, 1], [0, 1], "do not agree"),
        ([0], [0], "do not agree"),
        ([0, 0.7, 0.5, 1], [0, 1, 2, 3], "must rise from 0 to 1"),
        ([0, 0.5], [0, 1], "must rise from 0 to 1"),
        ([0, 0.5, 1], [0, 0.9, 1], "must be convex"),
        ([0, 0.5, 1], [1, 0.5, 0.2], "not fall"),
        ([0, 0.5, 1], [0, np.nan, 1], "finite"),
    ],
)
def test_bad_curves_are_refused(pruning, error, complaint):
    with pytest.raises(ValueError, match=complaint):
        Lorenz(pruning, error)


def test_unknown_models_are_refused():
    some = {
        "gain": [1e-9, 1e-9], "noise_w_per_hz": 2e-20, "bandwidth_hz": 1e6, "power_max_w": 0.1,
        "fixed_s": 0, "slope_s": 0, "fixed_bits": 0, "prunable_bits": 1e6, "deadline_s": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"unknown model 'cubic' \(known: linear, quadratic"):
        RoundProblem(**some, error="cubic")
    with pytest.raises(ValueError, match="not an error model"):
        RoundProblem(**some, error=3)
    with pytest.raises(ValueError, match=r"curves of shape \(3, 2\) do not fit 2 devices"):
        RoundProblem(**some, error=Lorenz([0, 1], [[0, 1]] * 3))
    with pytest.raises(ValueError, match="empty or all zero"):
        lorenz([0.0, 0.0])
