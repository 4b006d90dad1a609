"""Each tracker for real: what its own files hold is what was recorded."""

import struct
import subprocess
import sys

import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.records.folder import RunFolder
from wflsim.trackers import following
from wflsim.trackers.missing import needed

SHOWN = ("accuracy_personal", "energy_j", "keep_mean")


@pytest.fixture(scope="module")
def scenario(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "tiny.yaml"
    path.write_text(tiny)
    return path


def followed(scenario, folder, tracker, **environment):
    """Play the scenario as a user does; return its table of rounds."""
    command = [sys.executable, "-m", "wflsim", "run", str(scenario), "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        subprocess.run([*command, "--out", str(folder), "--track", tracker], check=True)
    return RunFolder(folder).read("rounds")


def recorded(table, name):
    """Return (variant, round) → value of a column."""
    keys = zip(table["variant"], table["round"].tolist(), strict=True)
    return dict(zip(keys, table[name].tolist(), strict=True))


def events(path):
    """Yield the events of a file of TensorBoard: length, its check, data, their check."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def test_tensorboard(scenario, tmp_path):
    table = followed(scenario, tmp_path / "run", "tensorboard")
    found = {name: {} for name in SHOWN}
    for path in (tmp_path / "run" / "tensorboard").rglob("events.*"):
        for event in events(path):
            for value in event.summary.value:
                if value.tag in SHOWN:
                    found[value.tag][path.parent.name, event.step] = value.simple_value
                if value.tag == "end_s":  # its clock is the simulation's
                    assert event.wall_time == recorded(table, "end_s")[path.parent.name, event.step]
    for name in SHOWN:
        assert found[name] == pytest.approx(recorded(table, name), rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow(scenario, tmp_path, monkeypatch):
    """In files, since the package without servers that is tested with has no data base."""
    store = {
        "MLFLOW_TRACKING_URI": f"file:{tmp_path / 'store'}",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    table = followed(scenario, tmp_path / "run", "mlflow", **store)
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("wflsim").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert runs.keys() == {"tiny-run", "pruned", "fedalt", "fedavg"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    whole = runs.pop("tiny-run")
    assert whole.data.params["radio.bandwidth_hz"] == "1000000.0"
    for name in SHOWN:
        found = {
            (variant, metric.step): metric.value
            for variant, run in runs.items()
            for metric in client.get_metric_history(run.info.run_id, name)
        }
        assert found == recorded(table, name)
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {whole.info.run_id}


def journal(path):
    """Yield the records of a file of Weights & Biases: a header, then pieces with check, length and place in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, part = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 2**15 - at % 2**15
        _, length, place = struct.unpack_from("<IHB", data, at)
        if left < 7 or place == 0:
            at += left
            continue
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if place in {1, 4}:  # whole, or the last piece
            yield Record.FromString(part)
            part = b""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb(scenario, tmp_path):
    table = followed(scenario, tmp_path / "run", "wandb")
    found, ends = {name: {} for name in SHOWN}, []
    for folder in (tmp_path / "run" / "wandb").glob("offline-run-*"):
        (path,) = folder.glob("*.wandb")
        variant = ""
        for record in journal(path):
            if record.WhichOneof("record_type") == "run":
                assert (record.run.project, record.run.run_group) == ("wflsim", "tiny")
                variant = record.run.display_name.removeprefix("tiny-run-")
            if record.WhichOneof("record_type") == "exit":
                ends.append(record.exit.exit_code)
            for item in record.history.item:
                name = item.key or item.nested_key[0]
                if name in SHOWN:
                    found[name][variant, record.history.step.num] = float(item.value_json)
    assert ends == [0, 0, 0]
    for name in SHOWN:
        assert found[name] == recorded(table, name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_takes_names_with_brackets_and_hears_of_the_end(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'store'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    from wflsim.contracts import Followed
    from wflsim.trackers.mlflow import MlFlow

    settings = {"sweep.axes[0].kind": "grid"}
    context = MlFlow().follow(Followed("a", tmp_path, "a", settings))
    context.__enter__()("only", 0, {"end_s": 1.0})
    context.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("wflsim").experiment_id])
    assert {run.info.status for run in runs} == {"KILLED"}
    assert {"sweep.axes_0_.kind": "grid"} in [run.data.params for run in runs]


def test_what_is_not_installed_is_told_before_anything_is_played(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "find_spec", lambda name: None)
    out = tmp_path / "out"
    for command in ("run", "sweep"):
        arguments = [command, str(tiny_file), "--out", str(out), "--track", "mlflow"]
        told = CliRunner().invoke(main, arguments)
        assert told.exit_code == 2
        assert "mlflow is not installed; pip install 'wflsim[mlflow]'" in told.output
        assert not out.exists()


def test_what_a_library_lacks_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match=r"--track mlflow: .*pip install 'wflsim\[mlflow\]'"):
        needed("mlflow", "mlflow")
