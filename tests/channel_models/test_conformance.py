"""The conformance checks pass the whole catalogue, and fail models that are wrong on purpose."""

from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np
import pytest

from channel_models import testing
from channel_models.catalog import KINDS
from channel_models.large_scale.path_loss import LogDistance
from channel_models.large_scale.shadowing import LogNormal
from channel_models.large_scale.urban import UrbanMacro
from channel_models.layouts.mobility import Static
from channel_models.layouts.placements import Explicit, Ring
from channel_models.layouts.sites import Sites
from channel_models.rates.links import Gap
from channel_models.small_scale.fading import Rayleigh
from channel_models.testing import (
    check_fading,
    check_layout,
    check_link,
    check_mobility,
    check_path_loss,
    check_placement,
    check_shadowing,
)

CHECKS = {family: getattr(testing, f"check_{family}") for family in KINDS}
POSITIONS = tuple((10.0 * number, 5.0) for number in range(16))
# What needs Sionna conforms in tests/channel_models/sionna_backend, with fewer links.
OURS = [
    (family, kind)
    for family, kinds in KINDS.items()
    for kind, target in kinds.items()
    if "sionna" not in target
]


@pytest.fixture
def given(tmp_path):
    """Return the fields without which a kind cannot be."""
    file = tmp_path / "trace.npz"
    rng = np.random.default_rng(4)
    np.savez(file, time_s=np.arange(5.0) * 6.0, position_m=rng.uniform(0.0, 50.0, (5, 12, 2)))
    return {"explicit": {"positions_m": POSITIONS}, "trace": {"file": str(file)}}


@pytest.mark.parametrize(("family", "kind"), OURS)
def test_the_catalogue_conforms(family, kind, given):
    module, name = KINDS[family][kind].split(":")
    model = getattr(import_module(module), name)(**given.get(kind, {}))
    CHECKS[family](model)


@pytest.mark.parametrize("sight", ["always", "never"])
def test_urban_macro_conforms_with_its_sight_fixed(sight):
    check_path_loss(UrbanMacro(line_of_sight=sight))


def test_a_list_of_positions_conforms_at_its_own_length():
    check_placement(Explicit(POSITIONS[:5]), devices=5)


class Loud(Rayleigh):
    """Power 2."""

    def step(self, state, around, elapsed_s, rng):
        state, h = super().step(state, around, elapsed_s, rng)
        return state, np.sqrt(2.0) * h


class ColumnWise(Rayleigh):
    """Draws antenna by antenna, so that a device more moves all others."""

    def step(self, state, around, elapsed_s, rng):
        parts = rng.standard_normal((2, *state[::-1])) * np.sqrt(0.5)
        return state, (parts[0] + 1j * parts[1]).T


class Mutating(Rayleigh):
    """Counts its steps in the state that it was given."""

    def init(self, links, antennas, rng):
        return {"extent": super().init(links, antennas, rng), "steps": 0}

    def step(self, state, around, elapsed_s, rng):
        state["steps"] += 1
        return state, super().step(state["extent"], around, elapsed_s, rng)[1]


@dataclass(frozen=True)
class Remembering(Rayleigh):
    """Keeps a generator of its own."""

    own: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def step(self, state, around, elapsed_s, rng):
        return super().step(state, around, elapsed_s, self.own)


class Flat(Rayleigh):
    """Forgets the antennas' axis."""

    def step(self, state, around, elapsed_s, rng):
        state, h = super().step(state, around, elapsed_s, rng)
        return state, h[:, 0]


class Real(Rayleigh):
    """Amplitudes without phase."""

    def step(self, state, around, elapsed_s, rng):
        state, h = super().step(state, around, elapsed_s, rng)
        return state, np.abs(h)


class Broken(Rayleigh):
    """Not a number for one device."""

    def step(self, state, around, elapsed_s, rng):
        state, h = super().step(state, around, elapsed_s, rng)
        h[0] = np.nan
        return state, h


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Loud(), r"power of the coefficients must have mean 1\.0, got (1\.9|2\.0)"),
        (ColumnWise(), "coefficients of the first devices must be the same bits"),
        (Mutating(), "step must return a new state and leave the old one"),
        (Remembering(), "coefficients from the same seed must be the same bits"),
        (Flat(), r"coefficients must have shape \(6, 1\), got \(6,\)"),
        (Real(), "coefficients must be complexfloating, got float64"),
        (Broken(), "coefficients must be finite"),
    ],
)
def test_bad_fading_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_fading(model)


