"""Lattices: regular patterns of points, from which layouts take their sites and placements their cells."""

import numpy as np
import numpy.typing as npt

from channel_models.units import FloatArray

IntArray = npt.NDArray[np.intp]


def hexagonal_m(steps: IntArray, intersite_m: float) -> FloatArray:
    """Return positions in m, shape (N, 2), of lattice points counted in steps a along +x and b along 60° from it.

    Args:
        steps: Whole numbers (a, b), shape (N, 2).
        intersite_m: Distance between two neighbours in m.

    >>> hexagonal_m(np.array([[3, 2]]), 1.0).round(3)
    array([[4.   , 1.732]])
    """
    a, b = steps.T
    return intersite_m * np.stack([a + 0.5 * b, np.sqrt(0.75) * b], axis=1)


def whole_rings(count: int) -> IntArray:
    """Return the steps of the centre and of whole rings around it, ring by ring, each counter-clockwise from +x.

    Args:
        count: Number of rings n; there are 1 + 3n(n + 1) points.

    >>> whole_rings(1).tolist()
    [[0, 0], [1, 0], [0, 1], [-1, 1], [-1, 0], [0, -1], [1, -1]]
    """
    axis = np.arange(-count, count + 1)
    steps = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    ring = np.abs(np.column_stack([steps, steps.sum(axis=1)])).max(axis=1)
    east, north = hexagonal_m(steps, 1.0).T
    order = np.lexsort((np.arctan2(north, east) % (2.0 * np.pi), ring))
    return np.asarray(steps[order[: np.count_nonzero(ring <= count)]])


def turned(steps: IntArray) -> IntArray:
    """Return lattice points turned by 60° counter-clockwise, shape (N, 2).

    >>> turned(np.array([[3, 2]])).tolist()
    [[-2, 5]]
    """
    a, b = steps.T
    return np.stack([-b, a + b], axis=1)


def in_hexagon_m(uniform: FloatArray, intersite_m: float) -> FloatArray:
    """Return points uniform in the hexagonal cell around the origin in m, shape (K, 2).

    The corners at 30°, 150° and 270° span three rhombi of equal area that make up the cell.

    Args:
        uniform: Numbers uniform on [0, 1): which rhombus, and how far along its two sides, shape (K, 3).
        intersite_m: Distance between two sites in m: the width of the cell from edge to edge.

    >>> in_hexagon_m(np.array([[0.0, 1.0, 1.0]]), 3.0).round(3)
    array([[0.   , 1.732]])
    """
    corner_rad = np.radians([30.0, 150.0, 270.0, 30.0])
    corner_m = (
        intersite_m / np.sqrt(3.0) * np.stack([np.cos(corner_rad), np.sin(corner_rad)], axis=1)
    )
    rhombus = (3.0 * uniform[:, 0]).astype(np.intp)
    one, two = uniform[:, 1:2], uniform[:, 2:]
    return np.asarray(one * corner_m[rhombus] + two * corner_m[rhombus + 1])


def rows_and_columns_m(length_m: float, width_m: float, spacing_m: float) -> FloatArray:
    """Return the points of a square lattice that fill a hall, in m from its centre, shape (N, 2).

    As many as fit with a whole spacing for each, at least one along each wall, row by row from the south-west; what
    remains of the hall is shared by opposite walls.

    >>> rows_and_columns_m(120.0, 50.0, 20.0)[[0, 1, 6]]
    array([[-50., -10.],
           [-30., -10.],
           [-50.,  10.]])
    """
    x_m, y_m = (_centred_m(side_m, spacing_m) for side_m in (length_m, width_m))
    return np.stack(np.meshgrid(x_m, y_m), axis=-1).reshape(-1, 2)


def middle_of(point_m: FloatArray) -> int:
    """Return the number of the point nearest to the origin; of those as near, the first.

    >>> middle_of(rows_and_columns_m(120.0, 50.0, 20.0))
    2
    """
    return int(np.argmin(np.hypot(point_m[:, 0], point_m[:, 1])))


def _centred_m(side_m: float, spacing_m: float) -> FloatArray:
    """Return points at a distance from each other, centred at 0, as many as whole spacings go into a side."""
    many = max(1, int(side_m / spacing_m * (1.0 + 1e-12)))
    return np.asarray(spacing_m * (np.arange(many) - 0.5 * (many - 1)), dtype=np.float64)
