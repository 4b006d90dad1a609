"""From reports to columns: the recorder sees everything and decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.units import linear_to_db
from wflsim.clock import NANOSECONDS
from wflsim.network.timeline import PHASES, Outcome
from wflsim.records.columns import TABLES, Column
from wflsim.records.report import Played, Report

Columns = Mapping[str, npt.NDArray[Any]]
_NAMES = np.array([outcome.name.lower() for outcome in Outcome], dtype=object)


@dataclass
class Recorder:
    """The growing records of one variant.

    Attributes:
        variant: Its name.
        rows: Table → list of blocks of columns.
        log: Digest of the network's events so far: instants, kinds and devices, in order.
    """

    variant: str
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in TABLES}
    )
    log: Any = field(default_factory=sha256)

    def add(self, report: Report) -> None:
        """Append a round."""
        for game in report.played:
            key = {"variant": self.variant, "round": report.round_, "exchange": game.purpose}
            last = game is report.last
            self.rows["rounds"].append({**key, **_round(game), **_scores(report, last)})
            accuracy = (
                report.scores.personal[game.timeline.device] if report.scores and last else np.nan
            )
            self.rows["clients"].append({**key, **_clients(game), "accuracy": accuracy})
            self.log.update(game.timeline.log.tobytes())

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
    timeline, plan = game.timeline, game.timeline.settled.plan
    taken, spent_j = timeline.taken, timeline.phase_j.sum(axis=1)
    offered, up = float(plan.bits.sum()), float(timeline.delivered_bits.sum())
    counts = np.bincount(timeline.outcome, minlength=len(Outcome))
    return {
        "start_s": timeline.start_ns / NANOSECONDS,
        "end_s": timeline.end_ns / NANOSECONDS,
        "length_s": (timeline.end_ns - timeline.start_ns) / NANOSECONDS,
        "deadline_s": game.deadline_s,
        "energy_j": float(np.sum(spent_j)),
        "lost_j": float(np.sum(spent_j[~taken])),
        "lost_s": float(np.sum(timeline.phase_ns[~taken])) / NANOSECONDS,
        "offered_bits": offered,
        "up_bits": up,
        "lost_bits": float(plan.bits[~taken].sum()),
        **{outcome.name.lower(): int(counts[outcome]) for outcome in Outcome},
        "stale": int((taken & (game.age > 0)).sum()),
        "progress": game.progress,
        "under_way": game.under_way,
        "events": timeline.events,
        **_agreed(game),
    }


def _agreed(game: Played) -> dict[str, Any]:
    """Return what those who began had agreed on; where nobody did, there is nothing to tell."""
    agreement = game.agreement
    if agreement is None:
        numbers = ("dense_s", "keep_mean", "objective", "gap", "stationarity", "complementarity")
        unknown = dict.fromkeys((*numbers, "violation", "price"), np.nan)
        return {
            **unknown,
            "participants": 0,
            "down_bits": 0.0,
            "iterations": 0,
            "status": "",
            "reason": "",
        }
    certificate = agreement.allocation.certificate
    return {
        "dense_s": agreement.dense_s,
        "participants": game.participants,
        "down_bits": float(agreement.exchange.down_bits.at(1.0).max()),
        "keep_mean": float(agreement.plan.keep.mean()) if game.participants else np.nan,
        "status": certificate.status,
        "objective": certificate.objective,
        "gap": certificate.gap,
        "stationarity": certificate.stationarity,
        "complementarity": certificate.complementarity,
        "iterations": certificate.iterations,
        "reason": certificate.reason,
        "violation": max(certificate.violation.values()),
        "price": certificate.price,
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


def _clients(game: Played) -> dict[str, Any]:
    timeline, settled = game.timeline, game.timeline.settled
    plan = settled.plan
    seconds = timeline.phase_ns / NANOSECONDS
    return {
        "device": plan.device,
        "cell": plan.cell,
        "began_s": settled.start_ns / NANOSECONDS,
        "age": game.age,
        "outcome": _NAMES[timeline.outcome],
        "gain_db": linear_to_db(plan.gain),
        "keep": plan.keep,
        "bandwidth_hz": plan.bandwidth_hz,
        "power_w": plan.transmit_w,
        "rate_bps": plan.rate_bps,
        "up_bits": plan.bits,
        "delivered_bits": timeline.delivered_bits,
        "blocks": settled.blocks,
        "attempts": settled.attempts,
        "tries": settled.tries,
        **{f"{phase}_s": seconds[:, index] for index, phase in enumerate(PHASES)},
        **{f"{phase}_j": timeline.phase_j[:, index] for index, phase in enumerate(PHASES)},
        "battery_j": game.charge_j,
        "active": plan.held,
    }
