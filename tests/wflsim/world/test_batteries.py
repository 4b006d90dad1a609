"""Batteries: what is gathered is an integral, and what is used up is what there was."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.world.batteries import Mains, Rechargeable, exhausted_s, spent_j

SUN = Rechargeable(harvest_w=0.3, harvest_period_s=100.0)


def gathered(battery, from_s, to_s):
    return float(battery.harvested_j(np.array([from_s]), np.array([to_s]))[0])


def test_the_mains_never_end_and_gather_nothing():
    charge = Mains().init(3, np.random.default_rng(1))
    assert charge.charge_j.tolist() == charge.capacity_j.tolist() == [np.inf] * 3
    assert charge.least_j.tolist() == [0.0] * 3
    assert gathered(Mains(), 0.0, 1e6) == 0.0


def test_each_device_draws_its_charge_between_the_ends():
    battery = Rechargeable(capacity_j=200.0, charge=(0.25, 0.75), least_share=0.1)
    drawn = battery.init(4000, np.random.default_rng(1))
    assert drawn.charge_j.min() >= 50.0
    assert drawn.charge_j.max() <= 150.0
    assert abs(drawn.charge_j.mean() - 100.0) < 3.0 * 100.0 / np.sqrt(12.0 * 4000)
    assert set(drawn.capacity_j) == {200.0}
    assert set(drawn.least_j) == {20.0}


def test_a_device_more_changes_nobodys_charge():
    few, many = (Rechargeable().init(n, np.random.default_rng(1)).charge_j for n in (5, 500))
    assert (few == many[:5]).all()


def test_a_steady_source_gathers_in_proportion_to_time():
    assert gathered(Rechargeable(harvest_w=0.5), 10.0, 110.0) == 50.0


def test_a_day_brings_its_mean_in_its_first_half_and_nothing_in_its_second():
    for day in (0.0, 100.0, 12_300.0):
        assert gathered(SUN, day, day + 100.0) == pytest.approx(30.0, rel=1e-12)
        assert gathered(SUN, day, day + 50.0) == pytest.approx(30.0, rel=1e-12)
        assert gathered(SUN, day + 50.0, day + 100.0) < 1e-30
        assert gathered(SUN, day + 17.0, day + 317.0) == pytest.approx(90.0, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 250.0), st.floats(0.0, 250.0))
def test_the_harvest_is_the_integral_of_the_power(from_s, length_s):
    nodes, weights = np.polynomial.legendre.leggauss(24)
    to_s = from_s + length_s
    edges = [from_s, *(t for t in np.arange(50.0, 550.0, 50.0) if from_s < t < to_s), to_s]
    whole = 0.0
    for a, b in pairwise(edges):  # the power has a bend at each edge and none between
        at_s = (a + b) / 2 + (b - a) / 2 * nodes
        power_w = np.pi * 0.3 * np.maximum(0.0, np.sin(2 * np.pi * at_s / 100.0))
        whole += (b - a) / 2 * (weights @ power_w)
    assert gathered(SUN, from_s, to_s) == pytest.approx(whole, rel=1e-11, abs=1e-12)


@given(
    st.floats(0.0, 1e7), st.floats(0.0, 300.0), st.floats(0.0, 300.0), st.sampled_from([0.0, 100.0])
)
def test_the_harvest_adds_up_over_adjacent_intervals(from_s, first_s, second_s, period_s):
    battery = Rechargeable(harvest_w=0.3, harvest_period_s=period_s)
    middle_s, to_s = from_s + first_s, from_s + first_s + second_s
    parts = gathered(battery, from_s, middle_s), gathered(battery, middle_s, to_s)
    assert min(parts) >= 0.0
    # Beside the last bit of an instant nothing is lost: 30 J a day to 1e-15.
    assert sum(parts) == pytest.approx(gathered(battery, from_s, to_s), rel=1e-12, abs=3e-14)


def test_a_moment_gathers_the_power_of_its_middle_times_its_length():
    for at_s in (0.5, 20.0, 49.5, 70_020.0):
        middle_s = at_s + 2.0**-25
        power_w = np.pi * 0.3 * np.sin(2.0 * np.pi * (middle_s % 100.0) / 100.0)
        joules = gathered(SUN, at_s, at_s + 2.0**-24)
        assert joules == pytest.approx(power_w * 2.0**-24, rel=1e-11, abs=0.0)


def test_a_dawn_after_years_keeps_its_digits():
    dawn_s = 1e6 * 100.0
    wanted = 30.0 * np.sin(np.pi * 0.0078125 / 100.0) ** 2
    assert gathered(SUN, dawn_s, dawn_s + 0.0078125) == pytest.approx(wanted, rel=1e-12, abs=0.0)
    assert gathered(SUN, dawn_s - 40.0, dawn_s + 0.0078125) == pytest.approx(
        wanted, rel=1e-12, abs=0.0
    )


@st.composite
def rounds(draw):
    """Ends, powers and charges of a few devices, some with phases that never end."""
    phases, devices = draw(st.integers(1, 8)), draw(st.integers(1, 4))

    def columns(elements):
        row = st.lists(elements, min_size=phases, max_size=phases)
        return np.array(draw(st.lists(row, min_size=devices, max_size=devices)))

    lengths = columns(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)))
    never = draw(st.lists(st.integers(0, 2 * phases), min_size=devices, max_size=devices))
    ends_s = np.cumsum(lengths, axis=1)
    ends_s[np.arange(phases) >= np.array(never)[:, None]] = np.inf
    power_w = columns(st.one_of(st.just(0.0), st.floats(1e-3, 10.0)))
    charge = st.one_of(st.just(0.0), st.just(np.inf), st.floats(1e-2, 1e5))
    return ends_s, power_w, np.array(draw(st.lists(charge, min_size=devices, max_size=devices)))


def energy_until(instant_s, ends_s, power_w):
    """Add up the energy of one device until an instant, phase by phase."""
    joules, begin_s = 0.0, 0.0
    for end_s, watts in zip(ends_s, power_w, strict=True):
        if watts and begin_s < min(end_s, instant_s):
            joules += watts * (min(end_s, instant_s) - begin_s)
        begin_s = end_s
    return joules


@settings(max_examples=120, deadline=None)
@given(rounds())
def test_what_was_used_until_the_end_is_what_there_was(case):
    ends_s, power_w, charge_j = case
    instant_s = exhausted_s(ends_s, power_w, charge_j)
    spent = spent_j(ends_s, power_w)
    assert not np.isnan(instant_s).any()
    for k, at_s in enumerate(instant_s):
        if np.isfinite(at_s):
            used = energy_until(at_s, ends_s[k], power_w[k])
            assert used == pytest.approx(charge_j[k], rel=1e-9, abs=1e-10)
            assert spent[k].sum() > charge_j[k]
        else:
            assert spent[k].sum() <= charge_j[k] * (1.0 + 1e-12)


@settings(max_examples=80, deadline=None)
@given(rounds())
def test_what_phases_take_is_their_length_times_their_power(case):
    ends_s, power_w, _ = case
    spent = spent_j(ends_s, power_w)
    for k, row in enumerate(spent):
        assert row.sum() == pytest.approx(energy_until(np.inf, ends_s[k], power_w[k]), rel=1e-12)
    assert (spent[power_w == 0.0] == 0.0).all()


@settings(max_examples=80, deadline=None)
@given(rounds(), st.floats(0.0, 100.0))
def test_more_charge_never_ends_earlier(case, more_j):
    ends_s, power_w, charge_j = case
    assert (
        exhausted_s(ends_s, power_w, charge_j + more_j) >= exhausted_s(ends_s, power_w, charge_j)
    ).all()


def test_a_scan_of_small_steps_finds_the_same_end():
    rng = np.random.default_rng(1)
    ends_s = np.cumsum(rng.random((20, 8)), axis=1)
    power_w, charge_j = rng.random((20, 8)), 4.0 * rng.random(20)
    step_s = 1e-4
    steps = np.arange(0.0, 8.0, step_s) + step_s / 2
    phase = (steps[None, :, None] >= ends_s[:, None, :]).sum(axis=2)
    watts = np.take_along_axis(np.pad(power_w, ((0, 0), (0, 1))), phase, axis=1)
    used = np.cumsum(watts * step_s, axis=1)
    scanned = np.where(
        used[:, -1] > charge_j, steps[np.argmax(used > charge_j[:, None], axis=1)], np.inf
    )
    found = exhausted_s(ends_s, power_w, charge_j)
    assert 3 < np.isfinite(found).sum() < 20
    close = np.isclose(found, scanned, atol=2e-2, rtol=0.0)
    assert close.all()


def test_using_up_everything_exactly_suffices_until_more_is_needed():
    ends_s, power_w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 0.0, 2.0]])
    assert exhausted_s(ends_s, power_w, np.array([4.0])) == np.inf
    assert exhausted_s(ends_s, power_w, np.array([2.0])) == 2.0  # the quiet phase costs nothing
    assert exhausted_s(ends_s[:, :2], power_w[:, :2], np.array([2.0])) == np.inf


def test_a_wait_without_end_empties_a_battery_unless_it_is_free():
    ends_s = np.array([[1.0, np.inf, np.inf]] * 3)
    power_w = np.array([[2.0, 0.0, 5.0], [2.0, 4.0, 5.0], [2.0, 4.0, 5.0]])
    found = exhausted_s(ends_s, power_w, np.array([2.0, 10.0, np.inf]))
    assert found.tolist() == [np.inf, 3.0, np.inf]
    assert spent_j(ends_s, power_w).tolist() == [
        [2.0, 0.0, 0.0],
        [2.0, np.inf, 0.0],
        [2.0, np.inf, 0.0],
    ]


def test_an_empty_battery_lasts_until_the_first_joule():
    found = exhausted_s(
        np.array([[1.0, 2.0]] * 2), np.array([[0.0, 3.0]] * 2), np.array([0.0, -1e-12])
    )
    assert found.tolist() == [1.0, 1.0]


def test_a_watt_for_a_second_is_a_joule():
    assert spent_j(np.array([[1.0]]), np.array([[1.0]])) == 1.0
