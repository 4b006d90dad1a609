"""Correlation: how alike the antennas of a base station hear a device that has few directions to come from."""

from dataclasses import dataclass
from math import prod
from typing import Annotated, Protocol

import numpy as np

from channel_models.small_scale.arrays import HALF_WAVELENGTH, linear_array
from channel_models.small_scale.products import products
from channel_models.units import ComplexArray, FloatArray, Positive, Share

# Numbers that the square roots of one chunk of devices may hold: 4 MB, which a cache still has.
_CHUNK = 2**19


class Correlation(Protocol):
    """The correlation between the antennas of a base station, of unit power on each."""

    def colour(self, white: ComplexArray, bearing_rad: FloatArray) -> ComplexArray:
        """Return coefficients whose antennas correlate, of the shape of the white ones, which are left as they are.

        Args:
            white: Independent coefficients CN(0, 1), shape (K, M) or (K, M, F).
            bearing_rad: Direction of each device from broadside, shape (K,).
        """
        ...


@dataclass(frozen=True)
class Uncorrelated:
    """Antennas that hear independently: R = I.

    >>> Uncorrelated().colour(np.array([[1j, 2.0]]), np.zeros(1))
    array([[0.+1.j, 2.+0.j]])
    """

    def colour(self, white: ComplexArray, bearing_rad: FloatArray) -> ComplexArray:
        """Return the very same array."""
        return white


@dataclass(frozen=True)
class Exponential:
    """Correlation that falls geometrically from antenna to antenna, the same for all devices: R_ij = ρ^|i−j|.

    Antenna by antenna this is h_m = ρ h_{m−1} + √(1 − ρ²) w_m. That is a product with the Cholesky root of R, but in
    fewer operations, and rounded alike however many devices there are, which a product of large matrices is not.

    Attributes:
        rho: Correlation ρ of neighbouring antennas.

    Reference:
        Loyka, Channel capacity of MIMO architecture using the exponential correlation matrix, IEEE Commun. Letters,
        2001 [S].

    >>> Exponential(rho=1.0).colour(np.array([[1j, 2.0]]), np.zeros(1))
    array([[0.+1.j, 0.+1.j]])
    """

    rho: Share = 0.7

    def colour(self, white: ComplexArray, bearing_rad: FloatArray) -> ComplexArray:
        """Return the correlated coefficients; the bearings play no part."""
        # Antenna by antenna in memory, so that each step runs over neighbours there.
        coloured = np.multiply(np.moveaxis(white, 1, 0), np.sqrt(1.0 - self.rho**2), order="C")
        coloured[0] = white[:, 0]
        for antenna in range(1, len(coloured)):
            coloured[antenna] += self.rho * coloured[antenna - 1]
        return np.moveaxis(coloured, 0, 1)


