"""Shadowing: the random part of the loss that large obstacles add, constant while a device stands still."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from channel_models.units import FloatArray, NonNegative


class Shadowing(Protocol):
    """A model of the loss that obstacles add to (or take from) the path loss."""

    def draw(self, sigma_db: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the loss added to each link in dB, shape (K,), from the deviations of the path-loss model."""
        ...


@dataclass(frozen=True)
class LogNormal:
    """Normal in dB with mean 0, independent between devices.

    Attributes:
        sigma_db: Standard deviation in dB; null takes the path-loss model's own for each link.

    Reference:
        3GPP TR 38.901, section 7.4.4, without the correlation in space [V].

    >>> LogNormal(sigma_db=0.0).draw(np.array([8.0, 8.0]), np.random.default_rng(1)) + 0.0
    array([0., 0.])
    """

    sigma_db: NonNegative | None = None

    def draw(self, sigma_db: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the loss added to each link in dB, shape (K,)."""
        deviation_db = sigma_db if self.sigma_db is None else self.sigma_db
        return deviation_db * rng.standard_normal(sigma_db.shape)


@dataclass(frozen=True)
class NoShadowing:
    """No obstacles: the path loss stands as it is.

    >>> NoShadowing().draw(np.array([8.0]), np.random.default_rng(1))
    array([0.])
    """

    def draw(self, sigma_db: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return zeros in dB, shape (K,); nothing is drawn."""
        return np.zeros_like(sigma_db)
