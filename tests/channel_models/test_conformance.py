"""The conformance checks pass the whole catalogue, and fail models that are wrong on purpose."""

from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np
import pytest

from channel_models.catalog import KINDS
from channel_models.fading import Rayleigh
from channel_models.geometry import Explicit, Ring
from channel_models.links import Gap
from channel_models.path_loss import LogDistance, UrbanMacro
from channel_models.shadowing import LogNormal
from channel_models.testing import (
    check_fading,
    check_link,
    check_path_loss,
    check_placement,
    check_shadowing,
)

CHECKS = {
    "placement": check_placement,
    "path_loss": check_path_loss,
    "shadowing": check_shadowing,
    "fading": check_fading,
    "link": check_link,
}
POSITIONS = tuple((10.0 * number, 5.0) for number in range(16))
GIVEN = {"explicit": {"positions_m": POSITIONS}}


@pytest.mark.parametrize(
    ("family", "kind"), [(family, kind) for family, kinds in KINDS.items() for kind in kinds]
)
def test_the_catalogue_conforms(family, kind):
    module, name = KINDS[family][kind].split(":")
    model = getattr(import_module(module), name)(**GIVEN.get(kind, {}))
    CHECKS[family](model)


@pytest.mark.parametrize("sight", ["always", "never"])
def test_urban_macro_conforms_with_its_sight_fixed(sight):
    check_path_loss(UrbanMacro(line_of_sight=sight))


def test_a_list_of_positions_conforms_at_its_own_length():
    check_placement(Explicit(POSITIONS[:5]), devices=5)


class Loud(Rayleigh):
    """Power 2."""

    def step(self, state, elapsed_s, rng):
        state, h = super().step(state, elapsed_s, rng)
        return state, np.sqrt(2.0) * h


class ColumnWise(Rayleigh):
    """Draws antenna by antenna, so that a device more moves all others."""

    def step(self, state, elapsed_s, rng):
        parts = rng.standard_normal((2, state.antennas, state.links)) * np.sqrt(0.5)
        return state, (parts[0] + 1j * parts[1]).T


class Mutating(Rayleigh):
    """Counts its steps in the state that it was given."""

    def init(self, links, antennas, rng):
        return {"extent": super().init(links, antennas, rng), "steps": 0}

    def step(self, state, elapsed_s, rng):
        state["steps"] += 1
        return state, super().step(state["extent"], elapsed_s, rng)[1]


@dataclass(frozen=True)
class Remembering(Rayleigh):
    """Keeps a generator of its own."""

    own: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def step(self, state, elapsed_s, rng):
        return super().step(state, elapsed_s, self.own)


class Flat(Rayleigh):
    """Forgets the antennas' axis."""

    def step(self, state, elapsed_s, rng):
        state, h = super().step(state, elapsed_s, rng)
        return state, h[:, 0]


class Real(Rayleigh):
    """Amplitudes without phase."""

    def step(self, state, elapsed_s, rng):
        state, h = super().step(state, elapsed_s, rng)
        return state, np.abs(h)


class Broken(Rayleigh):
    """Not a number for one device."""

    def step(self, state, elapsed_s, rng):
        state, h = super().step(state, elapsed_s, rng)
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

    def draw(self, distance_2d_m, rng):
        links = super().draw(distance_2d_m, rng)
        return replace(links, loss_db=200.0 - links.loss_db)


class Jittered(LogDistance):
    """Draws for all devices from the last."""

    def draw(self, distance_2d_m, rng):
        links = super().draw(distance_2d_m, rng)
        return replace(links, loss_db=links.loss_db + rng.random(len(distance_2d_m))[::-1])


class Scaling(LogDistance):
    """Turns the caller's metres into kilometres."""

    def draw(self, distance_2d_m, rng):
        distance_2d_m /= 1000.0
        return super().draw(1000.0 * distance_2d_m, rng)


class Narrow(LogDistance):
    """A negative deviation."""

    def draw(self, distance_2d_m, rng):
        links = super().draw(distance_2d_m, rng)
        return replace(links, sigma_db=-links.sigma_db)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Rising(), "The mean loss must not fall as the distance grows"),
        (Jittered(), "losses of the first devices must be the same bits"),
        (Scaling(), "the distances handed in must be the same bits"),
        (Narrow(), "sigma_db must not be negative"),
    ],
)
def test_bad_path_loss_is_found(model, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_path_loss(model)


class Biased(LogNormal):
    """Adds a decibel on average."""

    def draw(self, sigma_db, rng):
        return super().draw(sigma_db, rng) + 1.0


class Reversed(LogNormal):
    """Draws for the last device first."""

    def draw(self, sigma_db, rng):
        return super().draw(sigma_db, rng)[::-1]


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
