"""The probability of line of sight, against the values that Sionna 2.2 and ns-3 agree on, and who is in sight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.large_scale.indoor import IndoorFactory, IndoorOffice
from channel_models.large_scale.line_of_sight import (
    inf_clutter_m,
    inf_line_of_sight_probability,
    inh_line_of_sight_probability,
    rma_line_of_sight_probability,
    uma_c,
    uma_line_of_sight_probability,
    umi_line_of_sight_probability,
)
from channel_models.large_scale.rural import RuralMacro
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.layouts.geometry import paths_between

# The halls of TR 38.901, Table 7.8-7: r, d_clutter, h_c, h_BS, h_UT.
HALLS = {
    "SL": (0.2, 10.0, 2.0, 1.5, 1.5),
    "DL": (0.6, 2.0, 6.0, 1.5, 1.5),
    "SH": (0.2, 10.0, 2.0, 8.0, 1.5),
    "DH": (0.6, 2.0, 6.0, 8.0, 1.5),
}
CLUTTER = {"SL": (44.814, 5e-4), "DL": (2.1827, 5e-5), "SH": (582.58, 5e-3), "DH": (3.1528, 5e-5)}


def clutter_m(hall):
    density, size_m, height_m, base_m, device_m = HALLS[hall]
    heights = {"height_m": height_m, "base_height_m": base_m, "device_height_m": device_m}
    return inf_clutter_m(hall, density, size_m, **heights)


def in_hall(hall):
    return lambda d: inf_line_of_sight_probability(d, clutter_m(hall))


PROBABILITY = {
    "UMa": uma_line_of_sight_probability,
    "UMa, 20 m high": lambda d: uma_line_of_sight_probability(d, 20.0),
    "UMi": umi_line_of_sight_probability,
    "RMa": rma_line_of_sight_probability,
    "InF-SH": in_hall("SH"),
    "InF-SL": in_hall("SL"),
    "InF-DH": in_hall("DH"),
    "InH open": lambda d: inh_line_of_sight_probability(d, "open"),
    "InH mixed": lambda d: inh_line_of_sight_probability(d, "mixed"),
}
FIVE = (20.0, 50.0, 100.0, 200.0, 500.0)
# ns-3, src/propagation/test/channel-condition-model-test-suite.cc; values from Sionna 2.2.
REFERENCE = {
    "UMa": zip(FIVE, (0.972800, 0.649402, 0.347671, 0.128048, 0.036345), strict=True),
    "UMa, 20 m high": zip(FIVE, (0.977786, 0.691983, 0.478347, 0.325726, 0.154992), strict=True),
    "UMi": zip(FIVE, (0.957375, 0.519585, 0.230985, 0.093518, 0.036001), strict=True),
    "RMa": zip(FIVE, (0.990050, 0.960789, 0.913931, 0.826959, 0.612626), strict=True),
    "InF-SH": zip(FIVE, (0.966253, 0.917755, 0.842275, 0.709427, 0.423906), strict=True),
    "InF-SL": zip(FIVE, (0.640000, 0.327680, 0.107374, 0.011529, 0.000014), strict=True),
    "InF-DH": [(20.0, 0.001758)],
    "InH open": [(30.0, np.exp(-25.0 / 70.8)), (100.0, 0.54 * np.exp(-51.0 / 211.7))],
    "InH mixed": [(5.0, np.exp(-3.8 / 4.7)), (10.0, 0.32 * np.exp(-3.5 / 32.6))],
}
CASES = [(name, *case) for name, cases in REFERENCE.items() for case in cases]
LINKS = 40_000


def at(distance_m, links=LINKS):
    """Return many devices at one distance from one site."""
    return paths_between(np.tile([distance_m, 0.0], (links, 1)), np.zeros((1, 2)))


def drawn(model, paths, seed=3):
    state = model.init(*paths.ground_m.shape, np.random.default_rng(seed))
    return state, model.large_scale(state, paths)


def require_share(found, probability):
    """Require that a share of independent draws is a probability, to three standard errors."""
    found, probability = np.asarray(found), np.broadcast_to(probability, np.shape(found))
    deviation = np.sqrt((probability * (1.0 - probability)).sum()) / found.size
    assert abs(found.mean() - probability.mean()) <= 3.0 * deviation


def test_every_case_is_run():
    assert len(CASES) == len(set(CASES)) == 35


@pytest.mark.parametrize(("name", "distance_m", "expected"), CASES)
def test_probabilities_are_those_of_sionna(name, distance_m, expected):
    assert PROBABILITY[name](np.array([distance_m]))[0] == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("hall", HALLS)
def test_clutter_of_the_standards_halls(hall):
    expected_m, printed_m = CLUTTER[hall]
    assert clutter_m(hall) == pytest.approx(expected_m, abs=printed_m)


def test_the_halls_are_those_of_the_table():
    # At a distance k the probability is 1/e, and k is all that the defaults of a hall have to say about sight.
    for hall, (density, size_m, height_m, base_m, device_m) in HALLS.items():
        told = IndoorFactory(
            hall=hall,
            clutter_density=density,
            clutter_size_m=size_m,
            clutter_height_m=height_m,
            base_height_m=base_m,
            device_height_m=device_m,
        )
        paths = at(clutter_m(hall))
        for model in (told, IndoorFactory(hall=hall)):
            require_share(drawn(model, paths)[1].line_of_sight, np.exp(-1.0))


@pytest.mark.parametrize(
    ("name", "near_m"),
    [("UMa", 18.0), ("UMi", 18.0), ("RMa", 10.0), ("InH mixed", 1.2), ("InH open", 5.0)],
)
def test_everything_near_is_in_sight_and_sight_begins_to_go_there(name, near_m):
    probability = PROBABILITY[name]
    np.testing.assert_array_equal(probability(np.array([0.0, 0.9 * near_m, near_m])), 1.0)
    assert 0.99 < probability(np.array([1.001 * near_m]))[0] < 1.0


@pytest.mark.parametrize("name", PROBABILITY)
def test_sight_is_lost_with_distance(name):
    distance_m = np.linspace(0.0, 2000.0, 4001)
    probability = PROBABILITY[name](distance_m)
    assert np.all((probability >= 0.0) & (probability <= 1.0))
    lost = np.diff(probability) <= 0.0
    assert np.all(lost | (distance_m[:-1] == 49.0) & (name == "InH open"))


def test_the_two_parts_of_an_office_meet_roughly():
    # The standard's own steps: 0.3237 to 0.32 in the mixed office, 0.5372 to 0.54 in the open one.
    below, above = inh_line_of_sight_probability(np.array([6.4999999, 6.5]), "mixed")
    assert (below, above) == (pytest.approx(np.exp(-5.3 / 4.7), abs=1e-6), 0.32)
    below, above = inh_line_of_sight_probability(np.array([49.0, 49.0000001]), "open")
    assert (below, above) == (pytest.approx(np.exp(-44.0 / 70.8)), pytest.approx(0.54))


@settings(deadline=None)
@given(st.floats(18.1, 5000.0), st.floats(13.1, 23.0))
def test_height_helps_sight_in_a_macro_cell(distance_m, height_m):
    distance = np.array([distance_m])
    low, high = (uma_line_of_sight_probability(distance, height) for height in (13.0, height_m))
    assert low == uma_line_of_sight_probability(distance, 1.5) <= high <= 1.0
    c = ((height_m - 13.0) / 10.0) ** 1.5 * 1.25 * (distance_m / 100.0) ** 3
    assert uma_c(distance, height_m)[0] == pytest.approx(c * np.exp(-distance_m / 150.0))


def test_each_device_has_its_height():
    height_m, distance_m = np.array([[1.5], [20.0]]), np.array([[100.0, 500.0], [100.0, 500.0]])
    found = uma_line_of_sight_probability(distance_m, height_m)
    np.testing.assert_allclose(found, [[0.347671, 0.036345], [0.478347, 0.154992]], atol=6e-7)


@pytest.mark.parametrize(
    ("model", "name", "distances_m"),
    [
        (UrbanMacro(), "UMa", FIVE),
        (UrbanMacro(device_height_m=20.0), "UMa, 20 m high", FIVE),
        (UrbanMicro(), "UMi", FIVE),
        (RuralMacro(), "RMa", FIVE),
        (IndoorOffice(), "InH mixed", (2.0, 5.0, 10.0, 50.0)),
        (IndoorOffice(office="open"), "InH open", (7.0, 30.0, 100.0)),
        (IndoorFactory(hall="SL"), "InF-SL", (20.0, 50.0, 100.0)),
        (IndoorFactory(hall="SH"), "InF-SH", (20.0, 200.0, 500.0)),
        (IndoorFactory(hall="DH"), "InF-DH", (20.0,)),
    ],
)
def test_the_fraction_drawn_is_the_probability(model, name, distances_m):
    for distance_m in distances_m:
        seen = drawn(model, at(distance_m))[1].line_of_sight
        require_share(seen, PROBABILITY[name](np.array([distance_m]))[0])


def test_in_a_hall_of_high_ends_everything_is_in_sight():
    assert drawn(IndoorFactory(hall="HH"), at(500.0))[1].line_of_sight.all()
    with pytest.raises(ValueError, match=r"^line_of_sight must not be never in a hall of kind HH"):
        IndoorFactory(hall="HH", line_of_sight="never")


@pytest.mark.parametrize("model", [UrbanMacro, UrbanMicro, RuralMacro, IndoorOffice])
def test_sight_may_be_fixed(model):
    assert drawn(model(line_of_sight="always"), at(140.0, 50))[1].line_of_sight.all()
    assert not drawn(model(line_of_sight="never"), at(11.0, 50))[1].line_of_sight.any()


def test_links_to_two_sites_have_luck_of_their_own():
    paths = paths_between(np.tile([50.0, 0.0], (LINKS, 1)), np.zeros((2, 2)))
    seen = drawn(UrbanMicro(), paths)[1].line_of_sight
    require_share(seen[:, 0] & seen[:, 1], 0.519585**2)


@pytest.mark.parametrize(
    ("model", "correlation_m"),
    [
        (UrbanMacro(), 50.0),
        (UrbanMicro(), 50.0),
        (RuralMacro(), 60.0),
        (IndoorOffice(), 10.0),
        (IndoorFactory(hall="SL", clutter_size_m=8.0), 4.0),
    ],
)
def test_luck_of_a_map_is_shared_over_the_standards_distance(model, correlation_m):
    # Many pairs of devices, far from each other, one correlation distance apart within a pair.
    model = replace(model, line_of_sight="correlated", map_half_width_m=40.0 * correlation_m)
    first_m = np.stack(np.meshgrid(*2 * [np.linspace(-36.0, 36.0, 13)]), axis=-1).reshape(-1, 2)
    position_m = correlation_m * np.concatenate([first_m, first_m + np.array([0.6, 0.8])])
    luck = np.array([
        model.init(1, 1, np.random.default_rng(seed)).luck.at(position_m)[:, 0]
        for seed in range(12)
    ]).reshape(12, 2, -1)  # fmt: skip
    one, two = luck[:, 0].ravel(), luck[:, 1].ravel()
    # The standard error of a correlation ρ over n pairs is (1 − ρ²)/√n; neighbouring pairs share e^(−6) at most.
    tolerance = 3.5 * (1.0 - np.exp(-2.0)) / np.sqrt(one.size)
    assert (one * two).mean() / one.std() / two.std() == pytest.approx(np.exp(-1.0), abs=tolerance)


def test_sight_from_a_map_keeps_its_probability_and_neighbours():
    model = UrbanMicro(line_of_sight="correlated", map_half_width_m=200.0)
    turn = np.linspace(0.0, 2.0 * np.pi, 9)[:-1]
    ring_m = 120.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    paths = paths_between(np.concatenate([ring_m, ring_m, 1.001 * ring_m]), np.zeros((1, 2)))
    seen = np.array([drawn(model, paths, seed)[1].line_of_sight[:, 0] for seed in range(400)])
    np.testing.assert_array_equal(seen[:, :8], seen[:, 8:16])
    assert (seen[:, :8] == seen[:, 16:]).mean() > 0.97
    shares = seen[:, :8].mean(axis=1)
    expected = umi_line_of_sight_probability(np.array([120.0]))[0]
    assert shares.mean() == pytest.approx(expected, abs=3.0 * shares.std() / np.sqrt(len(shares)))


def test_a_map_serves_later_devices_and_every_site_alike():
    model = UrbanMacro(line_of_sight="correlated", map_half_width_m=300.0)
    few, many = (
        paths_between(
            np.random.default_rng(1).uniform(-200.0, 200.0, (40, 2))[:k], np.zeros((2, 2))
        )
        for k in (30, 40)
    )
    one, two = drawn(model, few)[1], drawn(model, many)[1]
    np.testing.assert_array_equal(one.loss_db, two.loss_db[:30])
    assert not np.array_equal(two.loss_db[:, 0], two.loss_db[:, 1])
    with pytest.raises(ValueError, match="map_half_width_m"):
        drawn(model, at(301.0, 1))


@pytest.mark.parametrize(
    ("cell", "probability"),
    [
        (UrbanMacro, uma_line_of_sight_probability),
        (UrbanMicro, lambda d, _: umi_line_of_sight_probability(d)),
        (RuralMacro, lambda d, _: rma_line_of_sight_probability(d)),
    ],
)
def test_sight_is_that_of_the_outdoor_part(cell, probability):
    # Indoors the sight shows in the basic loss alone: with the same streams, "always" tells what sight would cost.
    model, paths = cell(indoor_share=1.0), at(60.0)
    state, mixed = drawn(model, paths)
    clear = drawn(replace(model, line_of_sight="always"), paths)[1]
    seen, height_m = mixed.loss_db == clear.loss_db, state.whereabouts.height_m
    outdoor_m = 60.0 - state.whereabouts.depth_m
    np.testing.assert_array_equal(seen, state.luck < probability(outdoor_m, height_m))
    require_share(seen, probability(outdoor_m, height_m))
    assert seen.sum() > (state.luck < probability(np.array([[60.0]]), height_m)).sum()
