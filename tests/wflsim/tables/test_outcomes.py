"""A row a system: Student's intervals, who is best, and what is told where seeds or systems are missing."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from wflsim import results
from wflsim.claims.paired import p_value
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.tables.outcomes import Outcome, Row, as_good, best, grid, outcomes, plain, with_best


def wflsim(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, play):
    """Three seeds of two bandwidths, whose accuracies are those of a curve."""
    root = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        for bandwidth in (1e6, 2e6):
            own = f"radio.bandwidth_hz={bandwidth}"
            out = root / f"{bandwidth:g}" / f"seed-{seed}"
            play(out, "quickstart", "learning=surrogate", "rounds=2", own, seed=seed)
    return root


def outcome(*values):
    return Outcome(dict(enumerate(values)), len(values))


def test_half_widths_are_those_of_students_t(runs):
    rows = outcomes(results.load(runs), ["simulated_s", "energy_j"])
    finals = results.load(runs).finals
    assert len(rows) == 6
    for row in rows:
        same = (finals["variant"] == row.about["variant"]) & (
            finals["radio.bandwidth_hz"] == row.about["radio.bandwidth_hz"]
        )
        for name, told in row.outcomes.items():
            values = finals[name][same].to_numpy(dtype=float)
            assert len(values) == 3
            low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
            assert told.mean == pytest.approx(values.mean())
            assert told.half == pytest.approx((high - low) / 2)


def test_p_values_are_those_of_the_paired_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 6))
    assert p_value((a - b).tolist()) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert p_value([2.0, 2.0]) == 0.0


def test_who_is_not_surely_worse_is_as_good():
    first = outcome(10.0, 20.0, 30.0)
    sure = outcome(9.0, 19.1, 28.9)  # worse by 1 in every seed, though the means are near
    unsure = outcome(4.0, 23.0, 27.0)
    assert stats.ttest_rel([10, 20, 30], [9, 19.1, 28.9]).pvalue < 0.05
    assert stats.ttest_rel([10, 20, 30], [4, 23, 27]).pvalue > 0.05
    assert [told.best for told in best([sure, first, unsure], 1)] == [False, True, True]
    assert [told.best for told in best([sure, first], -1)] == [True, False]
    assert [told.best for told in best([sure, first], 0)] == [False, False]


def test_from_one_seed_only_the_best_is_the_best():
    assert [told.best for told in best([outcome(1.0), outcome(2.0)], 1)] == [False, True]
    assert [told.best for told in best([outcome(1.0), outcome(1.0)], 1)] == [True, True]
    assert [told.best for told in best([outcome(), outcome(1.0)], 1)] == [False, True]
    assert not as_good(Outcome({5: 1.0}, 1), outcome(1.0))  # no seed in common


def test_columns_are_judged_in_their_own_direction(runs):
    rows = with_best(
        outcomes(results.load(runs), ["accuracy_personal", "simulated_s", "keep_mean"])
    )
    low = min(rows, key=lambda row: row.outcomes["simulated_s"].mean)
    high = max(rows, key=lambda row: row.outcomes["accuracy_personal"].mean)
    assert low.outcomes["simulated_s"].best
    assert high.outcomes["accuracy_personal"].best
    assert not any(row.outcomes["keep_mean"].best for row in rows)


def test_a_table_tells_units_points_and_digits_as_sure_as_they_are(runs):
    found = grid(outcomes(results.load(runs), ["accuracy_personal", "energy_j", "up_bits"]))
    assert found.header == [
        "bandwidth",
        "variant",
        "accuracy, own models [%]",
        "energy [mJ]",
        "uplink [Mbit]",
    ]
    assert [row[0].text for row in found.rows] == 3 * ["1 MHz"] + 3 * ["2 MHz"]
    assert found.texts == 2
    assert "over 3 seeds" in found.notes[0]
    alone = grid(outcomes(results.load(runs / "1e+06" / "seed-1"), ["energy_j"]))
    assert alone.header[0] == "variant"
    assert alone.notes == ["One seed: no intervals."]
    assert "±" not in alone.rows[0][1].text


def test_an_unknown_value_is_told_with_the_number_of_those_known():
    found = grid([Row({"variant": "a"}, {"target_s": Outcome({1: 1.0, 2: 3.0}, 3)})])
    assert found.rows[0][1].text.startswith("2 ± 13")
    assert "(2 of 3)" in found.rows[0][1].text
    assert "those n seeds of N" in found.notes[1]


def test_csv_has_unrounded_numbers(runs):
    rows = with_best(outcomes(results.load(runs), ["energy_j"]))
    header, lines = plain(rows)
    assert header == [
        "radio.bandwidth_hz",
        "variant",
        "seeds",
        "energy_j",
        "energy_j_half",
        "energy_j_known",
        "energy_j_best",
    ]
    assert lines[0][:3] == [1e6, "pruned", 3]
    assert lines[0][3] == rows[0].outcomes["energy_j"].mean
    assert sum(line[-1] for line in lines) >= 1


def test_a_seed_that_was_played_twice_is_no_second_one(runs, tmp_path):
    for name in "ab":
        shutil.copytree(runs / "1e+06" / "seed-1", tmp_path / name)
    rows = outcomes(results.load(tmp_path), ["energy_j"])
    assert [row.outcomes["energy_j"].seeds for row in rows] == [1, 1, 1]
    again = results.load(tmp_path / "a", tmp_path / "a")
    assert len(again.runs) == 1


def test_runs_of_several_folders_stand_beside_each_other(runs):
    found = results.load(runs / "1e+06", runs / "2e+06")
    assert found.axes == ["radio.bandwidth_hz"]
    assert len(outcomes(found, ["energy_j"])) == 6
    assert found.runs["run"].is_unique


@pytest.mark.parametrize("form", ["latex", "markdown", "text", "csv"])
def test_the_command_prints_every_form(runs, form, tmp_path):
    done = wflsim("table", runs, "--best", "--format", form)
    assert done.exit_code == 0
    assert all(name in done.stdout for name in ("pruned", "fedalt", "fedavg"))
    endings = {"latex": "tex", "markdown": "md", "text": "txt", "csv": "csv"}
    path = tmp_path / f"t.{endings[form]}"
    assert wflsim("table", runs, "--best", "--out", path).exit_code == 0
    assert path.read_text() == done.stdout


def test_mistakes_are_told(runs, tmp_path):
    for arguments, said in (
        ([runs, "--measure", "energy"], "did you mean 'energy_j'"),
        ([runs, "--measure", "variant"], "no measure 'variant'"),
        ([tmp_path], "holds no run"),
        ([runs, "--set", "rounds=1"], "--set belongs to --parameters"),
        (["quickstart", "protocol", "--parameters"], "takes one scenario"),
        (["quickstar", "--parameters"], "did you mean 'quickstart'"),
    ):
        done = wflsim("table", *arguments)
        assert done.exit_code == 2
        assert said in done.stderr


def test_a_run_without_an_end_has_no_table(runs, tmp_path):
    shutil.copytree(runs / "1e+06" / "seed-1", tmp_path / "a")
    path = tmp_path / "a" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "variants": {}}))
    with pytest.raises(UserError, match="no variant has come to its end"):
        outcomes(results.load(tmp_path), ["energy_j"])


@pytest.fixture(scope="module")
def own_axis(tmp_path_factory, play):
    """Two seeds of three shares of the deadline of one variant, which the others know nothing of."""
    root = tmp_path_factory.mktemp("own")
    for seed in (1, 2):
        for share in (0.4, 0.5, 0.6):
            own = f"variants.pruned.deadline.share={share}"
            play(
                root / f"{share}-{seed}", "quickstart", "learning=none", "rounds=1", own, seed=seed
            )
    return root


def test_a_key_of_one_variant_tells_the_others_not_apart(own_axis):
    found = results.load(own_axis)
    key = "variants.pruned.deadline.share"
    assert found.axes_of("pruned") == [key]
    assert found.axes_of("fedalt") == []
    kept = {"0.4-1", "0.4-2"}
    every = {one.name for one in found.played}
    assert found.again == {(v, run) for v in ("fedalt", "fedavg") for run in every - kept}
    rows = outcomes(found, ["simulated_s"])
    assert [tuple(row.about.values()) for row in rows] == [
        (0.4, "pruned"), ("", "fedalt"), ("", "fedavg"), (0.5, "pruned"), (0.6, "pruned")
    ]  # fmt: skip
    assert {len(row.outcomes["simulated_s"].values) for row in rows} == {2}
    assert len(found.finals) == 18  # the frames keep all


def test_what_should_be_alike_and_is_not_stays(own_axis, tmp_path):
    """Records that differ where no key says why are no repetition: they are told as played twice."""
    shutil.copytree(own_axis, tmp_path / "runs")
    path = tmp_path / "runs" / "0.5-1" / "manifest.json"
    told = json.loads(path.read_text())
    told["variants"]["fedalt"]["records_sha256"] = "0" * 64
    path.write_text(json.dumps(told))
    found = results.load(tmp_path / "runs")
    assert ("fedalt", "0.5-1") not in found.again
    from wflsim.figures.lines import framed

    told = r"played several times .*\(0.4-1, .*0.5-1.*\); name those"
    with pytest.raises(UserError, match=told):
        outcomes(found, ["simulated_s"])
    with pytest.raises(UserError, match=told):
        framed(found, {"rounds": ()})


def test_keys_that_vary_in_no_scenario_are_no_columns(own_axis, play, tmp_path):
    """Of two scenarios each has keys of variants that the other one knows nothing of."""
    other = play(tmp_path / "other", "protocol", "learning=none", "rounds=1", seed=1)
    found = results.load(own_axis / "0.4-1", other)
    assert len(found.axes) > 20
    rows = outcomes(found, ["simulated_s"])
    assert {tuple(row.about) for row in rows} == {("scenario", "variant")}


def test_what_only_one_run_says_tells_it_from_others(own_axis, play, tmp_path):
    """A key that another run has no value for."""
    own = ("variants.pruned.deadline={kind: none}", "variants.pruned.allocator=dense")
    other = play(tmp_path / "other", "quickstart", "learning=none", "rounds=1", *own, seed=1)
    rows = outcomes(results.load(own_axis / "0.4-1", other), ["simulated_s"])
    assert [row.about["variant"] for row in rows].count("pruned") == 2
    assert [row.about["variant"] for row in rows].count("fedavg") == 1


def test_lines_of_figures_are_those_rows(own_axis):
    from wflsim.figures.lines import framed, names

    frame = framed(results.load(own_axis), {"rounds": ("end_s",)})["rounds"]
    pruned = [f"pruned, share {share}" for share in (0.4, 0.5, 0.6)]
    assert names(frame) == [*pruned, "fedalt", "fedavg"]
    assert frame.groupby("line", observed=True).size().tolist() == [2] * 5
