"""Tapped delay lines: the tables against their own normalisation, and the spectrum against the tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_models.small_scale.correlation import (
    Exponential,
    LocalScattering,
    exponential_correlation,
)
from channel_models.small_scale.doppler import AutoRegressive, Jakes
from channel_models.small_scale.fading import Surroundings
from channel_models.small_scale.tapped_delay import (
    TappedDelayLine,
    delay_profile,
    rms_delay_spread,
)
from channel_models.standards import table
from channel_models.testing import check_fading

# Rows of the table, the path in sight its own, and the spread of the normalised delays.
PROFILES = {
    "A": (23, 1.00006),
    "B": (23, 0.99999),
    "C": (24, 1.00000),
    "D": (14, 0.99372),
    "E": (15, 1.00024),
}
# Row by row from the other end of each table: last delay and last power.
LAST = {
    "A": (9.6586, -29.7),
    "B": (4.7834, -11.3),
    "C": (8.6523, -22.8),
    "D": (12.525, -27.7),
    "E": (20.6519, -29.2),
}
KINDS = [
    *(TappedDelayLine(profile=name, blocks=7, block_hz=1e6) for name in PROFILES),
    TappedDelayLine("D", None, blocks=5),
    TappedDelayLine("A", correlation=Exponential(), doppler=AutoRegressive(), blocks=4),
    TappedDelayLine("E", correlation=LocalScattering(), blocks=3),
    TappedDelayLine("D", doppler=Jakes(sinusoids=16), blocks=1),
]
LINKS = 20_000


def around(links, spread_s=None):
    return Surroundings(np.linspace(-1.0, 1.0, links), delay_spread_s=spread_s)


def coefficients(model, links, antennas=1, spread_s=None, seed=5):
    setup, rng = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return model.step(model.init(links, antennas, setup), around(links, spread_s), 1.0, rng)[1]


def test_every_profile_is_there():
    tables = table("tr38901_tapped_delay_lines")
    assert set(PROFILES) == set(LAST) == set(tables) - {"source", "note", "keys"}
    assert len(PROFILES) == 5
    assert "20.6419" in tables["note"]


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_its_taps_and_a_delay_spread_of_one(name):
    found, (rows, spread) = delay_profile(name), PROFILES[name]
    assert len(found.delay) == len(found.power) == rows
    assert rms_delay_spread(found.delay, found.power) == pytest.approx(spread, abs=1e-5)
    assert found.power.sum() == pytest.approx(1.0)
    assert found.in_sight == (name in "DE")
    raw = table("tr38901_tapped_delay_lines")[name]
    assert (raw["normalized_delay"][-1], raw["power_db"][-1]) == LAST[name]


@pytest.mark.parametrize(("name", "k_db"), [("D", 13.3), ("E", 22.0)])
def test_the_first_tap_in_sight_is_so_much_stronger(name, k_db):
    found = delay_profile(name)
    assert 10.0 * np.log10(found.power[0] / found.power[1]) == pytest.approx(k_db)
    assert found.delay[0] == found.delay[1] == 0.0


def test_the_misprint_moves_the_spread_of_e_by_little():
    found = delay_profile("E")
    other = np.where(found.delay == 20.6519, 20.6419, found.delay)
    assert rms_delay_spread(other, found.power) == pytest.approx(1.00002, abs=1e-5)


@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_the_delay_spread_knows_no_origin_and_scales(factor, shift):
    found = delay_profile("C")
    spread = rms_delay_spread(factor * found.delay + shift, 3.0 * found.power)
    assert spread == pytest.approx(factor * rms_delay_spread(found.delay, found.power))


@pytest.mark.parametrize("model", KINDS)
def test_every_kind_conforms(model):
    check_fading(model)


def test_blocks_are_the_last_axis():
    assert coefficients(TappedDelayLine(blocks=6), 5, antennas=3).shape == (5, 3, 6)


@pytest.mark.parametrize("name", PROFILES)
def test_powers_and_delays_come_out_of_the_spectrum(name):
    found = delay_profile(name)
    h = coefficients(TappedDelayLine(name, 1000.0, blocks=80, block_hz=0.97e6), LINKS)[:, 0]
    delay, owner = np.unique(
        found.delay, return_inverse=True
    )  # taps at one delay cannot be told apart
    turns = np.exp(-2j * np.pi * 0.97 * np.arange(80) * delay[:, None])
    power = np.mean(np.abs(h @ np.linalg.pinv(turns)) ** 2, axis=0)
    expected = np.bincount(owner, weights=found.power)
    np.testing.assert_allclose(power, expected, rtol=4.0 / np.sqrt(LINKS))


@pytest.mark.parametrize("name", PROFILES)
def test_frequencies_correlate_as_the_transform_of_the_powers(name):
    found, hz = delay_profile(name), 0.37e6
    h = coefficients(TappedDelayLine(name, 300.0, blocks=12, block_hz=hz), LINKS)[:, 0]
    correlation = h[:, :1].conj().T @ h / LINKS
    expected = (
        np.exp(-2j * np.pi * hz * np.arange(12)[:, None] * 300e-9 * found.delay) @ found.power
    )
    np.testing.assert_allclose(correlation[0], expected, atol=4.0 / np.sqrt(LINKS))


@pytest.mark.parametrize(("name", "share"), [("A", 0.0), ("D", 10**-0.02), ("E", 10**-0.003)])
def test_only_d_and_e_have_a_steady_part(name, share):
    model, rng = TappedDelayLine(name, 100.0, blocks=2), np.random.default_rng(1)
    state = model.init(LINKS, 2, rng)
    state, first = model.step(state, around(LINKS), 1.0, rng)
    _, second = model.step(state, around(LINKS), 1.0, rng)
    steady = np.mean(first[:, 0, 0].conj() * second[:, 0, 0])
    scale = np.sum(10.0 ** (np.array(table("tr38901_tapped_delay_lines")[name]["power_db"]) / 10.0))
    assert complex(steady) == pytest.approx(share / scale, abs=4.0 / np.sqrt(LINKS))
    # It is a plane wave from the true bearing: undone at the second antenna, it is steady there too.
    back = np.exp(-1j * np.pi * np.sin(around(LINKS).bearing_rad))
    across = np.mean(first[:, 0, 0].conj() * second[:, 1, 0] * back)
    assert complex(across) == pytest.approx(share / scale, abs=4.0 / np.sqrt(LINKS))


@pytest.mark.parametrize("name", ["C", "D"])
@pytest.mark.parametrize("antennas", [1, 3])
def test_links_of_one_spread_need_not_share_it(name, antennas):
    common = coefficients(TappedDelayLine(name, 250.0), 600, antennas)
    own = coefficients(TappedDelayLine(name, None), 600, antennas, np.full(600, 250e-9))
    np.testing.assert_allclose(own, common, atol=1e-11)


def test_each_link_has_its_own_spread():
    spread_s = np.where(np.arange(LINKS) % 2, 1e-6, 0.0)
    h = coefficients(TappedDelayLine("B", None, blocks=3, block_hz=1e6), LINKS, spread_s=spread_s)
    found = delay_profile("B")
    correlation = np.mean(h[1::2, 0, 0].conj() * h[1::2, 0, 1])
    expected = np.exp(-2j * np.pi * found.delay) @ found.power
    np.testing.assert_array_equal(h[::2, 0, 0], h[::2, 0, 1])
    assert complex(correlation) == pytest.approx(complex(expected), abs=4.0 / np.sqrt(LINKS / 2))


def test_antennas_correlate_at_every_frequency():
    model = TappedDelayLine("A", 100.0, blocks=2, block_hz=5e6, correlation=Exponential(0.8))
    h = coefficients(model, LINKS, antennas=3)
    for block in range(2):
        one = h[:, :, block]
        np.testing.assert_allclose(
            one.T @ one.conj() / LINKS,
            exponential_correlation(0.8, 3),
            atol=4.0 / np.sqrt(LINKS),
        )


@pytest.mark.parametrize("doppler", [AutoRegressive(speed_m_s=0.0), Jakes(speed_m_s=0.0)])
def test_who_stands_still_hears_the_same(doppler):
    model, rng = TappedDelayLine("D", doppler=doppler), np.random.default_rng(1)
    state = model.init(4, 2, rng)
    state, first = model.step(state, around(4), 1.0, rng)
    _, second = model.step(state, around(4), 9.0, rng)
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_a_spread_that_nobody_tells_is_asked_for():
    with pytest.raises(ValueError, match=r"^delay_spread_ns must be set, .* got None$"):
        coefficients(TappedDelayLine(delay_spread_ns=None), 3)
    with pytest.raises(
        ValueError, match=r"^delay_spread_s must be finite and at least 0, got nan for device 1"
    ):
        coefficients(
            TappedDelayLine(delay_spread_ns=None), 3, spread_s=np.array([0.0, np.nan, 1.0])
        )


def test_a_process_without_antennas_is_refused():
    with pytest.raises(ValueError, match=r"^antennas must be at least 1, got 0$"):
        TappedDelayLine().init(3, 0, np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"^links must be at least 0, got -1$"):
        TappedDelayLine().init(-1, 1, np.random.default_rng(1))


@pytest.mark.parametrize("model", KINDS)
def test_a_device_more_changes_no_bit(model):
    spread_s = np.linspace(1e-8, 1e-6, 300)
    full = coefficients(model, 300, 2, spread_s)  # 600 rows, more than one product has
    for links in (0, 1, 2, 3, 5, 17, 255, 256, 257, 299):
        bearing = Surroundings(around(300).bearing_rad[:links], None, spread_s[:links])
        setup, rng = np.random.default_rng(5), np.random.default_rng(6)
        some = model.step(model.init(links, 2, setup), bearing, 1.0, rng)[1]
        np.testing.assert_array_equal(some, full[:links])
