"""Claims held against constructed records whose verdicts are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wflsim.claims.accuracy import AccuracyAtTime, AccuracyGap
from wflsim.claims.columns import ColumnGap, KeptWithin
from wflsim.claims.findings import Account, as_json, page
from wflsim.claims.paired import interval
from wflsim.claims.ratios import SumRatio, SumToAccuracy, TimeRatio, TimeToAccuracy
from wflsim.claims.results import HEADER, MOST, rows, thinned
from wflsim.claims.silent import NotComparable
from wflsim.contracts import Evidence
from wflsim.scenario.paper import Paper

SAID = {"claim": "ours", "paper": "theirs [X]"}
PAIR = {**SAID, "of": "a", "beside": "b"}
SHARES = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(lambda p: tuple(np.round(p, 4))),
    min_size=2,
    max_size=6,
)


def rounds(accuracy, length_s=1.0, **columns):
    """Return a table of rounds of equal length with an accuracy each."""
    accuracy = np.asarray(accuracy, dtype=float)
    lengths = np.full(len(accuracy), length_s)
    table = {
        "round": np.arange(len(accuracy)),
        "length_s": lengths,
        "end_s": np.cumsum(lengths),
        "accuracy_personal": accuracy,
        "accuracy_worst": accuracy / 2,
        "accuracy_global": accuracy / 4,
        "keep_mean": np.full(len(accuracy), 0.5),
        "objective": np.full(len(accuracy), np.nan),
        "energy_j": np.full(len(accuracy), 2.0),
        "up_bits": np.full(len(accuracy), 100.0),
    }
    return table | {name: np.asarray(values, dtype=float) for name, values in columns.items()}


def evidence(*seeds):
    """Return evidence from variant → table of rounds, a mapping a seed."""
    return Evidence(
        {
            seed: {name: {"rounds": table} for name, table in variants.items()}
            for seed, variants in enumerate(seeds, 1)
        }
    )


def ends(pairs):
    return evidence(*({"a": rounds([0.0, a]), "b": rounds([0.0, b])} for a, b in pairs))


def swapped(claim):
    return replace(claim, of=claim.beside, beside=claim.of)


@given(SHARES)
def test_the_interval_is_students(pairs):
    gaps = [a - b for a, b in pairs]
    found, spread = interval(gaps), stats.sem(gaps)
    assert found.mean == pytest.approx(np.mean(gaps))
    half = stats.t.ppf(0.975, len(gaps) - 1) * spread
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


@given(SHARES, st.floats(-1.0, 1.0))
def test_a_shift_of_all_seeds_moves_the_interval_and_leaves_its_width(pairs, shift):
    gaps = [a - b for a, b in pairs]
    found, moved = interval(gaps), interval([gap + shift for gap in gaps])
    assert moved.mean == pytest.approx(found.mean + shift, abs=1e-12)
    assert moved.high - moved.low == pytest.approx(found.high - found.low, abs=1e-12)


def test_one_seed_has_no_interval():
    found = interval([0.3])
    assert (found.mean, found.low, found.high) == (0.3, -np.inf, np.inf)


@given(SHARES)
def test_swapping_negates_a_gap_of_accuracies(pairs):
    claim = AccuracyGap(**PAIR)
    one, other = claim.judge(ends(pairs)), swapped(claim).judge(ends(pairs))
    assert one.value == pytest.approx(-other.value, abs=1e-12)
    assert "met" in {one.verdict, other.verdict}


@given(SHARES)
def test_what_both_have_in_common_does_not_count(pairs):
    common = [(a / 2 + 0.25, b / 2 + 0.25) for a, b in pairs]
    halves = [(a / 2, b / 2) for a, b in pairs]
    claim = AccuracyGap(**PAIR)
    assert claim.judge(ends(common)).value == pytest.approx(
        claim.judge(ends(halves)).value, abs=1e-12
    )


@pytest.mark.parametrize(
    ("least", "verdict"), [(-0.02, "met"), (-0.01, "met"), (-0.009, "missed"), (0.0, "missed")]
)
def test_the_mean_gap_is_held_against_its_bar_and_the_interval_is_told(least, verdict):
    found = AccuracyGap(**PAIR, least=least).judge(ends([(0.80, 0.81), (0.70, 0.72), (0.6, 0.6)]))
    assert found.verdict == verdict
    assert found.value == pytest.approx(-0.01)
    assert found.ours == "-1.00 points (95 % interval -3.48 to +1.48)"
    assert "the 95 % interval lies on both sides of" in found.reason


def test_the_last_evaluations_are_averaged_and_unknown_ones_passed_over():
    found = evidence(
        {"a": rounds([0.1, 0.4, np.nan, 0.6, np.nan]), "b": rounds([0.1, 0.2, 0.3, 0.3, 0.3])}
    )
    assert AccuracyGap(**PAIR, last=2).judge(found).value == pytest.approx(0.2)
    assert AccuracyGap(**PAIR, last=1).judge(found).value == pytest.approx(0.3)
    assert AccuracyGap(**PAIR, measure="accuracy_worst").judge(found).value == pytest.approx(0.15)


def test_nothing_evaluated_is_nothing_to_compare():
    silent = evidence({"a": rounds([np.nan]), "b": rounds([0.5])})
    for claim in (AccuracyGap(**PAIR), swapped(TimeToAccuracy(**PAIR))):
        found = claim.judge(silent)
        assert found.verdict == "not comparable"
        assert "evaluated in 1 of 1 seeds" in found.reason


@given(st.floats(0.1, 10.0), st.integers(1, 5))
def test_the_same_curve_at_another_pace_takes_the_ratio_of_the_paces(pace, seeds):
    curve = [0.2, 0.5, 0.7, 0.8]
    found = evidence(*[{"a": rounds(curve, pace), "b": rounds(curve)}] * seeds)
    for claim in (TimeToAccuracy(**PAIR, margin=0.05), TimeRatio(**PAIR)):
        judged = replace(claim, most=pace).judge(found)
        assert judged.verdict == "met"
        assert judged.value == pytest.approx(pace)
        assert replace(claim, most=0.99 * pace).judge(found).verdict == "missed"
        assert swapped(claim).judge(found).value == pytest.approx(1 / pace)


def test_time_is_taken_to_the_other_ones_final_accuracy_less_the_margin():
    found = evidence({"a": rounds([0.5, 0.79, 0.9]), "b": rounds([0.1, 0.2, 0.3, 0.8])})
    assert TimeToAccuracy(**PAIR, margin=0.01).judge(found).value == 0.5
    assert TimeToAccuracy(**PAIR, margin=0.0).judge(found).value == 0.75


def test_what_is_spent_until_then_is_added_round_by_round():
    tables = {"a": rounds([0.5, 0.79, 0.9]), "b": rounds([0.1, 0.2, 0.3, 0.8])}
    for table, bits in zip(
        tables.values(), ([4.0, np.nan, 1.0], [1.0, 2.0, 3.0, 4.0]), strict=True
    ):
        table["up_bits"] = np.array(bits)
    claim = SumToAccuracy(**PAIR, column="up_bits", margin=0.01)
    assert claim.judge(evidence(tables)).value == 0.4
    assert replace(claim, margin=0.0).judge(evidence(tables)).value == 0.5
    # The final accuracy may be the mean of the last evaluations, here 0.55.
    assert replace(claim, margin=0.1, last=2).judge(evidence(tables)).value == 0.4


def test_a_seed_that_never_reaches_the_target_is_a_miss_and_is_told():
    good = {"a": rounds([0.8], 0.25), "b": rounds([0.8])}
    poor = {"a": rounds([0.3], 0.25), "b": rounds([0.8])}
    claim = TimeToAccuracy(**PAIR, most=0.5)
    assert claim.judge(evidence(good, good)).verdict == "met"
    found = claim.judge(evidence(good, poor))
    assert found.verdict == "missed"
    assert found.value == 0.25
    assert "never reached in seed 2" in found.reason
    assert "1 of 2 seeds" in found.ours
    never = claim.judge(evidence(poor, poor))
    assert never.verdict == "missed"
    assert "seeds 1, 2" in never.reason
    assert np.isnan(never.value)


def test_sums_are_compared_and_nothing_is_no_measure():
    found = evidence(
        {"a": rounds([0, 0], up_bits=[1, 2]), "b": rounds([0, 0, 0], up_bits=[4, 4, 4])}
    )
    claim = SumRatio(**PAIR, column="up_bits", most=0.25)
    assert claim.judge(found).verdict == "met"
    assert claim.judge(found).value == 0.25
    none = evidence({"a": rounds([0]), "b": rounds([0], up_bits=[0.0])})
    assert claim.judge(none).verdict == "not comparable"
    unknown = replace(claim, column="objective").judge(found)
    assert unknown.verdict == "not comparable"


@given(SHARES)
def test_a_gap_of_columns_is_met_where_the_interval_excludes_nothing_else(pairs):
    found = evidence(
        *(
            {"a": rounds([0, 0], keep_mean=[a, a]), "b": rounds([0, 0], keep_mean=[b, b])}
            for a, b in pairs
        )
    )
    claim = ColumnGap(**PAIR, column="keep_mean", below=True)
    span = interval([a - b for a, b in pairs])
    assert (claim.judge(found).verdict == "met") == (span.high < 0.0)
    assert (replace(claim, below=False).judge(found).verdict == "met") == (span.low > 0.0)
    assert swapped(claim).judge(found).value == pytest.approx(-claim.judge(found).value)


def test_a_gap_of_columns_must_have_its_size_and_more_than_one_seed():
    seed = {"a": rounds([0], keep_mean=[0.4]), "b": rounds([0], keep_mean=[0.5])}
    other = {"a": rounds([0], keep_mean=[0.41]), "b": rounds([0], keep_mean=[0.51])}
    claim = ColumnGap(**PAIR, column="keep_mean", below=True)
    assert claim.judge(evidence(seed)).verdict == "not comparable"
    assert claim.judge(evidence(seed, other)).verdict == "met"
    assert replace(claim, share=0.19).judge(evidence(seed, other)).verdict == "met"
    assert replace(claim, share=0.21).judge(evidence(seed, other)).verdict == "missed"
    unknown = replace(claim, column="objective").judge(evidence(seed, other))
    assert unknown.verdict == "not comparable"


def test_accuracies_are_compared_at_a_share_of_somebodys_time():
    tables = {"a": rounds([0.1, 0.6, 0.6, 0.6]), "b": rounds([0.2, 0.3], 2.0)}
    claim = AccuracyAtTime(**PAIR, clock="b")
    assert claim.judge(evidence(tables)).value == pytest.approx(0.3)
    half = replace(claim, share=0.5)
    assert half.judge(evidence(tables)).value == pytest.approx(0.4)
    early = replace(claim, share=0.25).judge(evidence(tables))
    assert early.verdict == "not comparable"
    assert "until 1 s" in early.reason


def test_where_it_must_be_sure_the_interval_must_lie_above_nothing():
    claim = AccuracyAtTime(**PAIR, clock="a", sure=True)
    doubtful, plain = ends([(0.9, 0.5), (0.5, 0.5)]), ends([(0.6, 0.5), (0.61, 0.5)])
    assert claim.judge(doubtful).verdict == "missed"
    assert replace(claim, sure=False).judge(doubtful).verdict == "met"
    assert claim.judge(plain).verdict == "met"
    assert claim.judge(ends([(0.9, 0.5)])).verdict == "not comparable"


def test_a_column_is_a_mean_over_rounds_whatever_number_of_exchanges_each_has():
    one, two = rounds([0, 0], energy_j=[2.0, 2.0]), rounds([0, 0, 0], energy_j=[3.0, 1.0, 2.0])
    two["round"] = np.array([0, 0, 1])
    stopped = {**rounds([0, 0, 0], energy_j=[2.0, 2.0, 90.0])}
    stopped["round"] = np.array([0, 1, 1])
    stopped["exchange"] = np.array(["train", "train", "stop"], dtype=object)
    for other in (two, stopped):
        found = evidence({"a": one, "b": other}, {"a": one, "b": other})
        claim = ColumnGap(**PAIR, column="energy_j", below=True)
        assert claim.judge(found).value == pytest.approx(0.0)
        assert claim.judge(found).verdict == "missed"


def test_getting_there_for_nothing_has_no_ratio():
    tables = {"a": rounds([0.8], up_bits=[4.0]), "b": rounds([0.8], up_bits=[0.0])}
    judged = SumToAccuracy(**PAIR, column="up_bits").judge(evidence(tables))
    assert judged.verdict == "not comparable"


def clients(**columns):
    table = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    return Evidence({1: {"a": {"clients": table}}})


WITHIN = KeptWithin(**SAID, of="a", column=("compute_j", "upload_j"), limit="budget_j")


@pytest.mark.parametrize(
    ("spent", "verdict"), [(0.5, "met"), (1.0, "met"), (1.0 + 1e-8, "missed"), (2.0, "missed")]
)
def test_no_device_may_exceed_its_limit_in_any_round(spent, verdict):
    found = clients(compute_j=[1.0, 0.0], upload_j=[1.0, spent], budget_j=[2.0, 1.0])
    judged = WITHIN.judge(found)
    assert judged.verdict == verdict
    assert judged.value == pytest.approx(max(1.0, spent))


def test_a_row_without_a_limit_is_not_judged():
    found = clients(compute_j=[9.0, 1.0], upload_j=[0.0, 0.0], budget_j=[np.nan, 1.0])
    assert WITHIN.judge(found).verdict == "met"
    none = clients(compute_j=[9.0], upload_j=[0.0], budget_j=[np.nan])
    assert WITHIN.judge(none).verdict == "not comparable"
    unlimited = clients(compute_j=[9.0], upload_j=[0.0], budget_j=[np.inf])
    assert WITHIN.judge(unlimited).verdict == "not comparable"
    one = replace(WITHIN, column="compute_j", limit="upload_j")
    assert one.judge(unlimited).verdict == "missed"


def account(*claims, quick=False, early=None):
    found = ends([(0.8, 0.7), (0.6, 0.5)])
    paper = Paper(title="T", source="S", compares="C", claims=claims)
    return Account("name", paper, found, {"a": 2, "b": 3}, quick, early or {})


def test_findings_have_five_keys_and_nothing_unknown_is_a_number():
    silent = NotComparable(**SAID, reason="not stated")
    told = account(TimeRatio(**PAIR, stated=0.5), silent)
    found = as_json(told.name, told.findings)
    assert [list(row) for row in found["claims"]] == [
        ["claim", "paper", "ours", "verdict", "reason"]
    ] * 2
    assert found["claims"][1] == {
        **SAID, "ours": None, "verdict": "not comparable", "reason": "not stated",
    }  # fmt: skip
    assert told.findings[0].difference == "+0.5"
    assert told.findings[1].difference == ""


def test_a_quick_form_says_so_in_every_reason():
    claims = (TimeRatio(**PAIR), NotComparable(**SAID, reason="not stated"))
    full, quick = account(*claims).findings, account(*claims, quick=True).findings
    for one, other in zip(full, quick, strict=True):
        prefix = "quick form (2 seeds, 2 to 3 rounds): "
        assert other.judgement.reason == prefix + one.judgement.reason
        assert other.judgement.verdict == one.judgement.verdict


def test_nothing_is_held_against_a_variant_that_ended_early():
    early = {"a": "seed 1 after 0 rounds, everybody has left"}
    found = account(TimeRatio(**PAIR), early=early).findings[0]
    assert found.judgement.verdict == "not comparable"
    assert "a ended early: seed 1 after 0 rounds" in found.judgement.reason
    assert account(TimeRatio(**PAIR), early=early | {"c": ""}).findings == [found]


def test_the_page_says_what_was_read_and_what_is_compared():
    told = account(replace(TimeRatio(**PAIR), claim="one | two"))
    text = page(told, told.findings)
    assert "paper_verified: false" in text
    assert "compares: C" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {7}


def test_the_page_ends_with_how_evenly_devices_are_served():
    first = rounds(
        [np.nan, 0.5, 0.6], accuracy_jain=[np.nan, 0.9, 0.8], accuracy_std=[0.5, 0.2, np.nan]
    )
    second = rounds([0.1, 0.8, np.nan], accuracy_jain=[0.7, 0.96, np.nan], accuracy_std=[0.4] * 3)
    found = replace(account(TimeRatio(**PAIR)), evidence=evidence({"a": first}, {"a": second}))
    (*_, line) = page(found, []).splitlines()
    assert line == "| a | 70.0 | 30.0 | – | 0.880 | 17.5 |"
    silent = rounds([np.nan] * 2)
    found = replace(found, evidence=evidence({"a": silent, "b": silent}))
    assert "Jain" not in page(found, [])


def test_rounds_are_those_evaluated_with_sums_until_then():
    table = rounds([np.nan, 0.5, np.nan, 0.75], length_s=0.5)
    told = list(rows(evidence({"a": table})))
    assert told == [
        ["1", "a", "1", "1", "0.5", "4", "200", "0.5", "", "0.5", "0.25", "0.125"],
        ["1", "a", "3", "2", "0.5", "8", "400", "0.5", "", "0.75", "0.375", "0.1875"],
    ]
    assert len(told[0]) == len(HEADER)
    table["round"] = np.array([0, 1, 2, 2])  # two exchanges of one round
    assert [row[4] for row in rows(evidence({"a": table}))] == ["0.5", "1"]
    assert len(list(rows(evidence({"a": rounds([np.nan] * 3)})))) == 3


@given(st.integers(1, 500), st.integers(2, 60))
def test_thinning_keeps_both_ends_and_an_even_pace(count, most):
    found = thinned(np.arange(count), most)
    assert len(found) == min(count, most)
    assert (found[0], found[-1]) == (0, count - 1)
    steps = np.diff(found)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1
    assert len(list(rows(evidence({"a": rounds(np.ones(count))})))) == min(count, MOST)
