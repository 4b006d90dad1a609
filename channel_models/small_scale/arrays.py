"""Arrays: how linear and planar arrays respond to a plane wave, and what a beam gains.

Spacings are in wavelengths. The zenith is the angle from the vertical, the bearing that from the array's broadside.
"""

import numpy as np
from scipy.special import diric

from channel_models.units import ComplexArray, FloatArray

HALF_WAVELENGTH = 0.5


def powers(base: ComplexArray, count: int, first: FloatArray | float = 1.0) -> ComplexArray:
    """Return first · base⁰, first · base¹, … along a new last axis, by doubling what is there.

    An exponential for each power takes six times as long, and arrays and tapped delay lines consist of little else.

    Args:
        base: Numbers of absolute value one, any shape.
        count: How many powers.
        first: What they are multiplied by, any shape that broadcasts.

    >>> powers(np.array(1j), 4)
    array([ 1.+0.j,  0.+1.j, -1.+0.j, -0.-1.j])
    """
    found = np.empty((*base.shape, count), dtype=np.complex128)
    found[..., 0] = first
    done, step = 1, base
    while done < count:
        more = min(done, count - done)
        np.multiply(found[..., :more], step[..., None], out=found[..., done : done + more])
        done, step = done + more, step * step
    return found


def linear_array(
    bearing_rad: FloatArray, antennas: int, spacing: float = HALF_WAVELENGTH
) -> ComplexArray:
    """Return the response of a uniform linear array, a_m = e^{j2π d m sin φ}, shape (…, M).

    Args:
        bearing_rad: Angle φ from broadside, any shape.
        antennas: Number of antennas M.
        spacing: Distance d of neighbours.

    >>> linear_array(np.array([np.pi / 6]), 3).round(9)
    array([[ 1.+0.j,  0.+1.j, -1.+0.j]])
    """
    return powers(np.exp(2j * np.pi * spacing * np.sin(bearing_rad)), antennas)


def planar_array(
    zenith_rad: FloatArray,
    bearing_rad: FloatArray,
    rows: int,
    columns: int,
    spacing: tuple[float, float] = (HALF_WAVELENGTH, HALF_WAVELENGTH),
) -> ComplexArray:
    """Return the response of an upright planar array, e^{j2π(d_v m cos θ + d_h n sin θ sin φ)}, shape (…, rows · columns).

    Args:
        zenith_rad: Angle θ from the vertical, any shape.
        bearing_rad: Angle φ from broadside along the ground; the shapes broadcast.
        rows: Antennas above one another; m counts them and moves slowest.
        columns: Antennas beside one another, counted by n.
        spacing: Distances (d_v, d_h) of neighbours above and beside one another.

    >>> planar_array(np.array(np.pi / 2), np.array(np.pi / 6), 2, 2).round(9)
    array([1.+0.j, 0.+1.j, 1.+0.j, 0.+1.j])
    """
    up = powers(np.exp(2j * np.pi * spacing[0] * np.cos(zenith_rad)), rows)
    sideways = np.sin(zenith_rad) * np.sin(bearing_rad)
    beside = powers(np.exp(2j * np.pi * spacing[1] * sideways), columns)
    response = up[..., :, None] * beside[..., None, :]
    return np.asarray(response.reshape(*response.shape[:-2], rows * columns))


def array_gain(weights: ComplexArray, response: ComplexArray) -> FloatArray:
    """Return the power gain |wᴴ a|² of a beam, linear, shape (…); weights of norm one pointed at a wave gain M.

    Args:
        weights: Weights w of the antennas, shape (…, M).
        response: Response a of the array to a wave, shape (…, M).

    >>> response = linear_array(np.array([0.3]), 8)
    >>> array_gain(response / np.sqrt(8), response).round(9)
    array([8.])
    """
    return np.asarray(np.abs(np.sum(weights.conj() * response, axis=-1)) ** 2)


def tilted_column(rows: int, tilt_rad: float, spacing: float = HALF_WAVELENGTH) -> ComplexArray:
    """Return the weights that tilt a column of antennas electrically, e^{j2π d m cos θ_tilt} / √M, shape (M,).

    Args:
        rows: Antennas above one another, M.
        tilt_rad: Angle θ_tilt of the beam from the vertical.
        spacing: Distance d of neighbours.

    >>> tilted_column(4, np.pi / 3).round(9)
    array([ 0.5+0.j , -0. +0.5j, -0.5-0.j ,  0. -0.5j])
    """
    turn = np.exp(2j * np.pi * spacing * np.cos(np.asarray(tilt_rad)))
    return powers(turn, rows, 1.0 / np.sqrt(rows))


def column_gain(
    zenith_rad: FloatArray, rows: int, tilt_rad: float, spacing: float = HALF_WAVELENGTH
) -> FloatArray:
    """Return the power gain of a tilted column of antennas, linear, of the shape of the zeniths.

    It is |wᴴ a|² of the weights above, summed up: sin²(M x/2) / (M sin²(x/2)) with x = 2π d (cos θ − cos θ_tilt).

    Args:
        zenith_rad: Angle θ of the wave from the vertical, any shape.
        rows: Antennas above one another, M.
        tilt_rad: Angle θ_tilt of the beam from the vertical.
        spacing: Distance d of neighbours.

    Reference:
        3GPP TR 38.901, Table 7.8-1 [S]: the column with which large-scale models are calibrated has 10 rows at d = 0.5,
        tilted to 102° in urban cells.

    >>> column_gain(np.radians([102.0]), 10, np.radians(102.0))
    array([10.])
    """
    turn = 2.0 * np.pi * spacing * (np.cos(zenith_rad) - np.cos(tilt_rad))
    return np.asarray(rows * diric(turn, rows) ** 2)
