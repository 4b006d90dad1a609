"""Modulation and coding: the schemes of TS 38.214 between which a link adapts."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from channel_models.standards import table
from channel_models.units import FloatArray, IntArray

SchemeTable = Literal[1, 2]
"""MCS table of TS 38.214: 1 ends with 64QAM, 2 with 256QAM."""


@dataclass(frozen=True, eq=False)
class Schemes:
    """Modulation and coding schemes as columns, all of one shape.

    Attributes:
        table: Number of the MCS table that the schemes are from.
        index: MCS index in that table.
        bits_per_symbol: Coded bits of a symbol Q_m: 2 QPSK, 4 16QAM, 6 64QAM, 8 256QAM.
        code_rate: Information bits over coded bits R.
    """

    table: SchemeTable
    index: IntArray
    bits_per_symbol: IntArray
    code_rate: FloatArray

    @property
    def efficiency(self) -> FloatArray:
        """Information bits of a symbol, Q_m R; scheme 17 of table 1 has less than scheme 16."""
        return np.asarray(self.bits_per_symbol * self.code_rate)

    def at(self, place: IntArray) -> "Schemes":
        """Return the schemes at these places of the columns, of the shape of ``place``."""
        return Schemes(
            self.table, self.index[place], self.bits_per_symbol[place], self.code_rate[place]
        )


@cache
def schemes(number: SchemeTable) -> Schemes:
    """Return all schemes of an MCS table, in the order of their index; the columns are read-only.

    The tables are those of the downlink and of the uplink without transform precoding. With it the uplink has tables
    of its own, and from 64QAM on the same index means another code rate there.

    Args:
        number: 1 for the table up to 64QAM (29 schemes), 2 for the one up to 256QAM (28).

    Reference:
        3GPP TS 38.214, Tables 5.1.3.1-1 and 5.1.3.1-2, section 6.1.4.1 [V].

    >>> schemes(1).efficiency[[0, 16, 17, 28]].round(4).tolist()
    [0.2344, 2.5703, 2.5664, 5.5547]
    """
    rows = table("ts38214_mcs")[str(number)]
    bits = np.array(rows["Q_m"], dtype=np.int64)
    rate = np.array(rows["R_x1024"], dtype=np.float64) / 1024.0
    index = np.arange(len(bits))
    for column in (index, bits, rate):
        column.flags.writeable = False
    return Schemes(number, index, bits, rate)
