"""Spreads of delays and K-factors, and the deviations of shadowing that ns-3 tests."""

import numpy as np
import pytest

from channel_models.large_scale.indoor import IndoorOffice
from channel_models.large_scale.rural import RuralMacro
from channel_models.large_scale.spreads import factory_spreads, spreads
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.layouts.geometry import paths_between

LG_10, LG_11 = 1.0, np.log10(11.0)
# Mean and deviation of lg DS at 10 GHz, TR 38.901 Table 7.5-6 as in Sionna 2.2: in sight, out of sight, indoors.
AT_10_GHZ = {
    ("UMa", 16): [
        (-6.955 - 0.0963 * LG_10, 0.66),
        (-6.28 - 0.204 * LG_10, 0.39),
        (-6.62, 0.32),
    ],
    ("UMa", 19): [
        (-7.067 - 0.0794 * LG_10, 0.57 + 0.026 * LG_10),
        (-6.47 - 0.134 * LG_10, 0.39),
        (-6.62, 0.32),
    ],
    ("UMi", 16): [
        (-7.14 - 0.24 * LG_11, 0.38),
        (-6.83 - 0.24 * LG_11, 0.28 + 0.16 * LG_11),
        (-6.62, 0.32),
    ],
    ("UMi", 19): [
        (-7.28 - 0.18 * LG_11, 0.39),
        (-6.87 - 0.22 * LG_11, 0.22 + 0.19 * LG_11),
        (-6.62, 0.32),
    ],
    ("RMa", 16): [(-7.49, 0.55), (-7.43, 0.48), (-7.47, 0.24)],
    ("RMa", 19): [(-7.49, 0.55), (-7.43, 0.48), (-7.47, 0.24)],
    ("InH", 16): [(-7.692 - 0.01 * LG_11, 0.18), (-7.173 - 0.28 * LG_11, 0.055 + 0.1 * LG_11)],
    ("InH", 19): [(-7.692 - 0.01 * LG_11, 0.18), (-7.173 - 0.28 * LG_11, 0.055 + 0.1 * LG_11)],
}
CASES = [
    (scenario, release, condition, *law)
    for (scenario, release), laws in AT_10_GHZ.items()
    for condition, law in enumerate(laws)
]
K = {"UMa": (9.0, 3.5), "UMi": (9.0, 5.0), "RMa": (7.0, 4.0), "InH": (7.0, 4.0)}
# ns-3, ThreeGppShadowingTestCase, at its heights; its rows at 3.5 GHz expect 7 dB for UMa and UMi, which belongs to
# links into buildings alone (Table 7.4.3-3).
SIGMA_DB = [
    (RuralMacro(3.5, 25.0, 1.6), 100.0, 4.0, 8.0),
    (RuralMacro(3.5, 25.0, 1.6), 4000.0, 6.0, 8.0),
    (UrbanMacro(6.0, 25.0, 1.6), 100.0, 4.0, 6.0),
    (UrbanMacro(3.5, 25.0, 1.6), 100.0, 4.0, 6.0),
    (UrbanMicro(6.0, 10.0, 1.6), 100.0, 4.0, 7.82),
    (UrbanMicro(3.5, 10.0, 1.6), 100.0, 4.0, 7.82),
    (IndoorOffice(6.0, 3.0, 1.0), 50.0, 3.0, 8.03),
]


def test_every_case_is_run():
    assert len(CASES) == len({case[:3] for case in CASES}) == 22
    assert len(SIGMA_DB) == 7


@pytest.mark.parametrize(("scenario", "release", "condition", "mean", "sigma"), CASES)
def test_delay_spreads_are_the_table(scenario, release, condition, mean, sigma):
    found = spreads(scenario, 10.0, release)
    assert found.lg_ds_mean[condition] == pytest.approx(mean, abs=1e-12)
    assert found.lg_ds_sigma[condition] == pytest.approx(sigma, abs=1e-12)


@pytest.mark.parametrize("scenario", K)
def test_k_factors_are_the_table(scenario):
    mean_db, sigma_db = K[scenario]
    found = spreads(scenario, 10.0)
    np.testing.assert_array_equal(found.k_mean_db, [mean_db, -np.inf, -np.inf])
    np.testing.assert_array_equal(found.k_sigma_db, [sigma_db, 0.0, 0.0])


@pytest.mark.parametrize(("scenario", "least_ghz"), [("UMa", 6.0), ("UMi", 2.0), ("InH", 6.0)])
def test_low_carriers_spread_as_the_least_known_one(scenario, least_ghz):
    at_least, above = spreads(scenario, least_ghz), spreads(scenario, 1.01 * least_ghz)
    for carrier_ghz in (0.5, 0.999 * least_ghz):
        below = spreads(scenario, carrier_ghz)
        np.testing.assert_array_equal(below.lg_ds_mean, at_least.lg_ds_mean)
        np.testing.assert_array_equal(below.lg_ds_sigma, at_least.lg_ds_sigma)
    assert np.all(above.lg_ds_mean[:2] < at_least.lg_ds_mean[:2])


def test_unknown_releases_are_refused():
    for scenario in K:
        with pytest.raises(ValueError, match=r"^release must be 16 or 19, got 18$"):
            spreads(scenario, 3.5, 18)


def test_larger_halls_spread_delays_more():
    small, large = factory_spreads(30.0, 30.0, 5.0), factory_spreads(120.0, 60.0, 10.0)
    assert np.all(large.lg_ds_mean > small.lg_ds_mean)
    np.testing.assert_allclose(large.lg_ds_mean[:2], [np.log10(118) - 9.35, np.log10(152) - 9.44])
    np.testing.assert_array_equal(large.lg_ds_sigma[:2], [0.15, 0.19])
    np.testing.assert_array_equal(large.k_mean_db, [7.0, -np.inf, -np.inf])
    np.testing.assert_array_equal(large.k_sigma_db, [8.0, 0.0, 0.0])


def test_normals_become_spreads_and_k_factors():
    found = spreads("UMa", 6.0, 16)
    condition, normal = np.array([[0, 1, 2, 0]], dtype=np.uint8), np.array([[0.0, 1.0, -1.0, 2.0]])
    expected = found.lg_ds_mean[[0, 1, 2, 0]] + found.lg_ds_sigma[[0, 1, 2, 0]] * normal[0]
    np.testing.assert_allclose(found.delay_spread_s(condition, normal)[0], 10.0**expected)
    k_db = found.k_factor_db(condition, normal)
    np.testing.assert_allclose(k_db, [[9.0, -np.inf, -np.inf, 16.0]])
    np.testing.assert_array_equal(normal, [[0.0, 1.0, -1.0, 2.0]])


@pytest.mark.parametrize(("model", "distance_m", "clear_db", "hidden_db"), SIGMA_DB)
def test_deviations_of_shadowing_are_those_of_ns3(model, distance_m, clear_db, hidden_db):
    paths = paths_between(np.tile([distance_m, 0.0], (400, 1)), np.zeros((1, 2)))
    found = model.large_scale(model.init(400, 1, np.random.default_rng(1)), paths)
    assert 0 < found.line_of_sight.sum() < 400
    expected_db = np.where(found.line_of_sight, clear_db, hidden_db)
    np.testing.assert_array_equal(found.sigma_db, expected_db)
