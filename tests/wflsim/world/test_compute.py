"""Computing: energies in closed form, and tables that give back what they were given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflsim.scenario.quantities import constrained
from wflsim.scenario.remedies import valid
from wflsim.world.compute import Cmos, Kappa, Table

CLOCK_HZ = np.linspace(0.1e9, 3e9, 200)
TABLE = Table((0.6e9, 1.2e9, 2.4e9), (1.5, 0.7, 0.4), (1.0, 2.5, 8.0), start_s=0.2)


def joules_per_mac(model, cpu_hz):
    return model.power_w(cpu_hz) * model.seconds_per_mac(cpu_hz)


@given(st.floats(0.1, 100.0), st.floats(1e-30, 1e-25), st.floats(1e7, 5e9), st.floats(1.0, 1e12))
def test_the_energy_of_kappa_is_kappa_f_squared_per_cycle(cycles, kappa, cpu_hz, macs):
    joules = joules_per_mac(Kappa(cycles, kappa), np.array([cpu_hz])) * macs
    assert joules == pytest.approx(kappa * cpu_hz**2 * cycles * macs)


def test_a_voltage_in_proportion_to_the_clock_is_the_switched_capacitance_model():
    cmos = Cmos(3.0, 4e-10, 0.0, clock_hz=(0.1e9, 3e9), supply_v=(0.05, 1.5))
    kappa = Kappa(3.0, 4e-10 * (1.5 / 3e9) ** 2)
    assert cmos.power_w(CLOCK_HZ) == pytest.approx(kappa.power_w(CLOCK_HZ))
    assert (cmos.seconds_per_mac(CLOCK_HZ) == kappa.seconds_per_mac(CLOCK_HZ)).all()


def test_a_constant_voltage_without_leakage_makes_operations_cost_the_same_at_any_clock():
    cmos = Cmos(3.0, 4e-10, 0.0, supply_v=(0.8, 0.8))
    assert joules_per_mac(cmos, CLOCK_HZ) == pytest.approx(3.0 * 4e-10 * 0.8**2)


def test_the_voltage_rises_between_the_ends_and_stays_beyond_them():
    leaks_only = Cmos(capacitance_f=0.0, leakage_a=2.0, clock_hz=(1e9, 2e9), supply_v=(0.6, 1.0))
    cpu_hz = np.array([0.2e9, 1e9, 1.25e9, 2e9, 9e9])
    assert leaks_only.power_w(cpu_hz) == pytest.approx([1.2, 1.2, 1.4, 2.0, 2.0])


def test_with_leakage_there_is_a_cheapest_clock_between_slow_and_fast():
    joules = joules_per_mac(Cmos(leakage_a=0.5), np.linspace(0.1e9, 2e9, 500))
    cheapest = int(np.argmin(joules))
    assert 0 < cheapest < 499
    assert (np.diff(joules[: cheapest + 1]) < 0.0).all()
    assert (np.diff(joules[cheapest:]) > 0.0).all()


def test_the_default_cmos_meets_the_default_kappa_at_two_gigahertz():
    fast = np.array([2e9])
    assert Cmos(leakage_a=0.0).power_w(fast) == pytest.approx(Kappa().power_w(fast))


def test_a_table_gives_its_own_rows_at_its_own_clocks():
    cpu_hz = np.array(TABLE.clock_hz)
    assert TABLE.power_w(cpu_hz).tolist() == [1.0, 2.5, 8.0]
    assert (TABLE.seconds_per_mac(cpu_hz) * 1e9).tolist() == pytest.approx([1.5, 0.7, 0.4])


@given(st.floats(1e8, 5e9))
def test_a_table_runs_in_a_mode_of_its_own_and_never_in_a_faster_one_than_the_clock(clock_hz):
    mode = max((m for m in range(3) if TABLE.clock_hz[m] <= clock_hz), default=0)
    assert TABLE.power_w(np.array([clock_hz])) == TABLE.active_w[mode]
    assert TABLE.seconds_per_mac(np.array([clock_hz])) == TABLE.seconds_per_gmac[mode] / 1e9


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (((), (), ()), "clock_hz must have a mode, got none"),
        (((2e9, 1e9), (1.0, 1.0), (1.0, 1.0)), "clock_hz must rise, got"),
        (((1e9, 1e9), (1.0, 1.0), (1.0, 1.0)), "clock_hz must rise, got"),
        (((1e9, 2e9), (1.0,), (1.0, 1.0)), "seconds_per_gmac must have a number for each of the 2"),
        (((1e9, 2e9), (1.0, 1.0), (1.0,)), "active_w must have a number for each of the 2"),
    ],
)
def test_what_is_no_table_is_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        Table(*columns)


def test_a_voltage_range_without_a_width_is_refused():
    with pytest.raises(ValueError, match="clock_hz must rise"):
        Cmos(clock_hz=(1e9, 1e9))


@pytest.mark.parametrize("model", [Kappa, Cmos])
def test_nothing_precedes_the_first_operation_unless_it_is_said(model):
    assert model().start_s == 0.0
    assert model(start_s=1.5).start_s == 1.5


def test_a_table_can_be_told_from_another_and_stands_in_a_set():
    assert len({TABLE, Table((1e9,), (1.0,), (1.0,))}) == 2
    assert TABLE.start_s == 0.2


def test_the_scenario_reader_takes_a_column_from_a_list():
    hint = Table.__annotations__["clock_hz"]
    assert constrained(hint) is not None
    assert valid(hint, [1e9, 2e9]) == (1e9, 2e9)
