"""The claims of the quickstart scenario, on its own seed and, in full, on four more."""

import json
import subprocess
import sys
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.outcome import Bar, Outcome

HEADER = (
    "seed", "variant", "accuracy_own", "accuracy_global", "target", "target_s", "simulated_s", "energy_j",
    "sent_mbit", "kept", "missed_deadlines",
)  # fmt: skip


def run(full: bool) -> Outcome:
    """Play the scenario on one seed or five; every bar is the worst of them."""
    played = {seed: play(seed) for seed in (range(1, 6) if full else (1,))}
    rows = [
        row(seed, name, variant)
        for seed, (found, _) in played.items()
        for name, variant in found.items()
    ]
    found = [claims(variants) for variants, _ in played.values()]
    worst = {name: max(each[name] for each in found) for name in found[0]}
    ratios = {
        name: worst[name] for name in ("time_to_accuracy", "simulated_time", "energy", "sent_bits")
    }
    bars = {
        "missed deadlines of the pruned system": Bar(worst["missed"], 0),
        "accuracy below dense FedAlt": Bar(worst["below_fedalt"], 0.02),
        "accuracy below FedAvg": Bar(worst["below_fedavg"], 0.0),
        "time to FedAlt's accuracy less 2 points, share of FedAlt's": Bar(
            worst["time_to_accuracy"], 0.6
        ),
        "host seconds of the whole command": Bar(
            max(seconds for _, seconds in played.values()), 60.0
        ),
    }
    return Outcome("quickstart", HEADER, rows, ratios, bars)


def play(seed: int) -> tuple[dict[str, Any], float]:
    """Return the variants of one run, and the seconds that the whole command took."""
    with TemporaryDirectory() as folder:
        options = [
            "--seed",
            str(seed),
            "--format",
            "json",
            "--quiet",
            "--out",
            str(Path(folder) / "run"),
        ]
        start = perf_counter()
        command = [sys.executable, "-m", "wflsim", "run", "quickstart", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = perf_counter() - start
        variants: dict[str, Any] = json.loads(done.stdout)["variants"]
        accuracies(Path(folder) / "run", variants)
    return variants, seconds


def accuracies(folder: Path, variants: dict[str, Any]) -> None:
    """Add when each variant first reached dense FedAlt's final accuracy less two points."""
    import pandas as pd

    rounds = pd.read_parquet(folder / "rounds.parquet")
    target = variants["fedalt"]["final"]["accuracy_personal"] - 0.02
    for name, variant in variants.items():
        reached = rounds[(rounds["variant"] == name) & (rounds["accuracy_personal"] >= target)][
            "end_s"
        ]
        variant["target"], variant["target_s"] = (
            target,
            float(reached.min()) if len(reached) else inf,
        )


def claims(variants: dict[str, Any]) -> dict[str, float]:
    """Return what the bars are made of; smaller is better everywhere."""
    pruned, fedalt = variants["pruned"], variants["fedalt"]
    own = {name: variant["final"]["accuracy_personal"] for name, variant in variants.items()}
    return {
        "missed": pruned["final"]["missed_deadlines"],
        "below_fedalt": own["fedalt"] - own["pruned"],
        "below_fedavg": own["fedavg"] - own["pruned"],
        "time_to_accuracy": pruned["target_s"] / fedalt["target_s"],
        "simulated_time": pruned["simulated_s"] / fedalt["simulated_s"],
        "energy": pruned["energy_j"] / fedalt["energy_j"],
        "sent_bits": pruned["final"]["up_bits"] / fedalt["final"]["up_bits"],
    }


def row(seed: int, name: str, variant: dict[str, Any]) -> tuple[Any, ...]:
    """Return a row of the table."""
    final = variant["final"]
    return (
        seed, name, final["accuracy_personal"], final["accuracy_global"], variant["target"], variant["target_s"],
        variant["simulated_s"], variant["energy_j"], final["up_bits"] / 1e6, final["keep_mean"], final["missed_deadlines"],
    )  # fmt: skip
