"""Partitions by the people whom samples come from."""

from dataclasses import dataclass

import numpy as np

from channel_models.units import Count, FloatArray
from wflsim.contracts import Division, Samples
from wflsim.learning.partitions.dealing import divided, parts_of


@dataclass(frozen=True)
class Users:
    """Every device is one user of the data, or a few who share it, with all of their samples and no others.

    Users are drawn without replacement; a device's are the same however many devices there are. Samples of users who
    are not drawn lie on nobody. Only users with samples outside the publisher's test set can be drawn.

    Attributes:
        per_device: Number of users that share a device.

    >>> who = np.repeat([3, 5, 8, 9], 25)
    >>> samples = Samples(np.zeros((100, 1), np.float32), np.arange(100) % 10, who)
    >>> found = Users().split(samples, np.zeros((2, 2)), np.random.default_rng(1))
    >>> [np.unique(who[part]).tolist() for part in found.parts]
    [[3], [5]]
    """

    per_device: Count = 1

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's samples: those of its users."""
        devices, wanted = len(position_m), self.per_device * len(position_m)
        if samples.users is None:
            raise ValueError(
                "users are not known for these data; take data that tell whom a sample comes from, or another partition"
            )
        known, index = np.unique(samples.users[: samples.count], return_inverse=True)
        if wanted > len(known):
            raise ValueError(
                f"per_device asks for {wanted} users, {self.per_device} on each of {devices} devices, got {len(known)}; "
                "take fewer devices or fewer users a device"
            )
        device = np.full(len(known), -1, dtype=np.int64)
        device[rng.permutation(len(known))[:wanted]] = np.arange(wanted) // self.per_device
        return divided(samples, parts_of(device[index], devices))
