"""Tables of device by class with given sums: the nearest one, in whole numbers, and the samples dealt by it."""

import numpy as np

from wflsim.contracts import FloatArray, IntArray

SWEEPS = 2000
CLOSE = 1e-3  # of a sample


def fitted(
    log_weights: FloatArray, sizes: IntArray, members: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return how many samples of each class lie on each device, with the sums that are asked for, shape (K, C).

    n_kc = a_k b_c w_kc, where a and b are such that rows add up to the devices' sizes and columns to what there is of
    a class: of all such tables the nearest to the weights in relative entropy, found by scaling rows and columns in
    turn (Sinkhorn and Knopp) [R]. Whole numbers are made by the largest remainders, ties by lot [X].

    Args:
        log_weights: Logarithms of the weights w, shape (K, C).
        sizes: Number of samples of each device, shape (K,).
        members: Number of samples of each class, shape (C,); the same sum.
        rng: The stream of the lots.
    """
    table = _scaled(log_weights, sizes, members)
    table *= np.minimum(1.0, members / table.sum(axis=0))
    table *= np.minimum(1.0, sizes / table.sum(axis=1))[:, None]
    found = np.floor(table + 1e-9).astype(np.int64)
    lots = rng.random(table.size)
    by_remainder = np.lexsort((lots, -np.round(table - found, 9).ravel()))
    by_share = np.lexsort((lots, -table.ravel()))
    _top_up(found, by_remainder, 1, sizes, members)
    _top_up(found, by_share, int(sizes.max()), sizes, members)
    return found


def _scaled(log_weights: FloatArray, sizes: IntArray, members: IntArray) -> FloatArray:
    """Return the table in real numbers; its columns add up, its rows nearly."""
    table = log_weights
    for _ in range(SWEEPS):
        table = table + (np.log(sizes) - _log_sum(table, 1))[:, None]
        table = table + (np.log(members) - _log_sum(table, 0))
        if np.abs(np.exp(_log_sum(table, 1)) - sizes).max() < CLOSE:
            break
    return np.exp(table)


def _log_sum(table: FloatArray, axis: int) -> FloatArray:
    """Return logarithms of the sums of exponentials along an axis."""
    top = table.max(axis=axis)
    summed: FloatArray = top + np.log(np.exp(table - np.expand_dims(top, axis)).sum(axis=axis))
    return summed


def _top_up(
    table: IntArray, order: IntArray, most: int, sizes: IntArray, members: IntArray
) -> None:
    """Raise the cells of a table in turn, each by so much at most, until nothing is missing in its row or column."""
    rows, columns = sizes - table.sum(axis=1), members - table.sum(axis=0)
    for cell in order:
        row, column = divmod(int(cell), table.shape[1])
        more = min(most, rows[row], columns[column])
        if more > 0:
            table[row, column] += more
            rows[row] -= more
            columns[column] -= more


def dealt(table: IntArray, labels: IntArray, rng: np.random.Generator) -> IntArray:
    """Return who holds each sample, shape (N,), when the samples of each class are drawn for the cells of a table.

    Args:
        table: How many of each class, in rising order of labels, lie on each device, shape (K, C).
        labels: The class of each sample, shape (N,).
        rng: The stream of the lots.
    """
    holder = np.empty(len(labels), dtype=np.int64)
    for column, label in enumerate(np.unique(labels)):
        members = rng.permutation(np.flatnonzero(labels == label))
        holder[members] = np.repeat(np.arange(len(table)), table[:, column])
    return holder
