"""Indoor cells: offices, and factory halls with their clutter."""

from itertools import product

import numpy as np
import pytest

from channel_models.large_scale.indoor import IndoorFactory, IndoorOffice
from channel_models.large_scale.path_loss import INDOORS
from channel_models.large_scale.validity import OutOfRange
from channel_models.layouts.geometry import paths_between

# A + B lg d + C lg f of TR 38.901, Table 7.4.1-1, and the deviation.
IN_SIGHT = (31.84, 21.50, 19.00)
HIDDEN = {
    "SL": [(33.0, 25.5, 20.0)],
    "DL": [(33.0, 25.5, 20.0), (18.6, 35.7, 20.0)],
    "SH": [(32.4, 23.0, 20.0)],
    "DH": [(33.63, 21.9, 20.0)],
}
SIGMA_DB = {"SL": 5.7, "DL": 7.2, "SH": 5.9, "DH": 4.0}


def around(*distances_m):
    return paths_between(np.array([(d, 0.0) for d in distances_m]), np.zeros((1, 2)))


def found(model, *distances_m, seed=1):
    state = model.init(len(distances_m), 1, np.random.default_rng(seed))
    return model.large_scale(state, around(*distances_m))


def loss_db(model, *distances_m):
    return found(model, *distances_m).loss_db[:, 0]


def abc_db(terms, d, f):
    return terms[0] + terms[1] * np.log10(d) + terms[2] * np.log10(f)


@pytest.mark.parametrize("hall", HIDDEN)
@pytest.mark.parametrize("carrier_ghz", [0.5, 5.0, 28.0])
def test_halls_are_the_table(hall, carrier_ghz):
    base_m = 8.0 if hall in {"SH", "DH"} else 1.5
    for distance_m in (1.0, 10.0, 25.0, 26.0, 100.0, 550.0):
        d = np.hypot(distance_m, base_m - 1.5)
        clear_db = abc_db(IN_SIGHT, d, carrier_ghz)
        hidden_db = max(clear_db, *(abc_db(terms, d, carrier_ghz) for terms in HIDDEN[hall]))
        for sight, expected_db in (("always", clear_db), ("never", hidden_db)):
            model = IndoorFactory(carrier_ghz, hall=hall, line_of_sight=sight, enforce_ranges=True)
            assert loss_db(model, distance_m)[0] == pytest.approx(expected_db, abs=1e-9)


def test_dense_clutter_hides_no_less_than_sparse_clutter():
    # The two lines cross at 25.8 m; QuaDRiGa's table takes the lower one before.
    dense, sparse = (IndoorFactory(hall=hall, line_of_sight="never") for hall in ("DL", "SL"))
    near, far = (1.0, 5.0, 25.8), (25.9, 100.0)
    np.testing.assert_array_equal(loss_db(dense, *near), loss_db(sparse, *near))
    assert np.all(loss_db(dense, *far) > loss_db(sparse, *far))


@pytest.mark.parametrize("hall", HIDDEN)
def test_no_hall_hides_less_than_it_shows(hall):
    # Within the table's range no line crosses that in sight; nearer, at the lowest carrier, each does.
    heights = {"base_height_m": 1.500001, "device_height_m": 1.5}
    clear, hidden = (
        IndoorFactory(0.5, line_of_sight=sight, hall=hall, **heights)
        for sight in ("always", "never")
    )
    with pytest.warns(OutOfRange, match="^distance_m"):
        losses = loss_db(hidden, 0.0), loss_db(clear, 0.0)
    assert losses[0] == losses[1]
    assert all(abc_db(terms, 1e-6, 0.5) < losses[1][0] for terms in HIDDEN[hall])


@pytest.mark.parametrize("hall", HIDDEN)
def test_deviations_of_the_halls(hall):
    for sight, sigma_db in (("always", 4.3), ("never", SIGMA_DB[hall])):
        said = found(IndoorFactory(hall=hall, line_of_sight=sight), 20.0)
        assert said.sigma_db[0, 0] == sigma_db
        assert said.correlation_m[0, 0] == 10.0


def test_above_the_clutter_only_the_line_in_sight_is_left():
    said = found(IndoorFactory(5.0, hall="HH"), 20.0, 500.0)
    np.testing.assert_allclose(said.loss_db[:, 0], abc_db(IN_SIGHT, np.array([20.0, 500.0]), 5.0))
    np.testing.assert_array_equal(said.sigma_db, 4.3)


