"""Products of many matrices whose bits depend neither on the number of devices nor on that of threads."""

from typing import TypeVar

import numpy as np

from channel_models.units import ComplexArray, FloatArray

Numbers = TypeVar("Numbers", FloatArray, ComplexArray)

# Multiplications up to which OpenBLAS keeps a complex product to one thread, of matrices and with a vector.
_ALONE, _ALONE_VECTOR = 60_000, 4_000
_ROWS = 16


def products(left: Numbers, right: Numbers, out: Numbers) -> None:
    """Write left @ right to out, many small matrices each, in pieces that no library splits among threads.

    Splitting them gains nothing, stalls for milliseconds a piece where the other cores are busy, and rounds differently
    with another number of threads.

    Args:
        left: Shape (…, N, P).
        right: Shape (…, P, F); all but the last two axes broadcast.
        out: Where the products go, shape (…, N, F).

    >>> out = np.empty((3, 2, 5))
    >>> products(np.ones((3, 2, 4)), np.ones((4, 5)), out)
    >>> float(out.min()), float(out.max())
    (4.0, 4.0)
    """
    (rows, inner), columns = left.shape[-2:], right.shape[-1]
    alone = _ALONE_VECTOR if 1 in (rows, columns) else _ALONE
    high = rows if rows * inner * columns <= alone else min(rows, _ROWS)
    wide = max(1, alone // (high * inner))
    for top in range(0, rows, high):
        some = left[..., top : top + high, :]
        for first in range(0, columns, wide):
            piece = np.s_[..., top : top + high, first : first + wide]
            np.matmul(some, right[..., first : first + wide], out=out[piece])


def rows_times(rows: ComplexArray, matrix: ComplexArray) -> ComplexArray:
    """Return rows times one matrix, shape (…, F), so that another row at the end changes no bit of those before it.

    A product of matrices rounds a row by where it stands and by how many there are; so all pieces have the same
    number of rows, and the last is filled up with zeros.

    Args:
        rows: Shape (…, P), its axes in the order in which they may grow.
        matrix: Shape (P, F).

    >>> rows_times(np.ones((2, 1, 3), dtype=complex), np.ones((3, 1), dtype=complex)).ravel()
    array([3.+0.j, 3.+0.j])
    """
    inner, columns = matrix.shape
    lines = rows.reshape(-1, inner)
    product = np.empty((len(lines), columns), dtype=np.complex128)
    whole = len(lines) - len(lines) % _ROWS
    pieces, found = lines[:whole].reshape(-1, _ROWS, inner), product[:whole]
    products(pieces, matrix, found.reshape(-1, _ROWS, columns))
    last = np.zeros((_ROWS, inner), dtype=np.complex128)
    last[: len(lines) - whole] = lines[whole:]
    rest = np.empty((_ROWS, columns), dtype=np.complex128)
    products(last, matrix, rest)
    product[whole:] = rest[: len(lines) - whole]
    return product.reshape(*rows.shape[:-1], columns)
