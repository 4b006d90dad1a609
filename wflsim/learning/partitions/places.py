"""Partitions that follow the place of a device, so that its data and its channel go together."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from wflsim.contracts import Division, FloatArray, Samples
from wflsim.learning.partitions.dealing import divided, equal_sizes, parts_of, refuse_too_few
from wflsim.learning.partitions.tables import dealt, fitted

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


@dataclass(frozen=True)
class Spatial:
    """Devices hold the classes that are at home near them: n_kc = a_k b_c exp(−strength·‖x_k − z_c‖²/R²).

    Here x_k is where the device stands and z_c the home of the class; R is the distance of the farthest device from
    the base station. Homes are spread evenly over the disc of radius R, on a sunflower's spiral that is turned by an
    angle that is drawn; which class lives where is drawn too. a and b make every device hold the same number of
    samples and give away every sample of a class, so a mix is the softmax of closeness, corrected for what there is.
    Strength 0 gives all devices the mix of the whole; as it grows, samples are carried from homes to devices with the
    least sum of squared distances.

    Attributes:
        strength: How closely data follow the place.

    Reference:
        Ours [X]; the table is that of entropic optimal transport, Cuturi, arXiv 1306.0895 [R].

    >>> samples = Samples(np.zeros((100, 1), np.float32), np.arange(100) % 2)
    >>> places_m = np.array([[-100.0, 0.0], [-90.0, 0.0], [90.0, 0.0], [100.0, 0.0]])
    >>> found = Spatial(strength=20.0).split(samples, places_m, np.random.default_rng(1))
    >>> [np.bincount(samples.labels[part], minlength=2).tolist() for part in found.parts]
    [[0, 25], [0, 25], [25, 0], [25, 0]]
    """

    strength: Annotated[float, ("least", 0.0), ("most", 1e3)] = 10.0

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's samples."""
        labels, devices = samples.labels[: samples.count], len(position_m)
        members = np.unique(labels, return_counts=True)[1]
        radius_m = float(np.hypot(*position_m.T).max()) or 1.0
        homes_m = radius_m * self.homes(len(members), rng)
        apart = ((position_m[:, None] - homes_m) ** 2).sum(axis=2) / radius_m**2
        refuse_too_few(samples, devices, 1)
        table = fitted(-self.strength * apart, equal_sizes(len(labels), devices), members, rng)
        return divided(samples, parts_of(dealt(table, labels, rng), devices))

    def homes(self, classes: int, rng: np.random.Generator) -> FloatArray:
        """Return where the classes are at home in the unit disc, shape (C, 2)."""
        turn = 2.0 * np.pi * rng.random()
        rank = rng.permutation(classes)
        radius, bearing = np.sqrt((rank + 0.5) / classes), turn + rank * GOLDEN_ANGLE
        return np.stack([radius * np.cos(bearing), radius * np.sin(bearing)], axis=1)
