"""Scenarios after papers: each is whole, its committed verdicts are those of the scenario that is shipped, and its quick form plays."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wflsim.claims.preflight import examine
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.scenario.describe import resolved
from wflsim.scenario.loading import load, shipped

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results" / "papers"
PACKS = [name for name, path in shipped().items() if path.parent.name == "papers"]
ELSEWHERE = ("task.data=digits", "task.model={kind: mlp, hidden: [16]}", "task.partition=iid")
"""What a quick form is played on where the files of its data set are not there."""


def held(name):
    """Return whether the files of a pack's data set are there."""
    try:
        load(name).scenario.world.task.data.load()
    except UserError:
        return False
    return True


def test_there_are_packs_for_the_core_paper_and_its_kin():
    sources = {load(name).scenario.world.paper.source for name in PACKS}
    papers = ("2309.01816", "2305.09042", "2511.04653", "2205.14271", "1909.12326")
    assert all(any(paper in source for source in sources) for paper in papers)


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_says_what_could_be_read_and_names_what_there_is(name):
    loaded = load(name)
    paper = loaded.scenario.world.paper
    assert paper.verified is False
    assert paper.compares
    assert len(paper.seeds) >= 5
    assert len(paper.claims) >= 4
    examine(loaded)
    assert "paper_verified: false" in "".join(_comments(shipped()[name]))


def _comments(path):
    """Return the comments of a pack, and of those that it extends."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("#")]
    bases = [line.partition(":")[2].strip() for line in lines if line.startswith("extends:")]
    return found + [comment for base in bases for comment in _comments(shipped()[base])]


@pytest.mark.parametrize("name", PACKS)
def test_what_is_kept_was_measured_on_the_scenario_that_is_shipped(name):
    """Whoever changes a scenario plays it again: `wflsim reproduce NAME --results benchmarks/results/papers/NAME`."""
    folder, loaded = KEPT / name, load(name)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["quick"] is False
    assert manifest["seeds"] == list(loaded.scenario.world.paper.seeds)
    told = {key: value for key, value in resolved(loaded).items() if key != "seed"}
    kept = {key: value for key, value in manifest["resolved"].items() if key != "seed"}
    assert json.loads(json.dumps(told)) == kept
    claims = json.loads((folder / "claims.json").read_text())
    assert claims["name"] == name
    assert [claim["claim"] for claim in claims["claims"]] == [
        claim.claim for claim in loaded.scenario.world.paper.claims
    ]
    with (folder / "rounds.csv").open() as file:
        rows = list(csv.DictReader(file))
    variants = {(row["seed"], row["variant"]) for row in rows}
    assert len(variants) == len(manifest["seeds"]) * len(loaded.scenario.systems)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000


def test_the_figures_of_the_readme_are_kept_ones():
    section = (ROOT / "README.md").read_text().partition("## Papers, judged")[2].partition("## ")[0]
    rows = [line.split("|")[2:4] for line in section.splitlines() if line.startswith("| ")][1:]
    claims = json.loads((KEPT / "liu2024_fmnist" / "claims.json").read_text())["claims"]
    kept = {(claim["ours"], claim["verdict"]) for claim in claims}
    assert len(rows) >= 5
    assert {(ours.strip(), verdict.strip()) for ours, verdict in rows} <= kept


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKS)
def test_the_quick_form_plays_and_judges_every_claim(name, tmp_path):
    more = () if held(name) else ELSEWHERE
    arguments = ["reproduce", name, "--quick", "--format", "json", "--out", str(tmp_path / "out")]
    arguments += [part for each in more for part in ("--set", each)]
    result = CliRunner().invoke(main, [*arguments, "--quiet"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert set(told) == {"name", "claims"}
    assert len(told["claims"]) == len(load(name).scenario.world.paper.claims)
    for claim in told["claims"]:
        assert set(claim) == {"claim", "paper", "ours", "verdict", "reason"}
        assert claim["verdict"] in {"met", "missed", "not comparable"}
        assert claim["verdict"] == "not comparable" or claim["reason"].startswith("quick form")
