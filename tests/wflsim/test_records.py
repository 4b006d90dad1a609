import json
from hashlib import sha256

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from wflsim.errors import UserError
from wflsim.network.timeline import PHASES
from wflsim.records.columns import TABLES
from wflsim.records.folder import RunFolder, new_folder
from wflsim.records.summary import finals, time_to
from wflsim.scenario.loading import parse
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle


def nothing(*_):
    pass


def play(text, path, *assignments, watch=nothing):
    path.mkdir(exist_ok=True)
    loaded = parse(text, "t", assignments)
    run = Run(loaded, settle(loaded.scenario.world), RunFolder(path))
    run.play(watch)
    return run


@pytest.fixture(scope="module")
def played(tiny, tmp_path_factory):
    return play(tiny, tmp_path_factory.mktemp("run"))


def manifest_of(run):
    return json.loads((run.folder.path / "manifest.json").read_text())


def test_the_manifest_says_how_it_ended_and_vouches_for_the_files(played):
    found = manifest_of(played)
    assert found["status"] == "succeeded"
    assert found["seed"] == 3
    assert {"wflsim", "python", "torch", "numpy", "cvxpy", "simpy"} <= set(found["versions"])
    for name, variant in found["variants"].items():
        assert variant["status"] == "succeeded"
        assert variant["rounds"] == 3
        weights = (played.folder.path / "weights" / f"{name}.safetensors").read_bytes()
        assert sha256(weights).hexdigest() == variant["weights_sha256"]
        assert variant["records_sha256"] == played.variants[name].recorder.digest()
        assert 0 <= variant["final"]["accuracy_personal"] <= 1


def test_the_resolved_scenario_of_the_manifest_plays_the_same_run(played, tmp_path):
    again = play(json.dumps(manifest_of(played)["resolved"]), tmp_path / "again")
    assert again.account()["variants"] == played.account()["variants"]


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_those_of_the_one_table_with_unit_and_meaning(played, table):
    schema = pq.read_schema(played.folder.path / f"{table}.parquet")
    assert schema.names == [column.name for column in TABLES[table]]
    for column in TABLES[table]:
        field = schema.field(column.name)
        assert str(field.type) == {"str": "string", "float64": "double"}.get(
            column.type, column.type
        )
        assert field.metadata == {
            b"unit": column.unit.encode(),
            b"meaning": column.meaning.encode(),
        }
        assert column.meaning.endswith(".")
        assert not column.unit or column.unit.lower()[0] in column.name or column.name == "price"


def test_tables_add_up(played):
    rounds = pq.read_table(played.folder.path / "rounds.parquet").to_pandas()
    clients = pq.read_table(played.folder.path / "clients.parquet").to_pandas()
    assert len(rounds) == 9
    assert len(clients) == 36
    joules = (
        clients.groupby(["variant", "round"])[[f"{phase}_j" for phase in PHASES]].sum().sum(axis=1)
    )
    assert np.allclose(
        joules, rounds.set_index(["variant", "round"])["energy_j"].sort_index(), rtol=1e-12
    )
    phases = clients[[f"{phase}_s" for phase in PHASES]].sum(axis=1)
    lengths = clients.merge(rounds, on=["variant", "round", "exchange"])["length_s"]
    assert np.allclose(phases, lengths, atol=1e-9)
    assert np.allclose(clients["compute_j"] + clients["upload_j"] > 0, True)
    arrived = clients.groupby(["variant", "round"])["delivered_bits"].sum()
    assert (arrived == rounds.set_index(["variant", "round"])["up_bits"].sort_index()).all()
    ends = rounds.groupby("variant")["length_s"].cumsum()
    assert np.allclose(ends, rounds["end_s"], atol=1e-9)


def test_saved_weights_are_the_global_ones_and_what_devices_have_of_their_own(played):
    weights = safetensors.numpy.load_file(played.folder.path / "weights" / "pruned.safetensors")
    assert {"global.dense0.weight", "device0.dense1.weight", "device3.dense1.bias"} <= set(weights)
    assert "device0.dense0.weight" not in weights


