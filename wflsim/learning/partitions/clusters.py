"""Partitions with groups of devices that disagree: what one group learns is wrong for another."""

from dataclasses import dataclass, field, replace
from math import factorial
from typing import Annotated, Literal

import numpy as np

from wflsim.contracts import Division, FloatArray, IntArray, Partition, Samples
from wflsim.learning.partitions.alike import Iid

Few = Annotated[int, ("least", 2), ("most", 1000)]
First = Annotated[int, ("least", 0), ("most", 3)]


@dataclass(frozen=True)
class Rotated:
    """Devices fall into clusters, and the images on a device are turned by its cluster's multiple of a right angle.

    Cluster c turns by 360°·c/clusters, counter-clockwise. Clusters are dealt to devices in turn, within each of the
    base's own where it has some. The publisher's test samples are dealt to the clusters in turn as well, class by
    class, and turned alike, so that the common test set is an even mixture of all clusters.

    Attributes:
        clusters: Number of clusters: half turns make 2, quarter turns 4.
        base: Who holds what before the images are turned.
        first: Cluster of the first device, and of the first of each of the base's own: with two clusters and 1, every other device of
            each is turned, its first among them.

    Reference:
        Ghosh, Chung, Yin and Ramchandran, arXiv 2006.04088: rotated MNIST, with the turns of its official code [V].
        There each image is seen in every rotation; here a sample lies on one device and is turned once [X].

    >>> samples = Samples(np.arange(24, dtype=np.float32).reshape(6, 1, 2, 2), np.arange(6) % 2)
    >>> found = Rotated(clusters=2).split(samples, np.zeros((2, 2)), np.random.default_rng(1))
    >>> found.clusters.tolist(), found.samples.inputs[found.parts[1][0]].tolist()
    ([0, 1], [[[7.0, 6.0], [5.0, 4.0]]])
    """

    clusters: Literal[2, 4] = 4
    base: Partition = field(default_factory=Iid)
    first: First = 0

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return the base's division with turned images."""
        shape = samples.inputs.shape[1:]
        if len(shape) != 3 or shape[1] != shape[2]:
            raise ValueError(
                f"clusters are told apart by turning square images, got samples of shape {shape}; take images, or the "
                "partition permuted"
            )
        base = self.base.split(samples, position_m, rng)
        own, cluster = _clustered(base, self.clusters, self.first)
        turned = np.array(base.samples.inputs)
        for index in range(1, self.clusters):
            rows = np.flatnonzero(cluster == index)
            turned[rows] = np.rot90(turned[rows], index * 4 // self.clusters, axes=(2, 3))
        return Division(replace(base.samples, inputs=turned), base.parts, own)


@dataclass(frozen=True)
class Permuted:
    """Devices fall into clusters, and each cluster has its own permutation of the labels.

    The first cluster's labels stay as they are; the others' permutations are drawn, each once at most. Clusters are
    dealt to devices in turn, within each of the base's own where it has some. The publisher's test samples are dealt
    to the clusters in turn as well, class by class, and relabelled alike: no single model can be right on them.

    Attributes:
        clusters: Number of clusters.
        base: Who holds what before labels are permuted.

    Reference:
        Sattler, Müller and Samek, arXiv 1910.01991: clusters with permuted labels [R].

    >>> samples = Samples(np.zeros((6, 1), np.float32), np.arange(6) % 2)
    >>> found = Permuted().split(samples, np.zeros((2, 2)), np.random.default_rng(1))
    >>> (found.samples.labels != samples.labels).nonzero()[0].tolist() == found.parts[1].tolist()
    True
    """

    clusters: Few = 2
    base: Partition = field(default_factory=Iid)

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return the base's division with other labels."""
        base = self.base.split(samples, position_m, rng)
        own, cluster = _clustered(base, self.clusters)
        known, index = np.unique(base.samples.labels, return_inverse=True)
        (lots,) = rng.spawn(1)
        names = known[self.permutations(len(known), lots)]
        labels = np.where(cluster >= 0, names[cluster, index], base.samples.labels)
        return Division(replace(base.samples, labels=labels), base.parts, own)

    def permutations(self, classes: int, rng: np.random.Generator) -> IntArray:
        """Return each cluster's permutation of the classes, all different, the first that changes nothing, shape (n, C)."""
        if self.clusters > factorial(min(classes, 10)):
            raise ValueError(
                f"clusters asks for {self.clusters} orders of {classes} classes; take fewer clusters or other data"
            )
        found = {
            tuple(range(classes)): None
        }  # a dictionary keeps the order in which they were drawn
        while len(found) < self.clusters:
            found[tuple(rng.permutation(classes).tolist())] = None
        return np.array(list(found))


def _clustered(base: Division, clusters: int, first: int = 0) -> tuple[IntArray, IntArray]:
    """Return each device's cluster, those of the base refined, shape (K,), and each sample's new one or −1, shape (N,).

    Args:
        base: Who holds what.
        clusters: How many clusters are dealt within each of the base's.
        first: The one that the first device of each gets.
    """
    devices = len(base.parts)
    if clusters > devices:
        raise ValueError(
            f"clusters asks for {clusters} groups, got {devices} devices; take fewer clusters or more devices"
        )
    before = np.zeros(devices, dtype=np.int64) if base.clusters is None else base.clusters
    turn = (_rank(before) + first) % clusters
    cluster = np.full(len(base.samples.labels), -1, dtype=np.int64)
    for device, part in enumerate(base.parts):
        cluster[part] = turn[device]
    kept = base.samples.labels[base.samples.count :]
    order = np.argsort(kept, kind="stable")
    cluster[base.samples.count + order] = np.arange(len(kept)) % clusters
    return before * clusters + turn, cluster


def _rank(groups: IntArray) -> IntArray:
    """Return how many members of its group stand before each member, shape (K,)."""
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    rank = np.empty_like(groups)
    rank[order] = np.arange(len(groups)) - first
    return rank
