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


DOING = {
    "page": "waiting to be called",
    "receive": "receiving, pilots before included",
    "compute": "computing",
    "access": "random access",
    "grant": "waiting for a grant",
    "queue": "waiting behind other traffic",
    "upload": "sending, from the grant's first slot to the last repeat",
    "wait": "waiting for the round to end",
}
"""What a device does in each phase of its round, in their order."""

KEYS = (
    Column("variant", "", "str", "Name of the system in the scenario."),
    Column("round", "", "int64", "Round, counted from 0."),
    Column(
        "exchange",
        "",
        "str",
        "What the exchange is for, and the number of its wave from the second on; a round may have several.",
    ),
)

INSIGHTS = (
    Column("coverage", "", "float64", "Least number of devices that kept a weight, of those kept."),
    Column("uncovered", "", "float64", "Share of the prunable weights that no device kept."),
    Column(
        "pruned_energy", "", "float64", "Mean over the devices of the squared norm that was pruned."
    ),
    Column("shared_energy", "", "float64", "Squared norm of the prunable weights before."),
    Column(
        "accuracy_masked",
        "",
        "float64",
        "Mean accuracy of the devices' own models without what they pruned last.",
    ),
    Column(
        "gradient_square",
        "",
        "float64",
        "Squared norm of the mean loss's gradient in the shared part, as the round began, after its personal steps.",
    ),
    Column(
        "loss_train",
        "",
        "float64",
        "Mean over the devices of the loss of their training samples at that point, in nats.",
    ),
    Column(
        "gradient_variance",
        "",
        "float64",
        "Mean over the devices of a batch's gradient's variance there.",
    ),
    Column(
        "gradient_second_moment",
        "",
        "float64",
        "Largest mean square of a batch's gradient there, of the devices that arrived, dense or as they were pruned.",
    ),
    Column(
        "coverage_bias",
        "",
        "float64",
        "Squared distance between the gradient that was fused and the mean of all; not a number where masks are not known.",
    ),
    Column(
        "smoothness",
        "",
        "float64",
        "Largest change of a device's gradient per change of the shared part, there and towards its pruned model.",
    ),
    Column(
        "personal_variance",
        "",
        "float64",
        "The variance of a batch's gradient in the personal part.",
    ),
    Column(
        "personal_smoothness", "", "float64", "The largest change of the gradient in that part."
    ),
    Column(
        "density",
        "",
        "float64",
        "Mean over the layers that can be pruned of the share of weights or units kept, over the updates taken.",
    ),
    Column("groups", "", "float64", "Groups of devices that have a model each."),
    Column(
        "silhouette",
        "",
        "float64",
        "Mean silhouette of the devices in their groups, from -1 to 1, by how alike their changes were.",
    ),
    Column("removed_units", "", "float64", "Units that were removed as a whole."),
    Column(
        "resets", "", "float64", "Layers of those devices whose thresholds were set back to zero."
    ),
    Column(
        "importance_drift",
        "",
        "float64",
        "Mean size of the step that thresholds made weights take, relative to the weights.",
    ),
    Column(
        "break_even",
        "",
        "float64",
        "Participations of a device after which the bits that it saves have paid for those of exploring.",
    ),
    Column(
        "paper_bits",
        "bit",
        "float64",
        "Bits of the round in both directions, over the updates taken, by the rule of the algorithm's authors.",
    ),
    Column("paper_macs", "", "float64", "Operations of the round by their rule."),
)
"""What an algorithm or an evaluation may tell beyond accuracies; not a number where it is not told."""

