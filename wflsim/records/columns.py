"""The one table of columns: name, unit, type and meaning of everything that a run records."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A recorded quantity.

    Attributes:
        name: Its name, with the unit at the end.
        unit: Its unit; empty for numbers without one.
        type: Its NumPy type, or ``str``.
        meaning: What it says, in one sentence.
    """

    name: str
    unit: str
    type: str
    meaning: str


KEYS = (
    Column("variant", "", "str", "Name of the system in the scenario."),
    Column("round", "", "int64", "Round, counted from 0."),
    Column("exchange", "", "str", "What the exchange is for; a round may have several."),
)

ROUNDS = (
    *KEYS,
    Column("end_s", "s", "float64", "Simulated time at the end of the exchange."),
    Column("length_s", "s", "float64", "Length of the exchange."),
    Column("deadline_s", "s", "float64", "Length that it may have; infinite without a deadline."),
    Column(
        "dense_s", "s", "float64", "Least length with nothing pruned, by its own best allocation."
    ),
    Column("energy_j", "J", "float64", "Energy of all devices: computing and sending."),
    Column("down_bits", "bit", "float64", "Bits of the broadcast."),
    Column("up_bits", "bit", "float64", "Bits that arrived at the server."),
    Column("participants", "", "int64", "Devices that took part."),
    Column("on_time", "", "int64", "Updates that met the deadline."),
    Column("late", "", "int64", "Updates that came after it and were still taken."),
    Column("lost", "", "int64", "Updates that the server did not wait for."),
    Column("keep_mean", "", "float64", "Mean kept share of the prunable weights."),
    Column(
        "status",
        "",
        "str",
        "The allocator's verdict: optimal, feasible, inaccurate, infeasible or unbounded.",
    ),
    Column("objective", "", "float64", "Weighted sum of pruning ratios."),
    Column(
        "gap",
        "",
        "float64",
        "Bound on how far the objective is from the optimum; not a number if unknown.",
    ),
    Column(
        "stationarity",
        "",
        "float64",
        "Largest relative residual of the devices' optimality conditions.",
    ),
    Column("complementarity", "", "float64", "Price times unused bandwidth."),
    Column("iterations", "", "int64", "Iterations of the allocator."),
    Column(
        "reason",
        "",
        "str",
        "Why the allocation is infeasible and what would help; otherwise empty.",
    ),
    Column("violation", "", "float64", "Largest relative violation of a constraint."),
    Column(
        "price", "1/Hz", "float64", "Price of bandwidth; not a number if the allocator has none."
    ),
    Column("events", "", "int64", "Events that the network simulation handled."),
    Column(
        "accuracy_personal",
        "",
        "float64",
        "Mean over devices of their own model's accuracy on their own test data.",
    ),
    Column("accuracy_worst", "", "float64", "Least of the devices' accuracies."),
    Column(
        "accuracy_global",
        "",
        "float64",
        "Accuracy of the global model (shared part, mean of personal parts) on all devices' test data.",
    ),
)

CLIENTS = (
    *KEYS,
    Column("device", "", "int64", "Index of the device."),
    Column("gain_db", "dB", "float64", "Uplink power gain after combining all antennas."),
    Column("keep", "", "float64", "Kept share of the prunable weights, in whole weights."),
    Column("bandwidth_hz", "Hz", "float64", "Bandwidth granted."),
    Column("power_w", "W", "float64", "Transmit power granted."),
    Column("rate_bps", "bit/s", "float64", "Uplink rate."),
    Column("up_bits", "bit", "float64", "Size of the device's message."),
    Column("broadcast_s", "s", "float64", "Time spent receiving, pilots before included."),
    Column("compute_s", "s", "float64", "Time spent computing."),
    Column("upload_s", "s", "float64", "Time spent sending."),
    Column("wait_s", "s", "float64", "Time spent waiting for the round to end."),
    Column("compute_j", "J", "float64", "Energy of computing."),
    Column("upload_j", "J", "float64", "Energy of sending."),
    Column("outcome", "", "str", "on_time, late or lost."),
    Column(
        "active",
        "",
        "str",
        "The constraint that holds the device: keep_min, keep_max, deadline or slack.",
    ),
    Column("accuracy", "", "float64", "Accuracy of the device's own model on its own test data."),
)

TABLES: Mapping[str, tuple[Column, ...]] = {"rounds": ROUNDS, "clients": CLIENTS}
