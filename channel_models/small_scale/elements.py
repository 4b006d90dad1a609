"""Elements: the power gain of a base station's fixed sector beam, by direction."""

from dataclasses import dataclass, field
from typing import Annotated, Protocol

import numpy as np

from channel_models.small_scale.arrays import column_gain
from channel_models.units import Count, Decibel, FloatArray, NonNegative, linear_to_db

Beamwidth = Annotated[float, ("above", 0.0), ("most", 360.0)]
Zenith = Annotated[float, ("least", 0.0), ("most", 180.0)]

# A null has no decibels; −200 dB is as deep as any that would be measured.
_NULL = 1e-20


class Element(Protocol):
    """The pattern of a fixed antenna, the same for all links of a sector."""

    def gain_db(self, azimuth_rad: FloatArray, zenith_rad: FloatArray) -> FloatArray:
        """Return the power gain in dB over an isotropic antenna; the shapes broadcast.

        Args:
            azimuth_rad: Angle along the ground from the bearing of the sector, whole turns more or less.
            zenith_rad: Angle from the vertical; π/2 is the horizon.
        """
        ...


@dataclass(frozen=True)
class Isotropic:
    """An antenna that radiates alike in all directions: 0 dB.

    >>> Isotropic().gain_db(np.zeros(2), np.zeros(2))
    array([0., 0.])
    """

    def gain_db(self, azimuth_rad: FloatArray, zenith_rad: FloatArray) -> FloatArray:
        """Return zeros of the broadcast shape."""
        return np.zeros(np.broadcast_shapes(np.shape(azimuth_rad), np.shape(zenith_rad)))


@dataclass(frozen=True)
class Sector:
    """The antenna element of TR 38.901: a main lobe that falls off with the squares of the angles, G − min(A_h + A_v, A_max).

    A_h = 12 (φ / φ_3dB)² with the azimuth φ on (−180°, 180°], and A_v = 12 ((θ − 90°) / θ_3dB)² with the zenith θ. The
    standard bounds A_h and A_v by A_max as well, which changes nothing. Indoors, ns-3 has an element of 90°, 90°, 25 dB
    and 5 dBi.

    Attributes:
        peak_dbi: Gain G at the middle of the lobe, in dB over an isotropic antenna.
        azimuth_beamwidth_deg: Angle φ_3dB between the two directions along the ground that lose 3 dB.
        zenith_beamwidth_deg: Angle θ_3dB between the two directions up and down that lose 3 dB.
        limit_db: Most that any direction loses against the peak, A_max, in dB.

    Reference:
        3GPP TR 38.901, Table 7.3-1 [V]. The element for indoors is that of ns-3 [1].

    >>> Sector().gain_db(np.radians([0.0, 32.5, 180.0]), np.radians(90.0))
    array([  8.,   5., -22.])
    """

    peak_dbi: Decibel = 8.0
    azimuth_beamwidth_deg: Beamwidth = 65.0
    zenith_beamwidth_deg: Beamwidth = 65.0
    limit_db: NonNegative = 30.0

    def gain_db(self, azimuth_rad: FloatArray, zenith_rad: FloatArray) -> FloatArray:
        """Return the power gain in dB, of the broadcast shape."""
        along = np.degrees(_wrapped(azimuth_rad)) / self.azimuth_beamwidth_deg
        upward = (np.degrees(zenith_rad) - 90.0) / self.zenith_beamwidth_deg
        lost_db = 12.0 * (along**2 + upward**2)
        return np.asarray(self.peak_dbi - np.minimum(lost_db, self.limit_db))


@dataclass(frozen=True)
class Column:
    """A column of elements tilted electrically: the gain of one plus 10 lg |wᴴ a|², weights w_m = e^{jπ m cos θ_tilt} / √M.

    The elements stand half a wavelength above one another.

    Attributes:
        rows: Number of elements M.
        tilt_deg: Angle θ_tilt of the beam from the vertical; 90 is the horizon, more looks down.
        element: Pattern of each element.

    Reference:
        The antenna with which 3GPP calibrates large-scale models, TR 38.901, Table 7.8-1: 10 rows, 102° in urban
        cells, 110° indoors [S].

    >>> Column(tilt_deg=90.0).gain_db(np.zeros(1), np.radians([90.0]))
    array([18.])
    """

    rows: Count = 10
    tilt_deg: Zenith = 102.0
    element: Sector = field(default_factory=Sector)

    def gain_db(self, azimuth_rad: FloatArray, zenith_rad: FloatArray) -> FloatArray:
        """Return the power gain in dB, of the broadcast shape."""
        gain = column_gain(zenith_rad, self.rows, float(np.radians(self.tilt_deg)))
        return self.element.gain_db(azimuth_rad, zenith_rad) + linear_to_db(np.maximum(gain, _NULL))


def _wrapped(angle_rad: FloatArray) -> FloatArray:
    """Return angles on (−π, π]."""
    return np.asarray(np.pi - np.mod(np.pi - angle_rad, 2.0 * np.pi))
