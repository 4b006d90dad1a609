"""Correlation: its roots multiplied out, against the published values of local scattering and by sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from channel_models.small_scale.correlation import (
    Exponential,
    LocalScattering,
    Uncorrelated,
    exponential_correlation,
    gaussian_root,
    hermitian_root,
    kronecker,
    local_scattering,
    local_scattering_integral,
)
from channel_models.small_scale.doppler import complex_normal

KINDS = [Uncorrelated(), Exponential(), Exponential(0.3), LocalScattering(), LocalScattering(3.0)]
# At 30°, a spread of 10° and half a wavelength: closed form and integral at lags 1 and 2.
CLOSED = {1: 0.89338j, 2: -0.63701}
INTEGRAL = {1: 0.01675 + 0.89573j, 2: -0.64420 + 0.00423j}


def covariance(model, bearing_rad, antennas):
    """Return root · rootᴴ of each device, by colouring the columns of the identity, shape (K, M, M)."""
    identity = np.tile(np.eye(antennas, dtype=complex), (len(bearing_rad), 1, 1))
    root = model.colour(identity, bearing_rad)
    return np.einsum("kij,klj->kil", root, root.conj())


def white(*shape, seed=1):
    return complex_normal(shape, np.random.default_rng(seed))


def test_every_value_is_checked():
    assert len(CLOSED) == len(INTEGRAL) == 2


@pytest.mark.parametrize("lag", CLOSED)
def test_local_scattering_is_as_published(lag):
    at = (np.array(float(lag)), np.radians(30.0), np.radians(10.0))
    assert complex(local_scattering(*at)) == pytest.approx(CLOSED[lag], abs=1e-5)
    assert complex(local_scattering_integral(*at)) == pytest.approx(INTEGRAL[lag], abs=1e-5)


@given(st.integers(-60, 60), st.floats(-np.pi, np.pi), st.floats(0.1, 1.0))
def test_the_small_angle_form_is_the_limit_of_the_integral(lag, bearing, spacing):
    spread = np.radians(0.05)
    closed = local_scattering(np.array(lag), bearing, spread, spacing)
    integral = local_scattering_integral(np.array(lag), bearing, spread, spacing)
    assert complex(closed) == pytest.approx(complex(integral), abs=2e-4)


@pytest.mark.parametrize(("spread_deg", "most"), [(10.0, 0.05), (15.0, 0.11)])
def test_the_small_angle_form_is_as_close_as_it_says(spread_deg, most):
    bearing = np.radians(np.arange(0.0, 91.0))
    at = (np.ones(91), bearing, np.radians(spread_deg))
    error = np.abs(local_scattering(*at) - local_scattering_integral(*at))
    assert 0.9 * most < error.max() < most


def test_the_integral_is_one_at_the_antenna_itself_and_bessel_all_around():
    assert complex(local_scattering_integral(np.array(0), 0.4, 0.2)) == pytest.approx(1.0)
    # So wide a spread comes from everywhere, wrapped: the correlation becomes J0(2π d).
    found = complex(local_scattering_integral(np.array(1), 0.4, 5.0))
    assert found == pytest.approx(-0.304242, abs=1e-4)


@settings(deadline=None)
@given(st.floats(0.0, 2.0), st.sampled_from([1, 2, 7, 64]))
def test_the_root_of_a_gaussian_multiplies_out(turn, antennas):
    root = gaussian_root(np.array([turn]), antennas)[0]
    order = np.arange(antennas)
    expected = np.exp(-0.5 * (turn * (order[:, None] - order)) ** 2)
    np.testing.assert_allclose(root @ root.T, expected, atol=1e-12)
    np.testing.assert_array_equal(root, np.tril(root))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.7, 0.99, 1.0])
def test_exponential_correlation_is_its_matrix(rho):
    found = covariance(Exponential(rho), np.zeros(1), 20)[0]
    np.testing.assert_allclose(found, exponential_correlation(rho, 20), atol=1e-12)
    if rho < 1.0:
        column = Exponential(rho).colour(np.eye(20, dtype=complex)[None], np.zeros(1))[0]
        np.testing.assert_allclose(column, linalg.cholesky(found, lower=True), atol=1e-10)


@pytest.mark.parametrize(("spread_deg", "spacing"), [(0.0, 0.5), (3.0, 0.5), (10.0, 0.8)])
def test_local_scattering_is_its_formula_for_each_device(spread_deg, spacing):
    bearing = np.linspace(-1.5, 1.5, 140)  # more devices than one chunk of roots holds
    order = np.arange(64)
    expected = local_scattering(
        order[:, None] - order, bearing[:, None, None], np.radians(spread_deg), spacing
    )
    found = covariance(LocalScattering(spread_deg, spacing), bearing, 64)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("model", KINDS)
def test_each_antenna_keeps_unit_power(model):
    diagonal = np.diagonal(covariance(model, np.linspace(-1.0, 1.0, 5), 16), axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, 1.0, atol=1e-12)


@pytest.mark.parametrize("model", KINDS)
def test_samples_have_the_covariance(model):
    samples, bearing = 100_000, np.array([0.5])
    h = model.colour(white(samples, 4), np.full(samples, 0.5))
    expected = covariance(model, bearing, 4)[0]
    np.testing.assert_allclose(h.T @ h.conj() / samples, expected, atol=4.0 / np.sqrt(samples))
    np.testing.assert_allclose(h.T @ h / samples, 0.0, atol=6.0 / np.sqrt(samples))


@pytest.mark.parametrize("model", KINDS)
def test_every_block_of_frequency_is_coloured_alike(model):
    wide, bearing = white(5, 6, 3), np.linspace(-1.0, 1.0, 5)
    coloured = model.colour(wide, bearing)
    assert coloured.shape == wide.shape
    for block in range(3):
        flat = model.colour(wide[:, :, block], bearing)
        np.testing.assert_allclose(coloured[:, :, block], flat, atol=1e-12)


@pytest.mark.parametrize("model", KINDS)
def test_what_is_white_stays_white(model):
    given_white = white(5, 6)
    model.colour(given_white, np.linspace(-1.0, 1.0, 5))
    np.testing.assert_array_equal(given_white, white(5, 6))


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("antennas", [1, 5, 64])
def test_a_device_more_changes_no_bit(model, antennas):
    bearing = np.linspace(-1.0, 1.0, 140)
    full = model.colour(white(140, antennas), bearing)
    for devices in (*range(1, 20), 127, 128, 129):
        some = model.colour(white(devices, antennas), bearing[:devices])
        np.testing.assert_array_equal(some, full[:devices])


def test_a_kronecker_channel_correlates_at_both_ends():
    samples, ends = 200_000, (exponential_correlation(0.6, 3), exponential_correlation(0.8, 2))
    turned = np.diag(np.exp(1j * np.arange(2)))
    receive, transmit = ends[0], turned @ ends[1] @ turned.conj()
    h = kronecker(white(samples, 3, 2), hermitian_root(receive), hermitian_root(transmit))
    rows = h.reshape(samples, 6)
    # vec by rows: E[h_ij h_kl*] = (R_r)_ik (R_t)_lj, that is R_r ⊗ R_t transposed.
    np.testing.assert_allclose(
        rows.T @ rows.conj() / samples, np.kron(receive, transmit.T), atol=4.0 / np.sqrt(samples)
    )


def test_hermitian_roots_are_hermitian_even_of_singular_matrices():
    singular = np.ones((3, 3)) + 0j
    root = hermitian_root(np.stack([singular, np.eye(3)]))
    np.testing.assert_allclose(root @ root, np.stack([singular, np.eye(3)]), atol=1e-12)
    np.testing.assert_allclose(root, root.conj().swapaxes(1, 2), atol=1e-12)
