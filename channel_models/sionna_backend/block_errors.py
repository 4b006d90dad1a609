"""Block errors as Sionna's link-level simulations found them, read between the points of its tables."""

import json
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from channel_models.rates.modulation import Schemes, SchemeTable
from channel_models.refusals import refuse_not_positive
from channel_models.sionna_backend import door
from channel_models.units import FloatArray, IntArray, linear_to_db

_LEAST_SNR = 1e-30
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SionnaBlockErrors:
    """Block errors of 5G LDPC codes over white noise from Sionna's tables, bilinear in lg ε over bits and dB.

    The tables have 15 or 20 points from −5 to 20 or 25 dB, and blocks of 24, 100, 500, 1000 and 2000 bits. The points
    are 1.6 or 1.8 dB apart and a waterfall is narrower: read between them, 10 % errors come early, by 0.3 dB on average
    and 0.9 dB at most against a curve through the points. Below −5 dB every block is lost; above the last point and
    beyond 2000 bits the value at the edge holds. A scheme that was not simulated (0 to 2 of MCS table 1, 0 and 1 of
    table 2) always fails. The tables, being simulated, rise here and there with the ratio by up to 0.003; this does not.

    Uplink and downlink share the tables that Sionna calls PDSCH: those it calls PUSCH count their schemes as with
    transform precoding, where an index from 17 on means another code rate.

    Reference:
        Sionna 2.2, sionna/sys/bler_tables (Apache-2.0) [1].
    """

    def __post_init__(self) -> None:
        door.require()

    def error_probability(
        self, snr: FloatArray, schemes: Schemes, code_block_bits: FloatArray
    ) -> FloatArray:
        """Return the probability that one code block is lost, broadcast over all three."""
        refuse_not_positive("code_block_bits", code_block_bits)
        found = _curves(schemes.table)
        row, bits, ratio = np.broadcast_arrays(schemes.index, code_block_bits, snr)
        ratio_db = linear_to_db(np.maximum(ratio, _LEAST_SNR))
        low_bits, bits_share = _between(found.bits, bits)
        low_db, db_share = _between(found.snr_db, ratio_db)
        lg_error = sum(
            np.where(side, bits_share, 1.0 - bits_share)
            * np.where(step, db_share, 1.0 - db_share)
            * found.lg_error[row, low_bits + side, low_db + step]
            for side in (0, 1)
            for step in (0, 1)
        )
        error = np.where(lg_error < found.lg_least[row] - _ROUNDING, 0.0, 10.0**lg_error)
        return np.asarray(np.where(ratio_db < found.snr_db[0], 1.0, error))


class _Curves(NamedTuple):
    """A table of block errors.

    Attributes:
        bits: Sizes of the code blocks, shape (B,).
        snr_db: Signal-to-noise ratios in dB, shape (N,).
        lg_error: Decimal logarithm of the error for each index, size and ratio, shape (I, B, N).
        lg_least: That of the least error that was seen with a scheme; what lies below counts as none, shape (I,).
    """

    bits: FloatArray
    snr_db: FloatArray
    lg_error: FloatArray
    lg_least: FloatArray


@cache
def _curves(number: SchemeTable) -> _Curves:
    """Return the table for an MCS table of TS 38.214."""
    told = json.loads(door.bler_file(f"PDSCH_table{number}").read_text("utf-8"))
    rows = {
        int(name): row for name, row in told["category"]["1"]["index"][str(number)]["MCS"].items()
    }
    any_row = next(iter(rows.values()))
    sizes = list(any_row["CBS"])
    error = np.ones((max(rows) + 1, len(sizes), len(any_row["SNR_db"])))
    for index, row in rows.items():
        error[index] = [row["CBS"][size]["BLER"] for size in sizes]
    error = np.minimum.accumulate(error, axis=-1)
    least = np.min(error, axis=(1, 2), where=error > 0.0, initial=1.0)
    # A point without a single error stands two decades below the least error seen, as Sionna reads it.
    shown = np.where(error > 0.0, error, least[:, None, None] / 100.0)
    return _Curves(
        bits=np.array(sizes, dtype=np.float64),
        snr_db=np.array(any_row["SNR_db"], dtype=np.float64),
        lg_error=np.log10(shown),
        lg_least=np.log10(least),
    )


def _between(points: FloatArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the place of the point below each value, and the share of the way to the next; held at the edges."""
    held = np.clip(values, points[0], points[-1])
    place = np.clip(np.searchsorted(points, held, side="right") - 1, 0, len(points) - 2)
    return place, (held - points[place]) / (points[place + 1] - points[place])
