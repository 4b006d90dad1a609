"""Who belongs together, by how alike devices are: rules on scikit-learn, which is loaded late; no torch."""

from dataclasses import dataclass
from math import nan
from typing import Annotated, Literal

import numpy as np

from channel_models.units import Count, Positive
from wflsim.contracts import FloatArray, IntArray
from wflsim.errors import UserError

Linkage = Literal["average", "complete", "single"]
Many = Annotated[int, ("least", 2), ("most", 1000)]


@dataclass(frozen=True)
class Agglomerative:
    """Groups that are merged, the closest two first, until they are too far apart or few enough.

    Attributes:
        linkage: How far two groups are from each other: the mean, the largest or the least distance of their members.
        distance: Cosine distance 1 − cos, from 0 to 2, at which groups are not merged any more; None for a count instead.
        count: Number of groups; None for a distance instead.

    Reference:
        Average linkage on cosine distances is that of arXiv 2501.18659 [X] and of arXiv 2603.01739 [C].

    >>> alike = np.array([[1.0, 0.9, -0.5], [0.9, 1.0, -0.5], [-0.5, -0.5, 1.0]])
    >>> Agglomerative().labels(alike, np.random.default_rng(1)).tolist()
    [0, 0, 1]
    """

    linkage: Linkage = "average"
    distance: Positive | None = 1.0
    count: Count | None = None

    def labels(self, cosine: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the group of each device; nothing is drawn."""
        from sklearn.cluster import AgglomerativeClustering

        if (self.distance is None) == (self.count is None):
            raise UserError(
                "clustering: agglomerative needs a distance or a count, not both; write the other as null"
            )
        if len(cosine) < 2:
            return np.zeros(len(cosine), dtype=np.int64)
        rule = AgglomerativeClustering(
            n_clusters=_at_most(self.count, cosine),
            metric="precomputed",
            linkage=self.linkage,
            distance_threshold=self.distance,
        )
        return renamed(rule.fit_predict(distances(cosine)))


@dataclass(frozen=True)
class KMeans:
    """A count of groups around means of directions: k-means on updates of length one.

    Attributes:
        count: Number of groups.
        restarts: Beginnings that are drawn, of which the best is taken.
    """

    count: Many = 3
    restarts: Count = 10

    def labels(self, cosine: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the group of each device.

        Points with the same inner products lie as the updates do, so that their means are as far away, whatever their number of
        coordinates.
        """
        from sklearn.cluster import KMeans as Rule

        if len(cosine) < 2:
            return np.zeros(len(cosine), dtype=np.int64)
        count = _at_most(self.count, cosine)
        rule = Rule(count, n_init=self.restarts, random_state=_seed(rng))
        return renamed(rule.fit_predict(_points(cosine)))


@dataclass(frozen=True)
class Spectral:
    """A count of groups that fall apart when weak likenesses are cut: spectral clustering with cos + 1 as affinity.

    Attributes:
        count: Number of groups.
        restarts: Beginnings of the k-means behind it.

    Reference:
        So the port of ClusterFL does it in the code of arXiv 2603.01739 [C].
    """

    count: Many = 3
    restarts: Count = 10

    def labels(self, cosine: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the group of each device."""
        from sklearn.cluster import SpectralClustering

        if len(cosine) <= self.count:
            return np.arange(len(cosine), dtype=np.int64)
        rule = SpectralClustering(
            self.count, affinity="precomputed", n_init=self.restarts, random_state=_seed(rng)
        )
        return renamed(rule.fit_predict(cosine + 1.0))


@dataclass(frozen=True)
class BySilhouette:
    """As many groups as make devices lie best in theirs: the largest mean silhouette of two to some groups.

    Attributes:
        most: Largest number of groups that is tried.
        linkage: How far two groups are from each other, as of ``agglomerative``.
    """

    most: Many = 8
    linkage: Linkage = "average"

    def labels(self, cosine: FloatArray, rng: np.random.Generator) -> IntArray:
        """Return the group of each device; fewer groups where two numbers are as good."""
        counts = range(2, min(self.most, len(cosine) - 1) + 1)
        found = [Agglomerative(self.linkage, None, count).labels(cosine, rng) for count in counts]
        if not found:
            return np.zeros(len(cosine), dtype=np.int64)
        return max(found, key=lambda labels: silhouette(cosine, labels))


def distances(cosine: FloatArray) -> FloatArray:
    """Return cosine distances 1 − cos, zero from everybody to itself, shape (K, K)."""
    found = np.clip(1.0 - cosine, 0.0, 2.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray((found + found.T) / 2.0)


def renamed(labels: IntArray) -> IntArray:
    """Return the same groups, numbered in the order of their first members.

    >>> renamed(np.array([2, 0, 2, 1])).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)


def silhouette(cosine: FloatArray, labels: IntArray) -> float:
    """Return the mean silhouette of devices in their groups, from −1 to 1; NaN for one group, or one for each."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return nan
    return float(silhouette_score(distances(cosine), labels, metric="precomputed"))


def by_loss(losses: FloatArray) -> IntArray:
    """Return for each device the model that has the least loss there, the first of equals, given losses, shape (K, G).

    So devices choose their group themselves (arXiv 2006.04088 [C]).
    """
    return np.asarray(np.argmin(losses, axis=1))


def _at_most(count: int | None, cosine: FloatArray) -> int | None:
    return None if count is None else min(count, len(cosine))


def _points(cosine: FloatArray) -> FloatArray:
    """Return points whose inner products are these, shape (K, K)."""
    values, vectors = np.linalg.eigh((cosine + cosine.T) / 2.0)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
