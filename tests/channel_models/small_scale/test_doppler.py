"""Doppler: autocorrelations against J0, of the numbers and of their powers, and what goes wrong with careless phases."""

import numpy as np
import pytest
from scipy import special, stats

from channel_models.small_scale.doppler import (
    AutoRegressive,
    Block,
    Jakes,
    complex_normal,
    jakes_autocorrelation,
    max_doppler_hz,
)

KINDS = [Block(), AutoRegressive(), Jakes(sinusoids=16)]
DEVICES = 20_000
ERROR = 4.0 / np.sqrt(DEVICES)
DOPPLER_HZ = max_doppler_hz(30.0, 2.0)
MOVING = {"speed_m_s": 30.0, "carrier_ghz": 2.0}
# J0(2π f_D τ) at f_D τ, from tables of the Bessel function.
BESSEL = {0.05: 0.975478, 0.1: 0.903713, 0.3827: 0.0}


def played(model, shape, waits_s, seed=1):
    """Return the numbers after each wait, shape (steps, *shape)."""
    rng = np.random.default_rng(seed)
    state, found = model.init(shape, rng), []
    for wait_s in waits_s:
        state, h = model.step(state, wait_s, rng)
        found.append(h)
    return np.stack(found)


def test_every_bessel_value_is_checked():
    assert len(BESSEL) == 3


@pytest.mark.parametrize("cycles", BESSEL)
def test_the_autocorrelation_is_a_bessel_function(cycles):
    found = jakes_autocorrelation(DOPPLER_HZ, cycles / DOPPLER_HZ)
    assert found == pytest.approx(BESSEL[cycles], abs=2e-4 if BESSEL[cycles] == 0.0 else 1e-6)


def test_the_largest_shift_is_speed_over_wavelength():
    assert max_doppler_hz(30.0, 2.0) == pytest.approx(200.0)
    assert max_doppler_hz(0.0, 2.0) == 0.0


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("step", [0, 3])
def test_numbers_are_standard_and_independent_from_the_first_step(model, step):
    h = played(model, (DEVICES, 3), [0.0, 0.01, 0.5, 2.0])[step]
    np.testing.assert_allclose(h.T @ h.conj() / DEVICES, np.eye(3), atol=ERROR)
    np.testing.assert_allclose(h.T @ h / DEVICES, 0.0, atol=1.5 * ERROR)
    np.testing.assert_allclose(h.mean(axis=0), 0.0, atol=ERROR)


@pytest.mark.parametrize("model", [Block(), AutoRegressive()])
def test_their_powers_are_exponential(model):
    power = np.abs(played(model, (DEVICES, 1), [0.1])[0, :, 0]) ** 2
    assert stats.kstest(power, stats.expon.cdf).pvalue > 0.01


def test_blocks_forget():
    first, second = played(Block(), (DEVICES,), [0.0, 0.0])
    assert abs(np.vdot(first, second)) / DEVICES < ERROR


@pytest.mark.parametrize("kind", [AutoRegressive, Jakes])
@pytest.mark.parametrize("cycles", [0.0, 0.05, 0.1, 0.3827, 0.6, 1.7])
def test_two_looks_correlate_as_jakes_says(kind, cycles):
    first, second = played(kind(**MOVING), (DEVICES,), [0.123, cycles / DOPPLER_HZ])
    found = np.vdot(first, second) / DEVICES
    assert complex(found) == pytest.approx(special.j0(2.0 * np.pi * cycles), abs=ERROR)


@pytest.mark.parametrize("cycles", [0.1, 0.6])
def test_auto_regression_multiplies_and_jakes_does_not(cycles):
    waits_s, rho = [0.1, cycles / DOPPLER_HZ, cycles / DOPPLER_HZ], special.j0(2 * np.pi * cycles)
    for kind, expected in (
        (AutoRegressive, rho**2),
        (Jakes, special.j0(4.0 * np.pi * cycles)),
    ):
        first, _, third = played(kind(**MOVING), (DEVICES,), waits_s)
        assert complex(np.vdot(first, third) / DEVICES) == pytest.approx(expected, abs=ERROR)


