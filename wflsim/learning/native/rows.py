"""Two operations on rows of numbers, of which all compiled training is made: multiples added up, and inner products.

Convolutions, linear layers, their way back and the step of descent are those two with other rows. Two rows of one side
meet five of the other at once, so that each number that is loaded is used more than once.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from wflsim.learning.native.stages import Array

Function = TypeVar("Function", bound=Callable[..., Any])

# The order of a sum may change, and products be added without rounding between; what is no number stays so.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": _FAST}

# Numbers without a sign, for places in memory: with others, compiled code asks whether they count from the end.
U = np.uint64
ONE, TWO, THREE, FOUR, FIVE = (U(count) for count in range(1, 6))
SPAN = 1024  # numbers of a row that are looked at together, which the nearest cache holds


def compiled(function: Function) -> Function:
    """Return a function as compiled code, which lets other threads go on."""
    return cast("Function", njit(**_OPTIONS)(function))


def kept(function: Function) -> Function:
    """Return a function as compiled code that is kept on disk, with all that it calls, where there is a folder for it."""
    try:
        return cast("Function", njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # none may be written
        return compiled(function)


@compiled
def combine(out: Array, to: Array, values: Array, at: Array, factors: Array, size: int) -> None:
    """Add to the row of ``out`` at to[m] the sum over t of factors[m, t] times the row of ``values`` at at[t]."""
    rows, taps = U(len(to)), U(len(at))
    for start in range(0, size, SPAN):
        span, begin = U(min(SPAN, size - start)), at + start
        for m in range(U(0), rows - rows % TWO, TWO):
            i, j = U(to[m] + start), U(to[m + ONE] + start)
            _add_to_two(out, i, j, values, begin, factors[m], factors[m + ONE], taps, span)
        if rows % TWO:
            last = rows - ONE
            _add_to_one(out, U(to[last] + start), values, begin, factors[last], taps, span)


@compiled
def _add_to_two(
    out: Array, i: Any, j: Any, values: Array, at: Array, a: Array, b: Array, taps: Any, size: Any
) -> None:
    """Add multiples of rows to the rows at i and j, five at once, then two, then one."""
    fives = taps - taps % FIVE
    pairs = taps - (taps - fives) % TWO
    for t in range(U(0), fives, FIVE):
        a0, a1, a2, a3, a4 = a[t], a[t + ONE], a[t + TWO], a[t + THREE], a[t + FOUR]
        b0, b1, b2, b3, b4 = b[t], b[t + ONE], b[t + TWO], b[t + THREE], b[t + FOUR]
        k0, k1, k2 = U(at[t]), U(at[t + ONE]), U(at[t + TWO])
        k3, k4 = U(at[t + THREE]), U(at[t + FOUR])
        for p in range(size):
            v0, v1, v2, v3, v4 = (
                values[k0 + p], values[k1 + p], values[k2 + p], values[k3 + p], values[k4 + p]
            )  # fmt: skip
            out[i + p] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3 + a4 * v4)
            out[j + p] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3 + b4 * v4)
    for t in range(fives, pairs, TWO):
        a0, a1, b0, b1 = a[t], a[t + ONE], b[t], b[t + ONE]
        k0, k1 = U(at[t]), U(at[t + ONE])
        for p in range(size):
            v0, v1 = values[k0 + p], values[k1 + p]
            out[i + p] += a0 * v0 + a1 * v1
            out[j + p] += b0 * v0 + b1 * v1
    for t in range(pairs, taps):
        a0, b0, k0 = a[t], b[t], U(at[t])
        for p in range(size):
            out[i + p] += a0 * values[k0 + p]
            out[j + p] += b0 * values[k0 + p]


@compiled
def _add_to_one(
    out: Array, i: Any, values: Array, at: Array, a: Array, taps: Any, size: Any
) -> None:
    """Add multiples of rows to the row at i, five at once, then one."""
    fives = taps - taps % FIVE
    for t in range(U(0), fives, FIVE):
        a0, a1, a2, a3, a4 = a[t], a[t + ONE], a[t + TWO], a[t + THREE], a[t + FOUR]
        k0, k1, k2 = U(at[t]), U(at[t + ONE]), U(at[t + TWO])
        k3, k4 = U(at[t + THREE]), U(at[t + FOUR])
        for p in range(size):
            one = a0 * values[k0 + p] + a1 * values[k1 + p]
            two = a2 * values[k2 + p] + a3 * values[k3 + p] + a4 * values[k4 + p]
            out[i + p] += one + two
    for t in range(fives, taps):
        a0, k0 = a[t], U(at[t])
        for p in range(size):
            out[i + p] += a0 * values[k0 + p]


@compiled
def inner(
    found: Array, scale: Any, left: Array, of: Array, values: Array, at: Array, size: int
) -> None:
    """Add to found[m, t] a multiple of the product of the row of ``left`` at of[m] and that of ``values`` at at[t]."""
    rows, taps = U(len(of)), U(len(at))
    for start in range(0, size, SPAN):
        span, begin = U(min(SPAN, size - start)), at + start
        for m in range(U(0), rows, TWO):
            n = m + ONE if m + ONE < rows else m  # the last of an odd number stands for both
            i, j = U(of[m] + start), U(of[n] + start)
            _two_products(found[m], found[n], n != m, scale, left, i, j, values, begin, taps, span)


@compiled
def _two_products(
    one: Array, two: Array, both: bool, scale: Any,
    left: Array, i: Any, j: Any, values: Array, at: Array, taps: Any, size: Any,
) -> None:  # fmt: skip
    """Add products of the rows at i and j, and, of both, with other rows: five at once, then one."""
    fives = taps - taps % FIVE
    for t in range(U(0), fives, FIVE):
        k0, k1, k2 = U(at[t]), U(at[t + ONE]), U(at[t + TWO])
        k3, k4 = U(at[t + THREE]), U(at[t + FOUR])
        a0 = a1 = a2 = a3 = a4 = b0 = b1 = b2 = b3 = b4 = left.dtype.type(0)
        for p in range(size):
            x, y, v0, v1, v2 = (
                left[i + p],
                left[j + p],
                values[k0 + p],
                values[k1 + p],
                values[k2 + p],
            )
            v3, v4 = values[k3 + p], values[k4 + p]
            a0, a1, a2, a3, a4 = a0 + x * v0, a1 + x * v1, a2 + x * v2, a3 + x * v3, a4 + x * v4
            b0, b1, b2, b3, b4 = b0 + y * v0, b1 + y * v1, b2 + y * v2, b3 + y * v3, b4 + y * v4
        one[t] += scale * a0
        one[t + ONE] += scale * a1
        one[t + TWO] += scale * a2
        one[t + THREE] += scale * a3
        one[t + FOUR] += scale * a4
        if both:
            two[t] += scale * b0
            two[t + ONE] += scale * b1
            two[t + TWO] += scale * b2
            two[t + THREE] += scale * b3
            two[t + FOUR] += scale * b4
    for t in range(fives, taps):
        k0 = U(at[t])
        a0 = b0 = left.dtype.type(0)
        for p in range(size):
            a0, b0 = a0 + left[i + p] * values[k0 + p], b0 + left[j + p] * values[k0 + p]
        one[t] += scale * a0
        if both:
            two[t] += scale * b0
