"""A run is told to trackers as it is recorded: every round once and in order, whatever happens to the run or to them."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.records.folder import RunFolder, new_folder
from wflsim.scenario.loading import parse
from wflsim.scenario.sweep import Sweep
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle
from wflsim.sweep import playing
from wflsim.sweep.axes import Grid
from wflsim.sweep.plan import planned
from wflsim.sweep.sharing import shared
from wflsim.trackers import following as module
from wflsim.trackers.following import ADDED, following, rounds


@dataclass
class Told:
    """A tracker that remembers."""

    runs: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    fails_at: int = -1

    @contextmanager
    def follow(self, run):
        self.runs.append(run)

        def note(variant, round_, values):
            if len(self.notes) == self.fails_at:
                raise ConnectionError("the server has gone home")
            self.notes.append((variant, round_, dict(values)))

        try:
            yield note
        except BaseException as error:
            self.ends.append(type(error))
            raise
        else:
            self.ends.append(None)

    @property
    def heard(self):
        return [(variant, round_) for variant, round_, _ in self.notes]


@pytest.fixture
def tracker(monkeypatch):
    told = Told()
    monkeypatch.setattr(module, "component", lambda family, kind: lambda: told)
    return told


def run_of(tiny, folder, *assignments, every=0):
    loaded = parse(tiny, "t", assignments)
    return Run(loaded, settle(loaded.scenario.world), folder, every=every)


def played(run, track=("tensorboard",), at=None):
    """Play a run that is followed, to its end or to an interrupt."""
    run.resume()
    with following(run, track) as tell:
        count = 0

        def heard(*_):
            nonlocal count
            tell()
            count += 1
            if count == at:
                raise KeyboardInterrupt

        run.play(heard)


EVERY = [(name, round_) for name in ("pruned", "fedalt", "fedavg") for round_ in range(3)]


def test_every_round_is_told_as_it_is_recorded(tiny, tracker, tmp_path):
    folder = new_folder(str(tmp_path / "run"), "")
    played(run_of(tiny, folder))
    assert tracker.heard == EVERY
    assert tracker.ends == [None]
    table = folder.read("rounds")
    for place, (_, _, values) in enumerate(tracker.notes):  # one exchange a round
        for name, value in values.items():
            assert value == table[name][place]
    assert "accuracy_personal" in tracker.notes[0][2]
    assert "coverage_bias" not in tracker.notes[0][2]  # nobody measured it
    (run,) = tracker.runs
    assert (run.name, run.group, run.folder) == ("tiny-run", "tiny", folder.path)
    assert run.settings["radio.bandwidth_hz"] == 1e6
    assert run.settings["variants.fedavg.algorithm.kind"] == "fedavg"


def test_a_run_that_is_resumed_is_told_from_its_first_round(tiny, tracker, tmp_path):
    folder = new_folder(str(tmp_path / "run"), "")
    with pytest.raises(KeyboardInterrupt):
        played(run_of(tiny, folder, every=1), at=5)
    assert tracker.heard == EVERY[:5]
    assert tracker.ends == [KeyboardInterrupt]
    tracker.notes.clear()
    played(run_of(tiny, RunFolder(folder.path), every=1))
    assert tracker.heard == EVERY


def test_a_tracker_that_fails_does_not_end_the_run(tiny, tracker, tmp_path):
    tracker.fails_at = 4
    folder = new_folder(str(tmp_path / "run"), "")
    with pytest.warns(UserWarning, match="no longer followed: the server has gone home"):
        played(run_of(tiny, folder))
    assert tracker.heard == EVERY[:4]
    assert folder.told()["status"] == "succeeded"


def test_a_tracker_that_cannot_begin_is_told_before_anything_is_played(tiny, tmp_path, monkeypatch):
    class Deaf:
        @contextmanager
        def follow(self, run):
            raise ConnectionError("no server at all")
            yield

    monkeypatch.setattr(module, "component", lambda family, kind: Deaf)
    run = run_of(tiny, new_folder(str(tmp_path / "run"), ""))
    with pytest.raises(UserError, match="--track mlflow: cannot be begun: no server at all"):
        played(run, ["mlflow"])
    assert not run.variants


def test_exchanges_of_a_round_add_up_where_they_can():
    table = {
        name: np.array([1.0, 2.0, 5.0])
        for name in (c.name for c in module.ROUNDS)
        if name not in {"variant", "exchange", "status", "reason"}
    }
    table["round"] = np.array([0, 0, 1])
    table["accuracy_personal"] = np.array([0.5, np.nan, np.nan])
    table["deadline_s"] = np.full(3, np.inf)
    (first, one), (second, other) = rounds(table)
    assert (first, second) == (0, 1)
    assert (one["energy_j"], one["end_s"], other["energy_j"]) == (3.0, 2.0, 5.0)
    assert one["accuracy_personal"] == 0.5
    assert "accuracy_personal" not in other
    assert "deadline_s" not in one
    assert {c.name for c in module.ROUNDS} >= ADDED


def test_an_unknown_tracker_costs_nothing(tiny_file, tmp_path):
    for command in ("run", "sweep"):
        out = tmp_path / "out"
        told = CliRunner().invoke(
            main, [command, str(tiny_file), "--out", str(out), "--track", "tensorbord"]
        )
        assert told.exit_code == 2
        assert "--track tensorbord" in told.output
        assert "tensorboard" in told.output
        assert not out.exists()


def test_a_sweep_tells_what_was_taken_over_too(tiny, tracker, tmp_path):
    sweep = Sweep((Grid({"variants.pruned.deadline.share": (0.4, 0.5)}),))
    plan = planned(lambda more, seed: parse(tiny, "t", more, seed), sweep, 3)
    for item in shared(plan.items, ()):
        tracker.notes.clear()
        outcome = playing.play(item, tmp_path, lambda *_: None, track=("tensorboard",))
        assert not outcome.error
        assert tracker.heard == EVERY
    assert [run.name for run in tracker.runs] == [f"tiny-{item.key}" for item in plan.items]
