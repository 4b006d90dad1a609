"""Scenarios after papers: each is whole, its committed verdicts are those of the scenario that is shipped, and its quick form plays."""

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from wflsim.claims.preflight import examine
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.learning.data.cifar import Cifar10
from wflsim.scenario.loading import load, parse, shipped

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results" / "papers"
PACKS = [name for name, path in shipped().items() if path.parent.name == "papers"]
ELSEWHERE = ("task.data=digits", "task.model={kind: mlp, hidden: [16]}", "task.partition=iid")
"""What a quick form is played on where the files of its data set are not there."""
NORMED = ("task.model={kind: minivgg, channels: [4, 4, 4], hidden: 8}",)
"""What those are played on whose methods ask for convolutions with norms."""


UNPLAYED: set[str] = set()
"""Packs that have not been played in full so far."""


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
    assert len(paper.seeds) >= 3
    assert len(paper.claims) >= 4
    examine(loaded)
    assert "paper_verified: false" in "".join(_comments(shipped()[name]))


def _comments(path):
    """Return the comments of a pack, and of those that it extends."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("#")]
    bases = [re.findall(r"\w+", line)[1] for line in lines if line.startswith("extends:")]
    return found + [comment for base in bases for comment in _comments(shipped()[base])]


def test_what_was_not_played_in_full_keeps_nothing():
    assert {name for name in PACKS if not (KEPT / name).exists()} == UNPLAYED


@pytest.mark.parametrize("name", [name for name in PACKS if name not in UNPLAYED])
def test_what_is_kept_was_measured_on_the_scenario_that_is_shipped(name):
    """Whoever changes a scenario plays it again: `wflsim reproduce NAME --results benchmarks/results/papers/NAME`."""
    folder = KEPT / name
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["quick"] is False
    # Where a data set is not at hand whole, a part of it is, in a file of one's own; all else is as it is shipped.
    assert all(each.startswith("task.data={kind: npz") for each in manifest["overrides"])
    assert not manifest["overrides"] or load(name).scenario.world.task.data == Cifar10()
    loaded = load(name, manifest["overrides"])
    assert manifest["seeds"] == list(loaded.scenario.world.paper.seeds)
    # What came to the sections since then has its default in what was played.
    played = parse(
        json.dumps(manifest["resolved"]), "manifest.json", seed=loaded.scenario.world.seed
    )
    assert played.scenario == loaded.scenario
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
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [line.split("|")[2:4] for line in lines if not line.startswith("| claim")]
    told = [name for name in PACKS if f"papers/{name}/table.md" in section]
    claims = [
        claim
        for name in told
        for claim in json.loads((KEPT / name / "claims.json").read_text())["claims"]
    ]
    kept = {(claim["ours"], claim["verdict"]) for claim in claims}
    assert len(rows) >= 9
    assert {(ours.strip(), verdict.strip()) for ours, verdict in rows} <= kept


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKS)
def test_the_quick_form_plays_and_judges_every_claim(name, tmp_path):
    normed = NORMED if name.startswith(("safl", "ca_afp")) else ()
    more = () if held(name) else (*ELSEWHERE, *normed)
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
