"""Waterfalls: steps that lead from one total to the other, whatever is small."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from wflsim import results
from wflsim.comparison.causes import ROUNDS, Causes, Part
from wflsim.errors import UserError
from wflsim.figures.drawing import drawn
from wflsim.figures.layout import Wanted
from wflsim.figures.waterfall import WORTH, fall, found, last_digit, steps

AMOUNTS = st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3)


def causes(differences, a=5.0):
    names = (ROUNDS, "compute", "upload")
    parts = tuple(Part(name, 0.0, 0.0, by) for name, by in zip(names, differences, strict=True))
    return Causes("s", a, a - sum(differences), parts)


@given(AMOUNTS)
def test_steps_lead_from_one_total_to_the_other_without_a_gap(differences):
    told = causes(differences)
    level = told.a
    for step in steps(told):
        assert step.start == pytest.approx(level)
        level = step.start + step.by
    assert level == pytest.approx(told.b, abs=0.501 * last_digit(max(told.a, told.b)))


def test_small_parts_are_one_and_what_is_nothing_is_left_out():
    little = 0.6 * WORTH * 5.0
    assert [step.name for step in steps(causes([little, 1.0, little]))] == ["compute", ""]
    assert [step.name for step in steps(causes([0.0, 1.0, 1e-9]))] == ["compute"]
    assert steps(causes([0.0, 0.0, 0.0])) == []


def test_levels_below_zero_are_seen():
    """One system played many more rounds of less each."""
    figure = Figure()
    axes = figure.subplots()
    fall(axes, causes([14.0, -8.0, -3.0]), "many", "few")
    bars = [bar for each in axes.containers for bar in each]
    low, high = axes.get_xlim()
    ends = [end for bar in bars for end in (bar.get_x(), bar.get_x() + bar.get_width())]
    assert low < min(ends) == pytest.approx(-9.0)
    assert max(ends) < high


def test_what_is_there_again_counts_once(little, tmp_path):
    for name in ("one", "again"):
        shutil.copytree(little, tmp_path / name)
    once, twice = results.load(tmp_path / "one"), results.load(tmp_path)
    (one,), (two,) = (found(each, ["fedavg", "pruned"]).values() for each in (once, twice))
    assert [each.a for each in one] == [each.a for each in two]


def test_bars_are_the_totals_of_the_runs_and_the_steps_between_them(little):
    both = results.load(little)
    figure = drawn("waterfall", both, Wanted(), ["fedavg", "pruned"])
    finals = both.finals.groupby("variant")[["simulated_s", "energy_j"]].mean()
    for axes, column in zip(figure.axes, finals, strict=True):
        bars = [bar for each in axes.containers for bar in each]
        first, *between, last = bars
        names = [tick.get_text() for tick in axes.get_yticklabels()]
        assert (names[0], names[-1]) == ("fedavg", "pruned")
        scale = 1e3 if "[m" in axes.get_xlabel() else 1.0
        assert first.get_width() == pytest.approx(scale * finals.loc["fedavg", column], rel=1e-6)
        assert last.get_width() == pytest.approx(scale * finals.loc["pruned", column], rel=1e-6)
        moved = sum(bar.get_width() for bar in between)
        assert moved == pytest.approx(
            last.get_width() - first.get_width(),
            abs=last_digit(max(first.get_width(), last.get_width())),
        )
        levels = np.cumsum([first.get_width(), *(bar.get_width() for bar in between)])
        starts = [bar.get_x() for bar in between]
        np.testing.assert_allclose(starts, levels[:-1])


def test_it_needs_two_variants_and_room(little, monkeypatch):
    both = results.load(little)
    with pytest.raises(UserError, match=r"there is but one, 'fedavg'; .*name runs of several"):
        found(both, ["fedavg"])
    monkeypatch.setattr("wflsim.figures.waterfall.MOST", 0)
    with pytest.raises(UserError, match=r"would be 1 waterfalls, and a page holds 0; choose"):
        found(both, ["fedavg", "pruned"])


def test_points_of_a_sweep_have_waterfalls_of_their_own(play, little, tmp_path):
    for band in ("1e6", "2e6"):
        play(
            tmp_path / "runs" / band,
            little / "little.yaml",
            "learning=none",
            f"radio.bandwidth_hz={band}",
        )
    figure = drawn("waterfall", results.load(tmp_path / "runs"), Wanted(3.5))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["bandwidth 1 MHz"] * 2 + ["bandwidth 2 MHz"] * 2
