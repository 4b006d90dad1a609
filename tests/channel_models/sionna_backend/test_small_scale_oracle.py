"""Delay lines against Sionna 2.2: the tables exactly, and what either draws within three standard errors."""

import numpy as np
import pytest

pytest.importorskip("sionna", reason="Sionna is the oracle; pip install 'wflsim[sionna]'")

from channel_models.sionna_backend import door
from channel_models.sionna_backend.fading import SionnaClusteredDelayLine, SionnaTappedDelayLine
from channel_models.small_scale.fading import Surroundings
from channel_models.small_scale.tapped_delay import TappedDelayLine, delay_profile, rms_delay_spread

pytestmark = pytest.mark.usefixtures("one_thread")

PROFILES = "ABCDE"
DEVICES, ANTENNAS = 256, 8
OFFSETS = np.array([
    0.0447, 0.1413, 0.2492, 0.3715, 0.5129, 0.6797, 0.8844, 1.1481, 1.5195, 2.1551
])  # fmt: skip
"""Offsets of a cluster's rays in units of its spread, half of them: TR 38.901, Table 7.5-3."""


def their_line(name, release="19.2"):
    from sionna.phy.channel.tr38901 import TDL

    return TDL(name, 1.0, 1e9, precision="double", device="cpu", spec_version=release)


def cluster_table(name):
    from sionna.phy.channel.tr38901 import models

    return models.load_json(models.parameter_file(f"CDL-{name}.json", "19.2"))


def merged(name):
    """Return our profile as Sionna has it, the path in sight and the tap that shares its delay as one."""
    found = delay_profile(name)
    if not found.in_sight:
        return found.delay, found.power
    return found.delay[1:], np.concatenate([[found.power[:2].sum()], found.power[2:]])


@pytest.mark.parametrize("release", ["16.1", "19.2"])
@pytest.mark.parametrize("name", PROFILES)
def test_delays_and_powers_are_the_same_numbers(name, release):
    theirs = their_line(name, release)
    delay, power = merged(name)
    assert len(delay) == {"A": 23, "B": 23, "C": 24, "D": 13, "E": 14}[name]
    np.testing.assert_allclose(delay, theirs.delays.numpy(), rtol=1e-12)
    np.testing.assert_allclose(power, theirs.mean_powers.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("name", "k_db"), [("D", 13.3), ("E", 22.0)])
def test_the_path_in_sight_over_the_tap_that_shares_its_delay(name, k_db):
    ours = delay_profile(name).power
    assert ours[0] / ours[1] == pytest.approx(float(their_line(name).k_factor), rel=1e-12)
    assert 10.0 * np.log10(ours[0] / ours[1]) == pytest.approx(k_db, abs=1e-9)


def test_one_delay_differs_between_tapped_and_clustered_profile_e():
    tapped, clustered = merged("E")[0], cluster_table("E")["delays"]
    assert (tapped[-1], clustered[-1]) == (20.6519, 20.6419)
    np.testing.assert_allclose(tapped[:-1], clustered[1:-1], rtol=1e-12)
    for name in "ABCD":  # all other profiles have the same delays in both tables
        rest = cluster_table(name)["delays"][1 if name == "D" else 0 :]
        np.testing.assert_allclose(merged(name)[0], rest, rtol=1e-12)


def drawn(model, seed=1, bearing_rad=0.0):
    around = Surroundings(np.full(DEVICES, bearing_rad))
    state = model.init(DEVICES, ANTENNAS, np.random.default_rng(seed))
    return model.step(state, around, 1.0, np.random.default_rng([seed, 1]))[1]


def lags(h):
    """Return the mean of H(f + lag) H*(f) from the first frequency on, and its standard error, shape (F,) each."""
    product = (h * h[:, :, :1].conj()).reshape(-1, h.shape[-1])
    spread = np.sqrt(np.mean(np.abs(product - product.mean(axis=0)) ** 2, axis=0))
    return product.mean(axis=0), spread / np.sqrt(len(product))


@pytest.mark.parametrize("kind", [TappedDelayLine, SionnaTappedDelayLine])
@pytest.mark.parametrize("name", PROFILES)
def test_frequencies_hear_alike_as_the_profile_says(kind, name):
    model = kind(profile=name, delay_spread_ns=100.0, blocks=6, block_hz=1e6)
    found, error = lags(drawn(model))
    delay, power = merged(name)
    expected = np.exp(-2j * np.pi * 1e6 * np.arange(6)[:, None] * 1e-7 * delay) @ power
    assert np.all(np.abs(found - expected) < 3.5 * error)
    assert np.max(3.5 * error) < 0.15


