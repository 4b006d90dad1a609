"""The section of a paper, and the command that plays and judges it, end to end."""

import csv
import json
import shutil

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from wflsim.claims.preflight import examine, refuse
from wflsim.cli.main import main
from wflsim.errors import ScenarioError, UserError
from wflsim.scenario.describe import origins, resolved
from wflsim.scenario.json_schema import json_schema
from wflsim.scenario.loading import load, parse, shipped
from wflsim.simulation.run import Run, same

PAPER = """\
paper:
  title: A paper
  source: nowhere
  compares: two toys
  seeds: [4, 2, 7]
  quick: [rounds=1, evaluate_every=1]
  claims:
    - {kind: time_ratio, claim: half the time, paper: "-50 % [X]", of: pruned, beside: fedalt, most: 0.51, stated: 0.5}
    - {kind: accuracy_gap, claim: as good, paper: "[X]", of: pruned, beside: fedavg, least: 1.0}
    - kind: kept_within
      claim: nobody is late
      paper: "[X]"
      of: pruned
      column: [receive_s, compute_s]
      limit: upload_s
    - {kind: not_comparable, claim: a bound, paper: "[X]", reason: not stated}
"""
FILES = {"claims.json", "claims.csv", "table.md", "rounds.csv", "manifest.json"}


def wflsim(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def pack(tmp_path, tiny):
    path = tmp_path / "pack.yaml"
    path.write_text(tiny + PAPER)
    return path


@pytest.fixture
def runs(monkeypatch):
    """Return the seeds that were played."""
    seeds, play = [], Run.play

    def counted(run, watch):
        seeds.append(run.loaded.scenario.world.seed)
        play(run, watch)

    monkeypatch.setattr(Run, "play", counted)
    return seeds


def mistakes(text, *assignments):
    with pytest.raises(ScenarioError) as caught:
        refuse(parse(text, "file.yaml", assignments))
    return [(found.line, found.path, str(found)) for found in caught.value.mistakes]


def test_every_claim_is_judged_and_nothing_is_played_twice(pack, tmp_path, runs):
    out, kept = tmp_path / "out", tmp_path / "kept"
    done = wflsim("reproduce", pack, "--quick", "--format", "json", "--out", out, "--results", kept)
    assert done.exit_code == 0, done.output
    assert runs == [4, 2]
    found = json.loads(done.stdout)
    assert list(found) == ["name", "claims"]
    assert found["name"] == "tiny"
    assert [row["verdict"] for row in found["claims"]] == [
        "met", "missed", "met", "not comparable",
    ]  # fmt: skip
    for row in found["claims"]:
        assert list(row) == ["claim", "paper", "ours", "verdict", "reason"]
        assert row["reason"].startswith("quick form (2 seeds, 1 round): ")
    assert {path.name for path in out.iterdir()} == FILES | {"seed-4", "seed-2"}
    assert {path.name for path in kept.iterdir()} == FILES
    assert json.loads((kept / "claims.json").read_text()) == found
    text = {name: (kept / name).read_bytes() for name in FILES}
    assert all(text[name] == (out / name).read_bytes() for name in FILES)
    again = wflsim(
        "reproduce", pack, "--quick", "--format", "json", "--out", out, "--results", kept
    )
    assert runs == [4, 2]
    assert again.stdout == done.stdout
    assert {name: (kept / name).read_bytes() for name in FILES} == text


def test_what_is_kept_has_no_paths_and_vouches_for_the_records(pack, tmp_path):
    out = tmp_path / "out"
    done = wflsim("reproduce", pack, "--quick", "--out", out, "--set", "rounds=2")
    assert done.exit_code == 0, done.output
    assert "paper_verified: false" in done.stdout
    assert "compares: two toys" in done.stdout
    assert str(tmp_path) not in "".join((out / name).read_text() for name in FILES)
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["seeds"], manifest["quick"], manifest["paper_verified"]) == (
        [4, 2],
        True,
        False,
    )
    assert manifest["overrides"] == ["rounds=1", "evaluate_every=1", "rounds=2"]
    assert manifest["resolved"]["variants"]["pruned"]["rounds"] == 2
    for seed in (4, 2):
        told = json.loads((out / f"seed-{seed}" / "manifest.json").read_text())
        assert told["seed"] == seed
        for name, variant in told["variants"].items():
            kept = manifest["records"][str(seed)][name]
            assert kept["records_sha256"] == variant["records_sha256"]
    with (out / "rounds.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["variant"], row["round"]) for row in rows][:3] == [
        ("4", "pruned", "0"), ("4", "pruned", "1"), ("4", "fedalt", "0"),
    ]  # fmt: skip
    assert len(rows) == 2 * 3 * 2


