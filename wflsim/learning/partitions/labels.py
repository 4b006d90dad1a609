"""Partitions in which devices hold different mixes of classes."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from channel_models.units import Count, FloatArray, IntArray
from wflsim.contracts import Division, Samples
from wflsim.learning.partitions.dealing import (
    divided,
    equal_sizes,
    log_gamma_draws,
    parts_of,
    refuse_too_few,
    repaired,
    softmax,
    whole,
)
from wflsim.learning.partitions.tables import dealt, fitted


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
            raise ValueError(
                f"per_device asks for {self.per_device} classes of {len(classes)}; take fewer classes a device"
            )
        holders = self._deal(len(classes), devices, rng)
        parts: list[list[IntArray]] = [[] for _ in range(devices)]
        for index, label in enumerate(classes):
            having = np.flatnonzero(holders[:, index])
            members = rng.permutation(np.flatnonzero(labels == label))
            for device, share in zip(
                having, np.array_split(members, max(len(having), 1)), strict=False
            ):
                parts[device].append(share)
        return divided(samples, [np.concatenate(part) for part in parts])

    def _deal(self, classes: int, devices: int, rng: np.random.Generator) -> IntArray:
        """Return which device holds which class, shape (K, C): each takes the classes with the fewest holders."""
        holders = np.zeros((devices, classes), dtype=np.int64)
        for device in range(devices):
            order = np.lexsort((rng.random(classes), holders.sum(axis=0)))
            holders[device, order[: self.per_device]] = 1
        return holders


@dataclass(frozen=True)
class Shards:
    """Samples sorted by class are cut into K·per_device shards of equal size, and every device is dealt so many.

    Most devices hold as many classes as shards or one more; two shards of a device may be of the same class.

    Attributes:
        per_device: Number of shards of a device.

    Reference:
        McMahan, Moore, Ramage, Hampson and Agüera y Arcas, arXiv 1602.05629: 200 shards of 300 samples, two for each
        of 100 clients [R].

    >>> samples = Samples(np.zeros((100, 1), np.float32), np.arange(100) % 10)
    >>> found = Shards().split(samples, np.zeros((5, 2)), np.random.default_rng(1))
    >>> [len(np.unique(samples.labels[part])) for part in found.parts]
    [2, 2, 2, 2, 2]
    """

    per_device: Count = 2

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's shards; within a class, samples are shuffled before they are cut."""
        devices = len(position_m)
        shards = devices * self.per_device
        if shards > samples.count:
            raise ValueError(
                f"per_device asks for {shards} shards on {devices} devices, got {samples.count} samples to cut; take "
                "fewer shards, fewer devices or more data"
            )
        shuffled = rng.permutation(samples.count)
        order = shuffled[np.argsort(samples.labels[shuffled], kind="stable")]
        cut = np.array_split(order, shards)
        hands = rng.permutation(shards).reshape(devices, self.per_device)
        return divided(samples, [np.concatenate([cut[shard] for shard in hand]) for hand in hands])


@dataclass(frozen=True)
class Dirichlet:
    """Mixes of classes are drawn from a Dirichlet distribution; the smaller its concentration, the fewer classes.

    With ``none`` each class is split over the devices in shares drawn from Dir(α·1_K), so that sizes differ too. With
    ``capped`` a device that has its equal share of all samples gets nothing of the classes that come after. With
    ``equal`` each device draws its mix q_k from Dir(α·p), p being the mix of the whole, and sizes are equal:
    n_kc = a_k b_c q_kc, where a and b make rows add up to the sizes and columns to what there is of a class. Every
    sample lies on a device. Sizes below ``least`` are raised to it by samples drawn from the largest devices.

    Attributes:
        alpha: Concentration α. The α of ``equal`` is that of all classes together: C times as large as one a class.
        balance: Whether sizes are left as they fall (none), a full device is passed over (capped), or all are equal.
        least: Least number of samples of a device; with equal sizes, what they must reach.

    Reference:
        ``none``: Li, Diao, Chen and He, arXiv 2102.02079 [S]; ``capped``: its official code, which draws anew where
        we raise sizes [V]. ``equal``: Hsu, Qi and Brown, arXiv 1909.06335 [S]; fitting mixes to what there is, where
        every sample is used once, is ours [X].

    >>> samples = Samples(np.zeros((100, 1), np.float32), np.arange(100) % 10)
    >>> found = Dirichlet(alpha=0.1).split(samples, np.zeros((4, 2)), np.random.default_rng(1))
    >>> [len(part) for part in found.parts]
    [15, 18, 41, 26]
    """

    alpha: Annotated[float, ("least", 1e-3), ("most", 1e6)] = 0.5
    balance: Literal["none", "capped", "equal"] = "none"
    least: Count = 5

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's samples."""
        labels, devices = samples.labels[: samples.count], len(position_m)
        refuse_too_few(samples, devices, self.least)
        if self.balance == "equal":
            holder = self._by_device(labels, devices, rng)
        else:
            holder = self._by_class(labels, devices, rng)
            holder = repaired(holder, devices, self.least, rng)
        return divided(samples, parts_of(holder, devices))

    def _by_class(self, labels: IntArray, devices: int, rng: np.random.Generator) -> IntArray:
        """Return who holds each sample when class after class is split, shape (N,)."""
        holder = np.empty(len(labels), dtype=np.int64)
        sizes = np.zeros(devices, dtype=np.int64)
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            logits = log_gamma_draws(np.full(devices, self.alpha), rng)
            if self.balance == "capped":
                logits[sizes * devices >= len(labels)] = -np.inf
            counts = whole(softmax(logits), len(members))
            holder[members] = np.repeat(np.arange(devices), counts)
            sizes += counts
        return holder

    def _by_device(self, labels: IntArray, devices: int, rng: np.random.Generator) -> IntArray:
        """Return who holds each sample when every device draws a mix, shape (N,)."""
        members = np.unique(labels, return_counts=True)[1]
        prior = np.broadcast_to(members / len(labels), (devices, len(members)))
        logits = log_gamma_draws(self.alpha * prior, rng)
        table = fitted(logits, equal_sizes(len(labels), devices), members, rng)
        return dealt(table, labels, rng)
