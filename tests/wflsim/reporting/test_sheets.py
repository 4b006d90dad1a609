import math

import pytest

from wflsim.errors import UserError
from wflsim.reporting.sheets import Place, number, outcome_sheet, sheet, told
from wflsim.tables.grid import Cell, Grid
from wflsim.tables.outcomes import grid, outcomes, with_best

ALL = ("pruned", "fedalt", "fedavg")


def test_outcomes_are_those_of_the_table(seeds):
    found = outcome_sheet(seeds, ALL)
    printed = grid(with_best(outcomes(seeds, told(seeds))))
    assert list(found.header) == list(printed.header)
    texts = [[(cell.text, cell.bold) for cell in row] for row in printed.rows]
    assert [[(place.text, place.best) for place in row] for row in found.rows] == texts
    assert found.notes == printed.notes


def test_rows_are_sorted_by_unrounded_means(seeds):
    found = outcome_sheet(seeds, ALL)
    place = list(found.header).index("energy [J]")
    finals = seeds.finals.groupby("variant")["energy_j"].mean()
    for row in found.rows:
        assert row[place].key == pytest.approx(finals[row[0].text], rel=1e-12)


def test_more_accuracy_comes_first_and_fewer_joules(seeds):
    found = outcome_sheet(seeds, ALL)
    first = dict(zip(found.header, found.first, strict=True))
    assert first["accuracy, own models [%]"] == -1
    assert first["energy [J]"] == first["variant"] == 1


def test_a_measure_that_is_asked_for_comes_first_and_others_stay_out(seeds):
    found = outcome_sheet(seeds, ["fedavg"], "accuracy_worst")
    assert [row[0].text for row in found.rows] == ["fedavg"]
    assert found.header[1] == "accuracy, worst device [%]"


def test_what_nobody_reached_has_no_key(seeds):
    found = outcome_sheet(seeds, ALL)
    place = list(found.header).index("time to target [s]")
    keys = {row[0].text: row[place].key for row in found.rows}
    assert keys["fedavg"] is None
    assert all(isinstance(keys[name], float) for name in ("pruned", "fedalt"))


def test_measures_of_which_nothing_but_zero_is_known_are_left_out(seeds):
    assert (seeds.finals["missed_deadlines"] == 0).all()
    assert "missed_deadlines" not in told(seeds)


def test_numbers_are_read_off_texts():
    assert number("1234 ± 5 (2 of 3)") == 1234.0
    assert number("∞") == math.inf
    assert number("pruned") is None


def test_keys_are_told_as_scripts_read_them():
    orders = [Place("", key).order for key in (math.inf, -math.inf, 1.5, 1e-7)]
    assert orders == ["Infinity", "-Infinity", "1.5", "1e-07"]


def test_words_of_a_grid_have_no_keys_and_bars_stand_in_the_last_column():
    found = sheet(Grid(["a", "b"], [[Cell("7"), Cell("-1.5")]]), "c", bars=[-1.0])
    assert [(place.key, place.bar) for place in found.rows[0]] == [(None, None), (-1.5, -1.0)]


def test_without_an_end_there_is_nothing_to_tell(seeds, changed):
    from wflsim.results import load

    run = load(changed("seeds/1", lambda manifest: manifest.update(variants={})))
    with pytest.raises(UserError, match="come to its end"):
        outcome_sheet(run, [])
