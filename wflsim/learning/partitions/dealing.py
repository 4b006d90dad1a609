"""How samples are dealt: sizes in whole numbers, a least size, and each device's indices."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from wflsim.contracts import Division, FloatArray, IntArray, Samples


def divided(
    samples: Samples, parts: Sequence[IntArray], clusters: IntArray | None = None
) -> Division:
    """Return the division in which every device holds its part, in rising order; a device without any is refused."""
    empty = [device for device, part in enumerate(parts) if not len(part)]
    if empty:
        raise ValueError(
            f"devices must hold a sample each, got {len(empty)} of {len(parts)} without any, device {empty[0]} among "
            "them; take fewer devices or more data"
        )
    return Division(samples, [np.sort(part) for part in parts], clusters)


def refuse_too_few(samples: Samples, devices: int, least: int) -> None:
    """Raise ValueError unless every device can hold the least number of samples."""
    if samples.count < least * devices:
        raise ValueError(
            f"least asks for {least} samples on each of {devices} devices, got {samples.count} samples in all; take "
            "fewer devices, more data, or a smaller number"
        )


def parts_of(holder: IntArray, devices: int) -> list[IntArray]:
    """Return each device's samples in rising order, from the device that holds each sample, or −1 for nobody.

    >>> [part.tolist() for part in parts_of(np.array([1, 0, -1, 1]), 2)]
    [[1], [0, 3]]
    """
    order = np.argsort(holder, kind="stable")
    edges = np.searchsorted(holder[order], np.arange(devices + 1))
    return [order[low:high] for low, high in pairwise(edges)]


def whole(shares: FloatArray, total: int) -> IntArray:
    """Return whole numbers that add up to a total and stand to each other as shares that add up to one, shape (K,).

    Their running sums are rounded, so that each differs from its share of the total by less than one.

    >>> whole(np.array([0.5, 0.25, 0.25]), 10).tolist()
    [5, 3, 2]
    """
    edges = np.floor(np.cumsum(shares) * total + 0.5).astype(np.int64)
    counts: IntArray = np.diff(edges, prepend=0)
    return counts


def equal_sizes(total: int, devices: int) -> IntArray:
    """Return sizes that add up to a total and differ by at most one, the larger first, shape (K,)."""
    return total // devices + (np.arange(devices) < total % devices).astype(np.int64)


def raised(sizes: IntArray, least: int) -> IntArray:
    """Return sizes of the same sum of which none is below the least; the largest give what the others lack.

    Givers come down to one level, so that nobody who gives ends below anybody who does not. The sum must suffice.

    >>> raised(np.array([0, 9, 1, 4]), 3).tolist()
    [3, 4, 3, 4]
    """
    found = np.maximum(sizes, least)
    lacking = int(found.sum() - sizes.sum())
    order = np.argsort(-found, kind="stable")
    falling = found[order]
    summed = np.cumsum(falling)
    freed = summed - np.arange(1, len(falling) + 1) * np.append(falling[1:], 0)
    givers = int(np.argmax(freed >= lacking)) + 1
    found[order[:givers]] = equal_sizes(int(summed[givers - 1]) - lacking, givers)
    return found


def repaired(holder: IntArray, devices: int, least: int, rng: np.random.Generator) -> IntArray:
    """Return who holds each sample once every device has the least number.

    What the largest holders give is drawn, and goes to whom it falls; all other samples stay where they lie.

    Args:
        holder: The device that holds each sample, shape (N,).
        devices: Number of devices K.
        least: Least number of samples of a device.
        rng: The stream of the lots.
    """
    sizes = np.bincount(holder, minlength=devices)
    wanted = raised(sizes, least)
    order = np.lexsort((rng.random(len(holder)), holder))
    rank = np.arange(len(holder)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    given = rng.permutation(order[rank >= wanted[holder[order]]])
    found = holder.copy()
    found[given] = np.repeat(np.arange(devices), np.maximum(wanted - sizes, 0))
    return found


def log_gamma_draws(shape: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return logarithms of draws from Gamma(shape, 1), also where the draws themselves would underflow.

    With U uniform, Gamma(a) has the law of Gamma(a + 1)·U^(1/a) [R]; normalised, such draws are Dirichlet.
    """
    return np.log(rng.gamma(shape + 1.0)) - rng.standard_exponential(shape.shape) / shape


def softmax(logits: FloatArray) -> FloatArray:
    """Return shares that add up to one and stand to each other as the exponentials, shape (K,)."""
    powers = np.exp(logits - logits.max())
    shares: FloatArray = powers / powers.sum()
    return shares
