"""Fields: normal values spread over the ground, alike where they are near, drawn once and looked up anywhere."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from channel_models.refusals import refuse_count, refuse_not_positive, refuse_positions
from channel_models.units import FloatArray

_STEPS = 8  # grid steps to a correlation distance
_MARGIN = 12  # correlation distances between the square and its own repetition
_TILE = 256  # grid steps after which the noise repeats itself, a power of two
_MASK = _TILE - 1
_MOST_SIDE, _MOST_VALUES = 4000, 200_000_000

# Correlation of two nodes one step apart, along an axis and along a diagonal.
_BESIDE, _ACROSS = np.exp(-1.0 / _STEPS), np.exp(-np.sqrt(2.0) / _STEPS)

_CORNERS = np.array([[[0], [0], [1], [1]], [[0], [1], [0], [1]]])

SingleArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Field:
    """Standard normals over a square around the origin, in L independent layers, of correlation e^(−r/d) at distance r.

    They are looked up between the nodes of a grid of step d/8. Bilinear interpolation alone would take up to a tenth
    of the variance; white noise of the same grid, interpolated alike, puts it back, so that the variance is 1
    everywhere. The correlation is off by at most 0.05 within a step and a half, by 0.012 from two steps on and by
    0.005 from d/2 on; averaged over where the two positions stand, by 0.021, 0.007 and 0.002.

    Attributes:
        nodes: Values at the nodes, in single precision, shape (N, N, L), the first axis eastward.
        noise: White noise at the nodes, repeated every 256 steps (32 d), shape (256, 256, L).
        step_m: Step of the grid in m.
        half_width_m: Half the side of the square in m.

    Reference:
        e^(−r/d) is the correlation of 3GPP TR 38.901, section 7.4.4 [V].
    """

    nodes: SingleArray
    noise: SingleArray
    step_m: float
    half_width_m: float

    def at(self, position_m: FloatArray) -> FloatArray:
        """Return the values at positions in m within the square, of shape (K, 2): shape (K, L)."""
        self._refuse_outside(position_m)
        side, _, layers = self.nodes.shape
        scaled = position_m.T / self.step_m
        corner = np.floor(scaled)
        near = scaled - corner
        x, y = corner.astype(np.intp)[:, None] + _CORNERS
        node = (x + side // 2) * side + (y + side // 2)
        smooth = self.nodes.reshape(-1, layers).take(node, axis=0)
        rough = self.noise.reshape(-1, layers).take((x & _MASK) * _TILE + (y & _MASK), axis=0)
        values = smooth + _lost(*near)[:, None] * rough
        return np.asarray((_weights(*near)[:, :, None] * values).sum(axis=0))

    def _refuse_outside(self, position_m: FloatArray) -> None:
        if np.abs(position_m).max(initial=0.0) <= self.half_width_m:
            return  # which no number that is not finite passes
        refuse_positions(position_m)
        outside = np.abs(position_m) > self.half_width_m
        if outside.any():
            device, axis = np.argwhere(outside)[0]
            raise ValueError(
                f"position_m must stay within the map, {self.half_width_m:g} m from the origin along each axis; "
                f"raise map_half_width_m, got {position_m[device, axis]} for device {device}"
            )


def draw_field(
    layers: int, correlation_m: float, half_width_m: float, rng: np.random.Generator
) -> Field:
    """Return a field of independent layers, drawn exactly at the nodes by circulant embedding.

    The covariance is that of a field which repeats itself 12 d beyond the square: within the square it differs from
    e^(−r/d) by less than 3e-5, and its eigenvalues are positive.

    Args:
        layers: Number L of layers; one more changes none before it.
        correlation_m: Distance d over which the correlation falls to 1/e, in m.
        half_width_m: Half the side of the square in m.
        rng: Generator; what is drawn depends on nothing but these arguments.

    Reference:
        Dietrich and Newsam, Fast and exact simulation of stationary Gaussian processes through circulant embedding
        of the covariance matrix, SIAM J. Sci. Comput. 18(4), 1997 [S].

    >>> field = draw_field(2, 50.0, 100.0, np.random.default_rng(1))
    >>> field.at(np.array([[0.0, 0.0], [99.0, -3.0], [99.0, -3.0]])).shape
    (3, 2)
    """
    from scipy import fft

    side = _side(layers, correlation_m, half_width_m)
    root = _root_spectrum(side)
    nodes = np.empty((side, side, layers), dtype=np.float32)
    of_nodes, of_noise = rng.spawn(2)
    for layer in range(layers):
        white = of_nodes.standard_normal((*root.shape, 2), dtype=np.float32)
        spectrum = root * white.view(np.complex64)[..., 0]
        drawn = fft.irfft2(spectrum, s=2 * (len(root),), norm="forward", overwrite_x=True)
        nodes[..., layer] = drawn[:side, :side]
    noise = of_noise.standard_normal((layers, _TILE, _TILE), dtype=np.float32)
    return Field(nodes, np.moveaxis(noise, 0, 2).copy(), correlation_m / _STEPS, half_width_m)


def _side(layers: int, correlation_m: float, half_width_m: float) -> int:
    """Return the number of nodes along a side, or raise ValueError for a grid that is too large."""
    refuse_count("layers", layers)
    refuse_not_positive("correlation_m", correlation_m)
    refuse_not_positive("map_half_width_m", half_width_m)
    side = 2.0 * np.floor(half_width_m * _STEPS / correlation_m) + 3.0
    if side > _MOST_SIDE or layers * side**2 > _MOST_VALUES:
        raise ValueError(
            f"map_half_width_m must be less, or correlation_m more: {half_width_m:g} m at a step of correlation_m / "
            f"{_STEPS} needs a grid of {side:g} x {side:g} nodes in {layers} layers; at most {_MOST_SIDE} nodes a side "
            f"and {_MOST_VALUES:.3g} values are drawn, got correlation_m {correlation_m:g}"
        )
    return int(side)


@lru_cache(maxsize=4)
def _root_spectrum(side: int) -> SingleArray:
    """Return what scales white noise to the spectrum of a repeating grid of P x P nodes, shape (P, P/2 + 1).

    Half a spectrum makes a real field. Its first and last columns are their own mirror images: a real transform takes
    the real part of what they add, and twice that of all others, so the root of their eigenvalues is not halved.
    """
    from scipy import fft

    half = fft.next_fast_len(-(-(side - 1 + _MARGIN * _STEPS) // 2))
    lag = np.arange(half + 1) / _STEPS
    images = (lag, 2.0 * half / _STEPS - lag)
    covariance = np.zeros((half + 1, half + 1))
    for east, north in product(images, images):
        covariance += np.exp(-np.hypot(east[:, None], north))
    # It is even along each axis, so that cosines transform it.
    eigenvalues = fft.dctn(covariance / covariance[0, 0], type=1)
    root = np.sqrt(np.maximum(eigenvalues, 0.0)) / (2 * half)
    root[:, 1:-1] *= np.sqrt(0.5)
    return np.concatenate([root, root[-2:0:-1]]).astype(np.float32)


def _weights(east: FloatArray, north: FloatArray) -> FloatArray:
    """Return the weights of the four nodes around positions at these shares of a step, in the order of the corners."""
    weight = np.empty((4, len(east)))
    np.multiply(east, north, out=weight[3])
    np.subtract(east, weight[3], out=weight[2])
    np.subtract(north, weight[3], out=weight[1])
    np.subtract(1.0 - east, weight[1], out=weight[0])
    return weight


def _lost(east: FloatArray, north: FloatArray) -> FloatArray:
    """Return the deviation of the noise that makes the variance 1, shape (K,), at these shares of a step from a node.

    With x = 2 e (1 − e) and y alike, the squares of the weights sum to (1 − x)(1 − y), the products of two weights
    along an axis to x (1 − y) + (1 − x) y, and those across to x y. The noise is itself interpolated.
    """
    x, y = 2.0 * east * (1.0 - east), 2.0 * north * (1.0 - north)
    both = x * y
    squares = 1.0 - x - y + both
    lost = (1.0 - _BESIDE) * (x + y) - (1.0 - 2.0 * _BESIDE + _ACROSS) * both
    return np.asarray(np.sqrt(lost / squares))
