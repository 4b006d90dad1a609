"""Shadowing: the random part of the loss that large obstacles add, constant while a device stands still."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from channel_models.large_scale.fields import Field, draw_field
from channel_models.large_scale.path_loss import IN_SIGHT, INDOORS, OUT_OF_SIGHT, LargeScale
from channel_models.layouts.geometry import Paths
from channel_models.units import BoolArray, FloatArray, NonNegative, Positive


class Shadowing(Protocol):
    """A model of the loss that obstacles add to (or take from) the path loss."""

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Any:
        """Return what is drawn once for K devices and S sites; more devices change none of the earlier ones."""
        ...

    def step(
        self, state: Any, large: LargeScale, paths: Paths, rng: np.random.Generator
    ) -> tuple[Any, FloatArray]:
        """Return the state after devices have moved to these places, and the loss added in dB, shape (K, S)."""
        ...


@dataclass(frozen=True)
class LogNormal:
    """Normal in dB with mean 0, independent between devices and sites, and of the same sign wherever a device goes.

    Attributes:
        sigma_db: Standard deviation in dB; null takes the path-loss model's own for each link.

    Reference:
        3GPP TR 38.901, section 7.4.4, without the correlation in space [V].

    >>> LogNormal(sigma_db=0.0).init(2, 1, np.random.default_rng(1)).shape
    (2, 1)
    """

    sigma_db: NonNegative | None = None

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> FloatArray:
        """Return standard normals, shape (K, S)."""
        return rng.standard_normal((devices, sites))

    def step(
        self, state: FloatArray, large: LargeScale, paths: Paths, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return the same state and the loss added in dB, shape (K, S); nothing is drawn."""
        return state, _or_else(self.sigma_db, large.sigma_db) * state


@dataclass(frozen=True, eq=False)
class Maps:
    """State of a shadow map: the fields that were needed so far.

    Attributes:
        seed: From which every field is drawn, whenever it is needed first.
        sites: Number of sites S, the layers of a field.
        fields: Field of each condition and correlation distance in m.
    """

    seed: int
    sites: int
    fields: Mapping[tuple[int, float], Field]

    def covering(self, kinds: Iterable[tuple[int, float]], half_width_m: float) -> "Maps":
        """Return these maps and those of further conditions and correlation distances."""
        missing = {
            (condition, correlation_m): draw_field(
                self.sites, correlation_m, half_width_m, self._stream(condition, correlation_m)
            )
            for condition, correlation_m in kinds
            if (condition, correlation_m) not in self.fields
        }
        return replace(self, fields={**self.fields, **missing}) if missing else self

    def _stream(self, condition: int, correlation_m: float) -> np.random.Generator:
        bits = int(np.float64(correlation_m).view(np.uint64))
        return np.random.default_rng([self.seed, condition, bits])


@dataclass(frozen=True)
class ShadowMap:
    """Obstacles that stand on the ground: normal in dB, and at a distance r from each other alike by e^(−r/d).

    Devices that are near each other shadow together, and one that returns finds what it left. Each site has a map of
    its own for links in sight, out of sight and indoors, drawn when first needed and the same whoever needs it. One
    map takes 256 bytes for each square of a correlation distance, and every site has one.

    Attributes:
        sigma_db: Standard deviation in dB; null takes the path-loss model's own for each link.
        correlation_m: Distance d over which the correlation falls to 1/e, in m; null takes the path-loss model's own.
        map_half_width_m: How far the map reaches from the origin, east, west, north and south, in m.

    Reference:
        3GPP TR 38.901, section 7.4.4 and Table 7.5-6 [V].

    >>> ShadowMap().init(2, 1, np.random.default_rng(1)).sites
    1
    """

    sigma_db: NonNegative | None = None
    correlation_m: Positive | None = None
    map_half_width_m: Positive = 1000.0

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Maps:
        """Return no map yet, and the seed of all."""
        return Maps(int(rng.integers(2**63)), sites, {})

    def step(
        self, state: Maps, large: LargeScale, paths: Paths, rng: np.random.Generator
    ) -> tuple[Maps, FloatArray]:
        """Return the maps needed so far and the loss added in dB, shape (K, S); nothing is drawn from the stream."""
        correlation_m = _known(self.correlation_m, large)
        kinds = {
            (condition, each_m): links
            for condition in (IN_SIGHT, OUT_OF_SIGHT, INDOORS)
            for each_m, links in _by_distance(large.condition == condition, correlation_m)
        }
        state = state.covering(kinds, self.map_half_width_m)
        value = np.empty(large.loss_db.shape)
        for kind, links in kinds.items():
            devices = np.flatnonzero(links.any(axis=1))
            found = state.fields[kind].at(paths.position_m[devices])
            value[links] = found[links[devices]]
        return state, _or_else(self.sigma_db, large.sigma_db) * value