def test_a_run_and_a_reproduction_play_the_same(pack, tmp_path):
    wflsim("run", pack, "--seed", 4, "--set", "rounds=1", "--out", tmp_path / "run", "--quiet")
    wflsim("reproduce", pack, "--quick", "--set", "paper.seeds=[4]", "--out", tmp_path / "pack")
    one, other = (
        json.loads((path / "manifest.json").read_text())
        for path in (tmp_path / "run", tmp_path / "pack" / "seed-4")
    )
    assert {name: v["records_sha256"] for name, v in one["variants"].items()} == {
        name: v["records_sha256"] for name, v in other["variants"].items()
    }
    assert "paper" not in one["resolved"]


def test_other_words_play_nothing_anew_and_other_settings_are_refused(pack, tmp_path, runs):
    quick = ("reproduce", pack, "--quick", "--out", tmp_path / "out")
    assert wflsim(*quick, "--quiet").stdout == ""
    pack.write_text(
        pack.read_text().replace("as good", "better").replace("least: 1.0", "least: -1")
    )
    done = wflsim(*quick)
    assert "met: better" in done.stdout
    assert runs == [4, 2]
    other = wflsim(*quick, "--set", "rounds=2")
    assert other.exit_code == 2
    assert "rounds is 1 there and 2 here" in other.stderr
    assert runs == [4, 2]


