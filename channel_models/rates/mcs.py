"""The link of a standard: it sends the modulation and coding scheme that suits, and repeats blocks that fail."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import numpy as np

from channel_models.rates.block_errors import BlockErrors, Curve, transport_error_probability
from channel_models.rates.effective_sinr import eesm_beta, exponential_effective_snr
from channel_models.rates.links import planning_gap
from channel_models.rates.modulation import Schemes, SchemeTable, schemes
from channel_models.rates.retransmissions import (
    Combining,
    combined_snr,
    expected_attempts,
    residual_error,
)
from channel_models.rates.transport_blocks import (
    code_blocks,
    resource_elements,
    transport_block_bits,
)
from channel_models.units import BoolArray, FloatArray, IntArray, db_to_linear, linear_to_db

_LEAST_SNR, _BEST_SNR = 1e-6, 1e9  # between them a link finds where it changes its scheme


@dataclass(frozen=True, eq=False)
class Ladder:
    """The schemes that a link climbs as its signal-to-noise ratio grows, each with its transport block; shapes (L,).

    Attributes:
        schemes: Schemes of growing efficiency.
        efficiency: Bits of a transport block over the symbols that carry it.
        code_blocks: Code blocks of a transport block.
        code_block_bits: Bits of each.
    """

    schemes: Schemes
    efficiency: FloatArray
    code_blocks: IntArray
    code_block_bits: FloatArray

    def at(self, step: IntArray) -> "Ladder":
        """Return these steps of the ladder, columns of the shape of ``step``."""
        return Ladder(
            self.schemes.at(step),
            self.efficiency[step],
            self.code_blocks[step],
            self.code_block_bits[step],
        )


@dataclass(frozen=True)
class Mcs:
    """Adaptive modulation and coding: η = (1 − overhead) (A/N_RE) (1 − Π_k p_k) / Σ_k Π_{j<k} p_j.

    A is the transport block of the scheme sent, p_k the error of its k-th attempt. Of the schemes whose first attempt
    fails with at most the target error, the one that delivers most is sent: a rule by target, not an oracle, for one
    beyond the target is not sent even if repeats would make it pay. If none meets the target, the lowest is sent all
    the same. A scheme that delivers no more than one with a lower index even without noise is never sent.

    Attributes:
        table: MCS table of TS 38.214: 1 ends with 64QAM, 2 with 256QAM.
        target_error: Largest error probability of a first attempt at a transport block.
        resource_blocks: Resource blocks of 12 subcarriers that a transport block fills for a slot; more make larger
            blocks, cut into code blocks of up to 8448 bits.
        attempts: Attempts at a transport block before it is given up.
        combining: What the receiver makes of failed attempts: chase adds their powers, incremental their information,
            none forgets them.
        overhead: Share of time and band that carries no data. A slot of 14 symbols with one of them for reference
            signals gives up 0.13, the cyclic prefix included; 0 counts symbols that carry data only.
        errors: How likely a code block is lost.

    Reference:
        3GPP TS 38.214, sections 5.1.3 and 6.1.4; target of 10 % in its section 5.2.2.1 [S].

    >>> link = Mcs()
    >>> link.efficiency(db_to_linear(np.array([0.0, 10.0, 20.0]))).round(3)
    array([0.738, 2.757, 5.517])
    """

    table: SchemeTable = 1
    target_error: Annotated[float, ("above", 0.0), ("below", 1.0)] = 0.1
    resource_blocks: Annotated[int, ("least", 1), ("most", 275)] = 50
    attempts: Annotated[int, ("least", 1), ("most", 8)] = 4
    combining: Combining = "chase"
    overhead: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0
    errors: BlockErrors = field(default_factory=Curve)

    @property
    def snr_gap(self) -> float:
        """Median gap over the operating range, linear."""
        return planning_gap(self)

    def efficiency(self, snr: FloatArray | float) -> FloatArray:
        """Return the bits/s/Hz of the transport blocks that arrive, any shape."""
        return self._carried(self.ladder, snr, self._step(snr))

    def mcs(self, snr: FloatArray | float) -> IntArray:
        """Return the index of the scheme that is sent, any shape."""
        return np.asarray(self.ladder.schemes.index[self._step(snr)])

    def attempt_errors(self, snr: FloatArray | float) -> FloatArray:
        """Return how likely each attempt at a transport block fails, shapes (…) → (…, attempts).

        Args:
            snr: Signal-to-noise ratio, linear, any shape; it decides on the scheme.
        """
        return self._errors(self.ladder, snr, self._step(snr))

    def effective_snr(self, block_snr: FloatArray) -> FloatArray:
        """Return the ratio that stands for those of F frequency blocks, shapes (…, F) → (…).

        Each scheme has a ratio of its own, by the exponential mapping with its β; taken is that of the highest scheme
        that would be sent at its own.
        """
        # Scheme by scheme, because all exponentials at once would not fit into a processor's cache.
        each = np.stack(
            [exponential_effective_snr(block_snr, beta) for beta in eesm_beta(self.ladder.schemes)],
            axis=-1,
        )
        sent = np.concatenate(
            [np.ones((*each.shape[:-1], 1), np.bool_), each[..., 1:] >= self._switches], axis=-1
        )
        highest = sent.shape[-1] - 1 - np.argmax(sent[..., ::-1], axis=-1)
        return np.asarray(np.take_along_axis(each, highest[..., None], axis=-1)[..., 0])

    @cached_property
    def ladder(self) -> Ladder:
        """The schemes that may be sent, and their transport blocks."""
        known = schemes(self.table)
        elements = resource_elements(self.resource_blocks)
        bits = transport_block_bits(elements * known.efficiency, known.code_rate)
        every = Ladder(known, bits / elements, *code_blocks(bits, known.code_rate))
        step = np.arange(len(bits))
        allowed = self._errors(every, _BEST_SNR, step)[:, 0] <= self.target_error
        carried = np.where(allowed, self._carried(every, _BEST_SNR, step), 0.0)
        best_below = np.maximum.accumulate(np.concatenate([[0.0], carried[:-1]]))
        used = np.flatnonzero(carried > best_below)
        return every.at(used if used.size else step[:1])

    @cached_property
    def _switches(self) -> FloatArray:
        """Ratios from which the next scheme of the ladder is sent, shape (L − 1,), found by bisection in dB."""
        lower = np.arange(len(self.ladder.efficiency) - 1)
        low_db = np.full(lower.shape, linear_to_db(_LEAST_SNR))
        high_db = np.full(lower.shape, linear_to_db(_BEST_SNR))
        for _ in range(60):
            middle_db = 0.5 * (low_db + high_db)
            better = self._next_is_better(db_to_linear(middle_db), lower)
            low_db = np.where(better, low_db, middle_db)
            high_db = np.where(better, middle_db, high_db)
        return np.maximum.accumulate(db_to_linear(high_db))

    def _next_is_better(self, snr: FloatArray, step: IntArray) -> BoolArray:
        """Return whether the scheme after this one meets the target and delivers no less."""
        allowed = self._errors(self.ladder, snr, step + 1)[..., 0] <= self.target_error
        more = self._carried(self.ladder, snr, step + 1) >= self._carried(self.ladder, snr, step)
        return allowed & more

    def _step(self, snr: FloatArray | float) -> IntArray:
        return np.asarray(np.searchsorted(self._switches, np.asarray(snr), side="right"))

    def _carried(self, ladder: Ladder, snr: FloatArray | float, step: IntArray) -> FloatArray:
        """Return the efficiency of a step of a ladder, of the shape of the step."""
        errors = self._errors(ladder, snr, step)
        delivered = (1.0 - residual_error(errors)) / expected_attempts(errors)
        return np.asarray((1.0 - self.overhead) * ladder.efficiency[step] * delivered)

    def _errors(self, ladder: Ladder, snr: FloatArray | float, step: IntArray) -> FloatArray:
        """Return the errors of all attempts at a transport block of a step, shape (…, attempts)."""
        sent = ladder.at(np.broadcast_to(step[..., None], (*step.shape, self.attempts)))
        combined = combined_snr(snr, self.attempts, self.combining)
        lost = self.errors.error_probability(combined, sent.schemes, sent.code_block_bits)
        return transport_error_probability(lost, sent.code_blocks)
