"""A task whose devices fall into groups by what they hold."""

import numpy as np
import pytest

from wflsim.contracts import Samples
from wflsim.learning.models import Mlp
from wflsim.learning.task import Holdings, make_task
from wflsim.learning.testing import STREAMS


@pytest.fixture(scope="session")
def paired():
    """Return a task in which thirds of nine devices hold a pair of six classes each, and which third each is of."""
    rng, size, features = np.random.default_rng(4), 24, (1, 4, 4)
    middles = 2.0 * rng.normal(size=(6, *features))
    pair = np.repeat(np.arange(3), 3)
    labels = np.concatenate([2 * p + rng.integers(0, 2, size) for p in pair])
    inputs = (middles[labels] + rng.normal(size=(len(labels), *features))).astype(np.float32)
    parts = [np.arange(size) + size * device for device in range(9)]
    empty = [np.empty(0, dtype=np.int64)] * 9
    blueprint = Mlp(hidden=(8,)).blueprint(features, 6)
    holdings = Holdings(Samples(inputs, labels), parts, empty, parts, blueprint)
    return make_task(None, holdings, STREAMS), pair
