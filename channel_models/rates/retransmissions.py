"""Retransmissions: attempts at a transport block until it is decoded or given up, drawn and not stepped."""

from typing import Literal

import numpy as np

from channel_models.refusals import refuse
from channel_models.units import FloatArray, IntArray

Combining = Literal["chase", "incremental", "none"]
"""What a receiver makes of failed attempts: adds their powers, adds their information, or forgets them."""


def combined_snr(snr: FloatArray | float, attempts: int, combining: Combining) -> FloatArray:
    """Return the signal-to-noise ratio with which attempt k = 1 … n is decoded, shape (…, n).

    Chase combining adds powers, γ_k = k γ; incremental redundancy adds information, log2(1 + γ_k) = k log2(1 + γ),
    as if the code rate fell to R/k, and is never behind; none decodes each attempt alone, γ_k = γ.

    Args:
        snr: Signal-to-noise ratio γ of one attempt, linear, shape (…).
        attempts: Number n of attempts that may be made.
        combining: What the receiver makes of failed attempts.

    Reference:
        Caire and Tuninetti, The throughput of hybrid-ARQ protocols for the Gaussian collision channel, IEEE Trans.
        Inf. Theory 47(5), 2001 [S]; 5G-LENA offers the first two [1].

    >>> combined_snr(1.0, 3, "chase"), combined_snr(1.0, 3, "incremental")
    (array([1., 2., 3.]), array([1., 3., 7.]))
    """
    gamma, made = np.asarray(snr, dtype=np.float64)[..., None], np.arange(1, attempts + 1)
    if combining == "chase":
        return gamma * made
    if combining == "incremental":
        return np.asarray(np.expm1(made * np.log1p(gamma)))
    return gamma + 0.0 * made


def expected_attempts(attempt_errors: FloatArray) -> FloatArray:
    """Return how many attempts a block takes on average, Σ_k Π_{j<k} p_j, shape (…).

    Args:
        attempt_errors: Probability p_k that attempt k fails after those before failed, shape (…, n).

    >>> expected_attempts(np.array([0.1, 0.01, 0.0, 0.0]))
    array(1.101)
    """
    return np.asarray(_reached(attempt_errors).sum(axis=-1))


def residual_error(attempt_errors: FloatArray) -> FloatArray:
    """Return the probability that a block is given up, Π_k p_k, shape (…).

    >>> residual_error(np.array([0.1, 0.01]))
    array(0.001)
    """
    return np.asarray(np.prod(attempt_errors, axis=-1))


def draw_attempts(
    attempt_errors: FloatArray, blocks: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return how many attempts the blocks of each device take in all, and how many are given up, shapes (K,).

    One multinomial count for each device, so a million blocks cost as much as one; more devices at the end change no
    earlier one's draw.

    Args:
        attempt_errors: Probability p_k that attempt k of a device's block fails, shape (K, n) or (n,).
        blocks: Number of transport blocks of each device, not negative, shape (K,).
        rng: Where the counts are drawn.

    >>> draw_attempts(np.array([0.0, 0.0]), np.array([5, 0]), np.random.default_rng(1))
    (array([5, 0]), array([0, 0]))
    """
    errors = np.asarray(attempt_errors, dtype=np.float64)
    refuse("attempt_errors", errors, (errors >= 0.0) & (errors <= 1.0), "between 0 and 1")
    refuse("blocks", blocks, np.asarray(blocks) >= 0, "at least 0")
    reached, attempts = _reached(errors), np.arange(1, errors.shape[-1] + 1)
    outcomes = np.concatenate([reached * (1.0 - errors), residual_error(errors)[..., None]], -1)
    counts = rng.multinomial(blocks, outcomes)
    failures = counts[..., -1]
    return counts[..., :-1] @ attempts + failures * attempts[-1], failures


def _reached(attempt_errors: FloatArray) -> FloatArray:
    """Return the probability that attempt k is made, Π_{j<k} p_j, shape (…, n)."""
    errors = np.asarray(attempt_errors)
    first = np.ones((*errors.shape[:-1], 1))
    return np.concatenate([first, np.cumprod(errors[..., :-1], axis=-1)], axis=-1)
