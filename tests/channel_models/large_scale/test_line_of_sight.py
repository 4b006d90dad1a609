"""The probability of line of sight, against the values that Sionna 2.2 and ns-3 agree on."""

import numpy as np
import pytest

from channel_models.large_scale.line_of_sight import uma_line_of_sight_probability
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.geometry import paths_between

DISTANCES = np.array([20.0, 50.0, 100.0, 200.0, 500.0])
REFERENCE = {
    1.5: [0.972800, 0.649402, 0.347671, 0.128048, 0.036345],
    20.0: [0.977786, 0.691983, 0.478347, 0.325726, 0.154992],
}


@pytest.mark.parametrize("height_m", REFERENCE)
def test_probabilities_are_those_of_the_table(height_m):
    assert len(REFERENCE[height_m]) == len(DISTANCES) == 5
    probability = uma_line_of_sight_probability(DISTANCES, height_m)
    np.testing.assert_allclose(probability, REFERENCE[height_m], atol=6e-7)


def test_everything_near_is_in_sight():
    np.testing.assert_array_equal(
        uma_line_of_sight_probability(np.array([0.0, 17.0, 18.0]), 20.0), 1.0
    )


def test_sight_is_lost_with_distance():
    probability = uma_line_of_sight_probability(np.linspace(0.0, 5000.0, 1000))
    assert np.all(np.diff(probability) <= 0.0)
    assert np.all((probability > 0.0) & (probability <= 1.0))


@pytest.mark.parametrize("distance_m", DISTANCES)
def test_the_fraction_drawn_is_the_probability(distance_m):
    links = 40_000
    paths = paths_between(np.tile([distance_m, 0.0], (links, 1)), np.zeros((1, 2)))
    state = UrbanMacro().init(links, 1, np.random.default_rng(3))
    drawn = UrbanMacro().large_scale(state, paths).line_of_sight
    probability = uma_line_of_sight_probability(np.array([distance_m]))[0]
    deviation = np.sqrt(probability * (1.0 - probability) / links)
    assert abs(drawn.mean() - probability) < 3.0 * deviation
