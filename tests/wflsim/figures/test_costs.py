"""Who is dominated by nobody, and what a distribution is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wflsim.figures.distributions import STEPS, distribution
from wflsim.figures.layout import Wanted
from wflsim.figures.paper import styled
from wflsim.figures.pareto import draw, front

FEW = st.integers(0, 4).map(float)
POINTS = arrays.arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=FEW)


def dominates(one, other):
    no_worse = one[0] <= other[0] and one[1] >= other[1]
    return no_worse and (one[0] < other[0] or one[1] > other[1])


@given(POINTS)
def test_the_front_is_whom_nobody_dominates(points):
    expected = [not any(dominates(one, point) for one in points) for point in points]
    assert front(points).tolist() == expected
    assert front(points).any()


@given(POINTS)
def test_along_the_front_more_cost_is_more_gain(points):
    best = np.unique(points[front(points)], axis=0)
    assert (np.diff(best[:, 0]) > 0).all()
    assert (np.diff(best[:, 1]) > 0).all()


@given(st.lists(st.floats(0, 9), min_size=1, max_size=30))
def test_a_distribution_rises_from_none_to_all(values):
    at, share = distribution(np.array(values))
    assert (np.diff(at) >= 0).all()
    assert (np.diff(share) > 0).all()
    assert (share[0], share[-1]) == (0.0, 1.0)
    assert (at[0], at[-1]) == (min(values), max(values))


@pytest.mark.parametrize(("most", "scale"), [(3.0, "linear"), (900.0, "log")])
def test_every_marker_and_the_front_are_in_view(most, scale):
    lines = ["a", "b", "c"]
    finals = pd.DataFrame(
        {
            "line": pd.Categorical(2 * lines, lines),
            "simulated_s": [1.0, 2.0, most, 1.5, 9.0, most],
            "energy_j": [1.0, 2.0, most, 1.5, 2.5, most],
            "accuracy_personal": [0.3, 0.4, 0.2, 0.5, 0.4, 0.3],
        }
    )
    with styled():
        figure = draw({"finals": finals}, Wanted())
    for axes, cost in zip(figure.axes, ("simulated_s", "energy_j"), strict=True):
        assert axes.get_xscale() == scale
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        means = finals.groupby("line", observed=True)[[cost, "accuracy_personal"]].mean()
        assert (low < means[cost]).all()
        assert (means[cost] < high).all()
        assert means["accuracy_personal"].mul(100).between(bottom, top).all()
        kept = means[front(means.to_numpy())].sort_values(cost)
        np.testing.assert_allclose(axes.lines[-1].get_xdata(), kept[cost])


def test_of_very_many_steps_an_even_choice_is_drawn():
    values = np.random.default_rng(0).random(20 * STEPS)
    at, share = distribution(values)
    assert len(at) == STEPS + 1
    assert share[-1] == 1.0
    np.testing.assert_allclose(
        share[1:], np.searchsorted(np.sort(values), at[1:], "right") / len(values)
    )
