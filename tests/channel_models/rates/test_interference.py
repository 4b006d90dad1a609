"""Interference: sums over other cells, loads that agree with each other, and chance that keeps its laws."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel_models.layouts.placements import Explicit, Ring
from channel_models.layouts.sites import Sites
from channel_models.rates.interference import (
    Coupled,
    FullBuffer,
    Load,
    Neighbours,
    NoInterference,
    coupled_load,
    downlink_interference_w,
    uplink_interference_w,
)
from channel_models.units import dbm_to_watt

SITES = Sites(
    np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0]]),
    np.radians([30.0, 150.0]),
    np.zeros((1, 2)),
)
NEAR = Neighbours(devices=5, placement=Ring(30.0, 400.0))
MODELS = [
    NoInterference(),
    FullBuffer(NEAR),
    Load(0.4, NEAR),
    Coupled(demand_bps=3e5, neighbours=NEAR),
]


def couple(position_m, rng):
    """Return gains of a plain distance law with some shadowing, two sectors a site, shape (J, 6)."""
    distance_m = np.linalg.norm(position_m[:, None] - SITES.site_m, axis=2)
    gain = np.repeat(10.0**-3.0 * distance_m**-3.7, 2, axis=1)
    return gain * 10.0 ** rng.normal(0.0, 0.6, gain.shape)


def rng(*key):
    return np.random.default_rng(np.random.SeedSequence(7, spawn_key=key))


def devices(many=8):
    """Return gains and serving cells of the devices of interest, those of the first site."""
    gain = couple(Ring(50.0, 300.0).place(many, rng(1)), rng(2))
    return gain, np.argmax(gain[:, :2], axis=1)


class TestSums:
    gain = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])

    def test_every_cell_but_ones_own_is_heard(self):
        found = downlink_interference_w(self.gain, np.array([0, 2]), np.array([1.0, 10.0, 100.0]))
        np.testing.assert_array_equal(found, [420.0, 168.0])

    def test_one_power_serves_all_cells_and_blocks_have_their_own(self):
        serving = np.array([1, 1])
        np.testing.assert_array_equal(
            downlink_interference_w(self.gain, serving, 2.0), [10.0, 80.0]
        )
        blocks = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        np.testing.assert_array_equal(
            downlink_interference_w(self.gain, serving, blocks), [[1.0, 4.0], [8.0, 32.0]]
        )

    def test_a_weak_neighbour_is_not_lost_beside_a_strong_server(self):
        gain = np.array([[1.0, 1e-20]])
        assert downlink_interference_w(gain, np.array([0]), 1.0)[0] == 1e-20

    def test_more_devices_change_no_bit_of_the_others(self):
        gain = rng().exponential(size=(40, 57))
        serving, power = np.argmax(gain, axis=1), rng(1).exponential(size=57)
        every = downlink_interference_w(gain, serving, power)
        for few in (1, 2, 3, 7, 33):
            np.testing.assert_array_equal(
                every[:few], downlink_interference_w(gain[:few], serving[:few], power)
            )

    def test_a_cell_hears_the_devices_of_all_others(self):
        scheduled = np.array([[100.0, 1.0, 2.0], [4.0, 100.0, 8.0], [16.0, 32.0, 100.0]])
        np.testing.assert_array_equal(uplink_interference_w(scheduled), [20.0, 33.0, 10.0])


class TestCoupledLoad:
    serving = np.argmax(couple(NEAR.placement.place(60, rng(3)) * 2.0, rng(4)), axis=1)
    gain = couple(NEAR.placement.place(60, rng(3)) * 2.0, rng(4))

    def solved(self, demand_bps, start=0.0):
        asked = np.broadcast_to(demand_bps, (60,))
        return coupled_load(
            self.gain,
            self.serving,
            asked,
            bandwidth_hz=10e6,
            station_w=20.0,
            noise_w=2e-13,
            start=start,
        )

    def from_definition(self, load, demand_bps):
        asked = np.zeros(6)
        for own, gain in zip(self.serving, self.gain, strict=True):
            heard = sum(load[c] * 20.0 * gain[c] for c in range(6) if c != own)
            asked[own] += demand_bps / (10e6 * np.log2(1.0 + 20.0 * gain[own] / (heard + 2e-13)))
        return asked

    @pytest.mark.parametrize("demand_bps", [1e4, 1e5, 1e6, 1e7])
    def test_it_is_a_fixed_point(self, demand_bps):
        load, asked = self.solved(demand_bps)
        np.testing.assert_allclose(asked, self.from_definition(load, demand_bps), rtol=1e-10)
        np.testing.assert_allclose(load, np.minimum(asked, 1.0), atol=1e-12)

    @settings(deadline=None, max_examples=25)
    @given(st.floats(1e4, 1e8), st.floats(0.0, 1.0))
    def test_it_is_found_from_anywhere(self, demand_bps, start):
        np.testing.assert_allclose(
            self.solved(demand_bps)[0], self.solved(demand_bps, start)[0], atol=1e-10
        )

    @settings(deadline=None, max_examples=25)
    @given(st.floats(1e4, 1e7), st.floats(1.01, 3.0), st.integers(0, 59))
    def test_who_asks_for_more_loads_every_cell_more(self, demand_bps, factor, who):
        more = np.full(60, demand_bps)
        more[who] *= factor
        before, after = self.solved(demand_bps)[1], self.solved(more)[1]
        assert np.all(after >= before * (1.0 - 1e-9))
        assert after[self.serving[who]] > before[self.serving[who]]

    def test_interference_costs_capacity(self):
        load, asked = self.solved(5e5)
        alone = self.from_definition(np.zeros(6), 5e5)
        busy = np.bincount(self.serving, minlength=6) > 0
        assert np.all(asked[busy] > alone[busy])
        assert 0.0 < load[busy].min() < load.max() <= 1.0

    def test_without_limit_the_cells_are_full(self):
        load, asked = self.solved(1e9)
        busy = np.bincount(self.serving, minlength=6) > 0
        np.testing.assert_array_equal(load, busy.astype(float))
        assert np.all(asked[busy] > 1.0)

    def test_loads_that_have_not_settled_are_not_handed_out(self, monkeypatch):
        monkeypatch.setattr("channel_models.rates.interference._FIXED_POINT_ROUNDS", 2)
        with pytest.raises(ArithmeticError, match="loads did not settle in 2 rounds"):
            self.solved(5e5)

    def test_nobody_asks_nothing(self):
        np.testing.assert_array_equal(self.solved(0.0)[0], np.zeros(6))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
class TestEveryModel:
    def test_shapes_and_signs(self, model):
        gain, serving = devices()
        state = model.init(couple, SITES, rng(5))
        for step in range(3):
            state, found = model.step(state, gain, serving, rng(6, step))
            for power in (found.uplink_w_per_hz, found.downlink_w_per_hz):
                assert power.shape == (8,)
                assert np.all(np.isfinite(power) & (power >= 0.0))

    def test_the_same_seeds_give_the_same_bits_and_leave_the_state_alone(self, model):
        gain, serving = devices()
        state = model.init(couple, SITES, rng(5))
        before = pickle.dumps(state)
        assert before == pickle.dumps(model.init(couple, SITES, rng(5)))
        found = [pickle.dumps(model.step(state, gain, serving, rng(6))[1]) for _ in range(2)]
        assert found[0] == found[1]
        assert pickle.dumps(state) == before

    def test_a_device_more_changes_no_bit_of_the_others(self, model):
        gain, serving = devices()
        state = model.init(couple, SITES, rng(5))
        every = model.step(state, gain, serving, rng(6))[1]
        for few in (1, 5):
            less = model.step(state, gain[:few], serving[:few], rng(6))[1]
            np.testing.assert_array_equal(every.uplink_w_per_hz[:few], less.uplink_w_per_hz)
            np.testing.assert_array_equal(every.downlink_w_per_hz[:few], less.downlink_w_per_hz)

    def test_one_cell_has_no_others(self, model):
        alone = Sites(np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)))
        state = model.init(lambda place, stream: couple(place, stream)[:, :1], alone, rng(5))
        gain, serving = devices()
        found = model.step(state, gain[:, :1], 0 * serving, rng(6))[1]
        np.testing.assert_array_equal(found.uplink_w_per_hz, np.zeros(8))
        np.testing.assert_array_equal(found.downlink_w_per_hz, np.zeros(8))


def played(model, steps):
    gain, serving = devices()
    state = model.init(couple, SITES, rng(5))
    found = [model.step(state, gain, serving, rng(6, step))[1] for step in range(steps)]
    return np.array([(each.uplink_w_per_hz, each.downlink_w_per_hz) for each in found])


class TestActivity:
    def test_full_buffer_downlink_is_all_other_stations(self):
        gain, serving = devices()
        expected = downlink_interference_w(gain, serving, float(dbm_to_watt(43.0))) / 10e6
        np.testing.assert_allclose(played(FullBuffer(NEAR), 2)[:, 1], [expected, expected])

    def test_a_full_load_is_full_buffer_and_none_is_silence(self):
        np.testing.assert_array_equal(played(FullBuffer(NEAR), 3), played(Load(1.0, NEAR), 3))
        np.testing.assert_array_equal(played(Load(0.0, NEAR), 3), np.zeros((3, 2, 8)))

    def test_a_load_is_the_share_of_the_mean(self):
        steps = 4000
        full, part = played(FullBuffer(NEAR), steps), played(Load(0.3, NEAR), steps)
        slack = 4.0 * np.hypot(part.std(axis=0), 0.3 * full.std(axis=0)) / np.sqrt(steps)
        assert np.all(np.abs(part.mean(axis=0) - 0.3 * full.mean(axis=0)) <= slack)

    def test_up_and_down_are_active_independently(self):
        found = played(Load(0.5, NEAR), 2000)[:, :, 0]
        assert abs(np.corrcoef(found.T)[0, 1]) < 4.0 / np.sqrt(2000)

    def test_the_mean_uplink_is_every_stranger_in_turn(self):
        state = FullBuffer(NEAR).init(couple, SITES, rng(5))
        serving = devices()[1]
        means = np.zeros((6, 6))
        for cell in np.flatnonzero(state.count):
            its = slice(state.first[cell], state.first[cell] + state.count[cell])
            means[cell] = state.received_w[its].mean(axis=0)
        found = played(FullBuffer(NEAR), 4000)[:, 0]
        slack = 4.0 * found.std(axis=0) / np.sqrt(4000)
        expected = uplink_interference_w(means)[serving] / 10e6
        assert np.all(np.abs(found.mean(axis=0) - expected) <= slack)


class TestStrangers:
    def test_each_site_has_its_own_and_they_are_ordered_by_cell(self):
        state = FullBuffer(NEAR).init(couple, SITES, rng(5))
        assert state.received_w.shape == (30, 6)
        assert state.count.sum() == 30
        np.testing.assert_array_equal(state.first[1:], np.cumsum(state.count)[:-1])
        owner = np.repeat(np.arange(6), state.count)
        np.testing.assert_array_equal(np.argmax(state.received_w, axis=1), owner)
        assert np.all(state.count[0::2] + state.count[1::2] >= 5)

    def test_they_send_by_open_loop_control(self):
        common = Neighbours(
            device_dbm=10.0, p0_dbm=-100.0, alpha=1.0, bandwidth_hz=1.8e6, devices=1,
            placement=Explicit(((50.0, 0.0), (350.0, 0.0))),
        )  # fmt: skip
        gain = np.array([[1e-10, 1e-13], [1e-13, 1e-9], [1e-12, 1e-11]])
        state = common.strangers(gain, np.ones(2), np.zeros(2, dtype=bool))
        limit, target = float(dbm_to_watt(10.0)), float(dbm_to_watt(-90.0))  # ten blocks
        np.testing.assert_allclose(
            state.received_w,
            [[target, target / 1e3], [target / 1e4, target], [limit / 1e12, limit / 1e11]],
        )
        np.testing.assert_array_equal(state.count, [1, 2])

    def test_they_stand_around_their_sites(self):
        asked = []

        def remembering(position_m, stream):
            asked.append(position_m)
            return couple(position_m, stream)

        FullBuffer(NEAR).init(remembering, SITES, rng(5))
        distance_m = np.linalg.norm(asked[0] - np.repeat(SITES.site_m, 10, axis=0), axis=1)
        assert len(asked) == 1
        assert np.all((distance_m >= 30.0) & (distance_m <= 400.0))

    def test_more_of_them_move_none_of_the_others(self):
        places = []
        for many in (3, 5):
            common = Neighbours(devices=many, placement=NEAR.placement)
            common.drop(lambda place, stream: places.append(place), SITES, rng(5))
        few, more = (place.reshape(3, -1, 2) for place in places)
        np.testing.assert_array_equal(few, more[:, :6])

    def test_a_cell_without_strangers_is_silent_up_but_not_down(self):
        common = Neighbours(devices=1)
        gain = np.array([[1e-9, 1e-12], [1e-9, 1e-12]])
        state = common.strangers(gain, np.ones(2), np.zeros(2, dtype=bool))
        found = common.meddling(state, gain, np.array([0, 0]), rng())
        np.testing.assert_array_equal(found.uplink_w_per_hz, np.zeros(2))
        assert np.all(found.downlink_w_per_hz > 0.0)


class TestCoupled:
    def test_the_equation_is_that_of_its_strangers(self):
        model, seen = Coupled(demand_bps=4e5, noise_figure_db=17.0, neighbours=NEAR), []

        def remembering(position_m, stream):
            seen.append(couple(position_m, stream))
            return seen[-1]

        state = model.init(remembering, SITES, rng(5))
        load, _ = coupled_load(
            seen[0],
            np.argmax(seen[0], axis=1),
            np.full(30, 4e5),
            bandwidth_hz=10e6,
            station_w=float(dbm_to_watt(43.0)),
            noise_w=float(dbm_to_watt(-174.0 + 17.0)) * 10e6,
        )
        np.testing.assert_allclose(state.load, load, rtol=1e-9)

    def test_the_loads_are_those_of_the_strangers(self):
        light = Coupled(demand_bps=3e5, neighbours=NEAR).init(couple, SITES, rng(5))
        heavy = Coupled(demand_bps=1e9, neighbours=NEAR).init(couple, SITES, rng(5))
        assert not light.overloaded.any()
        assert 0.0 < light.load.max() < 1.0
        np.testing.assert_array_equal(heavy.load, np.minimum(heavy.count, 1))
        np.testing.assert_array_equal(heavy.overloaded, heavy.count > 0)

    def test_the_same_strangers_stand_in_every_model(self):
        one = Coupled(neighbours=NEAR).init(couple, SITES, rng(5))
        two = FullBuffer(NEAR).init(couple, SITES, rng(5))
        np.testing.assert_array_equal(one.received_w, two.received_w)

    def test_under_any_demand_it_ends_at_full_buffer(self):
        heavy = Coupled(demand_bps=1e9, neighbours=NEAR)
        full = played(FullBuffer(NEAR), 5)
        assert np.all(played(heavy, 5) <= full)
        np.testing.assert_array_equal(played(heavy, 5)[:, 0], full[:, 0])
