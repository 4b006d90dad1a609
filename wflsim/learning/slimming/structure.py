"""Which channels each device keeps, by what devices that are alike think of them; no torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from wflsim.contracts import BoolArray, Clustering, FloatArray, IntArray
from wflsim.learning.clustering.rules import distances, renamed
from wflsim.learning.practice import Weighting
from wflsim.learning.slimming.channels import Channels

Pool = Literal["partition", "neighbourhood"]
Since = Literal["first_pass", "pass"]


@dataclass(frozen=True)
class Structuring:
    """How groups and structures are found.

    Attributes:
        clustering: Who belongs together.
        passes: Most passes of grouping.
        rate: Share p of the channels that goes.
        mix: Share β of a device's own scores.
        pool: Whose scores are pooled: those of a group, or those of all within a distance of a device.
        distance: That distance.
        since: From where changes are told: from the one model before the first pass, or from what each pass began with.
        weighting: What a device counts in the pool.
    """

    clustering: Clustering
    passes: int
    rate: float
    mix: float
    pool: Pool
    distance: float
    since: Since
    weighting: Weighting

    def settled(self, before: IntArray, after: IntArray, passes: int) -> bool:
        """Return whether grouping ends: after so many passes, or as soon as one changed nothing.

        Args:
            before: The group of each device before the last pass, −1 for none, shape (N,).
            after: Its group after it.
            passes: The passes so far.
        """
        both = (before >= 0) & (after >= 0)
        same = both.any() and np.array_equal(renamed(before[both]), renamed(after[both]))
        return passes >= self.passes or bool(same)

    def scores(
        self, own: FloatArray, samples: IntArray, labels: IntArray, cosine: FloatArray
    ) -> FloatArray:
        """Return the structure information of each device, β s_i + (1 − β) Σ_j n_j s_j / Σ_j n_j over its like, shape (K, C).

        The mean of a group is our reading of pooled criteria [X]; β is 0 there.

        Args:
            own: Scores s of the channels, shape (K, C).
            samples: Training samples n, shape (K,).
            labels: The group of each, shape (K,).
            cosine: How alike they are, shape (K, K).
        """
        like = labels[:, None] == labels
        if self.pool == "neighbourhood":
            like = distances(cosine) <= self.distance
        return self.mix * own + (1.0 - self.mix) * self.pooled(own, samples, like)

    def pooled(self, own: FloatArray, samples: IntArray, like: BoolArray) -> FloatArray:
        """Return weighted means over some of the devices, the same to the last bit for the same ones, shape (K, C).

        Args:
            own: Scores of the channels, shape (K, C).
            samples: Training samples, shape (K,).
            like: Over whom each mean is, shape (M, K).
        """
        counts = samples if self.weighting == "samples" else np.ones(len(samples))
        rows, which = np.unique(like, axis=0, return_inverse=True)
        means = [(own * (row * counts)[:, None]).sum(0) / (row * counts).sum() for row in rows]
        return np.stack(means)[which]

    def structures(
        self,
        channels: Channels,
        own: FloatArray,
        samples: IntArray,
        who: IntArray,
        *,
        label: IntArray,
        belongs: IntArray,
        cosine: FloatArray,
    ) -> BoolArray:
        """Return which channels each device of the fleet keeps, shape (N, C); who did not come has what its group pooled [X].

        Args:
            channels: The channels.
            own: Scores of those that came, shape (K, C).
            samples: Training samples of each device of the fleet, shape (N,).
            who: Those that came, shape (K,).
            label: The group of each device, −1 for one that did not come, shape (N,).
            belongs: The group that each is held to be of, shape (N,).
            cosine: How alike devices are, shape (N, N).
        """
        came = label[who]
        of_group = self.pooled(own, samples[who], belongs[:, None] == came)
        found = of_group.copy()
        found[who] = self.scores(own, samples[who], came, cosine[np.ix_(who, who)])
        return channels.kept(found, self.rate)
