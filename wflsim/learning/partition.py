"""Which sample lies on which device, and which of a device's samples are kept for testing."""

from dataclasses import dataclass

import numpy as np

from channel_models.units import Count
from wflsim.contracts import Division, FloatArray, IntArray, Samples


@dataclass(frozen=True)
class Iid:
    """Every device draws from the same mix."""

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return equal shares of a shuffled data set."""
        shares = np.array_split(rng.permutation(samples.count), len(position_m))
        return Division(samples, [np.sort(part) for part in shares])


@dataclass(frozen=True)
class Classes:
    """Every device holds a fixed number of classes; a class is shared evenly by the devices that hold it.

    Attributes:
        per_device: Number of classes on a device.
    """

    per_device: Count = 2

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's samples; classes are dealt so that their numbers of holders differ by at most one."""
        labels, devices = samples.labels[: samples.count], len(position_m)
        classes = np.unique(labels)
        if self.per_device > len(classes):
            raise ValueError(f"per_device asks for {self.per_device} classes of {len(classes)}")
        holders = self._deal(len(classes), devices, rng)
        parts: list[list[IntArray]] = [[] for _ in range(devices)]
        for index, label in enumerate(classes):
            having = np.flatnonzero(holders[:, index])
            members = rng.permutation(np.flatnonzero(labels == label))
            for device, share in zip(
                having, np.array_split(members, max(len(having), 1)), strict=False
            ):
                parts[device].append(share)
        return Division(samples, [np.sort(np.concatenate(part)) for part in parts])

    def _deal(self, classes: int, devices: int, rng: np.random.Generator) -> IntArray:
        """Return which device holds which class, shape (K, C): each takes the classes with the fewest holders."""
        holders = np.zeros((devices, classes), dtype=np.int64)
        for device in range(devices):
            order = np.lexsort((rng.random(classes), holders.sum(axis=0)))
            holders[device, order[: self.per_device]] = 1
        return holders


def hold_out(
    samples: IntArray, labels: IntArray, share: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return a device's training and test samples, at least one of each, with the same mix of classes."""
    shuffled = rng.permutation(samples)
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    count = min(len(samples) - 1, max(1, round(share * len(samples))))
    test = np.zeros(len(samples), dtype=bool)
    test[np.floor((np.arange(count) + 0.5) * len(samples) / count).astype(int)] = True
    return np.sort(shuffled[~test]), np.sort(shuffled[test])