def test_what_was_cut_short_is_resumed(pack, tmp_path, runs, monkeypatch):
    out, play = tmp_path / "out", Run.play

    def cut(run, watch):
        def stop(*told):
            if run.loaded.scenario.world.seed == 2:
                raise KeyboardInterrupt

        play(run, stop)

    monkeypatch.setattr(Run, "play", cut)
    done = wflsim("reproduce", pack, "--quick", "--out", out)
    assert done.exit_code == 1
    assert f"interrupted; what was played so far is in {out / 'seed-2'}; play the same again" in (
        done.stderr
    )
    assert not (out / "claims.json").exists()
    monkeypatch.setattr(Run, "play", play)
    done = wflsim("reproduce", pack, "--quick", "--out", out)
    assert done.exit_code == 0, done.output
    assert runs == [4, 2, 2]
    assert "resumed after round 1 of pruned" in done.stderr
    whole = tmp_path / "whole"
    wflsim("reproduce", pack, "--quick", "--out", whole)
    for name in FILES:
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_scenario_without_claims_is_told_what_to_write(tiny_file, tmp_path):
    done = wflsim("reproduce", tiny_file, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "give it a section `paper:` with title, source, compares and claims" in done.stderr
    assert not (tmp_path / "out").exists()
    examine(load(str(tiny_file)))  # which is no mistake of a scenario that is run


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            "of: pruned, beside: fedalt",
            "of: prunned, beside: fedalt",
            "of",
            "did you mean 'pruned'",
        ),
        ("beside: fedavg", "beside: nobody", "beside", "variants: pruned, fedalt, fedavg"),
        ("least: 1.0", "measure: accuracy_own", "measure", "'accuracy_own' is no number"),
        ("limit: upload_s", "limit: outcome", "limit", "no number in the table of clients"),
        ("[receive_s, compute_s]", "[receive_s, compute]", "column", "did you mean 'compute_"),
        ("[receive_s, compute_s]", "[]", "column", "must not be empty"),
        ("kind: time_ratio", "kind: time_ration", "kind", "did you mean 'time_ratio'"),
        ("least: 1.0", "lest: 1.0", "lest", "did you mean 'least'"),
        ("reason: not stated", "stated: 3", "reason", "missing"),
    ],
)
def test_a_claim_about_what_there_is_not_is_refused_at_its_key(tiny, old, new, key, said):
    assert old in PAPER
    ((line, path, told),) = mistakes(tiny + PAPER.replace(old, new))
    assert line > tiny.count("\n")
    assert path.startswith("paper.claims[")
    assert path.endswith(f"].{key}")
    assert said in told


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[4, 2, 7]", "[4, 2, 4]", "paper.seeds"),
        ("[4, 2, 7]", "[]", "paper.seeds"),
        ("[rounds=1, evaluate_every=1]", "[rounds]", "paper.quick"),
        ("  claims:\n", "  claims: 3\n  more:\n", "paper.claims"),
        ("  claims:\n", "  clams:\n", "paper.clams"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(tiny, old, new, key):
    assert key in [path for _, path, _ in mistakes(tiny + PAPER.replace(old, new))]


def test_check_refuses_bad_claims_and_shows_good_ones(pack):
    done = wflsim("check", pack)
    assert done.exit_code == 0
    assert "paper.claims[0].most" in done.stdout
    pack.write_text(pack.read_text().replace("beside: fedavg", "beside: nobody"))
    done = wflsim("check", pack)
    assert done.exit_code == 2
    assert "paper.claims[1].beside" in done.stderr


def test_claims_survive_a_round_trip_and_are_left_out_where_there_are_none(tiny, tmp_path):
    loaded = parse(tiny + PAPER, "t")
    path = tmp_path / "again.yaml"
    YAML().dump(resolved(loaded), path)
    again = load(str(path))
    assert again.scenario == loaded.scenario
    told = {key: (value, origin) for key, value, origin in origins(loaded)}
    line = (tiny + PAPER).splitlines().index("      column: [receive_s, compute_s]") + 1
    assert told["paper.claims[2].column"] == (["receive_s", "compute_s"], f"t:{line}")
    assert told["paper.claims[1].last"] == (1, "default")
    assert not any(key.startswith("paper") for key, *_ in origins(parse(tiny, "t")))
    assert same(loaded) == same(parse(tiny, "t"))


def test_the_schema_knows_the_claims(tiny):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(YAML(typ="safe").load(tiny + PAPER))
    for old, new in (("kind: time_ratio", "kind: time"), ("most: 0.51", "most: -1")):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(YAML(typ="safe").load(tiny + PAPER.replace(old, new)))


def test_what_is_shipped_for_papers_can_be_judged():
    packs = [load(name) for name, path in shipped().items() if path.parent.name == "papers"]
    assert packs
    for loaded in packs:
        refuse(loaded)
        assert loaded.scenario.world.name in shipped()
        assert loaded.scenario.world.paper.compares
        quick = load(loaded.scenario.world.name, loaded.scenario.world.paper.quick)
        assert quick.scenario.world.paper.played(True)


def test_a_folder_that_lost_its_tables_is_told(pack, tmp_path):
    quick = ("reproduce", pack, "--quick", "--out", tmp_path / "out")
    wflsim(*quick)
    (tmp_path / "out" / "seed-2" / "rounds.parquet").unlink()
    done = wflsim(*quick)
    assert done.exit_code == 2
    assert "seed-2: holds no rounds.parquet" in done.stderr
    shutil.rmtree(tmp_path / "out" / "seed-2")
    assert wflsim(*quick).exit_code == 0


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UserError, match="liu2024_fmnist"):
        load("liu2024_emnist")
