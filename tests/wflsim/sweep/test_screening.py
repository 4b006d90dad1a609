"""Screening: nobody goes whom no other beats in everything, and the record says for whose sake others went."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wflsim import results
from wflsim.cli.main import main
from wflsim.sweep.screening import beaten_by

COSTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.integers(0, 4).map(float),
)


@given(COSTS)
def test_a_point_is_beaten_by_one_that_is_nowhere_worse_and_somewhere_better(costs):
    for place, by in enumerate(beaten_by(costs)):
        others = [
            other
            for other in range(len(costs))
            if all(costs[other] <= costs[place]) and any(costs[other] < costs[place])
        ]
        assert (by is None) == (not others)
        assert by is None or by in others


@given(COSTS)
def test_somebody_always_stays_and_equals_do_not_beat_each_other(costs):
    assert None in beaten_by(costs)
    twice = beaten_by(np.concatenate([costs, costs]))
    assert [by is None for by in twice[: len(costs)]] == [by is None for by in beaten_by(costs)]


def screen(tmp_path, tiny, *arguments):
    """Screen dense FedAvg over bandwidths: more bandwidth takes less time and less energy, and keeps as much."""
    path = tmp_path / "dense.yaml"
    path.write_text(tiny.partition("variants:")[0] + "algorithm: fedavg\nallocator: dense\n")
    common = ["sweep", str(path), "--vary", "radio.bandwidth_hz=1e6,2e6,4e6", "--seeds", "2"]
    common += [
        "--screen",
        "--engine",
        "serial",
        "--out",
        str(tmp_path / "out"),
        "--set",
        "rounds=5",
    ]
    return CliRunner().invoke(main, [*common, *arguments])


@pytest.fixture(scope="module")
def dense(tmp_path_factory, tiny):
    """A screened sweep."""
    folder = tmp_path_factory.mktemp("dense")
    result = screen(folder, tiny)
    assert result.exit_code == 0, result.output
    return folder / "out", result.output


def test_what_another_point_beats_in_everything_is_not_trained(dense):
    folder, output = dense
    assert "4 of 6 runs are left out" in output
    found = results.load(folder)
    assert found.runs["radio.bandwidth_hz"].tolist() == [4e6, 4e6]
    assert found.rounds["accuracy_personal"].notna().all()
    trained = [path.name for path in (folder / "runs").iterdir()]
    assert len(trained) == 3  # and the one whose curve foretells the others'


def test_the_record_says_what_was_foretold_and_for_whose_sake_a_point_went(dense):
    folder, _ = dense
    told = json.loads((folder / "sweep.json").read_text())["screening"]
    assert set(told["curves"]) == {"fedavg"}
    assert told["curves"]["fedavg"]["rmse"] < 0.1
    kept = {point["values"]["radio.bandwidth_hz"]: point["kept"] for point in told["points"]}
    assert kept == {1e6: False, 2e6: False, 4e6: True}
    forecasts = [point["forecasts"][0] for point in told["points"]]
    seconds = [forecast["simulated_s"] for forecast in forecasts]
    assert seconds == sorted(seconds, reverse=True)
    assert all(forecast["kept"] == 1.0 for forecast in forecasts)
    assert forecasts[0]["beaten_by"]["radio.bandwidth_hz"] in {2e6, 4e6}
    assert forecasts[2]["beaten_by"] is None


def test_a_screened_sweep_goes_on_where_it_was(dense, tmp_path, tiny):
    folder, _ = dense
    before = (folder / "sweep.json").read_text()
    again = screen(folder.parent, tiny)
    assert again.exit_code == 0
    assert json.loads((folder / "sweep.json").read_text()) == json.loads(before)


def test_a_scenario_that_trains_nothing_is_not_screened(tmp_path, tiny):
    result = screen(tmp_path, tiny, "--set", "learning=none")
    assert result.exit_code == 2
    assert "there is nothing to spare; leave it out" in result.output