@pytest.mark.parametrize("cycles", [0.1, 0.3827, 0.6])
def test_powers_of_auto_regression_correlate_as_those_of_normals(cycles):
    powers = np.abs(played(AutoRegressive(**MOVING), (DEVICES,), [0.1, cycles / DOPPLER_HZ])) ** 2
    product = powers[0] * powers[1]
    expected = 1.0 + special.j0(2.0 * np.pi * cycles) ** 2
    assert product.mean() == pytest.approx(expected, abs=4.0 * product.std() / np.sqrt(DEVICES))


def arc_mean(turn, arc, many):
    """Return the mean of e^{j turn cos α} over one of equal arcs."""
    angle = 2.0 * np.pi * (arc + (np.arange(1000) + 0.5) / 1000.0) / many
    return np.exp(1j * turn * np.cos(angle)).mean()


@pytest.mark.parametrize("cycles", [0.0, 0.1, 0.3827, 0.6])
def test_powers_of_jakes_correlate_as_those_of_so_many_waves(cycles):
    many, turn = 16, 2.0 * np.pi * cycles
    powers = (
        np.abs(played(Jakes(**MOVING, sinusoids=many), (DEVICES,), [0.1, cycles / DOPPLER_HZ])) ** 2
    )
    product = powers[0] * powers[1]
    lost = sum(abs(arc_mean(turn, arc, many)) ** 2 for arc in range(many)) / many**2
    expected = 1.0 + special.j0(turn) ** 2 - lost
    assert 0.0 < lost <= 1.0 / many + 1e-12
    assert product.mean() == pytest.approx(expected, abs=4.0 * product.std() / np.sqrt(DEVICES))


def test_the_shifts_have_jakes_spectrum():
    waves = Jakes(**MOVING).init((2000, 1), np.random.default_rng(1))
    shares = np.sort(waves.shift_hz.ravel()) / DOPPLER_HZ
    cdf = 1.0 - np.arccos(shares) / np.pi  # of the cosine of a uniform angle
    rank = (np.arange(len(shares)) + 0.5) / len(shares)
    assert np.abs(cdf - rank).max() < 1.36 / np.sqrt(len(shares))


def test_phases_of_the_waves_go_all_around():
    # Phases on [0, 1) rad, as one public simulator draws them by default, leave a mean of 0.96 and are found here.
    waves = Jakes().init((2000, 3), np.random.default_rng(1))
    phase = np.angle(waves.amplitude).ravel() % (2.0 * np.pi)
    assert stats.kstest(phase / (2.0 * np.pi), stats.uniform.cdf).pvalue > 0.01
    np.testing.assert_allclose(np.abs(waves.amplitude) ** 2, 1.0 / 32.0)


def test_jakes_is_exact_in_time_and_draws_nothing_on_the_way():
    halves = played(Jakes(**MOVING), (20, 3), [0.1, 0.35])[-1]
    whole = played(Jakes(**MOVING), (20, 3), [0.45])[-1]
    np.testing.assert_allclose(halves, whole, atol=1e-9)
    model, rng = Jakes(), np.random.default_rng(1)
    state = model.init((3, 2), rng)
    np.testing.assert_array_equal(
        model.step(state, 1.0, rng)[1], model.step(state, 1.0, np.random.default_rng(7))[1]
    )


@pytest.mark.parametrize("kind", [AutoRegressive, Jakes])
def test_who_stands_still_hears_the_same(kind):
    first, second = played(kind(speed_m_s=0.0), (5, 4), [1.0, 60.0])
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_what_the_caller_writes_does_not_reach_the_state():
    model, rng = AutoRegressive(), np.random.default_rng(1)
    state, h = model.step(model.init((2, 2), rng), 0.1, rng)
    h[:] = 0.0
    assert np.all(state != 0.0)


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("rest", [(), (1,), (5,), (3, 7)])
def test_a_device_more_changes_no_bit(model, rest):
    def some(devices):
        state, found = model.init((devices, *rest), np.random.default_rng(1)), []
        for step in range(3):
            state, h = model.step(state, 0.1 * step, np.random.default_rng(2 + step))
            found.append(h)
        return np.stack(found)

    full = some(40)
    for devices in range(1, 40):
        assert some(devices).shape == (3, devices, *rest)
        np.testing.assert_array_equal(some(devices), full[:, :devices])


def test_normals_are_one_draw():
    h = complex_normal((4, 3), np.random.default_rng(1))
    parts = np.random.default_rng(1).standard_normal((4, 6))
    np.testing.assert_array_equal(h, np.sqrt(0.5) * (parts[:, ::2] + 1j * parts[:, 1::2]))
