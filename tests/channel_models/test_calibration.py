"""Calibration: our networks against the medians of 3GPP's companies, and what a wrong model does to them."""

from dataclasses import replace

import numpy as np
import pytest

from channel_models.calibration import (
    CASES,
    GATED_PERCENT,
    Comparison,
    Curves,
    compare,
    deployment,
    drop,
    drops,
    published,
)

DEVICES = 6000


@pytest.fixture(scope="module")
def at_6_ghz():
    return {case: compare(case, 6.0, drops(deployment(case, 6.0), DEVICES, 2)) for case in CASES}


def medians(case, carrier_ghz):
    curves = drop(deployment(case, carrier_ghz), DEVICES, 1)
    return np.median(curves.coupling_db), np.median(curves.geometry_db)


def test_every_gated_percentile_is_near_the_companies_median(at_6_ghz):
    rows = [row for found in at_6_ghz.values() for row in found if row.gated]
    assert len(rows) == len(CASES) * 2 * len(GATED_PERCENT) == 18
    for row in rows:
        assert abs(row.ours_db - row.theirs_db) <= row.tolerance_db, row


def test_the_gates_are_those_agreed_on(at_6_ghz):
    found = {
        (case, row.curve): row.tolerance_db
        for case, rows in at_6_ghz.items()
        for row in rows
        if row.gated
    }
    assert found == {
        ("umi", "coupling"): 2.0,
        ("uma", "coupling"): 2.0,
        ("umi", "geometry"): 1.2,
        ("uma", "geometry"): 1.2,
        ("inh", "coupling"): 0.7,
        ("inh", "geometry"): 0.7,
    }


def test_every_published_value_is_compared(at_6_ghz):
    compared = sum(row.theirs_db is not None for rows in at_6_ghz.values() for row in rows)
    kept = sum(len(curve) for case in CASES for curve in published(case, 6.0).values())
    assert compared == kept == 26


@pytest.mark.parametrize("high_loss_share", [0.2, 0.8])
def test_a_wrong_mix_of_walls_drifts(high_loss_share):
    right = deployment("umi", 6.0)
    walls = replace(right.channel.path_loss, high_loss_share=high_loss_share)
    wrong = replace(right, channel=replace(right.channel, path_loss=walls))
    rows = compare("umi", 6.0, drop(wrong, DEVICES, 1))
    assert any(row.drifted for row in rows if row.curve == "coupling")


@pytest.mark.parametrize("case", CASES)
def test_higher_bands_lose_more_and_leave_the_geometry(case):
    coupling_db, geometry_db = np.array([medians(case, f) for f in (6.0, 30.0, 70.0)]).T
    free_space_db = 20.0 * np.log10(np.array([30.0 / 6.0, 70.0 / 30.0]))
    # In an office walls add nothing; outdoors four devices in five stand behind them.
    assert np.all(-np.diff(coupling_db) >= free_space_db - 0.3)
    assert np.all(-np.diff(coupling_db) <= free_space_db + (1.0 if case == "inh" else 12.0))
    assert np.ptp(geometry_db) < 0.5


def test_no_curve_is_kept_for_other_bands():
    curves = Curves(np.zeros(10), np.zeros(10))
    rows = compare("uma", 28.0, curves)
    assert len(rows) == 10
    assert not any(row.gated or row.drifted for row in rows)


def test_a_drop_is_its_seed():
    deployed = deployment("inh", 6.0)
    one, same, other = (drop(deployed, 200, seed).coupling_db for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


@pytest.mark.parametrize(
    ("ours_db", "drifted"), [(-1.0, False), (1.0, False), (1.01, True), (np.nan, True)]
)
def test_drift_is_more_than_the_tolerance(ours_db, drifted):
    assert Comparison("coupling", 50.0, ours_db, 0.0, 1.0).drifted is drifted
