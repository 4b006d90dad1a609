"""The rules: at random, in turn, by channel, by age, and by loss."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from optimizers.arrays import IndexArray
from optimizers.selection.candidates import Candidates, largest


@dataclass(frozen=True)
class Random:
    """Uniformly at random without repetition; who is chosen first stays if more are wanted."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the devices with the largest of N uniform draws, one a device: its own luck where it has drawn.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Where the draws come from.
        """
        drawn = rng.random(candidates.devices)
        return largest(np.where(np.isnan(candidates.luck), drawn, candidates.luck), count)


@dataclass(frozen=True)
class RoundRobin:
    """In turn: round n takes the devices n m, n m + 1, … of the circle, m the number wanted."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the next devices of the circle; nothing is drawn.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Unused.
        """
        devices = candidates.devices
        wanted = min(count, devices)
        return np.sort((candidates.round * wanted + np.arange(wanted)) % max(devices, 1))


@dataclass(frozen=True)
class BestChannel:
    """The largest channel gains of this round: fast uploads, always the same near devices."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the devices with the largest gains; nothing is drawn.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Unused.
        """
        return largest(candidates.gain, count)


@dataclass(frozen=True)
class ProportionalFair:
    """The largest gain over its own average: every device in its good moments."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the devices with the largest g/ḡ; a device without average comes first.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Unused.
        """
        known = candidates.average_gain > 0.0
        ratio = candidates.gain / np.where(known, candidates.average_gain, 1.0)
        return largest(np.where(known, ratio, np.inf), count)


@dataclass(frozen=True)
class Oldest:
    """Who has waited longest: the largest age of information; a device never heard comes first."""

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the devices with the largest age; nothing is drawn.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Unused.
        """
        return largest(candidates.age_rounds, count)


@dataclass(frozen=True)
class LossBased:
    """At random, each next device with probability proportional to loss^q, without repetition.

    Drawn as the largest q ln(loss) + G with one Gumbel draw G a device [X, the Gumbel top-k method],
    so that more or fewer wanted devices keep the order. A device whose loss is not known comes first.

    Attributes:
        exponent: Exponent q; 0 for uniform draws.
    """

    exponent: Annotated[float, ("least", 0.0)] = 1.0

    def select(self, candidates: Candidates, count: int, rng: np.random.Generator) -> IndexArray:
        """Return the devices drawn.

        Args:
            candidates: The devices.
            count: How many are wanted.
            rng: Where the draws come from.
        """
        loss, noise = candidates.last_loss, rng.gumbel(size=candidates.devices)
        known = ~np.isnan(loss)
        with np.errstate(divide="ignore"):
            worth = np.log(np.where(known, np.maximum(loss, 0.0), 1.0))
        score = noise if self.exponent == 0.0 else self.exponent * worth + noise
        # Unknown losses come first, in random order among themselves.
        first = np.lexsort((-score, known))[:count]
        return np.sort(first)
