"""A device's whole lesson in compiled code: gather, forward, cross-entropy, back, step."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from wflsim.learning.native.layers import (
    Here,
    conv,
    conv_back,
    halve,
    halve_back,
    linear,
    linear_back,
    rectify,
    rectify_back,
    turned,
)
from wflsim.learning.native.rows import compiled, kept
from wflsim.learning.native.stages import CONV, HALVE, LINEAR, RELU, Array


@compiled
def _forward(plan: Any, weights: Array, here: Here) -> None:
    for index in range(len(plan)):
        stage = plan[index]
        if stage.kind == LINEAR:
            linear(stage, weights, here)
        elif stage.kind == CONV:
            conv(stage, weights, here)
        elif stage.kind == HALVE:
            halve(stage, here)
        elif stage.kind == RELU:
            rectify(stage, here)
        else:
            before = here.values[stage.before * here.size :]
            after = here.values[stage.after * here.size :]
            turned(before, after, stage.channels, here.b)


@compiled
def _backward(plan: Any, weights: Array, target: Array, scale: Any, here: Here) -> None:
    """Add multiples of the slopes of all tensors that move to a target, which may be the tensors themselves."""
    for index in range(len(plan) - 1, -1, -1):
        stage = plan[index]
        if stage.kind == LINEAR:
            linear_back(stage, weights, target, scale, here)
        elif stage.kind == CONV:
            conv_back(stage, weights, target, scale, here)
        elif not stage.back:
            return  # nothing moves from here on
        elif stage.kind == HALVE:
            halve_back(stage, here)
        elif stage.kind == RELU:
            rectify_back(stage, here)
        else:
            before = here.slopes[stage.before * here.size :]
            after = here.slopes[stage.after * here.size :]
            turned(after, before, here.b, stage.channels)


@compiled
def _cross_entropy(at: int, labels: Array, classes: int, here: Here) -> None:
    """Write the slopes of the mean cross-entropy by the scores, shape (b, C)."""
    values, slopes, b = here.values, here.slopes, here.b
    for sample in range(b):
        first = at + sample * classes
        scores, slope = values[first : first + classes], slopes[first : first + classes]
        largest = scores[0]
        for index in range(1, classes):
            largest = max(largest, scores[index])
        total = values.dtype.type(0)
        for index in range(classes):
            slope[index] = np.exp(scores[index] - largest)
            total += slope[index]
        for index in range(classes):
            slope[index] /= total * b
        slope[labels[here.rows[sample]]] -= values.dtype.type(1) / b


@compiled
def _move(weights: Array, slopes: Array, momenta: Array, moves: Array, rule: Array) -> None:
    """Move parameters a step, as PyTorch's SGD does."""
    rate, momentum, decay = rule[0], rule[1], rule[2]
    for index in range(len(weights)):
        if moves[index]:
            slope = slopes[index] + decay * weights[index]
            momenta[index] = momentum * momenta[index] + slope
            weights[index] -= rate * momenta[index]


@compiled
def _fetched(width: int, last: bool, here: Here) -> None:
    """Copy the samples of a step to where the first stage finds them."""
    b = here.b
    for sample in range(b):
        begin = here.rows[sample] * width
        row = here.inputs[begin : begin + width]
        if last:
            for entry in range(width):
                here.values[entry * b + sample] = row[entry]
        else:
            for entry in range(width):
                here.values[sample * width + entry] = row[entry]


@compiled
def descend(
    plan: Any, last: bool, weights: Array, moves: Array, masks: Array,
    inputs: Array, labels: Array, rows: Array, counts: Array, rule: Array, memory: Any,
) -> None:  # fmt: skip
    """Train devices in place, one after another.

    Args:
        plan: Stages, see ``STAGE``.
        last: Whether the first of them wants the samples last.
        weights: All parameters, shape (K, P).
        moves: Which of them may change, shape (P,).
        masks: What is kept, shape (K, P), or nothing, shape (K, 0).
        inputs: All samples, shape (N, F).
        labels: All labels, shape (N,).
        rows: The samples of every step, shape (K, steps, B).
        counts: How many of them are real, shape (K, steps).
        rule: Step size, momentum and decay, shape (3,).
        memory: For values, their slopes, and shifted images.
    """
    for device in range(len(weights)):
        _train(
            plan, last, weights[device], moves, masks[device],
            inputs, labels, rows[device], counts[device], rule, memory,
        )  # fmt: skip


@compiled
def _train(
    plan: Any, last: bool, weights: Array, moves: Array, mask: Array,
    inputs: Array, labels: Array, rows: Array, counts: Array, rule: Array, memory: Any,
) -> None:  # fmt: skip
    """Train one device in place; the arguments are those of ``descend``, of one device."""
    plain = rule[1] == 0 and rule[2] == 0
    slopes = np.empty(0 if plain else len(weights), weights.dtype)
    momenta = np.zeros(len(slopes), weights.dtype)
    end, size, flat = plan[len(plan) - 1], rows.shape[1], inputs.reshape(-1)
    for step in range(len(rows)):
        if counts[step] == 0:
            continue
        here = Here(memory[0], memory[1], memory[2], flat, rows[step], counts[step], size)
        if not plan[0].first:
            _fetched(inputs.shape[1], last, here)
        _forward(plan, weights, here)
        _cross_entropy(end.after * size, labels, end.units, here)
        if plain:
            _backward(plan, weights, weights, -rule[0], here)
        else:
            slopes[:] = 0
            _backward(plan, weights, slopes, weights.dtype.type(1), here)
            _move(weights, slopes, momenta, moves, rule)
        for index in range(len(mask)):
            weights[index] *= mask[index]


def _lasting(stamp: int) -> Any:
    """Return ``descend`` as code that is kept on disk for a stamp: the compiler's memory looks at one module alone."""

    def descended(
        plan: Any, last: bool, weights: Array, moves: Array, mask: Array,
        inputs: Array, labels: Array, rows: Array, counts: Array, rule: Array, memory: Any,
    ) -> None:  # fmt: skip
        if stamp >= 0:
            descend(plan, last, weights, moves, mask, inputs, labels, rows, counts, rule, memory)

    return kept(descended)


_SOURCES = [Path(__file__).with_name(f"{name}.py") for name in ("rows", "layers", "descent")]
_DIGEST = sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()
lasting = _lasting(int(_DIGEST[:15], 16))
