"""Reports of what trained nothing, and of sweeps."""

import json

import pytest

from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.reporting.page import Asked, rendered, report
from wflsim.results import load

SILENT = """\
name: silent
fleet: {devices: 3}
radio: {bandwidth_hz: 1e6}
task: {data: digits, partition: {kind: classes, per_device: 2}, model: {kind: mlp, hidden: [7]}}
rounds: 2
learning: none
variants:
  pruned: {algorithm: japp}
  fedavg: {algorithm: fedavg, allocator: dense}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    from click.testing import CliRunner

    folder = tmp_path_factory.mktemp("swept")
    (folder / "silent.yaml").write_text(SILENT)
    arguments = ["sweep", str(folder / "silent.yaml"), "--vary", "radio.bandwidth_hz=1e6,2e6"]
    more = ["--seeds", "2", "--out", str(folder / "out"), "--workers", "1", "--quiet"]
    done = CliRunner().invoke(main, [*arguments, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder / "out"


@pytest.fixture(scope="module")
def told(swept):
    return report(load(swept), Asked(["swept"]))


def test_points_of_a_sweep_are_systems_of_their_own(told):
    lines = told.drawn["lines"]
    assert [(line["variant"], line["point"]) for line in lines] == [
        (0, "bandwidth 1 MHz"),
        (0, "bandwidth 2 MHz"),
        (1, "bandwidth 1 MHz"),
        (1, "bandwidth 2 MHz"),
    ]
    assert list(told.outcomes.header[:2]) == ["bandwidth", "variant"]
    assert [row[0].key for row in told.outcomes.rows] == [1e6, 1e6, 2e6, 2e6]
    assert told.head.facts["Set apart by"] == "radio.bandwidth_hz (1 MHz, 2 MHz)"


def test_without_accuracy_costs_are_traded_and_progress_says_why_it_is_empty(told):
    assert told.drawn["trade"]["y"] == ["simulated_s", "energy_j", "up_bits"]
    text = rendered(told)
    assert "The runs tell no accuracy" in text
    assert "progress" in told.gallery.missing
    assert "phases" in [each.name for each in told.gallery.shown]


def test_runs_of_a_sweep_are_called_by_point_and_seed(told):
    called = set(told.drawn["timeline"]["runs"].values())
    assert called == {f"bandwidth {mhz} MHz, seed {seed}" for mhz in (1, 2) for seed in (1, 2)}


def test_the_table_of_parameters_says_what_was_varied(told):
    (setting,) = told.settings
    (note,) = setting.parameters.notes
    assert note == f"Varied: radio.bandwidth_hz (1 MHz, 2 MHz). The table is that of {setting.run}."
    assert note in rendered(told)


def test_pairs_over_all_points_of_a_sweep_say_so(told):
    (pair,) = told.pairs
    said = "4 pairs of runs, seeds 1, 2; all points of the sweep are taken together."
    assert pair.paired == said
    assert said in rendered(told)


def test_without_accuracy_no_measure_can_be_asked_for(swept):
    with pytest.raises(UserError, match="nothing was trained in them; leave it out"):
        report(load(swept), Asked(["swept"], measure="accuracy_personal"))


def test_what_failed_or_is_not_there_is_told(swept, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(swept, folder)
    record = json.loads((folder / "sweep.json").read_text())
    keys = [point["key"] for point in record["points"]]
    for key in keys[:2]:
        shutil.rmtree(folder / record["runs"] / key)
    record["failed"] = {keys[0]: {"error": "no room"}}
    (folder / "sweep.json").write_text(json.dumps(record))
    found = report(load(folder), Asked(["copy"]))
    assert found.head.troubles == [
        f"{keys[0]} failed: no room",
        "1 run of the sweep copy is not there.",
    ]