@pytest.mark.parametrize("name", PROFILES)
def test_powers_of_the_taps_that_sionna_draws(name):
    gain = [door.tdl(name, door.Look(16), 128, seed).gain for seed in range(4)]
    power = np.abs(np.concatenate(gain)) ** 2
    _, expected = merged(name)
    error = power.std(axis=(0, 1)) / np.sqrt(power.shape[0] * power.shape[1])
    assert np.all(np.abs(power.mean(axis=(0, 1)) - expected) < 4.0 * error + 1e-9)


@pytest.mark.parametrize("name", PROFILES)
def test_powers_and_delays_of_the_clusters_that_sionna_draws(name):
    told = cluster_table(name)
    power = 10.0 ** (np.array(told["powers"]) / 10.0)
    power /= power.sum()
    delay = np.array(told["delays"])
    if told["los"]:  # the path in sight and the first cluster arrive together
        power, delay = np.concatenate([[power[:2].sum()], power[2:]]), delay[1:]
    order = np.argsort(delay, kind="stable")
    echoes = [door.cdl(name, door.Look(1), np.zeros(64), seed) for seed in range(6)]
    found = np.abs(np.concatenate([each.gain[:, 0] for each in echoes])) ** 2
    error = found.std(axis=0) / np.sqrt(len(found))
    np.testing.assert_allclose(echoes[0].delay[0], delay[order], rtol=1e-6)
    assert np.all(np.abs(found.mean(axis=0) - power[order]) < 4.0 * error + 1e-6)
    assert rms_delay_spread(delay, power) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", "ACE")
@pytest.mark.parametrize("bearing_rad", [0.0, 0.6])
def test_antennas_hear_alike_as_the_directions_of_the_clusters_say(name, bearing_rad):
    told = cluster_table(name)
    power = 10.0 ** (np.array(told["powers"]) / 10.0)
    power /= power.sum()
    rays = np.concatenate([OFFSETS, -OFFSETS])
    azimuth = np.radians(np.array(told["aod"])[:, None] + told["cASD"] * rays) + bearing_rad
    zenith = np.radians(np.array(told["zod"])[:, None] + told["cZSD"] * rays)
    if told["los"]:
        azimuth[0], zenith[0] = np.radians(told["aod"][0]) + bearing_rad, np.radians(told["zod"][0])
    # Azimuths and zeniths of a cluster are coupled at random, so each meets each.
    turn = np.exp(1j * np.pi * np.sin(azimuth)[:, :, None] * np.sin(zenith)[:, None, :])
    expected = power @ turn.mean(axis=(1, 2))
    model = SionnaClusteredDelayLine(profile=name, blocks=1)
    h = drawn(model, bearing_rad=bearing_rad)[:, :, 0]
    each = (h[:, 1:] * h[:, :-1].conj()).mean(axis=1)
    error = np.sqrt(np.mean(np.abs(each - each.mean()) ** 2) / DEVICES)
    assert abs(each.mean() - expected) < 3.5 * error
    assert 3.5 * error < 0.2


def test_a_column_hears_all_bearings_alike():
    model = SionnaClusteredDelayLine(profile="A", blocks=1, array="column")
    one, other = (drawn(model, bearing_rad=bearing)[:, :, 0] for bearing in (0.0, 1.0))
    np.testing.assert_allclose(np.abs(one), np.abs(other), atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sight", [True, False])
@pytest.mark.parametrize(("scene", "base_m"), [("umi", 10.0), ("uma", 25.0), ("rma", 35.0)])
def test_clusters_have_mean_power_one(scene, base_m, sight):
    ground_m = np.geomspace(20.0, 500.0, 128)
    stand = door.Stand(base_m, 1.5, ground_m, np.linspace(-1.0, 1.0, 128), np.full(128, sight))
    power = []
    for seed in range(24):
        echoes = door.clusters(scene, 19, door.Look(2), stand, (seed, seed + 1000))
        power.append(np.sum(np.abs(echoes.gain) ** 2, axis=2).mean(axis=1))
    power = np.concatenate(power)
    assert power.mean() == pytest.approx(1.0, abs=4.0 * power.std() / np.sqrt(len(power)))