def test_the_same_seed_gives_the_same_digests(played, tiny, tmp_path):
    again = play(tiny, tmp_path / "again")
    other = play(tiny, tmp_path / "other", "seed=4")
    digests = [
        {name: (v.weights_sha256, v.recorder.digest()) for name, v in run.variants.items()}
        for run in (played, again, other)
    ]
    assert digests[0] == digests[1]
    assert not set(digests[0].values()) & set(digests[2].values())


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("no memory")])
def test_a_run_that_is_cut_short_says_interrupted_and_keeps_what_it_has(tiny, tmp_path, error):
    said_before = []

    def cut(name, rounds, report):
        said_before.append(json.loads((tmp_path / "cut" / "manifest.json").read_text())["status"])
        if name == "fedalt" and report.round_ == 1:
            raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        play(tiny, tmp_path / "cut", watch=cut)
    assert set(said_before) == {"interrupted"}
    found = json.loads((tmp_path / "cut" / "manifest.json").read_text())
    assert found["status"] == "interrupted"
    assert {name: v["status"] for name, v in found["variants"].items()} == {
        "pruned": "succeeded",
        "fedalt": "interrupted",
    }
    rounds = pq.read_table(tmp_path / "cut" / "rounds.parquet").to_pandas()
    assert rounds.groupby("variant").size().to_dict() == {"pruned": 3, "fedalt": 2}
    assert [path.name for path in (tmp_path / "cut").rglob("*.part*")] == []


def test_a_file_is_whole_or_not_there(tmp_path):
    folder = RunFolder(tmp_path)

    def breaking(path):
        path.write_text("half")
        raise OSError("disk full")

    folder.write("a.txt", lambda path: path.write_text("whole"))
    with pytest.raises(UserError, match=r"a\.txt: cannot be written: disk full; make room"):
        folder.write("a.txt", breaking)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "whole")]


def test_no_run_is_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = new_folder(None, "x")
    assert first.path != new_folder(None, "x").path
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(UserError, match="not an empty folder"):
        new_folder(str(tmp_path / "full"), "x")
    with pytest.raises(UserError, match="cannot be made"):
        new_folder(str(tmp_path / "full" / "precious" / "deeper"), "x")


def columns(accuracy, seconds):
    every = np.ones(len(accuracy))
    return {
        "round": every,
        "end_s": np.array(seconds),
        "accuracy_personal": np.array(accuracy),
        "accuracy_worst": np.array(accuracy),
        "accuracy_global": np.array(accuracy),
        "keep_mean": every,
        "up_bits": every,
        **dict.fromkeys(("late", "dropped", "empty", "left"), 0 * every),
        "lost": every,
    }


def test_the_summary_asks_when_each_reached_the_best_less_two_points():
    tables = {
        "fast": columns([0.2, np.nan, 0.93, 0.90], [1.0, 2.0, 3.0, 4.0]),
        "best": columns([0.1, 0.5, 0.94, 0.95], [2.0, 4.0, 6.0, 8.0]),
        "poor": columns([0.1, 0.2], [1.0, 2.0]),
    }
    found = finals(tables)
    assert [found[name].target_accuracy for name in tables] == [pytest.approx(0.93)] * 3
    assert (found["fast"].target_s, found["best"].target_s) == (3.0, 6.0)
    assert np.isnan(found["poor"].target_s)
    assert found["fast"].accuracy_personal == 0.90
    assert found["best"].missed_deadlines == 4
    assert np.isnan(time_to(tables["poor"], 0.3))


def test_the_summary_tells_how_evenly_devices_are_served(played):
    for name, final in played.finals().items():
        table = played.variants[name].recorder.table("rounds")
        told = (final.accuracy_std, final.accuracy_decile, final.accuracy_jain)
        assert told == tuple(
            table[f"accuracy_{column}"][-1] for column in ("std", "decile", "jain")
        )
        accuracy = played.variants[name].recorder.table("clients")["accuracy"][-4:]
        assert final.accuracy_std == pytest.approx(accuracy.std())
        assert final.accuracy_jain == pytest.approx(accuracy.sum() ** 2 / (4 * (accuracy**2).sum()))
