from dataclasses import replace

import numpy as np
import pytest

from wflsim.claims.paired import interval
from wflsim.reporting.systems import (
    NUMBERS,
    as_data,
    column,
    datum,
    ended,
    progress,
    short,
    systems,
    trade_off,
)


@pytest.fixture(scope="module")
def found(seeds):
    return systems(seeds)


def test_every_variant_is_a_system_where_seeds_alone_differ(found):
    assert list(found.names) == list(found.variants) == ["pruned", "fedalt", "fedavg"]
    assert list(found.variant_of) == [0, 1, 2]
    assert set(found.point_of) == {""}


def test_the_trade_off_has_means_and_halves_of_the_finals(found, seeds):
    told = trade_off(found)
    assert told["x"] == ["simulated_s", "energy_j", "up_bits"]
    for name, point in zip(found.names, told["points"], strict=True):
        own = seeds.finals[seeds.finals["variant"] == name]
        for measure in ("accuracy_personal", "energy_j"):
            expected = interval(list(own[measure]))
            mean, half, count = point[measure]
            assert mean == pytest.approx(expected.mean, rel=1e-4)
            assert half == pytest.approx(expected.high - expected.mean, rel=1e-4)
            assert count == 3


def test_a_measure_of_the_rounds_alone_ends_with_its_last_known_value(found, seeds):
    assert "loss_personal" not in seeds.finals
    rounds = seeds.rounds[seeds.rounds["variant"] == "pruned"]
    last = rounds.dropna(subset="loss_personal").groupby("run", observed=True).tail(1)
    mean, _, _ = trade_off(found)["points"][0]["loss_personal"]
    assert mean == pytest.approx(last["loss_personal"].mean(), rel=1e-4)


def test_curves_over_rounds_are_means_over_seeds(found, seeds):
    told = progress(found)
    rounds = seeds.rounds[seeds.rounds["variant"] == "fedalt"]
    mean = rounds.groupby("round")["accuracy_personal"].mean().dropna()
    where, values, half, whole = told["curves"][1]["accuracy_personal"]["round"]
    assert whole
    np.testing.assert_allclose(where, mean.index)
    np.testing.assert_allclose(values, mean, rtol=1e-4)
    assert len(half) == len(where)


def test_of_one_seed_there_are_no_intervals(seeds):
    one = systems(replace(seeds, played=seeds.played[:1]))
    assert {half for point in trade_off(one)["points"] for _, half, _ in point.values()} == {None}
    curves = [c for of in progress(one)["curves"] for told in of.values() for c in told.values()]
    assert all(half is None and whole for _, _, half, whole in curves)


def test_a_curve_tells_whether_all_seeds_end_where_it_does(found):
    curves = progress(found)["curves"]
    for line, of in zip(found.names, curves, strict=True):
        rounds = found.rounds[found.rounds["line"] == line].dropna(subset="accuracy_personal")
        ends = rounds.groupby("run", observed=True)["end_s"].last()
        where, _, _, whole = of["accuracy_personal"]["s"]
        assert where[-1] == pytest.approx(ends.min(), rel=1e-7)
        assert whole == (ends.nunique() == 1)
    early = found.rounds[(found.rounds["run"] != "1") | (found.rounds["round"] < 9)]
    curves = progress(replace(found, rounds=early))["curves"]
    assert not any(of["accuracy_personal"]["round"][3] for of in curves)


def test_what_is_told_rounds_as_the_number_itself_does():
    told, _, _ = datum([94.76495])
    assert f"{told:.2f}" == f"{94.76495:.2f}" == "94.76"
    assert f"{short(94.76495):.2f}" != "94.76"
    assert ended(np.array([1.23456789, 94.76495])) == [1.2346, 94.76495]


def test_very_long_runs_stay_within_what_a_file_has_room_for(found):
    long = found.rounds.loc[found.rounds.index.repeat(100)].reset_index(drop=True)
    long["round"] = long.groupby(["line", "run"], observed=True).cumcount()
    curves = progress(replace(found, rounds=long))["curves"]
    lists = [
        part for of in curves for t in of.values() for c in t.values() for part in c[:3] if part
    ]
    assert sum(map(len, lists)) <= NUMBERS
    first, last = (curves[0]["accuracy_personal"]["round"][0][at] for at in (0, -1))
    assert (first, last) == (long["round"][long["accuracy_personal"].notna()].min(), 2399)


def test_chosen_variants_and_measures_come_first(seeds):
    told = as_data(systems(seeds, ["fedavg", "pruned"], "accuracy_worst"))
    assert told["variants"] == ["fedavg", "pruned"]
    assert told["progress"]["measures"][0] == "accuracy_worst"


def test_less_of_a_loss_is_better():
    assert column("loss_global")["better"] == -1
    assert column("accuracy_global")["better"] == 1


def test_nothing_known_is_no_datum():
    assert datum([]) is None
