"""Layers in compiled code, forward and back; images lie as (C, H, W, b) and vectors as (b, F), for b samples of a step."""

from typing import Any, NamedTuple

import numpy as np

from wflsim.learning.native.rows import U, combine, compiled, inner
from wflsim.learning.native.stages import Array


class Here(NamedTuple):
    """The memory of a step.

    Attributes:
        values: What each stage gives.
        slopes: Slopes of the loss by that, at the same places.
        aside: Images shifted by each column of a kernel.
        inputs: All samples in a row, shape (N F,).
        rows: Which of them are those of this step, shape (B,).
        b: Samples of this step.
        size: Samples that the memory was laid out for.
    """

    values: Array
    slopes: Array
    aside: Array
    inputs: Array
    rows: Array
    b: int
    size: int


@compiled
def begins(first: int, stride: int, count: int) -> Array:
    """Return where rows begin that follow each other at equal distances."""
    found = np.empty(count, np.int64)
    for index in range(count):
        found[index] = first + index * stride
    return found


@compiled
def linear(stage: Any, weights: Array, here: Here) -> None:
    """Values (b, F) times the weights (O, F), plus the bias."""
    values, b, width, units = here.values, here.b, stage.channels, stage.units
    source, x = _vectors(stage, here)
    w = begins(stage.weight, width, units)
    found = np.zeros((units, b), values.dtype)
    inner(found, values.dtype.type(1), weights, w, source, x, width)
    out = values[stage.after * here.size :]
    for unit in range(units):
        add = weights[stage.bias + unit] if stage.bias >= 0 else values.dtype.type(0)
        for sample in range(b):
            out[sample * units + unit] = found[unit, sample] + add


@compiled
def _vectors(stage: Any, here: Here) -> tuple[Array, Array]:
    """Return where a linear layer finds its vectors: the first one among the samples themselves."""
    if stage.first:
        return here.inputs, here.rows[: here.b] * stage.channels
    return here.values, begins(stage.before * here.size, stage.channels, here.b)


@compiled
def linear_back(stage: Any, weights: Array, target: Array, scale: Any, here: Here) -> None:
    """Slopes of what came in, then those of the weights, which may be the weights themselves."""
    slopes, b, width, units = here.slopes, here.b, stage.channels, stage.units
    source, x = _vectors(stage, here)
    w = begins(stage.weight, width, units)
    first = stage.after * here.size
    slope = slopes[first : first + b * units].reshape(b, units)
    if stage.back:
        slopes[x[0] : x[0] + b * width] = 0
        combine(slopes, x, weights, w, slope, width)
    if stage.moves_weight:
        combine(target, w, source, x, np.ascontiguousarray(slope.T) * scale, width)
    if stage.moves_bias:
        for sample in range(b):
            for unit in range(units):
                target[stage.bias + unit] += scale * slope[sample, unit]


@compiled
def conv(stage: Any, weights: Array, here: Here) -> None:
    """Convolution of values (C, H, W, b): each weight times the whole image, shifted by its place in the kernel."""
    values, area, units = here.values, stage.rows * stage.columns * here.b, stage.units
    _shift(stage, here)
    taps = _taps(stage, here)
    to = begins(stage.after * here.size, area, units)
    for unit in range(units):
        add = weights[stage.bias + unit] if stage.bias >= 0 else values.dtype.type(0)
        values[to[unit] : to[unit] + area] = add
    factors = weights[stage.weight : stage.weight + units * len(taps)].reshape(units, len(taps))
    combine(values, to, here.aside, taps, factors, area)


@compiled
def conv_back(stage: Any, weights: Array, target: Array, scale: Any, here: Here) -> None:
    """Slopes of the weights, then those of what came in, for which the shifted images are given up; then the step."""
    slopes, area, units = here.slopes, stage.rows * stage.columns * here.b, stage.units
    taps = _taps(stage, here)
    of = begins(stage.after * here.size, area, units)
    found = np.zeros((units, len(taps)), slopes.dtype)
    if stage.moves_weight:
        inner(found, scale, slopes, of, here.aside, taps, area)
    if stage.back:
        _spread(stage, weights, taps, of, here)
        _gather(stage, here)
    if stage.moves_weight:
        flat = found.reshape(-1)
        into = target[stage.weight : stage.weight + len(flat)]
        for index in range(len(flat)):
            into[index] += flat[index]
    if stage.moves_bias:
        for unit in range(units):
            total = slopes.dtype.type(0)
            row = slopes[of[unit] : of[unit] + area]
            for p in range(area):
                total += row[p]
            target[stage.bias + unit] += scale * total


@compiled
def _taps(stage: Any, here: Here) -> Array:
    """Return where the image of each weight of a unit begins, shifted by its place: (C, rows, columns of the kernel)."""
    run, tall = stage.columns * here.b, stage.height + 2 * stage.above
    found = np.empty(stage.channels * stage.tall * stage.wide, np.int64)
    tap = 0
    for channel in range(stage.channels):
        for i in range(stage.tall):
            for j in range(stage.wide):
                image = (j * stage.channels + channel) * tall
                found[tap] = stage.aside * here.size + (image + i) * run
                tap += 1
    return found


@compiled
def _within(stage: Any, j: int) -> tuple[int, int]:
    """Return the first column that a column of the kernel meets inside the image, and the one behind the last."""
    left = min(max(0, stage.beside - j), stage.columns)
    return left, max(left, min(stage.columns, stage.width + stage.beside - j))


