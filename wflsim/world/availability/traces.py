"""Availability that comes from a file: intervals in which devices can be reached."""

import csv
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from channel_models.units import NonNegative
from wflsim.contracts import BoolArray, FloatArray, IntArray, Presence
from wflsim.world.availability.grid import Draws, cycle_at, on_grid_s

_COLUMNS = ("device", "from_s", "to_s")


@dataclass(frozen=True, eq=False)
class Edges:
    """When devices come and go: E edges, one device of the file after the other, each in the order of time.

    Attributes:
        time_s: When, in the cycle, and an infinite one at the end, shape (E + 1,).
        moments_s: The different times among them, rising, shape (M,).
        place: Number of an edge's device times (M + 1), plus that of its moment, rising, shape (E,).
        source: The device of the file that each device of the fleet follows, shape (K,).
        first: Number of the first edge of each device of the fleet, shape (K,).
        count: Number of its edges, shape (K,).
        before: Whether it can be reached just before the cycle begins, shape (K,).
    """

    time_s: FloatArray
    moments_s: FloatArray
    place: IntArray
    source: IntArray
    first: IntArray
    count: IntArray
    before: BoolArray


@dataclass(frozen=True)
class Trace:
    """Devices that can be reached when a file says so.

    A CSV file has a line for each interval and a first line that names the columns device, from_s and to_s, in any
    order. A device can be reached from from_s on until just before to_s, in simulated seconds. Devices are numbered
    from 0; lines may be in any order, and intervals that overlap or touch are one. A device without intervals can
    never be reached. Any instants may be asked for: nothing depends on which were asked before.

    Attributes:
        file: The CSV file. A name without a folder is that of a file here.
        period_s: Seconds after which the file begins anew; 0 is never.
        wrap: Whether device k of a fleet larger than the file follows its device k mod (devices in the file).

    >>> Trace("phones.csv", period_s=86400.0).wrap
    True
    """

    file: str
    period_s: NonNegative = 0.0
    wrap: bool = True

    def init(self, devices: int, draw: Draws) -> Edges:
        """Return the edges of the file, read now; nothing is drawn."""
        rows = _read(self.file)
        period_s = float(on_grid_s(self.period_s))
        if period_s and (outside := rows.to_s > period_s).any():
            at = int(np.argmax(outside))
            raise ValueError(
                f"file '{self.file}', line {rows.line[at]}, to_s must be at most the period_s of {period_s:g} s, "
                f"got {rows.to_s[at]:g}; give a longer one or cut the interval"
            )
        number, known = np.arange(devices), np.unique(rows.device)
        if not self.wrap:
            return _edges(rows, period_s, number)
        if len(known) <= known[-1]:
            absent = int(np.argmax(known != np.arange(len(known))))
            raise ValueError(
                f"file '{self.file}' must number its devices from 0 without a gap, got none of device "
                f"{absent}; renumber them, or give `wrap: false` if it is never there"
            )
        return _edges(rows, period_s, number % len(known))

    def at(self, state: Edges, now_s: float, draw: Draws) -> tuple[Edges, Presence]:
        """Return the state as it was, and who can be reached; nothing is drawn."""
        period_s = float(on_grid_s(self.period_s))
        cycle = float(cycle_at(now_s, 0.0, period_s)) if period_s else 0.0
        begin_s, next_s = cycle * period_s, (cycle + 1.0) * (period_s or np.inf)
        moments = len(state.moments_s)
        past = bisect_right(
            range(moments), now_s, key=lambda m: float(on_grid_s(begin_s + state.moments_s[m]))
        )
        behind = np.searchsorted(state.place, (moments + 1) * state.source + past) - state.first
        soon_s = on_grid_s(begin_s + state.time_s[state.first + behind])
        anew_s = on_grid_s(next_s + state.time_s[state.first])
        until_s = np.where(behind < state.count, soon_s, np.where(state.count > 0, anew_s, np.inf))
        return state, Presence(state.before ^ (behind % 2 == 1), until_s)