class Rising(LogDistance):
    """Gains power with distance."""

    def large_scale(self, state, paths):
        links = super().large_scale(state, paths)
        return replace(links, loss_db=200.0 - links.loss_db)


class Jittered(LogDistance):
    """Draws for all devices from the last."""

    def init(self, devices, sites, rng):
        return rng.random((devices, sites))[::-1]

    def large_scale(self, state, paths):
        links = super().large_scale(None, paths)
        return replace(links, loss_db=links.loss_db + state)


class Scaling(LogDistance):
    """Turns the caller's metres into kilometres."""

    def large_scale(self, state, paths):
        paths.position_m[:] /= 1000.0
        return super().large_scale(state, paths)


class Narrow(LogDistance):
    """A negative deviation."""

    def large_scale(self, state, paths):
        links = super().large_scale(state, paths)
        return replace(links, sigma_db=-links.sigma_db)


class Elsewhere(LogDistance):
    """A condition that does not exist."""

    def large_scale(self, state, paths):
        links = super().large_scale(state, paths)
        return replace(links, condition=links.condition + np.uint8(7))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Rising(), "The mean loss must not fall as the distance grows"),
        (Jittered(), "losses of the first devices must be the same bits"),
        (Scaling(), "the positions handed in must be the same bits"),
        (Narrow(), "sigma_db must not be negative"),
        (Elsewhere(), "condition must be IN_SIGHT"),
    ],
)
def test_bad_path_loss_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_path_loss(model)


class Biased(LogNormal):
    """Adds two decibels on average."""

    def step(self, state, large, paths, rng):
        state, loss_db = super().step(state, large, paths, rng)
        return state, loss_db + 2.0


class Reversed(LogNormal):
    """Draws for the last device first."""

    def init(self, devices, sites, rng):
        return super().init(devices, sites, rng)[::-1]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Biased(), r"shadowing in dB must have mean 0\.0"),
        (Reversed(), "shadowing of the first devices must be the same bits"),
    ],
)
def test_bad_shadowing_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_shadowing(model)


class Wandering(Static):
    """Steps by one draw for all devices, from the last."""

    def step(self, state, elapsed_s, rng):
        position_m = state + rng.random(state.shape)[::-1]
        return position_m, position_m


class Treadmill(Static):
    """Moves the state that it was given."""

    def step(self, state, elapsed_s, rng):
        state += elapsed_s
        return state, state


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Wandering(), "positions of the first devices must be the same bits"),
        (Treadmill(), "the positions handed in must be the same bits"),
    ],
)
def test_bad_mobility_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_mobility(model)


@pytest.mark.parametrize(
    ("sites", "sentence"),
    [
        (Sites(np.ones((1, 2)), np.zeros(1), np.zeros((1, 2))), "must stand at the origin"),
        (Sites(np.zeros((1, 2)), np.zeros(0), np.zeros((1, 2))), "needs a site and a sector"),
        (Sites(np.zeros((1, 2)), np.zeros(1), np.ones((1, 2))), "the first image must be the zero"),
    ],
)
def test_a_bad_layout_is_found(sites, sentence):
    class Odd:
        def sites(self):
            return sites

    with pytest.raises(AssertionError, match=sentence):
        check_layout(Odd())


class TwoDraws(Ring):
    """Draws all radii, then all bearings."""

    def place(self, devices, rng):
        return np.stack([rng.random(devices), rng.random(devices)], axis=1)


class Heights(Ring):
    """Adds a third coordinate."""

    def place(self, devices, rng):
        return np.zeros((devices, 3))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (TwoDraws(), "positions of the first devices must be the same bits"),
        (Heights(), r"positions must have shape \(16, 2\), got \(16, 3\)"),
    ],
)
def test_bad_placement_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_placement(model)


@pytest.mark.parametrize("gap_db", [-3.0, np.inf, np.nan])
def test_a_link_better_than_shannon_is_found(gap_db):
    with pytest.raises(AssertionError, match="snr_gap must be finite and at least 1"):
        check_link(Gap(gap_db))
