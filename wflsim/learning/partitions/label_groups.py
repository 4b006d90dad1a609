"""A partition in which groups of devices own labels: consecutive labels for consecutive devices."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import Count, Positive
from wflsim.contracts import Division, FloatArray, IntArray, Samples
from wflsim.learning.partitions.dealing import divided, log_gamma_draws, softmax, whole

Steps = Annotated[int, ("least", 0), ("most", 1_000_000)]


@dataclass(frozen=True)
class LabelGroups:
    """Devices fall into groups of some, and each group owns some labels, both in order; after the last labels they begin anew.

    Without ``alpha`` a label's samples are cut into equal consecutive blocks, one for each device that owns it. With it each device
    draws its mix of its labels and its number of samples, ⌊LogNormal(``log_mean``, ``log_deviation``)⌋ + ``least``; what it wants
    of a label is drawn from those that nobody has yet. Where all want more of a label than there is, they get it in proportion [X].

    Attributes:
        devices: Devices of a group.
        labels: Labels of a group; the last group of labels may have fewer.
        alpha: Concentration α of the Dirichlet distribution of a device's mix of its labels; None for equal blocks.
        log_mean: Mean of the logarithm of the drawn part of a device's number of samples.
        log_deviation: Its standard deviation.
        least: What is added to it.

    Reference:
        Equal blocks: the generator of the first author of SAFL (arXiv 2501.18659), with 4 devices and 2 labels [C]; there every
        image of a device with an even number is turned by 180°, which ``rotated`` with clusters: 2 and first: 1 does on this base.
        Drawn mixes and numbers: the synthetic split of CA-AFP (arXiv 2603.01739), with 10 devices and 2 labels [C].

    >>> samples = Samples(np.zeros((40, 1), np.float32), np.arange(40) % 4)
    >>> found = LabelGroups(devices=2).split(samples, np.zeros((4, 2)), np.random.default_rng(1))
    >>> found.clusters.tolist(), found.parts[1].tolist()
    ([0, 0, 1, 1], [20, 21, 24, 25, 28, 29, 32, 33, 36, 37])
    """

    devices: Count = 4
    labels: Count = 2
    alpha: Annotated[float, ("least", 1e-3), ("most", 1e6)] | None = None
    log_mean: Annotated[float, ("least", 0.0), ("most", 20.0)] = 4.5
    log_deviation: Positive = 0.8
    least: Steps = 50

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return each device's samples, and its group as its cluster."""
        held = samples.labels[: samples.count]
        classes, devices = np.unique(held), len(position_m)
        groups = -(-len(classes) // self.labels)
        group = np.arange(devices) // self.devices % groups
        owner = np.arange(len(classes)) // self.labels == group[:, None]
        wanted = None if self.alpha is None else self._wanted(owner, rng)
        parts: list[list[IntArray]] = [[] for _ in range(devices)]
        for index, label in enumerate(classes):
            owners, members = np.flatnonzero(owner[:, index]), np.flatnonzero(held == label)
            if not len(owners):
                continue
            if wanted is None:
                blocks = np.array_split(members, len(owners))
            else:
                blocks = _drawn(wanted[owners, index], members, rng)
            for device, block in zip(owners.tolist(), blocks, strict=True):
                parts[device].append(block)
        return divided(samples, [np.concatenate(part) for part in parts], group)

    def _wanted(self, owner: IntArray, rng: np.random.Generator) -> IntArray:
        """Return how many samples of each class each device wants, given who owns which, shape (K, C)."""
        draws = rng.lognormal(self.log_mean, self.log_deviation, len(owner))
        logits = log_gamma_draws(np.full(owner.shape, self.alpha), rng)
        logits = np.where(owner, logits, -np.inf)
        sizes = np.floor(draws).astype(np.int64) + self.least
        return np.stack([whole(softmax(row), int(n)) for row, n in zip(logits, sizes, strict=True)])


def _drawn(wanted: IntArray, members: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """Return which of a label's samples go to each of its owners: what each wants, or its share of what there is."""
    counts = wanted
    if wanted.sum() > len(members):
        counts = whole(wanted / wanted.sum(), len(members))
    lots = rng.permutation(members)[: counts.sum()]
    return np.split(lots, np.cumsum(counts)[:-1])