class _Rows(NamedTuple):
    """What a file holds, a row for each interval: shapes (N,)."""

    line: IntArray
    device: IntArray
    from_s: FloatArray
    to_s: FloatArray


def _edges(rows: _Rows, period_s: float, source: IntArray) -> Edges:
    """Return when the devices of a fleet come and go.

    How many intervals cover an instant is counted over the edges; those at which the count leaves or reaches 0 stay.
    What ends with the period ends where the next one begins.
    """
    devices = int(source.max(initial=-1)) + 1
    followed = rows.device < devices
    device, from_s, to_s = rows.device[followed], rows.from_s[followed], rows.to_s[followed]
    lasting = to_s == period_s
    before = np.bincount(device[lasting], minlength=devices)
    time_s = np.concatenate([from_s, np.where(lasting, 0.0, to_s)])
    device, sign = np.tile(device, 2), np.repeat([1, -1], len(device))
    order = np.lexsort((-sign, time_s, device))
    device, time_s, sign = device[order], time_s[order], sign[order]
    cover = before[device] + np.cumsum(sign)  # a device's edges sum to 0
    stays = cover == np.where(sign > 0, 1, 0)  # it came to 1 from 0, or to 0 from 1
    device, time_s = device[stays], time_s[stays]
    moments_s, moment = np.unique(time_s, return_inverse=True)
    count = np.bincount(device, minlength=devices)
    return Edges(
        time_s=np.append(time_s, np.inf),
        moments_s=moments_s,
        place=(len(moments_s) + 1) * device + moment,
        source=source,
        first=(np.cumsum(count) - count)[source],
        count=count[source],
        before=before[source] > 0,
    )


def _read(file: str) -> _Rows:
    """Return what a file holds, or raise ValueError that says where it is wrong."""
    path = Path(file)
    if not path.is_file():
        raise ValueError(
            f"file must be there, got '{file}', which is not a file in {Path.cwd()}; give its path"
        )
    lines = _lines(path)
    line = np.array([number for number, _ in lines])
    device, from_s, to_s = (
        _column(path, name, line, [row[at] for _, row in lines]) for at, name in enumerate(_COLUMNS)
    )
    from_s, to_s = on_grid_s(from_s), on_grid_s(to_s)
    _refuse(
        path,
        line,
        "device must be a whole number from 0 to 1e15",
        device,
        (device < 0.0) | (device > 1e15) | (device % 1.0 > 0.0),
    )
    _refuse(path, line, "from_s must be at least 0", from_s, from_s < 0.0)
    _refuse(path, line, "to_s must be a nanosecond or more above from_s", to_s, to_s <= from_s)
    return _Rows(line, device.astype(np.int64), from_s, to_s)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the number of each line of a CSV file and its texts in the order of our columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"file must be a CSV file, got '{path}': {error}; save it as one"
        ) from error
    if missing := [name for name in _COLUMNS if name not in header]:
        raise ValueError(
            f"file '{path}', line 1, must name the columns {', '.join(_COLUMNS)}, got {header}; add {missing}"
        )
    if not lines:
        raise ValueError(
            f"file '{path}' must have lines of intervals, got none after line 1; add some"
        )
    at = [header.index(name) for name in _COLUMNS]
    return [(number, [row[i] if i < len(row) else "" for i in at]) for number, row in lines]


def _column(path: Path, name: str, line: IntArray, texts: Sequence[str]) -> FloatArray:
    """Return a column as numbers, shape (N,), or raise ValueError for the first text that is no finite number."""
    values = np.array([_number(text) for text in texts])
    _refuse(path, line, f"{name} must be a finite number", texts, ~np.isfinite(values))
    return values


def _refuse(
    path: Path, line: IntArray, rule: str, values: Sequence[str] | FloatArray, wrong: BoolArray
) -> None:
    """Raise ValueError for the first line that breaks a rule."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"file '{path}', line {line[at]}, {rule}, got '{values[at]}'; correct the line"
        )


def _number(text: str) -> float:
    """Return a number, or NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return np.nan
