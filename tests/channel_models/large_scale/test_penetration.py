"""Penetration: materials, walls and cars, against values derived from the standard's formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.large_scale.penetration import (
    car_penetration,
    material_loss_db,
    wall_penetration,
)

CARRIERS = (3.5, 6.0, 28.0)
WALLS = {
    ("low", 16): (12.698, 13.402, 17.829),
    ("low", 19): (12.698, 13.402, 17.829),
    ("high", 16): (26.850, 30.694, 37.949),
    ("high", 19): (27.499, 31.753, 35.029),
}
CASES = [
    (wall, release, carrier_ghz, expected_db)
    for (wall, release), losses in WALLS.items()
    for carrier_ghz, expected_db in zip(CARRIERS, losses, strict=True)
]


def test_every_case_is_run():
    # Nine values; those of low loss hold in both releases.
    assert len(CASES) == len(set(CASES)) == 12
    assert len({(wall, db) for wall, _, _, db in CASES}) == 9


@pytest.mark.parametrize(("wall", "release", "carrier_ghz", "expected_db"), CASES)
def test_walls_are_the_derived_values(wall, release, carrier_ghz, expected_db):
    found = wall_penetration(wall, carrier_ghz, release)
    assert found.mean_db == pytest.approx(expected_db, abs=1e-3)
    assert found.sigma_db == (4.4 if wall == "low" else 6.5)


@pytest.mark.parametrize(
    ("material", "release", "at_10_ghz", "per_ghz"),
    [
        ("glass", 19, 4.0, 0.2),
        ("concrete", 19, 45.0, 4.0),
        ("wood", 19, 6.05, 0.12),
        ("IRR_glass", 16, 26.0, 0.3),
        ("IRR_glass", 19, 26.5, 0.11),
    ],
)
def test_materials(material, release, at_10_ghz, per_ghz):
    here_db, further_db = (material_loss_db(material, f, release) for f in (10.0, 11.0))
    assert here_db == pytest.approx(at_10_ghz)
    assert further_db - here_db == pytest.approx(per_ghz)


@settings(deadline=None)
@given(st.floats(0.5, 100.0), st.sampled_from([16, 19]))
def test_a_wall_is_between_its_materials_and_strong_ones_are_stronger(carrier_ghz, release):
    low, high = (wall_penetration(wall, carrier_ghz, release) for wall in ("low", "high"))
    glass, concrete, irr = (
        material_loss_db(material, carrier_ghz, release)
        for material in ("glass", "concrete", "IRR_glass")
    )
    assert high.mean_db > low.mean_db
    assert min(glass, concrete) <= low.mean_db - 5.0 <= max(glass, concrete)
    assert min(irr, concrete) - 1e-9 <= high.mean_db - 5.0 <= max(irr, concrete) + 1e-9
    assert wall_penetration("low", 1.01 * carrier_ghz, release).mean_db > low.mean_db


def test_the_wall_of_one_frequency():
    assert wall_penetration("single_frequency", 3.5) == (20.0, 0.0)


def test_cars():
    assert car_penetration() == (9.0, 5.0)
    assert car_penetration(metallised=True) == (20.0, 5.0)


@pytest.mark.parametrize("release", [0, 17, 20])
def test_unknown_releases_are_refused(release):
    with pytest.raises(ValueError, match=rf"^release must be 16 or 19, got {release}$"):
        wall_penetration("high", 3.5, release)


def test_where_concrete_is_shut_the_glass_is_a_share_of_the_wall():
    expected_db = 5.0 + material_loss_db("glass", 100.0) - 10.0 * np.log10(0.3)
    assert wall_penetration("low", 100.0).mean_db == pytest.approx(expected_db, abs=1e-9)
