"""What was played as frames: of one run, of several, and what is told where there is nothing to load."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from wflsim import results
from wflsim.errors import UserError
from wflsim.records.columns import ROUNDS
from wflsim.records.folder import RunFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory, play):
    """Two runs of quickstart without training that differ in a bandwidth."""
    root = tmp_path_factory.mktemp("runs")
    for name, bandwidth in (("a", 1e6), ("b", 2e6)):
        play(
            root / name,
            "quickstart",
            "learning=none",
            "rounds=3",
            f"radio.bandwidth_hz={bandwidth}",
        )
    return root


def test_frames_hold_what_the_tables_of_the_runs_hold(runs):
    found = results.load(runs)
    alone = RunFolder(runs / "b").read("rounds")
    own = found.rounds[found.rounds["run"] == "b"]
    assert [name for name in found.rounds if name in alone] == [column.name for column in ROUNDS]
    for name, values in alone.items():
        if values.dtype == object:
            assert own[name].tolist() == values.tolist()
        else:
            np.testing.assert_array_equal(own[name], values)
    assert len(found.clients) == sum(
        len(RunFolder(runs / n).read("clients")["round"]) for n in "ab"
    )


def test_units_and_meanings_travel_with_every_frame(runs):
    rounds = results.load(runs).rounds
    assert rounds.attrs["units"]["energy_j"] == "J"
    assert set(rounds.attrs["meanings"]) == {column.name for column in ROUNDS}


def test_runs_are_told_apart_by_the_keys_in_which_they_differ(runs):
    found = results.load(runs)
    assert found.axes == ["radio.bandwidth_hz"]
    assert found.runs["radio.bandwidth_hz"].tolist() == [1e6, 2e6]
    rounds = found.rounds
    assert set(rounds.loc[rounds["run"] == "a", "radio.bandwidth_hz"]) == {1e6}
    assert results.load(runs / "a").axes == []


def test_the_metrics_at_the_end_are_those_of_the_manifest(runs):
    found = results.load(runs / "a").finals.set_index("variant")
    told = json.loads((runs / "a" / "manifest.json").read_text())["variants"]
    assert list(found.index) == list(told)
    for name, said in told.items():
        assert found.loc[name, "up_bits"] == said["final"]["up_bits"]
        assert found.loc[name, "simulated_s"] == said["simulated_s"]


def test_some_columns_are_read_alone(runs):
    found = results.load(runs).table("clients", ["device", "compute_j"])
    assert list(found.columns)[-2:] == ["device", "compute_j"]
    assert found.attrs["units"] == {"compute_j": "J"}


def test_what_cannot_be_loaded_is_told_with_what_to_do(runs, tmp_path):
    with pytest.raises(UserError, match="is no folder; name one"):
        results.load(tmp_path / "none")
    with pytest.raises(UserError, match="holds no run; name a folder"):
        results.load(tmp_path)
    with pytest.raises(
        UserError, match="no column 'energy' in the table 'rounds'; did you mean 'energy_j'"
    ):
        results.load(runs).table("rounds", ["energy"])
    with pytest.raises(UserError, match="no table 'round'; did you mean 'rounds'"):
        results.load(runs).table("round")
    with pytest.raises(UserError, match="only methods that group devices"):
        results.load(runs).table("groups")
    (tmp_path / "sweep.json").write_text('{"runs": "runs", "points": []}')
    with pytest.raises(UserError, match="a sweep of which nothing is finished"):
        results.load(tmp_path)


def test_runs_of_several_versions_are_not_mixed_unless_one_insists(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    path = tmp_path / "runs" / "a" / "manifest.json"
    told = json.loads(path.read_text())
    told["versions"]["wflsim"] = "0.0.9"
    path.write_text(json.dumps(told))
    with pytest.raises(UserError, match=r"runs of wflsim 0\.0\.9, "):
        results.load(tmp_path / "runs")
    assert len(results.load(tmp_path / "runs", mixed=True).runs) == 2


def test_several_folders_are_loaded_side_by_side_and_none_twice(runs):
    found = results.load(runs / "a", runs / "b", runs)
    assert len(found.runs) == 2
    assert found.axes == ["radio.bandwidth_hz"]
    assert found.runs["run"].tolist() == [str(runs / "a"), str(runs / "b")]
    with pytest.raises(UserError, match="is no folder"):
        results.load(runs / "a", runs / "none")


def test_of_a_sweep_its_own_finished_runs_are_loaded_with_their_values(runs, tmp_path):
    sweep = tmp_path / "sweep"
    shutil.copytree(runs, sweep / "runs")
    shutil.copytree(runs / "b", sweep / "runs" / "c")
    points = [{"key": key, "values": {"deadline.share": 0.5}} for key in "bcd"]
    (sweep / "sweep.json").write_text(json.dumps({"runs": "runs", "points": points}))
    told = json.loads((sweep / "runs" / "c" / "manifest.json").read_text())
    (sweep / "runs" / "c" / "manifest.json").write_text(
        json.dumps({**told, "status": "interrupted"})
    )
    found = results.load(sweep)
    assert found.runs["run"].tolist() == ["runs/b"]
    assert found.runs["deadline.share"].tolist() == [0.5]
    (sweep / "sweep.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        results.load(sweep)


def test_what_older_runs_have_not_recorded_is_not_a_number_there(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    for name, dropped in (("a", ["gap", "participants"]), ("b", ["gap"])):
        path = tmp_path / "runs" / name / "rounds.parquet"
        pq.write_table(pq.read_table(path).drop_columns(dropped), path)
    rounds = results.load(tmp_path / "runs").rounds
    assert "gap" not in rounds
    assert rounds.groupby("run", observed=True)["participants"].count().tolist() == [0, 9]
    with pytest.raises(UserError, match="no run has recorded 'gap'"):
        results.load(tmp_path / "runs").table("rounds", ["gap"])
    (tmp_path / "runs" / "a" / "rounds.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read"):
        _ = results.load(tmp_path / "runs").rounds


def test_components_as_values_are_told_in_words(tiny, tmp_path):
    """So that they can stand in tables, legends and groups."""
    from wflsim.scenario.loading import parse
    from wflsim.scenario.sweep import Sweep
    from wflsim.sweep.axes import Grid
    from wflsim.sweep.engines.serial import Serial
    from wflsim.sweep.plan import planned
    from wflsim.sweep.runner import sweep

    shadows = ({"kind": "log_normal", "sigma_db": 4}, "none")
    axes = Sweep((Grid({"channel.shadowing": shadows}),))
    short = ("learning=none", "rounds=1")
    plan = planned(lambda more, one: parse(tiny, "t", (*short, *more), one), axes, 3)
    list(sweep(plan, tmp_path, Serial(), lambda *_: None))
    found = results.load(tmp_path)
    expected = {"log_normal (sigma_db 4)", "none"}
    assert set(found.runs["channel.shadowing"]) == expected
    assert set(found.rounds["channel.shadowing"].unique()) == expected
