"""Electronics: the power of each phase."""

import numpy as np
import pytest

from wflsim.world.electronics import Handset, Ideal

PHASES = ["page", "receive", "compute", "access", "grant", "queue", "upload", "wait"]
COMPUTE_W, TRANSMIT_W, ON_AIR = np.array([2.0, 3.0]), np.array([0.1, 0.2]), np.array([1.0, 0.25])


def by_phase(electronics):
    power_w = electronics.phase_power_w(COMPUTE_W, TRANSMIT_W, ON_AIR)
    assert power_w.shape == (2, 8)
    return dict(zip(PHASES, power_w.T, strict=True))


def test_by_default_computing_and_the_air_are_all_that_is_drawn():
    power_w = by_phase(Ideal())
    assert power_w.pop("compute").tolist() == [2.0, 3.0]
    assert power_w.pop("upload").tolist() == [0.1, 0.05]
    assert not np.any(list(power_w.values()))


def test_each_phase_draws_what_it_says():
    power_w = by_phase(Handset(0.25, 1.0, 0.5, 0.125, 0.75))
    assert power_w["receive"].tolist() == [0.5, 0.5]
    assert power_w["access"].tolist() == [0.75, 0.75]
    assert power_w["compute"].tolist() == [2.0, 3.0]
    assert power_w["upload"] == pytest.approx([1.4, 1.2])
    for phase in ("page", "grant", "queue", "wait"):
        assert power_w[phase].tolist() == [0.125, 0.125]


def test_an_amplifier_of_half_the_efficiency_draws_twice_as_much_and_circuits_draw_all_the_time():
    whole, half = (by_phase(Handset(eta, circuit_w=0.0))["upload"] for eta in (0.8, 0.4))
    assert half == pytest.approx(2.0 * whole)
    silent = Handset(circuit_w=1.5).phase_power_w(COMPUTE_W, TRANSMIT_W, np.zeros(2))
    assert silent[:, 6].tolist() == [1.5, 1.5]
