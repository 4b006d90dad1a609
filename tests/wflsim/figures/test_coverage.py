"""Mean gains over the ground: those of the models, with borders where two cells are heard alike."""

from dataclasses import replace

import numpy as np
import pytest

from channel_models import Channel, Column, Hexagonal, LogDistance, ShadowMap
from channel_models.units import linear_to_db
from wflsim import results
from wflsim.catalog import component, kinds
from wflsim.figures.coverage import NEAREST_M, ground, mean_gain_db, rectangle
from wflsim.figures.drawing import drawn
from wflsim.figures.layout import Wanted
from wflsim.figures.scenes import scene
from wflsim.simulation.setting import settle

SOME_M = np.array([[100.0, 0.0], [-30.0, 40.0], [0.0, 300.0]])


def test_without_chance_it_is_the_path_loss():
    channel = Channel(path_loss=LogDistance(), shadowing=ShadowMap())
    found = mean_gain_db(channel, channel.layout.sites(), SOME_M)
    distance_m = np.hypot(*SOME_M.T)
    np.testing.assert_allclose(found[:, 0], -128.1 - 37.6 * np.log10(distance_m / 1000))
    near = mean_gain_db(channel, channel.layout.sites(), np.zeros((1, 2)))
    np.testing.assert_allclose(near, -128.1 - 37.6 * np.log10(NEAREST_M / 1000))


@pytest.mark.parametrize("kind", kinds("path_loss"))
@pytest.mark.parametrize("enforced", [True, False])
def test_every_model_has_a_mean_that_is_between_its_chances(kind, enforced):
    model = component("path_loss", kind)()
    changes = {
        name: value
        for name, value in (
            ("line_of_sight", "correlated"),
            ("enforce_ranges", enforced),
            ("indoor_share", 0.5),
        )
        if hasattr(model, name)
    }
    channel = Channel(
        path_loss=replace(model, **changes), layout=Hexagonal(rings=1), element=Column()
    )
    sites = channel.layout.sites()
    found = mean_gain_db(channel, sites, SOME_M)
    assert found.shape == (3, 21)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, mean_gain_db(channel, sites, SOME_M))
    alone = mean_gain_db(channel, sites, SOME_M[1:2])
    np.testing.assert_allclose(alone, found[1:2], err_msg="a place depends on no other")


def test_the_border_of_two_cells_is_where_they_are_heard_alike():
    channel = Channel(layout=Hexagonal(intersite_m=400.0, rings=1, sectors=3, wrap_around=False))
    found = ground(channel, channel.layout.sites(), SOME_M)
    leads_db = found.leads_db
    assert len(leads_db) == 7, "sectors that are heard alike are one cell"
    east_m, north_m = np.meshgrid(found.east_m, found.north_m)
    place_m = np.stack([east_m, north_m], axis=-1)
    nearest = np.argmin(
        np.linalg.norm(place_m[:, :, None] - channel.layout.sites().site_m, axis=-1), axis=-1
    )
    leads = leads_db > 0
    assert (leads.sum(axis=0) == 1).all()
    for site in range(7):
        assert (leads[:, nearest == site].all(axis=1)).sum() == 1, (
            "one cell leads wherever a site is nearest"
        )
    assert found.best_db.shape == (len(found.north_m), len(found.east_m))


def test_sites_that_are_alike_are_heard_alike():
    """By the same luck: halfway between two sites of a city both are as good."""
    path_loss = component("path_loss", "uma")(carrier_ghz=3.5)
    channel = Channel(
        path_loss=path_loss,
        layout=Hexagonal(intersite_m=200.0, rings=1, sectors=1, wrap_around=False),
    )
    sites = channel.layout.sites()
    middle_m = (sites.site_m[:1] + sites.site_m[1:]) / 2.0
    gain_db = mean_gain_db(channel, sites, middle_m)
    here, there = gain_db[:, 0], gain_db[np.arange(len(middle_m)), 1 + np.arange(len(middle_m))]
    np.testing.assert_allclose(here, there)


def test_one_cell_has_no_border():
    channel = Channel()
    assert len(ground(channel, channel.layout.sites(), SOME_M).leads_db) == 0


@pytest.mark.parametrize("points", [SOME_M, np.zeros((1, 2)), np.array([[0.0, 0.0], [500.0, 1.0]])])
def test_the_ground_holds_all_points_and_is_evenly_filled(points):
    for along_m, axis in zip(rectangle(points), (0, 1), strict=True):
        step_m = np.diff(along_m)
        np.testing.assert_allclose(step_m, step_m[0])
        assert along_m[0] - step_m[0] / 2 <= points[:, axis].min()
        assert along_m[-1] + step_m[0] / 2 >= points[:, axis].max()
        assert 2 <= len(along_m) <= 96


def test_devices_stand_where_the_run_has_them_with_their_own_gains(little):
    one = results.load(little / "seed-2")
    left, right, *_ = drawn("coverage", one, Wanted()).axes
    loaded = scene(one.played[0])
    setting = settle(loaded.scenario.world, loaded.blaming)
    dots = left.collections[-1]
    np.testing.assert_allclose(dots.get_offsets(), setting.channel.paths.position_m)
    own_db = linear_to_db(setting.channel.gain)
    np.testing.assert_allclose(dots.get_array(), own_db)
    distance_m, gain_db = right.lines[-1].get_data()
    np.testing.assert_allclose(gain_db, own_db)
    np.testing.assert_allclose(distance_m, np.hypot(*setting.channel.paths.position_m.T))
    assert [line.get_label() for line in left.lines if line.get_marker() == "^"]
