"""Which of a device's samples are set aside, for testing or for choosing."""

import numpy as np

from wflsim.contracts import IntArray


def hold_out(
    samples: IntArray, labels: IntArray, share: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return the samples of a device that stay and those set aside, at least one of each, with the same mix of classes.

    A class loses its share of what is set aside, rounded up or down.
    """
    shuffled = rng.permutation(samples)
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    count = min(len(samples) - 1, max(1, round(share * len(samples))))
    test = np.zeros(len(samples), dtype=bool)
    test[np.floor((np.arange(count) + 0.5) * len(samples) / count).astype(int)] = True
    return np.sort(shuffled[~test]), np.sort(shuffled[test])
