"""Two systems side by side: identities, constructed causes, pairs, and what is told where there are none."""

import json
import re
from math import isinf, isnan

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from wflsim.cli.main import main
from wflsim.comparison.compared import MARGIN, Difference, compare, to_accuracy
from wflsim.comparison.sides import pairs, side
from wflsim.comparison.telling import in_words
from wflsim.errors import UserError
from wflsim.records.folder import RunFolder

ALIKE = (
    "fleet.cpu_hz=[1e8,1e8]",
    "allocator=equal_share",
    "variants.pruned.algorithm=fedavg",
    "variants.pruned.deadline=none",
)
"""Devices that compute equally fast and share the band equally, so that nothing changes but what is set."""


def wflsim(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def told(*arguments):
    done = wflsim("compare", *arguments, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, play):
    """Three seeds of quickstart, and four of it changed in one point, in 3 rounds with accuracies of a curve."""
    root = tmp_path_factory.mktemp("runs")
    quick = ("learning=surrogate", "rounds=3")
    for seed in (1, 2, 3):
        play(root / "plain" / f"seed-{seed}", "quickstart", *quick, seed=seed)
    changes = {
        "alike": (),
        "wide": ("radio.bandwidth_hz=2e6",),
        "fast": ("fleet.cpu_hz=[2e8,2e8]",),
        "long": ("rounds=6",),
    }
    for name, own in changes.items():
        play(root / name, "quickstart", *quick, *ALIKE, *own, seed=1)
    return root


def test_a_system_differs_in_nothing_from_itself(runs):
    found = told(runs / "plain:pruned", runs / "plain:pruned")
    assert found["seeds"] == [1, 2, 3]
    for measure in found["measures"].values():
        assert measure["difference"] == 0.0
        assert measure["low"] == measure["high"] == 0.0
        assert measure["p"] == 1.0
    for causes in (found["seconds"], found["joules"]):
        assert {part["difference"] for part in causes["parts"].values()} == {0.0}
    assert found["settings"] == {}
    assert "take the same time" in found["seconds"]["sentence"]
    assert "spend the same energy" in found["joules"]["sentence"]


def test_swapping_the_sides_changes_every_sign(runs):
    forth = told(runs / "plain:pruned", runs / "plain:fedavg")
    back = told(runs / "plain:fedavg", runs / "plain:pruned")
    for name, measure in forth["measures"].items():
        other = back["measures"][name]
        assert measure["difference"] == pytest.approx(-other["difference"])
        assert measure["low"] == pytest.approx(-other["high"])
        assert measure["p"] == pytest.approx(other["p"])
    for what in ("seconds", "joules"):
        for name, part in forth[what]["parts"].items():
            assert part["difference"] == pytest.approx(-back[what]["parts"][name]["difference"])
    assert "shorter" in forth["seconds"]["sentence"]
    assert "longer" in back["seconds"]["sentence"]


def test_totals_intervals_and_p_values_are_those_of_the_tables(runs):
    found = told(runs / "plain:pruned", runs / "plain:fedavg")
    energy_j = {
        name: [
            RunFolder(runs / "plain" / f"seed-{s}").read("rounds", variant=name)["energy_j"].sum()
            for s in (1, 2, 3)
        ]
        for name in ("pruned", "fedavg")
    }
    measure = found["measures"]["energy_j"]
    assert measure["a"] == pytest.approx(energy_j["pruned"])
    test = stats.ttest_rel(energy_j["pruned"], energy_j["fedavg"])
    assert measure["p"] == pytest.approx(test.pvalue)
    bounds = test.confidence_interval(0.95)
    assert (measure["low"], measure["high"]) == pytest.approx((bounds.low, bounds.high))
    for what, name in (("seconds", "simulated_s"), ("joules", "energy_j")):
        total = found["measures"][name]["difference"]
        assert found[what]["difference"] == pytest.approx(total)
        parts = sum(part["difference"] for part in found[what]["parts"].values())
        assert parts == pytest.approx(total)


def test_twice_the_band_saves_sending_and_nothing_else(runs):
    found = told(runs / "wide:fedavg", runs / "alike:fedavg")
    parts = {name: part["difference"] for name, part in found["seconds"]["parts"].items()}
    assert parts.pop("upload") == pytest.approx(found["seconds"]["difference"])
    assert found["seconds"]["difference"] < 0
    assert all(part == pytest.approx(0.0, abs=1e-9) for part in parts.values())
    assert "of it in sending" in found["seconds"]["sentence"]
    assert found["settings"] == {"radio.bandwidth_hz": {"a": 2e6, "b": 1e6}}


def test_twice_the_clock_rate_halves_computing_and_changes_nothing_else(runs):
    found = told(runs / "fast:fedavg", runs / "alike:fedavg")
    parts = found["seconds"]["parts"]
    assert parts["compute"]["a"] == pytest.approx(parts["compute"]["b"] / 2, rel=1e-6)
    assert parts["compute"]["difference"] == pytest.approx(found["seconds"]["difference"])
    assert "shorter" in found["seconds"]["sentence"]
    assert "of it in computing" in found["seconds"]["sentence"]
    assert (
        found["joules"]["parts"]["compute"]["difference"] > 0
    )  # power grows with the cube of the rate
    assert found["joules"]["parts"]["upload"]["difference"] == pytest.approx(0.0, abs=1e-9)


def test_twice_the_rounds_are_told_as_rounds(runs):
    found = told(runs / "long:fedavg", runs / "alike:fedavg")
    rounds = found["seconds"]["parts"]["rounds"]
    assert (rounds["a"], rounds["b"]) == (6, 3)
    assert rounds["difference"] > 0.8 * found["seconds"]["difference"]
    assert "by 3 more rounds" in found["seconds"]["sentence"]


def test_the_target_is_the_lower_final_accuracy_less_a_hundredth(runs):
    a, b = side(f"{runs}/plain:pruned"), side(f"{runs}/plain:fedavg")
    found = {each.measure: each for each in compare(a, b, "accuracy_personal").differences}
    finals = np.minimum(found["accuracy_personal"].a, found["accuracy_personal"].b)
    np.testing.assert_allclose(found["target_accuracy"].a, finals - MARGIN)
    assert np.isfinite(found["target_s"].a).all()
    assert np.all(np.array(found["target_j"].a) <= np.array(found["energy_j"].a))
    never = compare(a, b, "accuracy_personal", 1.0)
    assert np.isnan({each.measure: each for each in never.differences}["target_s"].a).all()
    assert "time to target" not in in_words(never)


def test_what_is_spent_to_an_accuracy_ends_with_the_round_that_reaches_it():
    rounds = {"accuracy": np.array([0.1, np.nan, 0.5, 0.4, 0.9]), "energy_j": np.arange(1.0, 6.0)}
    assert to_accuracy(rounds, "energy_j", 0.45, "accuracy") == 6.0
    assert to_accuracy(rounds, "energy_j", 0.1, "accuracy") == 1.0
    assert np.isnan(to_accuracy(rounds, "energy_j", 0.95, "accuracy"))


def test_runs_are_paired_by_seed(runs):
    found = pairs(side(f"{runs}/plain:pruned"), side(f"{runs}/alike:fedavg"))
    assert [one.played.name for one, _ in found] == ["seed-1"]
    text = in_words(
        compare(side(f"{runs}/plain:pruned"), side(f"{runs}/alike:fedavg"), "accuracy_global")
    )
    assert "One seed in common: no intervals" in text


def test_points_of_a_sweep_are_paired_by_their_values(runs, tmp_path, play):
    for name, bandwidth in (("a", 1e6), ("b", 3e6)):
        play(
            tmp_path / name,
            "quickstart",
            "learning=none",
            "rounds=1",
            f"radio.bandwidth_hz={bandwidth}",
        )
    whole = side(f"{tmp_path}:pruned")
    for one, other in pairs(whole, side(f"{tmp_path}:fedavg")):
        assert one.played is not other.played
        assert one.settings["radio.bandwidth_hz"] == other.settings["radio.bandwidth_hz"]
    assert len(pairs(whole, whole)) == 2
    with pytest.raises(UserError, match="'a' and 'b' have the same seed, 1"):
        pairs(whole, side(f"{runs}/plain:pruned"))


def test_a_path_may_have_a_colon(runs, tmp_path):
    (tmp_path / "x:y").symlink_to(runs / "alike")
    assert side(f"{tmp_path}/x:y:fedavg").variant == "fedavg"


def test_the_whole_story_is_told(runs):
    text = wflsim("compare", runs / "plain:pruned", runs / "plain:fedavg").stdout
    assert "3 pairs of runs, seeds 1, 2, 3" in text
    for said in ("accuracy, own models", "time to target", "energy", "sending", "algorithm.kind"):
        assert said in text
    assert re.search(r"A is [\d.]+ m?s shorter \(\d+ %\): [\d.]+ m?s (of it )?in", text)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (
            "plain",
            "plain:pruned",
            "holds several systems (pruned, fedalt, fedavg); name one, as in",
        ),
        ("plain:prund", "plain:pruned", "did you mean 'pruned'"),
        ("none:pruned", "plain:pruned", "is no folder"),
        (".:pruned", "plain:pruned", "have the same seed"),
    ],
)
def test_mistakes_are_told(runs, a, b, said):
    done = wflsim("compare", runs / a, runs / b)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_measure_that_there_is_not_and_seeds_apart_are_told(runs):
    done = wflsim("compare", runs / "alike:fedavg", runs / "wide:fedavg", "--measure", "accuracy")
    assert done.exit_code == 2
    assert "no accuracy 'accuracy'; did you mean 'accuracy_" in done.stderr
    apart = wflsim("compare", runs / "plain/seed-2:pruned", runs / "alike:fedavg")
    assert apart.exit_code == 2
    assert "no seed in common (2 and 1); play both with the same --seed" in apart.stderr


def test_points_of_a_sweep_are_no_chance_a_seed_counts_once():
    one = Difference("energy_j", (3.0, 7.0, 4.0, 8.0), (1.0, 1.0, 1.0, 1.0), (1, 1, 2, 2))
    assert one.known == [4.0, 5.0]
    assert one.mean == 4.5
    alone = Difference("energy_j", (3.0, 7.0), (1.0, 1.0), (1, 1))
    assert alone.known == [4.0]
    assert isnan(alone.p)
    assert isinf(alone.interval.low)
