"""From reports to columns: the recorder sees everything and decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.units import linear_to_db
from wflsim.clock import NANOSECONDS
from wflsim.contracts import Grouping, Scores
from wflsim.network.timeline import PHASES, Outcome
from wflsim.records.columns import ENDINGS, EVERY_TABLE, INSIGHTS, TABLES, Column
from wflsim.records.report import Played, Report

Columns = Mapping[str, npt.NDArray[Any]]
_NAMES = np.array([outcome.name.lower() for outcome in Outcome], dtype=object)


@dataclass(frozen=True, eq=False)
class Block:
    """The records of consecutive rounds.

    Attributes:
        round_: The last of them.
        tables: Table → columns.
        events: Digest of the network's events from the first round of all to that one.
    """

    round_: int
    tables: Mapping[str, Columns]
    events: str


@dataclass
class Recorder:
    """The growing records of one variant.

    Attributes:
        variant: Its name.
        blocks: What there is so far, in the order of the rounds.
        endings: What was left behind when it ended: table → columns.
    """

    variant: str
    blocks: list[Block] = field(default_factory=list)
    endings: dict[str, Columns] = field(default_factory=dict)

    @property
    def events(self) -> str:
        """Digest of the network's events so far: instants, kinds and devices, in order; each exchange is chained to those before."""
        return self.blocks[-1].events if self.blocks else sha256().hexdigest()

    def add(self, report: Report) -> None:
        """Append a round, all at once."""
        tables: dict[str, list[Columns]] = {name: [] for name in TABLES}
        events = self.events
        for game in report.played:
            key = {"variant": self.variant, "round": report.round_, "exchange": game.purpose}
            last = game is report.last
            tables["rounds"].append(
                _columns("rounds", {**key, **_round(game), **_scores(report, last)}, 1)
            )
            devices = game.timeline.device
            accuracy = report.scores.personal[devices] if report.scores and last else np.nan
            rows = {**key, **_clients(game), "accuracy": accuracy}
            tables["clients"].append(_columns("clients", rows, len(devices)))
            events = sha256(bytes.fromhex(events) + game.timeline.log.tobytes()).hexdigest()
        joined = {name: join(parts) for name, parts in tables.items()}
        self.blocks.append(Block(report.round_, joined, events))

    def end(self, grouping: Grouping) -> None:
        """Note which devices belong together in the end: a row for every two of whom it is known how alike they are."""
        first, other = np.triu_indices(len(grouping.label) if grouping.cosine.size else 0)
        cosine = np.where(first == other, 1.0, grouping.cosine[first, other])
        known = ~np.isnan(cosine)
        rows = {
            "variant": self.variant,
            "device": first[known],
            "other": other[known],
            "cosine": cosine[known],
            "group": grouping.label[first[known]],
        }
        self.endings["groups"] = _columns("groups", rows, int(known.sum()))

    def until(self, round_: int) -> "Recorder":
        """Return the records of the rounds before one, in one block."""
        blocks = [block for block in self.blocks if block.round_ < round_]
        if not blocks:
            return Recorder(self.variant)
        tables = {name: join([block.tables[name] for block in blocks]) for name in TABLES}
        return Recorder(self.variant, [Block(blocks[-1].round_, tables, blocks[-1].events)])

    def table(self, name: str) -> Columns:
        """Return a table as columns."""
        if name in ENDINGS:
            parts = [self.endings[name]] if name in self.endings else []
        else:
            parts = [block.tables[name] for block in self.blocks]
        return join(parts) if parts else _columns(name, {c.name: [] for c in EVERY_TABLE[name]}, 0)

    def digest(self) -> str:
        """Return the SHA-256 of all records, over column names and values, whatever file they are written to."""
        total = sha256()
        for name in (*TABLES, *self.endings):
            for column, values in self.table(name).items():
                total.update(column.encode())
                data = "\0".join(values).encode() if values.dtype == object else values.tobytes()
                total.update(data)
        return total.hexdigest()


def join(tables: Sequence[Columns]) -> Columns:
    """Return the rows of several tables as one."""
    if len(tables) == 1:
        return tables[0]
    names = tables[0] if tables else ()
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


def _columns(table: str, values: Mapping[str, Any], rows: int) -> Columns:
    """Return a table's columns, in order and of their types; what is told once holds for all rows."""
    return {
        column.name: _column(column, values[column.name], rows) for column in EVERY_TABLE[table]
    }


def _column(column: Column, value: Any, rows: int) -> npt.NDArray[Any]:
    dtype = object if column.type == "str" else np.dtype(column.type)
    return np.broadcast_to(np.asarray(value, dtype=dtype), rows)


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
        "macs": float(plan.macs.sum()),
        "listening_j": game.listening_j,
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
    scores = report.scores if last and report.scores is not None else Scores(np.empty(0), np.nan)
    return {
        "accuracy_personal": scores.mean,
        "accuracy_std": scores.deviation,
        "accuracy_decile": scores.worst_decile,
        "accuracy_jain": scores.jain,
        "accuracy_worst": scores.least,
        "accuracy_global": scores.whole,
        "loss_personal": scores.loss_personal,
        "loss_global": scores.loss_whole,
        "calibration_personal": scores.calibration_personal,
        "calibration_global": scores.calibration_whole,
        **{column.name: np.nan for column in INSIGHTS},
        **(report.told if last else {}),
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
        "macs": plan.macs,
        "budget_j": plan.budget_j,
        "battery_j": game.charge_j,
        "active": plan.held,
    }
