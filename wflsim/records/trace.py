"""A run as a file for a trace viewer: what every device did when, and which message caused what."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from wflsim.clock import NANOSECONDS, IntArray
from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns

DELIVERED = ("on_time", "late")
ROUND_FACTS = ("round", "length_s", "energy_j", "participants", "on_time", "late")
PHASE_FACTS: Mapping[str, tuple[str, ...]] = {
    "compute": ("keep",),
    "upload": ("up_bits", "delivered_bits", "bandwidth_hz", "power_w", "rate_bps"),
    "wait": ("outcome", "age"),
}
TIMES = ("began_s", *(f"{phase}_s" for phase in PHASES))
BLOCK = 1024  # rows that are Python objects at a time

Event = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Server:
    """What a variant's server did: exchanges that took time, in its order.

    Attributes:
        pid: The variant's process, and the server's thread in it.
        start_ns: When each exchange began, shape (N,), rising.
        end_ns: When it ended, shape (N,).
        row: (round, exchange) → row, in the order of the rows.
    """

    pid: int
    start_ns: IntArray
    end_ns: IntArray
    row: Mapping[tuple[int, str], int]

    def sent_ns(self, instant_ns: int) -> int | None:
        """Return an instant of the exchange that has begun last, not after the one given; None before the first."""
        row = int(np.searchsorted(self.start_ns, instant_ns, side="right")) - 1
        return min(instant_ns, int(self.end_ns[row]) - 1) if row >= 0 else None

    def taken_ns(self, instant_ns: int, settled: tuple[int, str]) -> int | None:
        """Return the first instant from the one given on that lies in an exchange; None when that has ended."""
        row = self.row.get(settled)
        if row is None or instant_ns >= self.end_ns[row]:
            return None
        return max(instant_ns, int(self.start_ns[row]))


def write(path: Path, tables: Mapping[str, Mapping[str, Columns]]) -> None:
    """Write variant → table → columns as one JSON object, event by event."""
    encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"displayTimeUnit":"ms","traceEvents":[')
        for index, event in enumerate(events(tables)):
            file.write(f"{',' if index else ''}\n{encoder.encode(event)}")
        file.write("\n]}\n")


def events(tables: Mapping[str, Mapping[str, Columns]]) -> Iterator[Event]:
    """Yield all events: a process for each variant, in it a thread for the server and one for each device.

    Viewers know a thread by its number alone and take the one with its process's number for the main one, so numbers
    are never used twice: a server has its variant's, device k the (k + 1)-th from there on. A slice comes before what
    is bound to it, since at equal instants the order of the file decides.

    Reference:
        Trace Event Format (Google, catapult project): complete "X", instant "i", flow "s" and "f", metadata "M".
        Instants and lengths are microseconds; three decimals keep our nanoseconds, exactly for the first 104 days.
    """
    devices = max((_devices(found["clients"]) for found in tables.values()), default=0)
    flows = 0
    for index, (name, found) in enumerate(tables.items()):
        server = _server(1 + index * (devices + 1), found["rounds"])
        yield from _names(server.pid, name, index, np.unique(found["clients"]["device"]).tolist())
        yield from _exchanges(server, found["rounds"])
        for row in _rows(found["clients"]):
            yield from _update(server, row, 2 * flows)
            flows += 1


def _devices(clients: Columns) -> int:
    """Return one more than the largest index of a device."""
    return int(clients["device"].max()) + 1 if len(clients["device"]) else 0


def _ns(seconds: Any) -> Any:
    """Return whole nanoseconds, of the shape of the seconds."""
    return np.rint(np.asarray(seconds) * NANOSECONDS).astype(np.int64)


def _server(pid: int, rounds: Columns) -> Server:
    """Return what the server did in the exchanges that took time; the others are no slice to bind to."""
    length_ns = _ns(rounds["length_s"])
    start_ns, lasting = _ns(rounds["start_s"]), length_ns > 0
    keys = zip(rounds["round"][lasting].tolist(), rounds["exchange"][lasting].tolist(), strict=True)
    rows = {key: row for row, key in enumerate(keys)}
    return Server(pid, start_ns[lasting], (start_ns + length_ns)[lasting], rows)


def _names(pid: int, variant: str, index: int, devices: list[int]) -> Iterator[Event]:
    """Yield what the process and its threads are called, and in which order they stand."""
    yield _named("process_name", pid, pid, name=variant)
    yield _named("process_sort_index", pid, pid, sort_index=index)
    for place, said in [(0, "server"), *((device + 1, f"device {device}") for device in devices)]:
        yield _named("thread_name", pid, pid + place, name=said)
        yield _named("thread_sort_index", pid, pid + place, sort_index=place)


def _named(what: str, pid: int, tid: int, **args: Any) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args}


def _exchanges(server: Server, rounds: Columns) -> Iterator[Event]:
    """Yield a slice for each exchange of the server."""
    known = {key: rounds[key][_ns(rounds["length_s"]) > 0] for key in ROUND_FACTS if key in rounds}
    for (round_, exchange), row in server.row.items():
        facts = {key: column[row].item() for key, column in known.items()}
        start = int(server.start_ns[row])
        when = start, int(server.end_ns[row]) - start
        yield _slice(f"round {round_} {exchange}", "round", (server.pid, server.pid), when, facts)


def _rows(clients: Columns) -> Iterator[Event]:
    """Yield the rows of a table as plain numbers and texts, seconds as nanoseconds, a block at a time."""
    names = [f"{name[:-2]}_ns" if name in TIMES else name for name in clients]
    for first in range(0, len(clients["device"]), BLOCK):
        block = {name: column[first : first + BLOCK] for name, column in clients.items()}
        whole = [_ns(part) if name in TIMES else part for name, part in block.items()]
        for values in zip(*(part.tolist() for part in whole), strict=True):
            yield dict(zip(names, values, strict=True))


def _update(server: Server, row: Event, flow: int) -> Iterator[Event]:
    """Yield a device's slices, how it failed if it did, and the messages to it (``flow``) and from it (``flow`` + 1)."""
    pid, tid = server.pid, server.pid + 1 + row["device"]
    start = active_end = row["began_ns"]
    for phase in PHASES:
        length = row[f"{phase}_ns"]
        if length > 0:
            facts = {key: row[key] for key in ("round", *PHASE_FACTS.get(phase, ()))}
            facts["energy_j"] = row[f"{phase}_j"]
            yield _slice(phase, "phase", (pid, tid), (start, length), facts)
            if phase == "receive":
                yield from _arrow("download", flow, pid, (pid, server.sent_ns(start)), (tid, start))
            elif phase == "upload" and row["outcome"] in DELIVERED:
                last = start + length - 1  # in this slice and in no other
                taken = server.taken_ns(last, (row["round"], row["exchange"]))
                yield from _arrow("delivery", flow + 1, pid, (tid, last), (pid, taken))
        start += length
        active_end = active_end if phase == "wait" else start
    if row["outcome"] not in DELIVERED:
        at = {"pid": pid, "tid": tid, "ts": active_end / 1000}
        facts = {"round": row["round"]}
        yield {"ph": "i", "name": row["outcome"], "cat": "failure", "s": "t", **at, "args": facts}


def _slice(
    name: str,
    cat: str,
    thread: tuple[int, int],
    when: tuple[int, int],
    facts: Mapping[str, Any],
) -> Event:
    """Return a complete event of (process, thread) at (instant, length); facts that are not finite are left out."""
    args = {
        key: value
        for key, value in facts.items()
        if not isinstance(value, float) or isfinite(value)
    }
    at = {"pid": thread[0], "tid": thread[1], "ts": when[0] / 1000, "dur": when[1] / 1000}
    return {"ph": "X", "name": name, "cat": cat, **at, "args": args}


def _arrow(
    name: str, flow: int, pid: int, tail: tuple[int, int | None], head: tuple[int, int | None]
) -> Iterator[Event]:
    """Yield an arrow between two (thread, instant), each within a slice; none where an end has no slice."""
    if tail[1] is not None and head[1] is not None:
        common = {"name": name, "cat": "message", "id": flow, "pid": pid}
        yield {"ph": "s", **common, "tid": tail[0], "ts": tail[1] / 1000}
        yield {"ph": "f", "bp": "e", **common, "tid": head[0], "ts": head[1] / 1000}
