"""Traces: positions over time that come from a file."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from channel_models.refusals import refuse_negative
from channel_models.units import FloatArray

_COLUMNS = ("time_s", "device", "x_m", "y_m")

# A clock that has summed many steps is off by less than this.
_SLACK_S = 1e-6

IntArray = npt.NDArray[np.intp]
Lines = Sequence[tuple[int, list[str]]]


@dataclass(frozen=True, eq=False)
class Samples:
    """Where K devices were, and when: N samples, one device after the other, each in the order of time.

    Attributes:
        time_s: When, since the first time in the file, shape (N,).
        position_m: Where, shape (N, 2).
        first: Number of the first sample of each device, shape (K,).
        last: Number of the last sample of each device, shape (K,).
        line_s: Times on one line, on which each device has a span of its own, shape (N,).
        span_s: Length of a span: more than any time in the file.
        clock_s: What time it is.
    """

    time_s: FloatArray
    position_m: FloatArray
    first: IntArray
    last: IntArray
    line_s: FloatArray
    span_s: float
    clock_s: float = 0.0

    def now_m(self) -> FloatArray:
        """Return where the devices are now, on the straight line between two samples, shape (K, 2)."""
        now_s = self.span_s * np.arange(len(self.first)) + self.clock_s
        before = np.searchsorted(self.line_s, now_s, side="right") - 1
        before = np.clip(before, self.first, self.last)
        after = np.minimum(before + 1, self.last)
        gap_s = self.time_s[after] - self.time_s[before]
        past_s = np.clip(self.clock_s - self.time_s[before], 0.0, gap_s)
        share = np.divide(past_s, gap_s, where=gap_s > 0.0, out=np.zeros_like(gap_s))[:, None]
        return np.asarray((1.0 - share) * self.position_m[before] + share * self.position_m[after])


@dataclass(frozen=True)
class Trace:
    """Devices that go where a file says, straight from one position to the next.

    A CSV file has a line for each position and a first line that names the columns time_s, device, x_m and y_m, in any
    order; devices are numbered from 0, and lines may be in any order. An .npz file has the arrays time_s of shape (T,)
    and position_m of shape (T, K, 2). Positions are in m from the server's site. The run starts at the first time in
    the file; a device stands at its first position until its own first time. Devices beyond the fleet are left out.
    Where the placement had put the devices is of no account.

    Attributes:
        file: The file: its name ends in .npz, or it is a CSV file. A name without a folder is that of a file here.
        after: Whether a device stays where it was last when its trace is over (stay), or the run stops (error).

    >>> Trace("rush_hour.csv").after
    'stay'
    """

    file: str
    after: Literal["stay", "error"] = "stay"

    def init(self, placed_m: FloatArray, rng: np.random.Generator) -> tuple[Samples, FloatArray]:
        """Return the trace, read now, and the first positions, shape (K, 2); nothing is drawn."""
        samples = _for_fleet(self.file, len(placed_m), _read(self.file))
        return samples, samples.now_m()

    def step(
        self, state: Samples, elapsed_s: float, rng: np.random.Generator
    ) -> tuple[Samples, FloatArray]:
        """Return the trace with its clock set on, and the positions then, shape (K, 2); nothing is drawn."""
        refuse_negative("elapsed_s", elapsed_s)
        state = replace(state, clock_s=state.clock_s + elapsed_s)
        end_s = state.time_s[state.last]
        over = end_s < state.clock_s - _SLACK_S
        if self.after == "error" and over.any():
            raise ValueError(
                f"file '{self.file}' must last as long as the run, or give `after: stay`; it ends "
                f"{end_s[over][0]:g} s after its start for device {np.argmax(over)}, got {state.clock_s:g} s"
            )
        return state, state.now_m()


class _Rows(NamedTuple):
    """What a file holds, a row for each position: shapes (N,), (N,) and (N, 2)."""

    device: IntArray
    time_s: FloatArray
    position_m: FloatArray


def _for_fleet(file: str, devices: int, rows: _Rows) -> Samples:
    """Return the samples of the first devices, sorted."""
    order = np.lexsort((rows.time_s, rows.device))
    device, time_s = rows.device[order], rows.time_s[order]
    twice = np.flatnonzero((np.diff(device) == 0) & (np.diff(time_s) == 0.0))
    if len(twice):
        at = twice[0]
        raise ValueError(
            f"file '{file}' must have one position for each device and time, got two for device {device[at]} "
            f"at {time_s[at]:g} s"
        )
    number = np.arange(devices)
    first = np.searchsorted(device, number, side="left")
    last = np.searchsorted(device, number, side="right") - 1
    if (last < first).any():
        raise ValueError(
            f"file '{file}' must have positions of all {devices} devices, numbered from 0, "
            f"got none of device {np.argmax(last < first)}"
        )
    since_s, of_fleet = time_s - time_s.min(), slice(last[-1] + 1)
    span_s = float(since_s.max()) + 1.0
    return Samples(
        since_s[of_fleet],
        rows.position_m[order[of_fleet]],
        first,
        last,
        line_s=(span_s * device + since_s)[of_fleet],
        span_s=span_s,
    )


def _read(file: str) -> _Rows:
    """Return what a file holds, or raise ValueError that says where it is wrong."""
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"file must be there, got '{file}', which is not a file in {Path.cwd()}")
    return _from_archive(path) if path.suffix == ".npz" else _from_csv(path)


def _from_archive(path: Path) -> _Rows:
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: np.asarray(archive[name], np.float64) for name in archive.files}
    except (BadZipFile, EOFError, OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"file must be an .npz archive of arrays of numbers, got '{path}': {error}"
        ) from error
    for name in ("time_s", "position_m"):
        if name not in found:
            raise ValueError(f"file '{path}' must have an array {name}, got {sorted(found)}")
        if not np.isfinite(found[name]).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(found[name]))[0]))
            raise ValueError(f"file '{path}', {name} must be finite, got {found[name][at]} at {at}")
    time_s, position_m = found["time_s"], found["position_m"]
    if time_s.ndim != 1 or len(time_s) == 0 or position_m.shape[::2] != (len(time_s), 2):
        raise ValueError(
            f"file '{path}' must have time_s of shape (T,) and position_m of shape (T, K, 2), "
            f"got {time_s.shape} and {position_m.shape}"
        )
    devices = position_m.shape[1]
    return _Rows(
        np.repeat(np.arange(devices), len(time_s)),
        np.tile(time_s, devices),
        position_m.transpose(1, 0, 2).reshape(-1, 2),
    )


def _from_csv(path: Path) -> _Rows:
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"file must be a readable CSV file, got '{path}': {error}") from error
    for name in _COLUMNS:
        if name not in header:
            raise ValueError(
                f"file '{path}', line 1 must name the columns {', '.join(_COLUMNS)}; {name} is missing, got {header}"
            )
    if not lines:
        raise ValueError(f"file '{path}' must have lines of positions, got none after line 1")
    time_s, device, x_m, y_m = (_column(path, name, header.index(name), lines) for name in _COLUMNS)
    odd = np.flatnonzero((device != np.floor(device)) | (device < 0.0))
    if len(odd):
        raise ValueError(
            f"file '{path}', line {lines[odd[0]][0]}, device must be a whole number from 0, got {device[odd[0]]:g}"
        )
    return _Rows(device.astype(np.intp), time_s, np.stack([x_m, y_m], axis=1))


def _column(path: Path, name: str, at: int, lines: Lines) -> FloatArray:
    """Return a column of a CSV file, shape (N,), or raise ValueError for the first entry that is no finite number."""
    texts = [row[at] if at < len(row) else "" for _, row in lines]
    values = np.array([_number(text) for text in texts])
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        line, text = lines[wrong[0]][0], texts[wrong[0]]
        raise ValueError(
            f"file '{path}', line {line}, {name} must be a finite number, got '{text}'"
        )
    return values


def _number(text: str) -> float:
    """Return a number, or NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return np.nan
