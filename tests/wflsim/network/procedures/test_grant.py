"""Grant: occasions to ask, and the standard's processing times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflsim.clock import NEVER, Instants
from wflsim.network.procedures.grant import Immediate, Request


def test_an_immediate_grant_adds_not_even_a_rounding():
    asked = Instants(np.array([3, 4]), np.array([0.1, np.inf]))
    assert Immediate().granted(asked, np.zeros(2)) is asked
    assert Immediate().expected_s == 0.0


@pytest.mark.parametrize(("mu", "milliseconds"), [(0, 0.71), (1, 0.43), (2, 0.41), (3, 0.32)])
def test_processing_takes_the_symbols_of_capability_1(mu, milliseconds):
    assert 1e3 * Request(numerology=mu).processing_s == pytest.approx(milliseconds, abs=0.005)


@given(
    st.floats(1e-3, 1.0),
    st.floats(0.0, 1.0, exclude_max=True),
    st.integers(0, 10**15),
    st.floats(0.0, 1e3),
    st.floats(0.0, 0.1),
)
def test_a_grant_is_a_decision_and_processing_after_the_devices_next_occasion(
    period_s, offset, start_ns, after_s, decision_s
):
    grant = Request(period_s=period_s, numerology=0, decision_s=decision_s)
    asked = Instants(np.array([start_ns]), np.array([after_s]))
    after_ns = (decision_s + 10 / 14 * 1e-3) * 1e9
    occasion_ns = int(grant.granted(asked, np.array([offset])).ns[0]) - after_ns
    period = round(period_s * 1e9)
    assert -1 <= occasion_ns - int(asked.ns[0]) < period + 1
    away = (occasion_ns - np.floor(offset * period)) % period
    assert min(away, period - away) <= 1


@pytest.mark.parametrize("mu", [0, 1, 2, 3])
def test_a_grant_takes_on_average_what_is_expected(mu):
    grant, devices = Request(period_s=0.04, numerology=mu, decision_s=0.002), 20_000
    asked = Instants(np.full(devices, 987_654_321), np.full(devices, 0.5))
    granted = grant.granted(asked, np.random.default_rng(mu).random(devices))
    took_s = granted.after_s - 0.5
    assert abs(took_s.mean() - grant.expected_s) < 3 * took_s.std() / devices**0.5


def test_who_never_asks_is_never_granted():
    asked = Instants(np.array([5]), np.array([np.inf]))
    assert Request().granted(asked, np.array([0.5])).ns.tolist() == [NEVER]
