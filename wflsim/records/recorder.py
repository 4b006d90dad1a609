"""From reports to columns: the recorder sees everything and decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.units import linear_to_db
from wflsim.network.timeline import NANOSECONDS, Outcome
from wflsim.records.columns import TABLES, Column
from wflsim.records.report import Played, Report

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass
class Recorder:
    """The growing records of one variant.

    Attributes:
        variant: Its name.
        rows: Table → list of blocks of columns.
    """

    variant: str
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in TABLES}
    )

    def add(self, report: Report) -> None:
        """Append a round."""
        for game in report.played:
            key = {
                "variant": self.variant,
                "round": report.round_,
                "exchange": game.exchange.purpose,
            }
            last = game is report.played[-1]
            self.rows["rounds"].append({**key, **_round(game), **_scores(report, last)})
            accuracy = (
                report.scores.personal[game.exchange.participants]
                if report.scores and last
                else np.nan
            )
            self.rows["clients"].append({**key, **_clients(report, game), "accuracy": accuracy})

    def table(self, name: str) -> Columns:
        """Return a table as columns."""
        return {column.name: _column(column, self.rows[name]) for column in TABLES[name]}

    def digest(self) -> str:
        """Return the SHA-256 of all records, over column names and values, whatever file they are written to."""
        total = sha256()
        for name in TABLES:
            for column, values in self.table(name).items():
                total.update(column.encode())
                data = "\0".join(values).encode() if values.dtype == object else values.tobytes()
                total.update(data)
        return total.hexdigest()


def join(tables: Sequence[Columns]) -> Columns:
    """Return the rows of several tables as one."""
    return (
        {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        if tables
        else {}
    )


def _column(column: Column, blocks: list[dict[str, Any]]) -> npt.NDArray[Any]:
    """Return a column over all blocks; a block has a row for each device, or one."""
    dtype = object if column.type == "str" else np.dtype(column.type)
    parts = [
        np.broadcast_to(
            np.asarray(block[column.name], dtype=dtype), np.size(block.get("device", 0))
        )
        for block in blocks
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _round(game: Played) -> dict[str, Any]:
    timeline, certificate = game.timeline, game.allocation.certificate
    outcome = timeline.outcome
    return {
        "end_s": timeline.end_ns / NANOSECONDS,
        "length_s": (timeline.end_ns - timeline.start_ns) / NANOSECONDS,
        "deadline_s": game.plan.deadline_s,
        "dense_s": game.dense_s,
        "energy_j": float(np.sum(game.energy_j)),
        "down_bits": float(game.exchange.down_bits.at(1.0).max()),
        "up_bits": float(game.up_bits[timeline.arrived].sum()),
        "participants": len(outcome),
        "on_time": int((outcome == Outcome.ON_TIME).sum()),
        "late": int((outcome == Outcome.LATE).sum()),
        "lost": int((outcome == Outcome.LOST).sum()),
        "keep_mean": float(game.keep.mean()),
        "status": certificate.status,
        "objective": certificate.objective,
        "gap": certificate.gap,
        "stationarity": certificate.stationarity,
        "complementarity": certificate.complementarity,
        "iterations": certificate.iterations,
        "reason": certificate.reason,
        "violation": max(certificate.violation.values()),
        "price": certificate.price,
        "events": timeline.events,
    }


def _scores(report: Report, last: bool) -> dict[str, float]:
    if report.scores is None or not last:
        return dict.fromkeys(("accuracy_personal", "accuracy_worst", "accuracy_global"), np.nan)
    personal = report.scores.personal
    return {
        "accuracy_personal": float(personal.mean()),
        "accuracy_worst": float(personal.min()),
        "accuracy_global": report.scores.whole,
    }


def _clients(report: Report, game: Played) -> dict[str, Any]:
    who, timeline, allocation = game.exchange.participants, game.timeline, game.allocation
    compute_j, upload_j = game.energy_j
    return {
        "device": who,
        "gain_db": linear_to_db(report.links.uplink_gain[who]),
        "keep": game.keep,
        "bandwidth_hz": allocation.bandwidth_hz,
        "power_w": allocation.power_w,
        "rate_bps": game.rate_bps,
        "up_bits": game.up_bits,
        "broadcast_s": timeline.broadcast_ns / NANOSECONDS,
        "compute_s": timeline.compute_ns / NANOSECONDS,
        "upload_s": timeline.upload_ns / NANOSECONDS,
        "wait_s": timeline.wait_ns / NANOSECONDS,
        "compute_j": compute_j,
        "upload_j": upload_j,
        "outcome": [Outcome(value).name.lower() for value in timeline.outcome],
        "active": list(allocation.certificate.held),
    }
