"""Accuracy on real data beside what the literature reports for the same model and partition; needs the data sets."""

from dataclasses import dataclass
from typing import Any

from benchmarks.outcome import Bar, Outcome
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

WORLD = """\
name: accuracy
seed: {seed}
fleet: {{devices: {devices}}}
radio: {{bandwidth_hz: 1e8}}
task: {{data: {data}, partition: {partition}, model: {model}, test_share: 0}}
engine: {engine}
evaluate_devices: 1
rounds: {rounds}
invited: {invited}
allocator: dense
algorithm: {{kind: fedavg, epochs: {epochs}, batch_size: {batch}, learning_rate: {rate}, momentum: {momentum}}}
"""


@dataclass(frozen=True)
class Case:
    """An experiment of the literature.

    Attributes:
        name: What it is.
        data: Data set.
        model: Model.
        reported: Test accuracy that is reported.
        rounds: Rounds after which it is.
        source: Where, with the tag of docs/papers.md.
        partition: Who holds what.
        devices: Number of devices.
        invited: Devices of a round.
        epochs: Local epochs of a round.
        batch: Samples of a step.
        rate: Step size.
        momentum: Momentum.
        engine: How devices are trained.
    """

    name: str
    data: str
    model: str
    reported: float
    rounds: int
    source: str
    partition: str = "iid"
    devices: int = 100
    invited: int = 10
    epochs: int = 1
    batch: int = 10
    rate: float = 0.1
    momentum: float = 0.0
    engine: str = "{kind: batched, chunk: 5}"


TWO_LAYERS = "{kind: mlp, hidden: [200, 200]}"
CENTRAL: dict[str, Any] = {"devices": 1, "invited": 1, "batch": 64, "rate": 0.01, "momentum": 0.9}
SILOS: dict[str, Any] = {
    "devices": 10,
    "invited": 10,
    "epochs": 10,
    "batch": 64,
    "rate": 0.01,
    "momentum": 0.9,
}
LIST = "publisher's list, two convolutions below 100,000 parameters [V]"
CASES = (
    Case("centralised", "mnist", "lenet5", 0.992, 20, LIST, **CENTRAL),
    Case("centralised", "fashion_mnist", "fedavg_cnn", 0.916, 20, "publisher's list, two convolutions with pooling [V]", **CENTRAL, engine="loop"),
    Case("FedAvg, IID", "mnist", TWO_LAYERS, 0.97, 87, "arXiv 1602.05629, table 1 [R]"),
    Case("FedAvg, two shards a device", "mnist", TWO_LAYERS, 0.97, 664, "arXiv 1602.05629, table 1 [R]", "{kind: shards, per_device: 2}"),
    Case("FedAvg, Dirichlet 0.5", "fashion_mnist", "{kind: lenet5, padding: 0}", 0.881, 50, "arXiv 2102.02079, table 3 [R]", "{kind: dirichlet, alpha: 0.5}", **SILOS),
)  # fmt: skip


def run(full: bool) -> Outcome:
    """Play each case until the accuracy that is reported is reached, at most for as many rounds, and tell when that was."""
    rows: list[tuple[object, ...]] = []
    bars: dict[str, Bar] = {}
    for case in CASES if full else CASES[2:3]:
        curve = played(case)
        best = max(curve)
        rows.append(
            (case.name, case.data, case.reported, case.rounds, best, len(curve), case.source)
        )
        bars[f"{case.name}, {case.data}: accuracy"] = Bar(best, case.reported, at_most=False)
    header = ("case", "data", "reported", "in_rounds", "ours", "in_rounds", "source")
    return Outcome("accuracy", header, rows, {}, bars)


def played(case: Case) -> list[float]:
    """Return the global model's accuracy on the publisher's test samples after every round, until it is that reported."""
    values = {name: getattr(case, name) for name in case.__dataclass_fields__}
    scenario = parse(WORLD.format(seed=1, **values), "accuracy").scenario
    (system,) = scenario.systems.values()
    curve: list[float] = []
    for report in stage(settle(scenario.world), system).rounds():
        assert report.scores is not None
        curve.append(report.scores.whole)
        if curve[-1] >= case.reported:
            break
    return curve
