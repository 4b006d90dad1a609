"""Paging: devices listen on their own grid, or always."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wflsim.clock import NEVER, Instants
from wflsim.network.procedures.paging import Cycle, Immediate


def test_who_listens_always_adds_not_even_a_rounding():
    start = Instants(np.array([3, 4]), np.array([0.1, np.inf]))
    assert Immediate().heard(start, np.array([0.2, 0.3])) is start


@given(
    st.floats(1e-3, 20.0),
    st.floats(0.0, 1.0, exclude_max=True),
    st.integers(0, 10**15),
    st.floats(0.0, 1e3),
)
def test_a_device_listens_at_its_offset_of_the_cycle_counted_from_time_0(
    period_s, offset, start_ns, after_s
):
    start = Instants(np.array([start_ns]), np.array([after_s]))
    period = round(period_s * 1e9)
    heard_ns = int(Cycle(period_s).heard(start, np.array([offset])).ns[0])
    assert 0 <= heard_ns - int(start.ns[0]) < period
    assert heard_ns % period == int(np.floor(offset * period))


def test_a_call_at_the_very_instant_is_heard_and_one_that_never_comes_is_not():
    start = Instants(np.zeros(3, np.int64), np.array([1.28, 1.28 + 1e-9, np.inf]))
    heard = Cycle().heard(start, np.zeros(3))
    assert heard.ns.tolist() == [1_280_000_000, 2_560_000_000, NEVER]


def test_a_device_that_sleeps_is_half_a_cycle_late_on_average():
    devices, offset = 20_000, np.random.default_rng(1).random(20_000)
    start = Instants(np.full(devices, 123_456_789), np.zeros(devices))
    wait_s = Cycle(period_s=0.64).heard(start, offset).after_s
    assert abs(wait_s.mean() - 0.32) < 3 * wait_s.std() / devices**0.5
    assert abs(wait_s.std() - 0.64 / 12**0.5) < 0.01