@dataclass(frozen=True, eq=False)
class Ways:
    """State of shadowing along the way: what each link last was in each condition, the last axis.

    Attributes:
        position_m: Where the devices were, shape (K, 2); None before the first look.
        value: Standard normals, shape (K, S, 3).
        way_m: Way since the link was in that condition, in m, shape (K, S, 3).
    """

    position_m: FloatArray | None
    value: FloatArray
    way_m: FloatArray


@dataclass(frozen=True)
class Track:
    """Shadowing that a device carries along its way: s ← ρ s + √(1 − ρ²) n with ρ = e^(−Δ/d) after a way of Δ metres.

    Devices are independent of each other, however near, and a place is forgotten once it is left: cheap, and of the
    right correlation along the way. Each condition has a value of its own, which a link that returns to it continues.

    Attributes:
        sigma_db: Standard deviation in dB; null takes the path-loss model's own for each link.
        correlation_m: Distance d over which the correlation falls to 1/e, in m; null takes the path-loss model's own.

    Reference:
        3GPP TR 38.901, section 7.4.4, along a straight way; the recursion is that of Gudmundson, Correlation model
        for shadow fading in mobile radio systems, Electronics Letters 27(23), 1991 [S], as in ns-3 [1].

    >>> Track().init(2, 1, np.random.default_rng(1)).value.shape
    (2, 1, 3)
    """

    sigma_db: NonNegative | None = None
    correlation_m: Positive | None = None

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> Ways:
        """Return standard normals for each condition, of devices that have not been looked at yet."""
        value = rng.standard_normal((devices, sites, 3))
        return Ways(None, value, np.zeros_like(value))

    def step(
        self, state: Ways, large: LargeScale, paths: Paths, rng: np.random.Generator
    ) -> tuple[Ways, FloatArray]:
        """Return the state there and the loss added in dB, shape (K, S)."""
        way_m = state.way_m + _moved_m(state.position_m, paths.position_m)[:, None, None]
        now = large.condition[..., None].astype(np.intp)
        exponent = np.take_along_axis(way_m, now, 2)[..., 0] / _known(self.correlation_m, large)
        fresh = np.sqrt(-np.expm1(-2.0 * exponent)) * rng.standard_normal(exponent.shape)
        here = np.exp(-exponent) * np.take_along_axis(state.value, now, 2)[..., 0] + fresh
        value = state.value.copy()
        np.put_along_axis(value, now, here[..., None], 2)
        np.put_along_axis(way_m, now, 0.0, 2)
        deviation_db = _or_else(self.sigma_db, large.sigma_db)
        return Ways(paths.position_m, value, way_m), deviation_db * here


@dataclass(frozen=True)
class NoShadowing:
    """No obstacles: the path loss stands as it is.

    >>> NoShadowing().init(2, 1, np.random.default_rng(1))
    """

    def init(self, devices: int, sites: int, rng: np.random.Generator) -> None:
        """Return nothing; nothing is drawn."""

    def step(
        self, state: None, large: LargeScale, paths: Paths, rng: np.random.Generator
    ) -> tuple[None, FloatArray]:
        """Return zeros in dB, shape (K, S); nothing is drawn."""
        return None, np.zeros_like(large.loss_db)


def independent(model: Shadowing) -> Shadowing:
    """Return a model under which devices shadow one by one, as strongly as under this one.

    >>> independent(ShadowMap(sigma_db=4.0))
    LogNormal(sigma_db=4.0)
    """
    return LogNormal(model.sigma_db) if isinstance(model, ShadowMap) else model


def _or_else(own: float | None, models: FloatArray) -> FloatArray | float:
    return models if own is None else own


def _known(own_m: float | None, large: LargeScale) -> FloatArray:
    """Return the correlation distance of each link in m, shape (K, S)."""
    if own_m is not None:
        return np.full(large.loss_db.shape, own_m)
    if large.correlation_m is None:
        raise ValueError(
            "correlation_m must be a number of metres, because this path-loss model knows none, got null"
        )
    return large.correlation_m


def _by_distance(links: BoolArray, correlation_m: FloatArray) -> list[tuple[float, BoolArray]]:
    """Return the different correlation distances among links, and the links of each; mostly all are alike."""
    values = correlation_m[links]
    if not len(values):
        return []
    if values.min() == values.max():
        return [(float(values[0]), links)]
    return [(float(each_m), links & (correlation_m == each_m)) for each_m in np.unique(values)]


def _moved_m(before_m: FloatArray | None, now_m: FloatArray) -> FloatArray:
    """Return how far each device has moved in m, shape (K,)."""
    east_m, north_m = (now_m - (now_m if before_m is None else before_m)).T
    return np.asarray(np.hypot(east_m, north_m))
