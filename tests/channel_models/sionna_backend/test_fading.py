"""Fading that Sionna draws: the laws of every fading, movement, and what is kept on disk."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import j0

pytest.importorskip("sionna", reason="Sionna draws here; pip install 'wflsim[sionna]'")

from channel_models.channel import Channel
from channel_models.large_scale.urban import UrbanMicro
from channel_models.sionna_backend import door
from channel_models.sionna_backend.clusters import SionnaClusters
from channel_models.sionna_backend.fading import SionnaClusteredDelayLine, SionnaTappedDelayLine
from channel_models.small_scale.correlation import Exponential
from channel_models.small_scale.doppler import AutoRegressive, Jakes
from channel_models.small_scale.fading import Surroundings
from channel_models.testing import check_fading

TDL = SionnaTappedDelayLine(blocks=3)
CDL = SionnaClusteredDelayLine(blocks=3)
CLUSTERS = SionnaClusters(blocks=3)
DRIVING = Jakes(speed_m_s=10.0, carrier_ghz=3.5)
MODELS = [
    TDL,
    replace(TDL, profile="D"),
    replace(TDL, doppler=DRIVING),
    CDL,
    replace(CDL, profile="E", doppler=DRIVING),
    CLUSTERS,
    replace(CLUSTERS, scene="rma", doppler=DRIVING),
]


def around(links, bearing_rad=None):
    bearing_rad = np.linspace(-1.0, 1.0, 200)[:links] if bearing_rad is None else bearing_rad
    k_db = np.where(np.arange(links) % 2, 9.0, -np.inf)
    return Surroundings(bearing_rad, k_db, np.full(links, 1e-7))


def played(model, links, antennas=2, steps=2, *, elapsed_s=0.01, at=None, seed=7):
    """Return the coefficients of some steps, shape (steps, K, M, F)."""
    state, found = model.init(links, antennas, np.random.default_rng(seed)), []
    for step in range(steps):
        state, h = model.step(
            state, at or around(links), elapsed_s, np.random.default_rng([seed, step])
        )
        found.append(h)
    return np.stack(found)


@pytest.mark.parametrize("model", MODELS)
def test_more_devices_change_none_of_those_before(model):
    many = played(model, 70)
    assert many.shape == (2, 70, 2, 3)
    assert many.dtype == np.complex128
    assert np.isfinite(many).all()
    for fewer in (1, 31, 33):  # one group, not full; two groups
        np.testing.assert_array_equal(played(model, fewer), many[:, :fewer])


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(model):
    one, other = played(model, 5, seed=1), played(model, 5, seed=2)
    np.testing.assert_array_equal(one, played(model, 5, seed=1))
    assert np.abs(one - other).min() > 0.0


@pytest.mark.parametrize("model", [TDL, CDL, CLUSTERS])
def test_no_device_at_all(model):
    assert played(model, 0).shape == (2, 0, 2, 3)


@pytest.mark.parametrize("model", [CDL, CLUSTERS])
def test_a_device_does_not_ask_where_others_are(model):
    bearing_rad = np.array([0.3, 0.4, -0.5])
    moved = bearing_rad + np.array([0.0, 0.1, 0.0])
    one, other = (played(model, 3, at=around(3, at)) for at in (bearing_rad, moved))
    np.testing.assert_array_equal(one[:, [0, 2]], other[:, [0, 2]])
    assert np.abs(one[:, 1] - other[:, 1]).max() > 1e-3


@pytest.mark.parametrize("model", [TDL, CDL, replace(CLUSTERS, line_of_sight="never")])
def test_blocks_are_independent(model):
    first, second = played(replace(model, blocks=1), 192, antennas=1)[..., 0, 0]
    correlation = abs(np.vdot(first, second)) / np.sqrt(
        np.vdot(first, first) * np.vdot(second, second)
    )
    assert abs(correlation) < 4.0 / np.sqrt(192)


@pytest.mark.parametrize("model", [TDL, CDL, CLUSTERS])
def test_who_stands_still_keeps_the_coefficients(model):
    still = replace(model, doppler=Jakes(speed_m_s=0.0))
    first, second = played(still, 3, elapsed_s=1e3)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("model", [TDL, CDL, CLUSTERS])
def test_two_steps_are_one_step_of_the_same_time(model):
    driving = replace(model, doppler=DRIVING)
    state = driving.init(3, 2, np.random.default_rng(1))
    at, rng = around(3), np.random.default_rng(2)
    half, _ = driving.step(state, at, 0.25, rng)
    _, twice = driving.step(half, at, 0.25, rng)
    _, once = driving.step(state, at, 0.5, rng)
    np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize("profile", ["A", "D"])
def test_tapped_delay_lines_forget_themselves_as_jakes_says(profile):
    model = replace(TDL, profile=profile, doppler=DRIVING, blocks=1)
    state = model.init(320, 4, np.random.default_rng(3))
    at, rng = around(320, np.zeros(320)), np.random.default_rng(4)
    _, start = model.step(state, at, 0.0, rng)
    shift_hz = 10.0 * 3.5e9 / 299_792_458.0
    for cycles in (0.1, 0.3827, 0.61):
        _, later = model.step(state, at, cycles / shift_hz, rng)
        found = np.mean(later * start.conj())
        scattered = j0(2.0 * np.pi * cycles)
        if profile == "A":
            assert abs(found - scattered) < 4.0 / np.sqrt(320)
        else:
            share = 10.0**-0.02 / profile_power(
                "D"
            )  # the path in sight, which arrives at 45 degrees
            seen = share * np.exp(2j * np.pi * cycles * np.cos(np.pi / 4.0))
            assert abs(found - seen - (1.0 - share) * scattered) < 4.0 / np.sqrt(320)


def profile_power(profile):
    from channel_models.standards import table

    return np.sum(
        10.0 ** (np.array(table("tr38901_tapped_delay_lines")[profile]["power_db"]) / 10.0)
    )


@pytest.mark.parametrize("model", [TDL, CDL])
def test_the_spread_of_the_path_loss_is_taken_where_there_is_none_of_its_own(model):
    told = played(replace(model, delay_spread_ns=None), 5)
    np.testing.assert_allclose(told, played(replace(model, delay_spread_ns=100.0), 5), rtol=1e-12)
    flat = replace(around(5), delay_spread_s=np.zeros(5))
    h = played(replace(model, delay_spread_ns=None), 5, at=flat)
    np.testing.assert_allclose(h, h[..., :1] * np.ones(3), rtol=1e-12)
    with pytest.raises(ValueError, match=r"^delay_spread_ns must be set"):
        played(replace(model, delay_spread_ns=None), 5, at=Surroundings(np.zeros(5)))


@pytest.mark.parametrize("model", [replace(TDL, profile="E"), replace(CDL, profile="E")])
def test_the_path_in_sight_comes_from_the_bearing(model):
    bearing_rad = np.repeat([-0.7, 0.0, 0.4], 32)
    h = played(model, 96, steps=1, at=around(96, bearing_rad))[0, :, :, 0]
    turn = (h[:, 1] * h[:, 0].conj()).reshape(3, 32).mean(axis=1)
    np.testing.assert_allclose(np.angle(turn), np.pi * np.sin([-0.7, 0.0, 0.4]), atol=0.15)
    # One phase in sight for each device, all around.
    assert abs(np.mean(h[:, 0] / np.abs(h[:, 0]))) < 4.0 / np.sqrt(96)


def test_links_in_sight_are_those_of_the_path_loss():
    bearing_rad = np.full(192, 0.5)
    strength = {}
    for rule in ("told", "always", "never"):
        model = replace(CLUSTERS, line_of_sight=rule, blocks=1)
        h = played(model, 192, steps=1, at=around(192, bearing_rad))[0, :, :, 0]
        turn = (h[:, 1] * h[:, 0].conj()).reshape(-1, 2).mean(axis=0)
        strength[rule] = np.real(turn * np.exp(-1j * np.pi * np.sin(0.5)))
    # In every second link of those told the K-factor is finite.
    assert strength["told"][1] > 0.7
    assert strength["told"][0] < strength["told"][1]
    assert min(strength["always"]) > 0.7 > max(strength["never"])
    with pytest.raises(ValueError, match=r"^line_of_sight must be always or never"):
        played(CLUSTERS, 2, at=Surroundings(np.zeros(2)))


def recorded(monkeypatch, name):
    """Let a draw of the door be counted and its arguments be kept."""
    asked, draw = [], getattr(door, name)

    def drawn(*arguments):
        asked.append(arguments)
        return draw(*arguments)

    monkeypatch.setattr(door, name, drawn)
    return asked


def test_what_lasts_lasts_while_blocks_are_drawn_anew(monkeypatch):
    asked = recorded(monkeypatch, "clusters")
    played(CLUSTERS, 40, steps=3)
    lasting, fresh = np.array([arguments[-1] for arguments in asked]).reshape(3, 2, 2).T
    assert np.all(lasting[:, :1] == lasting)
    assert len(np.unique(lasting)) == 2
    assert len(np.unique(fresh)) == 6


def test_the_spreads_last(monkeypatch):
    look = door.Look(1)
    stand = door.Stand(10.0, 1.5, np.full(64, 80.0), np.zeros(64), np.zeros(64, dtype=bool))

    def lg_spread(seeds):
        found = door.clusters("umi", 19, look, stand, seeds)
        share = np.abs(found.gain[:, 0]) ** 2
        share /= share.sum(axis=1, keepdims=True)
        mean = np.sum(share * found.delay, axis=1, keepdims=True)
        return np.log10(np.sqrt(np.sum(share * (found.delay - mean) ** 2, axis=1)))

    same = np.corrcoef(lg_spread((1, 2)), lg_spread((1, 3)))[0, 1]
    other = np.corrcoef(lg_spread((1, 2)), lg_spread((4, 2)))[0, 1]
    assert same > 0.6
    assert abs(other) < 0.5


def test_masts_and_places_reach_sionna(monkeypatch):
    asked = recorded(monkeypatch, "clusters")
    for scene, base_m in (("umi", 10.0), ("uma", 25.0), ("rma", 35.0)):
        played(replace(CLUSTERS, scene=scene), 2, steps=1)
        assert asked[-1][3].base_height_m == base_m
    played(replace(CLUSTERS, base_height_m=7.0, device_height_m=2.0, distance_m=55.0), 2, steps=1)
    stand = asked[-1][3]
    assert (stand.base_height_m, stand.device_height_m) == (7.0, 2.0)
    np.testing.assert_array_equal(stand.ground_m[:2], 55.0)
    told = replace(around(2), ground_m=np.array([20.0, 30.0]))
    played(CLUSTERS, 2, steps=1, at=told)
    np.testing.assert_array_equal(asked[-1][3].ground_m[:2], [20.0, 30.0])


@pytest.mark.parametrize(("model", "name"), [(CDL, "cdl"), (CLUSTERS, "clusters")])
def test_what_was_drawn_is_read_again(model, name, monkeypatch, tmp_path):
    monkeypatch.setenv("WFLSIM_CACHE", str(tmp_path))
    asked = recorded(monkeypatch, name)
    first = played(model, 40)
    assert len(asked) == 4  # two groups, two steps
    assert len(list(tmp_path.iterdir())) == 4
    np.testing.assert_array_equal(first, played(model, 40))
    np.testing.assert_array_equal(first[:, :33], played(model, 33))  # the first group as it was
    assert len(asked) == 4 + 2
    for file in tmp_path.iterdir():
        file.write_bytes(b"PK")
    np.testing.assert_array_equal(first, played(model, 40))
    assert len(asked) == 6 + 4
    monkeypatch.setenv("WFLSIM_CACHE", "off")
    np.testing.assert_array_equal(first, played(model, 40))
    assert len(asked) == 10 + 4


@pytest.mark.parametrize(
    ("model", "name", "others"),
    [
        (CDL, "cdl", [{"profile": "B"}, {"array": "column"}, {"doppler": DRIVING}]),
        (
            CLUSTERS,
            "clusters",
            [
                {"scene": "uma"},
                {"release": 16},
                {"carrier_ghz": 28.0},
                {"line_of_sight": "never"},
                {"device_height_m": 2.0},
                {"distance_m": 50.0},
                {"array": "column"},
                {"doppler": DRIVING},
            ],
        ),
    ],
)
def test_another_question_is_drawn_anew(model, name, others, monkeypatch, tmp_path):
    monkeypatch.setenv("WFLSIM_CACHE", str(tmp_path))
    asked = recorded(monkeypatch, name)
    first = played(model, 3, steps=1)
    for number, other in enumerate(others):
        assert np.abs(played(replace(model, **other), 3, steps=1) - first).max() > 1e-6
        assert len(asked) == 2 + number
    played(model, 3, antennas=4, steps=1)
    monkeypatch.setattr(door, "version", lambda: "9.9.9")
    monkeypatch.setattr("channel_models.sionna_backend.store.version", lambda: "9.9.9")
    played(model, 3, steps=1)
    assert len(asked) == 3 + len(others)


def test_what_was_drawn_is_read_without_sionna(monkeypatch, tmp_path):
    monkeypatch.setenv("WFLSIM_CACHE", str(tmp_path))
    first = played(CDL, 3)

    def refuses():
        raise AssertionError("nothing of Sionna's is needed to read what it drew")

    monkeypatch.setattr(door, "_library", refuses)
    np.testing.assert_array_equal(first, played(CDL, 3))


def test_frequencies_and_spread_need_no_other_draw(monkeypatch, tmp_path):
    monkeypatch.setenv("WFLSIM_CACHE", str(tmp_path))
    asked = recorded(monkeypatch, "cdl")
    played(CDL, 3, steps=1)
    played(replace(CDL, blocks=7, block_hz=1e6, delay_spread_ns=30.0), 3, steps=1)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        (SionnaTappedDelayLine, {"doppler": AutoRegressive()}, "^doppler must be block or jakes"),
        (
            SionnaClusteredDelayLine,
            {"doppler": AutoRegressive()},
            "^doppler must be block or jakes",
        ),
        (SionnaClusters, {"doppler": AutoRegressive()}, "^doppler must be block or jakes"),
        (
            SionnaTappedDelayLine,
            {"profile": "D", "correlation": Exponential()},
            "^correlation must",
        ),
        (SionnaClusters, {"carrier_ghz": 28.0, "doppler": DRIVING}, "^carrier_ghz must be that"),
        (SionnaClusters, {"release": 17}, "^release must be 16 or 19, got 17"),
    ],
)
def test_what_does_not_fit_is_refused(kind, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**fields)


def test_antennas_hear_alike_as_the_correlation_says():
    model = replace(TDL, correlation=Exponential(rho=0.8), blocks=1)
    h = played(model, 640, steps=1)[0, :, :, 0]
    assert np.mean(h[:, 1] * h[:, 0].conj()) == pytest.approx(0.8, abs=4.0 / np.sqrt(640))


def test_a_whole_channel_plays_with_them():
    placed_m = np.array([[60.0, 0.0], [0.0, 120.0], [-80.0, 10.0]])
    for fading in (TDL, CDL, CLUSTERS):
        channel = Channel(path_loss=UrbanMicro(), fading=fading, antennas=4)
        state = channel.init(placed_m, lambda purpose: np.random.default_rng([1, len(purpose)]))
        _, links = channel.step(
            state, 1.0, lambda purpose: np.random.default_rng([2, len(purpose)])
        )
        assert links.antenna_gain.shape == (3, 4, 3)
        assert np.all(links.uplink_gain > 0.0)


@pytest.mark.parametrize(
    "model",
    [
        TDL,
        replace(TDL, profile="D"),
        CDL,
        replace(CDL, array="column", doppler=DRIVING),
        CLUSTERS,
        replace(CLUSTERS, scene="rma", line_of_sight="always"),
    ],
)
def test_they_conform(model):
    check_fading(replace(model, blocks=2), links=160)
