"""Own bands split the hierarchy, a common band joins it; deadlines come from the cloud's threshold."""

import numpy as np
import pytest

from optimizers import solve_kkt
from optimizers.closed_forms.hierarchical import edge_deadlines_s, hierarchical, least_pruning
from optimizers.frontier import kept
from optimizers.testing import random_problem

EDGE = np.array([1, 0, 2, 0, 1, 2, 0])
DEADLINE_S = np.array([0.9, 1.1, 1.4])


def _round(seed=2):
    return random_problem(np.random.default_rng(seed), 7, 0.5)


def test_own_bands_split_into_independent_rounds():
    problem, bands_hz = _round(), [3e6, 2e6, 1.5e6]
    found = hierarchical(problem, EDGE, DEADLINE_S, bands_hz)
    for index, band_hz in enumerate(bands_hz):
        members = np.flatnonzero(index == EDGE)
        alone = solve_kkt(
            problem.picked(members).changed(deadline_s=DEADLINE_S[index], bandwidth_hz=band_hz)
        )
        np.testing.assert_allclose(found.keep[members], alone.keep, rtol=1e-6)
        np.testing.assert_allclose(found.bandwidth_hz[members], alone.bandwidth_hz, rtol=1e-6)
        assert found.bandwidth_hz[members].sum() == pytest.approx(band_hz)
    assert found.objective == pytest.approx(float(problem.weight @ (1.0 - found.keep)))


def test_a_common_band_is_one_round_with_deadlines_by_edge():
    problem = _round()
    found = hierarchical(problem, EDGE, DEADLINE_S)
    finish_s = problem.finish_s(found.keep, found.bandwidth_hz, found.power_w)
    assert np.all(finish_s <= DEADLINE_S[EDGE] * (1 + 1e-9))
    assert len(found.answers) == 1
    assert found.answers[0].certificate.status == "optimal"


def test_a_common_band_is_never_worse_than_its_parts():
    problem = _round()
    for split in ([3e6, 2e6, 2e6], [1e6, 4e6, 2e6]):
        parts = hierarchical(problem, EDGE, DEADLINE_S, split)
        if all(answer.certificate.feasible for answer in parts.answers):
            assert hierarchical(problem, EDGE, DEADLINE_S).objective <= parts.objective + 1e-9


def test_edges_without_devices_are_skipped():
    found = hierarchical(_round(), EDGE, np.append(DEADLINE_S, 1.0), [3e6, 2e6, 2e6, 9e6])
    assert len(found.answers) == 3
    assert np.all(found.bandwidth_hz > 0.0)


def test_the_slowest_cloud_round_is_the_threshold():
    cloud_s = np.array([0.5, 1.0, 2.0])
    deadline_s = edge_deadlines_s(8.0, cloud_s, 3)
    np.testing.assert_allclose(3 * deadline_s + cloud_s, 8.0)


def test_the_form_of_the_literature_is_the_ratio_step_without_fixed_bits():
    problem = _round().changed(fixed_bits=0.0, keep_min=1e-6)
    bands_hz = np.full(7, 1e6)
    expected = 1.0 - kept(problem, bands_hz)
    np.testing.assert_allclose(least_pruning(problem, bands_hz), expected, atol=1e-12)
    assert expected.max() > 0.1


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: edge_deadlines_s(1.0, [0.5, 1.5], 2), "^threshold_s: 1.0 leaves no time"),
        (lambda: edge_deadlines_s(1.0, 0.5, 0), "^edge_rounds: 0 must be"),
        (lambda: hierarchical(_round(), EDGE, [1.0, 1.0]), "^edge: must give"),
        (lambda: hierarchical(_round(), EDGE, DEADLINE_S, [1e6]), "^band_hz: 1 bands for 3"),
    ],
)
def test_mistakes_are_told(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()
