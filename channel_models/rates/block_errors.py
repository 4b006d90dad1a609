"""Block errors: how likely a code block, and a transport block cut into several, is not decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Protocol

import numpy as np

from channel_models.rates.capacity import finite_error
from channel_models.rates.modulation import Schemes
from channel_models.standards import table
from channel_models.units import FloatArray, IntArray, db_to_linear

_LENGTH_SHARE = (
    2.0 / 3.0
)  # a real waterfall is as wide as the formula's for a block this much shorter


class BlockErrors(Protocol):
    """A model of decoding: curves of our own, or tables that a link-level simulator has made.

    A table ends somewhere; what it answers beyond its end must be said. Model uploads are cut into code blocks of
    up to 8448 bits, and the tables of Sionna 2.2 end at 2000, where they are clamped.
    """

    def error_probability(
        self, snr: FloatArray, schemes: Schemes, code_block_bits: FloatArray
    ) -> FloatArray:
        """Return the probability that one code block is lost, broadcast over all three; 1 without signal.

        Args:
            snr: Signal-to-noise ratio of a symbol, linear; the answer must not grow with it.
            schemes: Modulation and coding scheme of each block.
            code_block_bits: Bits of each code block, check bits included.
        """
        ...


@dataclass(frozen=True)
class Curve:
    """Block errors of 5G LDPC codes: ε = Q((C(γ/L) − R + log2(n)/(2n)) / √(V(γ/L)/n)), n = (2/3) k / R.

    The shape is that of the normal approximation for a block two thirds as long, because a real waterfall is wider;
    L, one loss for each scheme, is fitted to Sionna's simulations with code blocks of 500, 1000 and 2000 bits (0.05 dB
    root mean square). It is interpolated over the code rate of a modulation, and constant beyond the rates fitted: QPSK
    below 251/1024. No table ends here: larger blocks follow the formula, which moves the point of 10 % errors by less
    than 0.2 dB from 2000 to 8448 bits. Below 100 bits the fit is off by a decibel and more.

    Attributes:
        extra_loss_db: Loss added to every scheme, in dB. 5G-LENA's curves for 8192 bits lie 3.8–4.8 dB behind Shannon's
            formula at 10 % errors [1], these 1.1–2.7 dB: serious simulators are 1 to 4 dB apart, so sweep it.

    Reference:
        Losses fitted to the block error tables of Sionna 2.2 (Apache-2.0) [1]; Polyanskiy, Poor and Verdú, Channel
        coding rate in the finite blocklength regime, IEEE Trans. Inf. Theory 56(5), 2010, for the shape.

    >>> from channel_models.rates.modulation import schemes
    >>> snr, scheme = db_to_linear(np.array([11.0, 11.5, 12.0])), schemes(1).at(np.array(20))
    >>> Curve().error_probability(snr, scheme, 1000.0).round(4)
    array([0.8737, 0.3725, 0.0353])
    """

    extra_loss_db: Annotated[float, ("least", 0.0), ("most", 20.0)] = 0.0

    def loss_db(self, schemes: Schemes) -> FloatArray:
        """Return how many dB each scheme stays behind the normal approximation, of the shape of the schemes."""
        loss_db = np.full(np.shape(schemes.code_rate), self.extra_loss_db)
        for bits, (rate, fitted_db) in _fitted().items():
            loss_db += np.where(
                schemes.bits_per_symbol == bits, np.interp(schemes.code_rate, rate, fitted_db), 0.0
            )
        return loss_db

    def error_probability(
        self, snr: FloatArray, schemes: Schemes, code_block_bits: FloatArray
    ) -> FloatArray:
        """Return the probability that one code block is lost, broadcast over all three."""
        # The ends stand for no signal and no noise: the formula divides by the one and squares the other.
        decoded = np.clip(snr / db_to_linear(self.loss_db(schemes)), 1e-30, 1e30)
        symbols = _LENGTH_SHARE * np.asarray(code_block_bits) / schemes.efficiency
        return finite_error(decoded, symbols, schemes.efficiency)


def transport_error_probability(block_error: FloatArray, code_blocks: IntArray) -> FloatArray:
    """Return the probability that any of C code blocks is lost, 1 − (1 − ε)^C; shapes broadcast.

    Args:
        block_error: Probability ε that one code block is lost.
        code_blocks: Number of code blocks C of the transport block.

    Reference:
        The code blocks see noise of their own, so their errors are independent; 5G-LENA and Sionna 2.2 [V].

    >>> transport_error_probability(np.array([0.0, 1e-18, 0.1, 1.0]), np.array(2))
    array([0.0e+00, 2.0e-18, 1.9e-01, 1.0e+00])
    """
    with np.errstate(divide="ignore"):  # log 0: a block that is always lost
        return np.asarray(-np.expm1(code_blocks * np.log1p(-np.asarray(block_error))))


@cache
def _fitted() -> Mapping[int, tuple[FloatArray, FloatArray]]:
    """Return code rates and losses in dB by the bits of a symbol."""
    return {
        int(bits): (np.array(fit["R_x1024"]) / 1024.0, np.array(fit["loss"]))
        for bits, fit in table("ldpc_losses")["loss_db"].items()
    }
