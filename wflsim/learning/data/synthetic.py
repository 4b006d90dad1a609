"""Samples that are drawn: clouds of points, and the users of FedProx that each follow a rule of their own."""

from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Annotated

import numpy as np

from channel_models.units import Count, NonNegative
from wflsim.contracts import FloatArray, Samples
from wflsim.learning.data.arrays import sealed
from wflsim.randomness import Streams

FEATURES = 60
CLASSES = 10

Seed = Annotated[int, ("least", 0), ("most", 2**63 - 1)]


@dataclass(frozen=True)
class Gaussian:
    """Clouds of points, one a class: x = s/√2 · c_y + n, with c_y drawn on the unit sphere and n ~ N(0, I).

    In many dimensions the centres are nearly orthogonal, and two of them lie about s apart; the best rule between
    such two errs on a share Φ(−s/2) of their samples. Labels come in turn, so that classes are equally frequent.

    Attributes:
        samples: Number of samples.
        features: Number of features.
        labels: Number of classes.
        separation: Distance s of orthogonal centres, in deviations of a cloud.
        seed: Seed of the draw; the scenario's seed has no part in it.

    >>> Gaussian(samples=9, labels=3).load().labels.tolist()
    [0, 1, 2, 0, 1, 2, 0, 1, 2]
    """

    samples: Count = 6_000
    features: Count = 20
    labels: Count = 10
    separation: NonNegative = 4.0
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Refuse fewer samples than classes."""
        if self.samples < self.labels:
            raise ValueError(
                f"samples must be at least the number of labels, got {self.samples} for {self.labels}; give more"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The features."""
        return (self.features,)

    @property
    def classes(self) -> int:
        """Number of clouds."""
        return self.labels

    def load(self) -> Samples:
        """Return the points, shape (samples, features), and their clouds."""
        return _clouds(self)


@dataclass(frozen=True)
class Synthetic:
    """FedProx's synthetic(α, β): y = argmax(Wx + b) with 60 features and 10 classes, W and b of each user's own.

    User k has W and b with entries N(u, 1), u ~ N(0, α²), and x ~ N(v, Σ), Σ diagonal with j^-1.2, v with entries
    N(B, 1), B ~ N(0, β²) [V: official code, whose α and β are deviations]. β says how far apart the users' samples
    lie. u moves all ten scores of a sample alike, so α changes no label [X]: rules differ by their entries N(u, 1), as
    much at α = 0 as at any other. A user has 50 samples and a log-normal number more, of log-mean 4 and log-deviation
    2, rounded down: a few have very many. Each user draws from a stream of its own, so that more users change none.

    Attributes:
        alpha: Deviation α of the means of the users' rules.
        beta: Deviation β of the means of the users' samples.
        users: Number of users.
        iid: Whether all users have one rule, with entries N(0, 1), and samples around 0; α and β then mean nothing.
        seed: Seed of the draw; the scenario's seed has no part in it.

    Reference:
        Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, Federated Optimization in Heterogeneous Networks,
        arXiv:1812.06127, MLSys 2020.

    >>> Synthetic(users=3).load().users.max().item()
    2
    """

    alpha: NonNegative = 1.0
    beta: NonNegative = 1.0
    users: Count = 30
    iid: bool = False
    seed: Seed = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """60 features."""
        return (FEATURES,)

    @property
    def classes(self) -> int:
        """Ten classes."""
        return CLASSES

    def load(self) -> Samples:
        """Return the samples of one user after the other, shape (N, 60), their classes, and their users from 0."""
        return _drawn(self)


@cache
def _clouds(made: Gaussian) -> Samples:
    """Return the points of clouds, drawn once."""
    rng = Streams(made.seed).stream("gaussian clouds")
    centres = rng.normal(size=(made.labels, made.features))
    centres *= made.separation / sqrt(2.0) / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.arange(made.samples) % made.labels
    points = centres[labels] + rng.normal(size=(made.samples, made.features))
    return sealed(Samples(points.astype(np.float32), labels))


@cache
def _drawn(made: Synthetic) -> Samples:
    """Return the samples of all users, drawn once."""
    streams = Streams(made.seed)
    common = _rule(streams.stream("synthetic rule"), 0.0)
    parts = [
        _user(made, streams.stream("synthetic user", user), common) for user in range(made.users)
    ]
    inputs = np.concatenate([features for features, _ in parts]).astype(np.float32)
    labels = np.concatenate([classes for _, classes in parts])
    return sealed(
        Samples(inputs, labels, np.repeat(np.arange(made.users), [len(y) for _, y in parts]))
    )


def _user(
    made: Synthetic, rng: np.random.Generator, common: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, np.ndarray]:
    """Return a user's features, shape (n, 60), and classes, shape (n,)."""
    count = 50 + int(rng.lognormal(4.0, 2.0))
    weight, bias = common if made.iid else _rule(rng, rng.normal(0.0, made.alpha))
    centre = np.zeros(FEATURES) if made.iid else rng.normal(rng.normal(0.0, made.beta), 1.0, FEATURES)  # fmt: skip
    deviation = np.arange(1.0, FEATURES + 1.0) ** -0.6  # of variance j^-1.2
    features = centre + deviation * rng.normal(size=(count, FEATURES))
    return features, np.argmax(features @ weight + bias, axis=1)


def _rule(rng: np.random.Generator, mean: float) -> tuple[FloatArray, FloatArray]:
    """Return weights, shape (60, 10), and biases, shape (10,), around a mean."""
    return rng.normal(mean, 1.0, (FEATURES, CLASSES)), rng.normal(mean, 1.0, CLASSES)
