"""The claims of the quickstart scenario, and that the README tells them as they were measured."""

import json
import re
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest

from benchmarks.outcome import Bar, Outcome

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.slow
def test_the_quickstart_keeps_its_promises():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "quickstart"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["name"] == "quickstart"
    timed = "host seconds of the whole command"
    assert {
        claim: bar["met"] for claim, bar in found["bars"].items() if claim != timed
    } == dict.fromkeys(set(found["bars"]) - {timed}, True)
    assert len(found["bars"]) == 5


def test_the_readme_tells_the_committed_run():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    *table, last = (RESULTS / "quickstart.txt").read_text(encoding="utf-8").splitlines()
    header, *rows = [line.split() for line in table]
    told = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    measured = {row[1]: dict(zip(header, row, strict=True)) for row in rows if row[0] == "1"}
    assert [name for name, _ in told][:3] == ["pruned", "fedalt", "fedavg"]
    for name, cells in told[:3]:
        row = measured[name]
        expected = [
            f"{float(row['accuracy_own']):.1%}",
            f"{float(row['accuracy_global']):.1%}",
            "never" if row["target_s"] == "inf" else f"{float(row['target_s']):.2f}",
            f"{float(row['simulated_s']):.2f}",
            f"{float(row['energy_j']):.1f}",
            f"{float(row['sent_mbit']):.0f}",
            f"{float(row['kept']):.2f}",
            row["missed_deadlines"],
        ]
        assert cells.split(" | ") == expected
    for claim, bar in json.loads(last)["bars"].items():
        assert (
            f"| {claim} | {bar['value']:.3g} | {bar['limit']:.3g} | {'yes' if bar['met'] else 'no'} |"
            in text
        )


# What was promised and is not reached, with the reason in the page that shows it: docs/engine.md.
MISSED = {"cohort": ["mlp, 50 devices: half of the units / engine"]}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.txt")), ids=lambda path: path.stem)
def test_committed_results_meet_their_bars(path):
    found = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    assert found["name"] == path.stem
    missed = [claim for claim, bar in found["bars"].items() if not bar["met"]]
    assert missed == MISSED.get(path.stem, [])


def test_benchmarks_are_listed():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "quickstart",
        "startup",
        "channels",
        "calibration",
        "sionna",
        "agreement",
        "allocators",
        "network",
        "cohort",
        "accuracy",
        "sweep",
        "together",
        "loading",
        "population",
    ]


def test_a_bar_is_met_on_the_right_side_of_its_limit_and_never_by_what_is_no_number():
    assert Bar(1.0, 1.0).met
    assert not Bar(1.1, 1.0).met
    assert Bar(1.1, 1.0, at_most=False).met
    assert not Bar(float("nan"), 1.0).met
    assert not Bar(inf, 1.0).met
    line = json.loads(Outcome("x", ("a",), [(1.0,)], {"r": 2.0}, {"c": Bar(1.0, 2.0)}).line())
    assert line == {
        "name": "x",
        "ratios": {"r": 2.0},
        "bars": {"c": {"value": 1.0, "limit": 2.0, "met": True}},
    }