ROUNDS = (
    *KEYS,
    Column("start_s", "s", "float64", "Simulated time at which the exchange began."),
    Column("end_s", "s", "float64", "Simulated time at the end of the exchange."),
    Column("length_s", "s", "float64", "Length of the exchange."),
    Column("deadline_s", "s", "float64", "Length that it may have; infinite without a deadline."),
    Column(
        "dense_s", "s", "float64", "Least length with nothing pruned, by its own best allocation."
    ),
    Column("energy_j", "J", "float64", "Energy of the updates that were settled, all phases."),
    Column("lost_j", "J", "float64", "The part of it that was spent on updates not taken."),
    Column("lost_s", "s", "float64", "Device seconds that were spent on updates not taken."),
    Column("down_bits", "bit", "float64", "Size of the server's message to a device that began."),
    Column("offered_bits", "bit", "float64", "Size of all updates that were settled."),
    Column("up_bits", "bit", "float64", "Size of those that the server took in."),
    Column("lost_bits", "bit", "float64", "Size of those that it did not."),
    Column(
        "macs", "", "float64", "Multiply-accumulate operations of the updates that were settled."
    ),
    Column(
        "listening_j",
        "J",
        "float64",
        "Energy of devices that heard the server's message without taking part; no part of energy_j.",
    ),
    Column("participants", "", "int64", "Devices that began."),
    Column("on_time", "", "int64", "Updates that met their deadline."),
    Column("late", "", "int64", "Updates that came after it and were still taken."),
    Column("dropped", "", "int64", "Updates that the server did not wait for."),
    Column("lost", "", "int64", "Updates that were given up on the air."),
    Column("empty", "", "int64", "Devices that ran empty before their update was there."),
    Column("left", "", "int64", "Devices that left their cell before their update was there."),
    Column("unfinished", "", "int64", "Updates under way when the run ended."),
    Column("stale", "", "int64", "Updates taken that began in an earlier round."),
    Column(
        "progress",
        "",
        "float64",
        "Mean weight of the updates taken, by their ages and samples; 0 if none came.",
    ),
    Column("under_way", "", "int64", "Updates that go on beyond the exchange."),
    Column("keep_mean", "", "float64", "Mean kept share of the prunable weights."),
    Column(
        "status",
        "",
        "str",
        "The allocator's verdict: optimal, feasible, inaccurate, infeasible or unbounded; empty if nobody began.",
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
        "Mean over the devices measured of their own model's accuracy on their own test data.",
    ),
    Column(
        "accuracy_std", "", "float64", "Standard deviation of the devices' accuracies around it."
    ),
    Column(
        "accuracy_decile",
        "",
        "float64",
        "Mean accuracy of the worst devices: a tenth of those measured, rounded down, and at least one.",
    ),
    Column(
        "accuracy_jain",
        "",
        "float64",
        "Jain's index of the devices' accuracies: 1 for all alike, 1/n where one of n has all.",
    ),
    Column("accuracy_worst", "", "float64", "Least of the devices' accuracies."),
    Column(
        "accuracy_global",
        "",
        "float64",
        "Accuracy of the global model (shared part, mean of personal parts) on all devices' test data, or on the "
        "publisher's where there is some.",
    ),
    Column(
        "loss_personal",
        "",
        "float64",
        "Mean negative log-likelihood, in nats, of the devices' own models over all their test samples.",
    ),
    Column("loss_global", "", "float64", "The same of the global model over its test samples."),
    Column(
        "calibration_personal",
        "",
        "float64",
        "Expected calibration error, 15 equal bins, of the devices' own models over all their test samples.",
    ),
    Column(
        "calibration_global", "", "float64", "The same of the global model over its test samples."
    ),
    *INSIGHTS,
)

CLIENTS = (
    *KEYS,
    Column("device", "", "int64", "Index of the device."),
    Column("cell", "", "int64", "The cell that served it."),
    Column("began_s", "s", "float64", "Simulated time at which the device began."),
    Column("age", "", "int64", "Rounds since then."),
    Column(
        "outcome",
        "",
        "str",
        "on_time, late (taken all the same), dropped (not waited for), lost (on the air), empty, left or unfinished.",
    ),
    Column("gain_db", "dB", "float64", "Uplink power gain after combining all antennas."),
    Column("keep", "", "float64", "Kept share of the prunable weights, in whole weights."),
    Column("bandwidth_hz", "Hz", "float64", "Bandwidth granted."),
    Column("power_w", "W", "float64", "Transmit power granted."),
    Column("rate_bps", "bit/s", "float64", "Rate of the granted uplink, repeats taken off."),
    Column("up_bits", "bit", "float64", "Size of the device's message."),
    Column("delivered_bits", "bit", "float64", "What the server has of it: all or nothing."),
    Column("blocks", "", "int64", "Transport blocks of the message; 0 where the uplink has none."),
    Column("attempts", "", "int64", "Transport blocks of the whole upload, repeats included."),
    Column("tries", "", "int64", "Attempts at random access."),
    *(Column(f"{phase}_s", "s", "float64", f"Time of {doing}.") for phase, doing in DOING.items()),
    *(
        Column(f"{phase}_j", "J", "float64", f"Energy of {doing}.")
        for phase, doing in DOING.items()
    ),
    Column("macs", "", "float64", "Multiply-accumulate operations of the device's computing."),
    Column("budget_j", "J", "float64", "What the device might spend; infinite for no limit."),
    Column("battery_j", "J", "float64", "Energy in the battery at the end; infinite on the mains."),
    Column(
        "active",
        "",
        "str",
        "The constraint that holds the device: keep_min, keep_max, deadline or slack.",
    ),
    Column(
        "accuracy",
        "",
        "float64",
        "Accuracy of the device's own model on its own test data; not a number if it was not measured.",
    ),
)

GROUPS = (
    Column("variant", "", "str", "Name of the system in the scenario."),
    Column("device", "", "int64", "Index of the device."),
    Column("other", "", "int64", "Index of a device that is not before it; itself, too."),
    Column(
        "cosine", "", "float64", "Cosine of how both were moved when devices were grouped last."
    ),
    Column(
        "group", "", "int64", "Group of the device when the variant ended; -1 if it is in none."
    ),
)

TABLES: Mapping[str, tuple[Column, ...]] = {"rounds": ROUNDS, "clients": CLIENTS}
"""What every round leaves behind."""
ENDINGS: Mapping[str, tuple[Column, ...]] = {"groups": GROUPS}
"""What a variant may leave behind when it ends; a run in which none does has no such file."""
EVERY_TABLE = {**TABLES, **ENDINGS}
