"""Line of sight: how probable it is that nothing stands between a device and the base station, and whose luck it is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from channel_models.large_scale.fields import Field, draw_field
from channel_models.standards import table
from channel_models.units import FloatArray

SightRule = Literal["random", "correlated", "always", "never"]
Office = Literal["mixed", "open"]
FactoryHall = Literal["SL", "DL", "SH", "DH", "HH"]


@dataclass(frozen=True)
class Sight:
    """Whose luck decides whether a link is in sight.

    Attributes:
        rule: Each link's own luck (random), that of a map over the ground (correlated), or always or never in sight.
        correlation_m: Distance over which the map's correlation falls to 1/e.
        half_width_m: How far the map reaches from the origin, east, west, north and south.
    """

    rule: SightRule
    correlation_m: float
    half_width_m: float

    def draw(self, devices: int, sites: int, rng: np.random.Generator) -> FloatArray | Field:
        """Return luck, uniform on [0, 1): a link is in sight where its luck is below its probability.

        Shape (K, S); a map of normals, one layer for each site; or shape (1, 1) where sight is no matter of luck.
        """
        if self.rule == "random":
            return rng.random((devices, sites))
        if self.rule == "correlated":
            return draw_field(sites, self.correlation_m, self.half_width_m, rng)
        return np.full((1, 1), -np.inf if self.rule == "always" else np.inf)


def luck_at(luck: FloatArray | Field, position_m: FloatArray) -> FloatArray:
    """Return the luck of links at positions of shape (K, 2), shape (K, S): Φ(z) where it comes from a map of normals z.

    Reference:
        3GPP TR 38.901, section 7.6.3.3, as a Gaussian copula as in Sionna 2.2 [1].
    """
    return luck if isinstance(luck, np.ndarray) else np.asarray(ndtr(luck.at(position_m)))


def uma_line_of_sight_probability(
    distance_2d_m: FloatArray, device_height_m: FloatArray | float = 1.5
) -> FloatArray:
    """Return the probability of line of sight in an urban macro cell; shapes broadcast.

    1 up to 18 m; beyond, (18/d + e^(−d/63) (1 − 18/d)) (1 + C), where C = 0 for devices up to 13 m high and
    ((h − 13)/10)^1.5 · 1.25 (d/100)³ e^(−d/150) above.

    Args:
        distance_2d_m: Distance along the ground, outdoors, in m.
        device_height_m: Height of the devices in m, at most 23.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, UMa [VV].

    >>> uma_line_of_sight_probability(np.array([10.0, 100.0])).round(6)
    array([1.      , 0.347671])
    """
    probability = _street("UMa", distance_2d_m)
    if np.max(device_height_m) > 13.0:
        probability = probability * (1.0 + uma_c(distance_2d_m, device_height_m))
    return np.minimum(probability, 1.0)


def uma_c(distance_2d_m: FloatArray, device_height_m: FloatArray | float) -> FloatArray:
    """Return C(d, h) of the urban macro cell, by which height helps sight; shapes broadcast.

    ((h − 13)/10)^1.5 · 1.25 (d/100)³ e^(−d/150), and 0 for devices up to 13 m high or up to 18 m away.

    Args:
        distance_2d_m: Distance d along the ground in m.
        device_height_m: Height h of the devices in m.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1 and note 1 of Table 7.4.1-1 [VV].

    >>> uma_c(np.array([10.0, 100.0]), 23.0).round(4)
    array([0.    , 0.6418])
    """
    height = (np.maximum(device_height_m - 13.0, 0.0) / 10.0) ** 1.5
    distance = 1.25 * (distance_2d_m / 100.0) ** 3 * np.exp(-distance_2d_m / 150.0)
    return np.asarray(np.where(distance_2d_m > 18.0, height * distance, 0.0))


def umi_line_of_sight_probability(distance_2d_m: FloatArray) -> FloatArray:
    """Return the probability of line of sight in a street canyon, of any shape.

    1 up to 18 m; beyond, 18/d + e^(−d/36) (1 − 18/d).

    Args:
        distance_2d_m: Distance d along the ground, outdoors, in m.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, UMi – street canyon [VV].

    >>> umi_line_of_sight_probability(np.array([10.0, 100.0])).round(6)
    array([1.      , 0.230985])
    """
    return _street("UMi", distance_2d_m)


def rma_line_of_sight_probability(distance_2d_m: FloatArray) -> FloatArray:
    """Return the probability of line of sight in the country, of any shape: 1 up to 10 m, then e^(−(d − 10)/1000).

    Args:
        distance_2d_m: Distance d along the ground, outdoors, in m.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, RMa [VV].

    >>> rma_line_of_sight_probability(np.array([10.0, 100.0])).round(6)
    array([1.      , 0.913931])
    """
    found = table("tr38901_large_scale")["RMa"]["Pr_LOS"]
    beyond_m = np.maximum(distance_2d_m - found["d_near"], 0.0)
    return np.asarray(np.exp(-beyond_m / found["d_decay"]))


def inh_line_of_sight_probability(
    distance_2d_m: FloatArray, office: Office = "mixed"
) -> FloatArray:
    """Return the probability of line of sight in an office, of any shape.

    Mixed office: 1 up to 1.2 m, e^(−(d − 1.2)/4.7) below 6.5 m, then 0.32 e^(−(d − 6.5)/32.6). Open office: 1 up to
    5 m, e^(−(d − 5)/70.8) up to 49 m, then 0.54 e^(−(d − 49)/211.7).

    Args:
        distance_2d_m: Distance d along the floor, in m.
        office: Mixed or open.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, InH [VV].

    >>> inh_line_of_sight_probability(np.array([1.0, 5.0, 10.0])).round(4)
    array([1.    , 0.4455, 0.2874])
    """
    found = table("tr38901_large_scale")["InH"]["Pr_LOS"][office]
    near = np.exp(-np.maximum(distance_2d_m - found["d_near"], 0.0) / found["d_decay"])
    far = found["p_far"] * np.exp(-(distance_2d_m - found["d_far"]) / found["d_decay_far"])
    # At the seam the open office still belongs to the near part and the mixed one to the far: 0.3240 against 0.32.
    seam = distance_2d_m < found["d_far"] if office == "mixed" else distance_2d_m <= found["d_far"]
    return np.asarray(np.where(seam, near, far))


def inf_line_of_sight_probability(distance_2d_m: FloatArray, k_m: float) -> FloatArray:
    """Return the probability of line of sight in a factory hall, of any shape: e^(−d/k).

    Args:
        distance_2d_m: Distance d along the floor, in m.
        k_m: Mean distance k that is seen through the clutter, of ``inf_clutter_m``.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, InF [VV].

    >>> inf_line_of_sight_probability(np.array([20.0]), 44.814).round(4)
    array([0.64])
    """
    return np.asarray(np.exp(-distance_2d_m / k_m))


def inf_clutter_m(
    hall: FactoryHall,
    density: float,
    size_m: float,
    *,
    height_m: float,
    base_height_m: float,
    device_height_m: float,
) -> float:
    """Return k, the mean distance seen through the clutter of a hall: −d_clutter / ln(1 − r).

    Under a high base station (SH, DH) it is longer by (h_BS − h_UT)/(h_c − h_UT); where both ends stand above the
    clutter (HH) it has no end.

    Args:
        hall: Sparse or dense clutter and low or high base station; both ends high.
        density: Share r of the floor that clutter covers.
        size_m: Typical size d_clutter of the clutter, in m.
        height_m: Its height h_c, in m.
        base_height_m: Height h_BS of the base station, in m.
        device_height_m: Height h_UT of the devices, in m.

    Reference:
        3GPP TR 38.901, Table 7.4.2-1, InF [VV].

    >>> round(inf_clutter_m("SH", 0.2, 10.0, height_m=2.0, base_height_m=8.0, device_height_m=1.5), 2)
    582.58
    """
    if hall == "HH":
        return float("inf")
    low_m = float(-size_m / np.log1p(-density))
    if hall in {"SL", "DL"}:
        return low_m
    return low_m * (base_height_m - device_height_m) / (height_m - device_height_m)


def _street(scenario: str, distance_2d_m: FloatArray) -> FloatArray:
    """Return d_1/d + e^(−d/d_2) (1 − d_1/d), and 1 up to d_1."""
    found = table("tr38901_large_scale")[scenario]["Pr_LOS"]
    near = found["d_near"] / np.maximum(distance_2d_m, found["d_near"])
    return np.asarray(near + np.exp(-distance_2d_m / found["d_decay"]) * (1.0 - near))
