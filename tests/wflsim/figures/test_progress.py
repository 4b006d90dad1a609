"""What seeds say together, and what lines of runs are called and look like."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from wflsim.errors import UserError
from wflsim.figures.layout import Wanted
from wflsim.figures.lines import apart, known, looks, names
from wflsim.figures.paper import styled
from wflsim.figures.progress import draw, steps, together


def frame(values, seconds=None):
    """Return rounds of one line, values of shape (runs, rounds)."""
    values = np.asarray(values, dtype=float)
    runs, rounds = values.shape
    seconds = np.tile(np.arange(1.0, rounds + 1), (runs, 1)) if seconds is None else seconds
    return pd.DataFrame(
        {
            "run": pd.Categorical(np.repeat([f"seed-{n}" for n in range(runs)], rounds)),
            "line": pd.Categorical(["a"] * values.size),
            "round": np.tile(np.arange(rounds), runs),
            "end_s": np.ravel(seconds),
            "energy_j": 2.0,
            "accuracy_personal": values.ravel(),
        }
    )


@pytest.mark.parametrize("runs", [2, 3, 8])
def test_the_band_is_students_interval(runs):
    values = np.random.default_rng(runs).random((runs, 4))
    with styled():
        figure = draw({"rounds": frame(values)}, Wanted(over="round"))
    half = student.ppf(0.975, runs - 1) * values.std(axis=0, ddof=1) / np.sqrt(runs)
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 100 * values.mean(axis=0))
    edge = axes.collections[0].get_paths()[0].vertices
    for number in range(4):
        band = edge[edge[:, 0] == number, 1]
        middle = 100 * values[:, number].mean()
        assert band.max() == pytest.approx(middle + 100 * half[number])
        assert band.min() == pytest.approx(middle - 100 * half[number])


def test_seeds_of_other_lengths_meet_where_all_of_them_are():
    seconds = np.array([[1.0, 2.0, 3.0], [1.5, 2.5, 6.0]])
    values = np.array([[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]])
    found = together(steps(frame(values, seconds), "accuracy_personal", "s"))
    assert found.where.tolist() == [1.5, 2.0, 2.5, 3.0]
    np.testing.assert_allclose(found.mean, [0.3, 0.35, 0.4, 0.45])


def test_a_measure_that_is_not_known_in_a_round_holds_on():
    values = np.array([[0.1, np.nan, 0.3]])
    ((at, value),) = steps(frame(values), "accuracy_personal", "j")
    assert at.tolist() == [2.0, 6.0], "joules of rounds without a measure count"
    assert value.tolist() == [0.1, 0.3]


def test_seeds_that_never_meet_have_no_line_but_a_figure():
    seconds = np.array([[1.0], [2.0]])
    with styled():
        figure = draw({"rounds": frame([[0.1], [0.2]], seconds)}, Wanted())
    assert len(figure.axes[0].lines[0].get_xdata()) == 1
    assert len(figure.axes[1].lines[0].get_xdata()) == 0


def test_no_two_lines_look_alike_and_a_line_keeps_its_look():
    lines = [f"line {number}" for number in range(40)]
    rows = pd.DataFrame({"line": pd.Categorical(lines, lines)})
    with styled():
        found = looks(rows)
        some = looks(rows[rows["line"].isin(lines[5:9])])
    assert len({tuple(look.values()) for look in found.values()}) == len(lines)
    assert some == {line: found[line] for line in lines[5:9]}


def test_runs_are_called_by_what_differs_within_their_scenario():
    runs = pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "scenario": ["one", "one", "two"],
            "radio.bandwidth_hz": [1e6, 2e6, 2e6],
            "rounds": [3, 3, 9],
        }
    )
    found = apart(runs, ["radio.bandwidth_hz", "rounds"])
    assert found == {
        "a": "one, bandwidth 1 MHz",
        "b": "one, bandwidth 2 MHz",
        "c": "two, bandwidth 2 MHz",
    }
    alone = runs[runs["scenario"] == "two"]
    assert apart(alone, ["radio.bandwidth_hz", "rounds"]) == {"c": ""}


def test_a_measure_that_no_run_tells_is_a_mistake_with_what_they_tell():
    rows = frame([[0.1, 0.2]])
    assert names(known(rows, "accuracy_personal")) == ["a"]
    with pytest.raises(
        UserError, match="do not tell 'acuracy_personal'; did you mean 'accuracy_personal'"
    ):
        known(rows, "acuracy_personal")
    with pytest.raises(UserError, match="the runs tell no accuracy"):
        known(rows.assign(accuracy_personal=np.nan), "accuracy_personal")