@compiled
def _shift(stage: Any, here: Here) -> None:
    """Copy the images once for every column of the kernel, shifted by it, with zeros beyond the borders.

    Then the rows of an image that a weight meets lie one after another, whatever the row of the kernel.
    """
    values, b, run = here.values, here.b, stage.columns * here.b
    to = stage.aside * here.size
    for j in range(stage.wide):
        left, right = _within(stage, j)
        for channel in range(stage.channels):
            for y in range(-stage.above, stage.height + stage.above):
                row = here.aside[to : to + run]
                to += run
                inside = 0 <= y < stage.height
                begin, end = (left * b, right * b) if inside else (run, run)
                for p in range(begin):
                    row[p] = 0
                for p in range(end, run):
                    row[p] = 0
                line = stage.before * here.size + (channel * stage.height + y) * stage.width * b
                source = values[line + begin + (j - stage.beside) * b :]
                middle = row[begin:end]
                for p in range(len(middle)):
                    middle[p] = source[p]


@compiled
def _spread(stage: Any, weights: Array, taps: Array, of: Array, here: Here) -> None:
    """Add each unit's slope times each weight to the shifted image that the weight met."""
    run, tall = stage.columns * here.b, stage.height + 2 * stage.above
    kernel, begin = stage.tall * stage.wide, stage.aside * here.size
    here.aside[begin : begin + stage.wide * stage.channels * tall * run] = 0
    factors = np.empty((stage.channels, stage.units), here.slopes.dtype)
    for place in range(kernel):
        for unit in range(stage.units):
            for channel in range(stage.channels):
                at = stage.weight + unit * len(taps) + channel * kernel + place
                factors[channel, unit] = weights[at]
        to = taps[place::kernel].copy()
        combine(here.aside, to, here.slopes, of, factors, stage.rows * run)


@compiled
def _gather(stage: Any, here: Here) -> None:
    """Add up the shifted images where they overlap: the slopes of what came in."""
    b, run, tall = here.b, stage.columns * here.b, stage.height + 2 * stage.above
    line = stage.width * b
    out = here.slopes[stage.before * here.size :]
    out[: stage.channels * stage.height * line] = 0
    for j in range(stage.wide):
        left, right = _within(stage, j)
        for channel in range(stage.channels):
            for y in range(stage.height):
                image = (j * stage.channels + channel) * tall
                first = stage.aside * here.size + (image + y + stage.above) * run
                row = here.aside[first + left * b : first + right * b]
                at = (channel * stage.height + y) * line + (left + j - stage.beside) * b
                into = out[at : at + len(row)]
                for p in range(len(row)):
                    into[p] += row[p]


@compiled
def _larger(first: Any, second: Any) -> Any:
    """Return the larger of two numbers, or what is none."""
    return second if (second > first) | (second != second) else first  # noqa: PLR0124


@compiled
def halve(stage: Any, here: Here) -> None:
    """The largest of 2 × 2 places, or of 2 in a row where the image is one row."""
    values, b = here.values, here.b
    line, end = stage.width * b, stage.columns * b
    tall = np.empty(line, values.dtype)
    for channel in range(stage.channels):
        for y in range(stage.rows):
            row = channel * stage.height + (y if stage.height == 1 else 2 * y)
            at = stage.before * here.size + row * line
            upper = values[at : at + line]
            lower = upper if stage.height == 1 else values[at + line : at + 2 * line]
            for p in range(line):
                tall[p] = _larger(upper[p], lower[p])
            to = stage.after * here.size + (channel * stage.rows + y) * end
            for x in range(stage.columns):
                left = tall[2 * x * b : (2 * x + 1) * b]
                right = tall[(2 * x + 1) * b : (2 * x + 2) * b]
                out = values[to + x * b : to + (x + 1) * b]
                for p in range(b):
                    out[p] = _larger(left[p], right[p])


@compiled
def halve_back(stage: Any, here: Here) -> None:
    """Hand each slope to the place that was largest, of equal ones the first, row by row, as PyTorch does.

    Where a rectifier behind has found the largest value negative, none is equal to zero, and the slope is zero.
    """
    values, slopes, b = here.values, here.slopes, here.b
    line, first = stage.width * b, stage.before * here.size
    slopes[first : first + stage.channels * stage.height * line] = 0
    for channel in range(stage.channels):
        for y in range(stage.rows):
            for x in range(stage.columns):
                place = (channel * stage.rows + y) * stage.columns + x
                to = stage.after * here.size + place * b
                row = channel * stage.height + (y if stage.height == 1 else 2 * y)
                at = first + row * line + 2 * x * b
                k, t = U(at), U(to)
                for p in range(U(b)):
                    top = values[t + p]
                    odd, low = values[k + p] != top, False
                    if stage.height > 1:
                        low = odd & (values[k + U(b) + p] != top)
                        odd = (low & (values[k + U(line) + p] != top)) | (odd & ~low)
                    slopes[k + p + U(odd) * U(b) + U(low) * U(line)] = slopes[t + p]


@compiled
def rectify(stage: Any, here: Here) -> None:
    """max(x, 0), in place."""
    first, zero = stage.before * here.size, here.values.dtype.type(0)
    into = here.values[first : first + stage.channels * here.b]
    for p in range(len(into)):
        x = into[p]
        into[p] = zero if x < zero else x


@compiled
def rectify_back(stage: Any, here: Here) -> None:
    """The slope where the value is not zero, in place."""
    first, zero = stage.before * here.size, here.slopes.dtype.type(0)
    into = here.slopes[first : first + stage.channels * here.b]
    out = here.values[first : first + stage.channels * here.b]
    for p in range(len(into)):
        into[p] = zero if out[p] <= zero else into[p]


@compiled
def turned(source: Array, to: Array, width: int, b: int) -> None:
    """Copy (F, b) to (b, F)."""
    for entry in range(width):
        for sample in range(b):
            to[sample * width + entry] = source[entry * b + sample]
