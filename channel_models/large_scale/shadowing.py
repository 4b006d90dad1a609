"""Shadowing: the random part of the loss that large obstacles add, constant while a device stands still."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from channel_models.large_scale.path_loss import LargeScale
from channel_models.layouts.geometry import Paths
from channel_models.units import FloatArray, NonNegative


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
        deviation_db = large.sigma_db if self.sigma_db is None else self.sigma_db
        return state, deviation_db * state


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
