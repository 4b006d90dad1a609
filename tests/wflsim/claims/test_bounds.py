"""The bound beside the measured gradient: on constructed records with a known bound, and on a run."""

import numpy as np
import pytest

from wflsim.claims.bounds import BoundAbove
from wflsim.contracts import Evidence
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

CLAIM = BoundAbove(
    claim="ours",
    paper="theirs [X]",
    of="a",
    rate=0.1,
    steps=2,
    personal_rate=0.2,
    personal_steps=5,
)
# With these: 2·1.5/(0.1·2·2) = 7.5, 2·4·(3·2/2) = 24, 0.01·4·6·1·3/3·(3/2) = 0.36, 2·2·0.1·4·3/4 = 1.2 and
# 5·1·0.04·3/0.2 = 3, 2·0.25 = 0.5.
BOUND = 7.5 + 24 + 0.36 + 4.2 + 0.5


def rounds(gradients, **columns):
    """Return a table of rounds of three devices."""
    one = np.ones(len(gradients))
    table = {
        "round": np.arange(len(gradients)),
        "exchange": np.array(["train"] * len(gradients), dtype=object),
        "on_time": 2 * one,
        "late": one,
        "stale": 0 * one,
        "coverage": 2 * one,
        "pruned_energy": 2 * one,
        "gradient_square": np.array(gradients, dtype=float),
        "loss_train": 1.5 * one,
        "gradient_variance": 4 * one,
        "gradient_second_moment": 6 * one,
        "coverage_bias": 0.25 * one,
        "smoothness": 2 * one,
        "personal_variance": 3 * one,
        "personal_smoothness": one,
    }
    return table | {name: np.asarray(values) for name, values in columns.items()}


def judged(*tables, claim=CLAIM):
    return claim.judge(Evidence({seed: {"a": {"rounds": t}} for seed, t in enumerate(tables)}))


def test_the_bound_is_computed_from_what_was_measured():
    found = judged(rounds([1.0, 3.0]))
    assert found.verdict == "met"
    assert found.value == pytest.approx(2.0 / BOUND)
    assert "measured 2, bound 36.56" in found.ours
    assert "pruning is 66% of it" in found.reason
    assert "measured in 2 of 2 rounds" in found.reason
    assert "estimates along the path" in found.reason


@pytest.mark.parametrize(("mean", "verdict"), [(0.99, "met"), (1.01, "missed")])
def test_it_is_met_up_to_the_bound_in_every_seed(mean, verdict):
    found = judged(rounds([1.0, 3.0]), rounds([mean * BOUND] * 2))
    assert found.verdict == verdict
    assert f"in {1 + (verdict == 'met')} of 2 seeds" in found.reason


@pytest.mark.parametrize(
    "column", ["gradient_variance", "gradient_second_moment", "coverage_bias", "personal_variance"]
)
def test_the_largest_constants_of_the_path_count(column):
    table = rounds([1.0, 3.0])
    one = judged(table).value
    larger = {column: table[column] * np.array([1.0, 3.0])}
    assert judged(rounds([1.0, 3.0], **larger)).value < one


def test_the_mean_over_some_rounds_is_not_held_against_a_bound_on_the_mean_over_all():
    """Gradients that were not looked at might be anything: 1, 1000, 1000, 1 breaks a bound that 1 and 1 keep."""
    found = judged(rounds([1.0, np.nan, 1.0]))
    assert found.verdict == "not comparable"
    assert "evaluate_every: 1" in found.reason


def test_rounds_before_the_first_measurement_do_not_count():
    table = rounds([np.nan, 1.0, 3.0], pruned_energy=[100.0, 2.0, 2.0])
    assert judged(table).value == pytest.approx(2.0 / BOUND)


def test_rounds_in_which_nobody_came_prune_nothing():
    table = rounds([1.0, 1.0], on_time=[2, 0], late=[1, 0], pruned_energy=[2.0, np.nan])
    # Of pruning, of drift and of the shared part's noise there is half.
    assert judged(table).value == pytest.approx(1.0 / (BOUND - 12 - 0.18 - 0.6))


def test_what_was_under_way_at_the_end_is_no_round():
    stop = np.array(["train", "train", "stop"], dtype=object)
    table = rounds([1.0, 3.0, np.nan], exchange=stop, on_time=[2, 2, 0], late=[1, 1, 0])
    assert judged(table).value == pytest.approx(2.0 / BOUND)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"gradient_square": [np.nan, np.nan]}, "gradient_samples"),
        ({"pruned_energy": [2.0, np.nan]}, "what was pruned"),
        ({"coverage_bias": [np.nan, np.nan]}, "remember_masks"),
        ({"stale": [0, 1]}, "older rounds"),
        ({"smoothness": [2.0, 2.6]}, "η_u τ L_u must be at most 0.5 and is 0.52"),
        ({"personal_smoothness": [5.5, 1.0]}, "η_v L_v must be at most 1 and is 1.1"),
    ],
)
def test_where_the_theorem_does_not_apply_nothing_is_compared(columns, reason):
    found = judged(rounds([1.0, 3.0]), rounds([1.0, 3.0], **columns))
    assert found.verdict == "not comparable"
    assert reason in found.reason


def test_the_bound_lies_above_what_a_run_measures(tiny):
    told = (
        "{kind: japp, personal_steps: 2, scoring_steps: 1, masked_steps: 2, remember_masks: true, "
    )
    told += "fusion_weight: uniform, importance: magnitude, shared_rate: 0.02, personal_rate: 0.02}"
    sets = [f"variants.pruned.algorithm={told}", "gradient_samples=24", "rounds=4"]
    scenario = parse(tiny, "t", sets, None).scenario
    recorder = Recorder("pruned")
    for report in stage(settle(scenario.world), scenario.systems["pruned"]).rounds():
        recorder.add(report)
    table = recorder.table("rounds")
    claim = BoundAbove("ours", "[X]", "pruned", 0.02, 3, 0.02, 2)
    found = claim.judge(Evidence({3: {"pruned": {"rounds": table}}}))
    assert found.verdict == "met", found.reason
    assert 0.0 < found.value < 1.0
    assert (table["pruned_energy"] > 0).all()
