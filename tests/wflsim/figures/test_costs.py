"""Who is dominated by nobody, and what a distribution is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wflsim.figures.distributions import STEPS, distribution
from wflsim.figures.pareto import front

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


def test_of_very_many_steps_an_even_choice_is_drawn():
    values = np.random.default_rng(0).random(20 * STEPS)
    at, share = distribution(values)
    assert len(at) == STEPS + 1
    assert share[-1] == 1.0
    np.testing.assert_allclose(
        share[1:], np.searchsorted(np.sort(values), at[1:], "right") / len(values)
    )
