import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from wflsim.catalog import KINDS
from wflsim.cli.main import COMMANDS, main

RUN = [sys.executable, "-m", "wflsim", "run"]


def wflsim(*arguments):
    return CliRunner().invoke(
        main, [str(argument) for argument in arguments], catch_exceptions=False
    )


@pytest.fixture
def played(tiny_file, tmp_path):
    return wflsim("run", tiny_file, "--out", tmp_path / "out", "--format", "json", "--quiet")


def test_help_names_every_command():
    done = wflsim("--help")
    assert done.exit_code == 0
    assert all(f"  {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    done = wflsim(name, "--help")
    assert done.exit_code == 0
    assert len(done.stdout) > 100


def test_run_prints_one_object_and_leaves_a_folder(played, tmp_path):
    assert played.exit_code == 0
    found = json.loads(played.stdout)
    assert {"scenario", "out", "variants"} <= set(found)
    assert list(found["variants"]) == ["pruned", "fedalt", "fedavg"]
    for variant in found["variants"].values():
        assert {
            "status",
            "rounds",
            "simulated_s",
            "energy_j",
            "final",
            "weights_sha256",
            "records_sha256",
        } <= set(variant)
        assert variant["status"] == "succeeded"
        assert len(variant["weights_sha256"]) == len(variant["records_sha256"]) == 64
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "manifest.json",
        "rounds.parquet",
        "clients.parquet",
        "anatomy.pdf",
        "anatomy.png",
        "overview.pdf",
        "overview.png",
        "weights",
    }
    assert b"/FontFile2" in (tmp_path / "out" / "overview.pdf").read_bytes()


def test_run_prints_a_table_and_the_path_of_the_figure(tiny_file, tmp_path):
    done = wflsim("run", tiny_file, "--out", tmp_path / "out", "--set", "rounds=1", "--seed", 5)
    assert done.exit_code == 0
    assert "accuracy, own" in done.stdout
    assert f"overview: {tmp_path / 'out' / 'overview.png'}" in done.stdout
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["seed"] == 5


def test_mistakes_are_told_without_a_traceback_and_nothing_is_made(tmp_path, tiny):
    path = tmp_path / "bad.yaml"
    path.write_text(tiny.replace("devices: 4", "devices: four").replace("rounds: 3", "rouns: 3"))
    for command in ("run", "check"):
        done = wflsim(command, path)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 2
        assert "bad.yaml:3: fleet.devices" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nowhere.yaml"],
        ["run", "quickstart", "--set", "x"],
        ["run"],
        ["list", "fadin"],
        ["nothing"],
        ["run", "quickstart", "--seed", "-1"],
    ],
)
def test_a_users_mistake_is_exit_code_two(arguments):
    done = wflsim(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_full_output_folder_is_refused_before_anything_is_played(tiny_file, tmp_path):
    done = wflsim("run", tiny_file, "--out", tmp_path)
    assert done.exit_code == 2
    assert "not an empty folder" in done.stderr


def test_check_tells_origins_budget_and_verdict(tiny_file):
    done = wflsim("check", tiny_file, "--set", "radio.noise_figure_db=5")
    assert done.exit_code == 0
    for said in (
        "tiny.yaml:4",
        "default",
        "--set radio.noise_figure_db=5",
        "SNR [dB]",
        "can be met",
        "held by",
        "training: 535 parameters",
        "devices as one, 10 a chunk",
    ):
        assert said in done.stdout


def test_check_as_json_says_whether_the_deadline_can_be_met(tiny_file):
    impossible = "variants.pruned.deadline={kind: fixed, limit_s: 0.001}"
    found = json.loads(wflsim("check", tiny_file, "--format", "json", "--set", impossible).stdout)
    assert found["variants"]["pruned"]["feasible"] is False
    assert "least deadline" in found["variants"]["pruned"]["reason"]
    assert found["variants"]["fedalt"]["feasible"] is True
    assert found["variants"]["fedalt"]["deadline_s"] is None
    assert len(found["links"]["snr_db"]) == 4
    fixed = "variants.pruned.deadline={kind: fixed, limit_s: %.6f}"
    least = found["variants"]["pruned"]["sparsest_s"]
    met = wflsim("check", tiny_file, "--format", "json", "--set", fixed % (least * 1.01))
    assert json.loads(met.stdout)["variants"]["pruned"]["feasible"] is True


def test_list_shows_every_kind_with_fields_units_and_defaults():
    rows = json.loads(wflsim("list", "--format", "json").stdout)
    assert {(row["family"], row["kind"]) for row in rows} >= {
        (f, k) for f, table in KINDS.items() for k in table
    }
    text = wflsim("list", "placement").stdout
    assert "radius_max_m" in text
    assert "in m" in text
    assert "400.0" in text


def test_schema_is_json():
    assert json.loads(wflsim("schema").stdout)["title"] == "wflsim scenario"


def test_init_writes_a_scenario_that_plays_and_never_writes_over_one(tmp_path):
    assert wflsim("init", tmp_path / "mine").exit_code == 0
    target = tmp_path / "mine" / "scenario.yaml"
    assert target.read_text().count("#") > 8
    assert wflsim("check", target).exit_code == 0
    before = target.read_text()
    again = wflsim("init", tmp_path / "mine")
    assert again.exit_code == 2
    assert target.read_text() == before


def wait_for_rounds(out, process):
    for _ in range(600):
        if (out / "manifest.json").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_a_folder_that_says_interrupted(tiny_file, tmp_path, kill):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*RUN, str(tiny_file), "--out", str(out), "--set", "rounds=100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_rounds(out, process)
    os.kill(process.pid, kill)
    _, errors = process.communicate(timeout=60)
    assert json.loads((out / "manifest.json").read_text())["status"] == "interrupted"
    if kill == signal.SIGINT:
        assert process.returncode == 1, errors.decode()
        assert b"interrupted" in errors
        assert b"Traceback" not in errors
        assert (out / "rounds.parquet").exists()