@pytest.mark.parametrize(
    ("hall", "ratio"),
    # V/S of 120 × 60 × 10 m is 72 000 / 18 000, of 300 × 150 × 10 m 450 000 / 99 000.
    [("SL", 4.0), ("DH", 4.0), ("DL", 450.0 / 99.0), ("SH", 450.0 / 99.0), ("HH", 450.0 / 99.0)],
)
def test_delays_are_spread_by_the_volume_over_the_surface(hall, ratio):
    laws = {"always": (np.log10(26.0 * ratio + 14.0) - 9.35, 0.15)}
    if hall != "HH":
        laws["never"] = (np.log10(30.0 * ratio + 32.0) - 9.44, 0.19)
    for sight, (mean, sigma) in laws.items():
        said = found(IndoorFactory(hall=hall, line_of_sight=sight), *20_000 * [20.0])
        lg_s = np.log10(said.delay_spread_s)
        assert lg_s.mean() == pytest.approx(mean, abs=3.0 * sigma / np.sqrt(lg_s.size))
        assert lg_s.std() == pytest.approx(sigma, abs=3.0 * sigma / np.sqrt(2.0 * lg_s.size))
        k_db = said.k_factor_db
        if sight == "always":
            assert k_db.mean() == pytest.approx(7.0, abs=3.0 * 8.0 / np.sqrt(k_db.size))
            assert k_db.std() == pytest.approx(8.0, abs=3.0 * 8.0 / np.sqrt(2.0 * k_db.size))
        else:
            assert np.all(k_db == -np.inf)


def test_a_hall_of_ones_own_has_its_own_spread():
    own = IndoorFactory(hall_length_m=60.0, hall_width_m=60.0, hall_height_m=15.0)
    usual = IndoorFactory()
    ratio = 54_000.0 / (2.0 * (3600.0 + 900.0 + 900.0))
    by = found(own, 20.0).delay_spread_s / found(usual, 20.0).delay_spread_s
    in_sight = (26.0 * ratio + 14.0) / (26.0 * 4.0 + 14.0)
    hidden = (30.0 * ratio + 32.0) / (30.0 * 4.0 + 32.0)
    assert min(abs(by[0, 0] / in_sight - 1.0), abs(by[0, 0] / hidden - 1.0)) < 1e-9


@pytest.mark.parametrize("hall", ["SH", "DH"])
def test_high_base_stations_stand_above_the_clutter_and_devices_below(hall):
    for name, height_m in product(("clutter_height_m", "base_height_m"), (1.0, 1.5)):
        with pytest.raises(
            ValueError, match=rf"^{name} must exceed device_height_m, 1\.5, .*got {height_m}$"
        ):
            IndoorFactory(hall=hall, **{name: height_m})
    IndoorFactory(hall="SL", clutter_height_m=1.0)


@pytest.mark.parametrize(
    ("nlos", "terms", "sigma_db"),
    [("standard", (17.3, 38.3, 24.9), 8.03), ("optional", (32.4, 31.9, 20.0), 8.29)],
)
def test_offices_are_the_table(nlos, terms, sigma_db):
    for carrier_ghz, distance_m in product((0.7, 28.0), (20.0, 140.0)):
        d = np.hypot(distance_m, 2.0)
        model = IndoorOffice(carrier_ghz, line_of_sight="never", nlos=nlos, enforce_ranges=True)
        said = found(model, distance_m)
        assert said.loss_db[0, 0] == pytest.approx(abc_db(terms, d, carrier_ghz), abs=1e-9)
        assert (said.sigma_db[0, 0], said.correlation_m[0, 0]) == (sigma_db, 6.0)
        clear = found(IndoorOffice(carrier_ghz, line_of_sight="always"), distance_m)
        expected_db = abc_db((32.4, 17.3, 20.0), d, carrier_ghz)
        assert clear.loss_db[0, 0] == pytest.approx(expected_db, abs=1e-9)
        assert (clear.sigma_db[0, 0], clear.correlation_m[0, 0]) == (3.0, 10.0)


def test_no_link_of_an_office_loses_less_out_of_sight():
    hidden, clear = (IndoorOffice(5.0, line_of_sight=sight) for sight in ("never", "always"))
    assert loss_db(hidden, 1.0)[0] == loss_db(clear, 1.0)[0]


def test_nobody_in_a_hall_or_office_is_behind_an_outer_wall():
    for model in (IndoorOffice(), IndoorFactory()):
        said = found(model, *np.linspace(5.0, 100.0, 200))
        assert not np.any(said.condition == INDOORS)
        assert np.all(said.zenith_rad >= np.pi / 2.0)