@dataclass(frozen=True)
class LocalScattering:
    """Scatterers around each device, seen from a linear array under a Gaussian spread of angles.

    R_lm = e^{j2π d (l−m) sin φ} · e^{−½ (σ 2π d (l−m) cos φ)²} with the device at bearing φ. This is the form for small
    angles: against the integral over all angles, neighbours half a wavelength apart are off by at most 0.05 at 10° and
    0.11 at 15°. A device in line with the array (cos φ = 0) makes it fully correlated here and less so in truth.

    Attributes:
        angular_spread_deg: Standard deviation σ of the angles around the device's bearing, in degrees.
        spacing: Distance d of neighbouring antennas, in wavelengths.

    Reference:
        Björnson, Hoydis and Sanguinetti, Massive MIMO Networks, section 2.6.2 [S].

    >>> h = LocalScattering(angular_spread_deg=0.0).colour(np.ones((1, 3), dtype=complex), np.array([np.pi / 6]))
    >>> h.round(9)
    array([[ 1.+0.j,  0.+1.j, -1.+0.j]])
    """

    angular_spread_deg: Annotated[float, ("least", 0.0), ("most", 15.0)] = 10.0
    spacing: Positive = HALF_WAVELENGTH

    def colour(self, white: ComplexArray, bearing_rad: FloatArray) -> ComplexArray:
        """Return h = D L w for each device, with the response D of its bearing and the root L of its spread."""
        devices, antennas = white.shape[:2]
        bearing_rad = np.broadcast_to(bearing_rad, (devices,))
        spread_rad = np.radians(self.angular_spread_deg)
        turn = 2.0 * np.pi * self.spacing * spread_rad * np.cos(bearing_rad)
        many = 2 * prod(white.shape[2:])
        parts = np.ascontiguousarray(white).view(np.float64).reshape(devices, antennas, many)
        coloured = np.empty_like(parts)
        chunk = max(1, _CHUNK // antennas**2)
        for start in range(0, devices, chunk):
            some = slice(start, start + chunk)
            products(gaussian_root(turn[some], antennas), parts[some], coloured[some])
        response = linear_array(bearing_rad, antennas, self.spacing)
        mixed = coloured.view(np.complex128).reshape(white.shape)
        mixed *= response if white.ndim == 2 else response[:, :, None]
        return mixed


def local_scattering(
    lag: FloatArray,
    bearing_rad: FloatArray | float,
    spread_rad: FloatArray | float,
    spacing: float = HALF_WAVELENGTH,
) -> ComplexArray:
    """Return the correlation of two antennas under a small Gaussian spread of angles; shapes broadcast.

    e^{j2π d (l−m) sin φ} · e^{−½ (σ 2π d (l−m) cos φ)²}.

    Args:
        lag: Number of antennas l − m from one to the other.
        bearing_rad: Direction φ of the device from broadside.
        spread_rad: Standard deviation σ of the angles.
        spacing: Distance d of neighbours, in wavelengths.

    Reference:
        Björnson, Hoydis and Sanguinetti, Massive MIMO Networks, equation (2.24) [S].

    >>> local_scattering(np.array([1.0]), np.pi / 6, np.radians(10.0)).round(5)
    array([0.+0.89338j])
    """
    turn = 2.0 * np.pi * spacing * np.asarray(lag)
    decay = 0.5 * (np.asarray(spread_rad) * turn * np.cos(bearing_rad)) ** 2
    return np.asarray(np.exp(1j * turn * np.sin(bearing_rad) - decay))


def local_scattering_integral(
    lag: FloatArray,
    bearing_rad: FloatArray | float,
    spread_rad: FloatArray | float,
    spacing: float = HALF_WAVELENGTH,
) -> ComplexArray:
    """Return the same correlation at any spread: ∫ e^{j2π d (l−m) sin(φ + δ)} p(δ) dδ with p Gaussian; shapes broadcast.

    The sum over equal steps meets the integral to machine precision as long as |σ 2π d (l − m)| stays below 300.

    Args:
        lag: Number of antennas l − m from one to the other.
        bearing_rad: Direction φ of the device from broadside.
        spread_rad: Standard deviation σ of the angles.
        spacing: Distance d of neighbours, in wavelengths.

    Reference:
        Björnson, Hoydis and Sanguinetti, Massive MIMO Networks, equation (2.23) [S].

    >>> local_scattering_integral(np.array([1.0]), np.pi / 6, np.radians(10.0)).round(5)
    array([0.01675+0.89573j])
    """
    offset = np.linspace(-9.0, 9.0, 1001)
    weight = np.exp(-0.5 * offset**2)
    angle = np.asarray(bearing_rad)[..., None] + np.asarray(spread_rad)[..., None] * offset
    turn = 2.0 * np.pi * spacing * np.asarray(lag)[..., None] * np.sin(angle)
    return np.asarray(np.exp(1j * turn) @ (weight / weight.sum()))


def gaussian_root(turn: FloatArray, antennas: int) -> FloatArray:
    """Return the lower triangular root L of the matrices L Lᵀ = [e^{−½ s² (i−j)²}], shape (K, M, M).

    With p = e^{−s²} its entries are p^{(i−k)²/2} √((1 − p) … (1 − p^k)) times the Gaussian binomial of i over k, whose
    Pascal rule reads L_ik = p^{i−k−½} L_{i−1,k} + p^{i−k} √(1 − p^k) L_{i−1,k−1}. All terms are positive, so nothing
    cancels: it is exact where a factorisation of the nearly singular matrix breaks down, and far cheaper.

    Args:
        turn: Phase s that one standard deviation of the angles adds between neighbours, in rad, shape (K,).
        antennas: Number of antennas M.

    Reference:
        Loh and Lam, Estimating structured correlation matrices in smooth Gaussian random field models, Annals of
        Statistics, 2000 [S]; the test multiplies the root out.

    >>> gaussian_root(np.zeros(1), 2)
    array([[[1., 0.],
            [1., 0.]]])
    """
    square = turn[:, None] ** 2
    order = np.arange(antennas)
    fade = np.exp(-square * order)
    fresh = np.sqrt(-np.expm1(-square * order))
    half = np.exp(-square * np.maximum(order - 0.5, 0.0))
    root = np.zeros((len(turn), antennas, antennas))
    root[:, 0, 0] = 1.0
    for row in range(1, antennas):
        before, here = root[:, row - 1, :row], root[:, row]
        np.multiply(half[:, row:0:-1], before, out=here[:, :row])
        here[:, 1 : row + 1] += fade[:, row - 1 :: -1][:, :row] * fresh[:, 1 : row + 1] * before
    return root


def exponential_correlation(rho: float, antennas: int) -> FloatArray:
    """Return the matrix R_ij = ρ^|i−j|, shape (M, M).

    >>> exponential_correlation(0.5, 3)
    array([[1.  , 0.5 , 0.25],
           [0.5 , 1.  , 0.5 ],
           [0.25, 0.5 , 1.  ]])
    """
    order = np.arange(antennas)
    return np.asarray(rho ** np.abs(order[:, None] - order), dtype=np.float64)


def hermitian_root(covariance: ComplexArray | FloatArray) -> ComplexArray:
    """Return the Hermitian root R^{1/2} of covariance matrices, shape (…, M, M).

    >>> hermitian_root(np.diag([4.0, 9.0])).real
    array([[2., 0.],
           [0., 3.]])
    """
    powers, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.complex128))
    # Rounding leaves eigenvalues of a singular matrix a little below zero.
    roots = np.sqrt(np.maximum(powers, 0.0))[..., None, :]
    return np.asarray((vectors * roots) @ vectors.conj().swapaxes(-1, -2))


def kronecker(
    white: ComplexArray, receive_root: ComplexArray, transmit_root: ComplexArray
) -> ComplexArray:
    """Return matrices correlated at both ends, H = R_r^{1/2} W (R_t^{1/2})ᴴ, shape (…, N_r, N_t).

    Args:
        white: Independent coefficients W ~ CN(0, 1), shape (…, N_r, N_t).
        receive_root: Root of the correlation of the receiver's antennas, shape (…, N_r, N_r).
        transmit_root: Root of the correlation of the transmitter's antennas, shape (…, N_t, N_t).

    Reference:
        Kermoal et al., A stochastic MIMO radio channel model with experimental validation, IEEE J. Sel. Areas Commun.,
        2002 [S].

    >>> kronecker(np.ones((2, 1)), np.diag([1.0, 2.0]), np.array([[3.0]]))
    array([[3.],
           [6.]])
    """
    return np.asarray(receive_root @ white @ transmit_root.conj().swapaxes(-1, -2))
