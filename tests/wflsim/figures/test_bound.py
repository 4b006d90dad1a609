"""The bound beside what was measured: the theorem's terms on the first rounds, with constants of the whole run."""

from pathlib import Path

import numpy as np
import pytest

from wflsim import results
from wflsim.claims.gradients import constants, from_the_first, terms_of
from wflsim.errors import UserError
from wflsim.figures.bound import TABLES, foreign, known, path, stepping
from wflsim.figures.drawing import drawn
from wflsim.figures.layout import Wanted
from wflsim.figures.legibility import clashes
from wflsim.figures.lines import framed
from wflsim.figures.paper import WIDTHS_IN, styled

KEPT = Path(__file__).parents[3] / "docs/gallery/runs/bounded"


@pytest.fixture(scope="module")
def kept():
    return results.load(KEPT)


def algorithm(one, variant):
    return one.told["resolved"]["variants"][variant]["algorithm"]


@pytest.mark.parametrize("width", WIDTHS_IN)
def test_every_text_can_be_read(kept, width):
    figure = drawn("bound", kept, Wanted(WIDTHS_IN[width]))
    with styled():
        assert clashes(figure) == []


def test_a_path_is_the_theorem_on_the_first_rounds(kept):
    one = kept.played[0]
    rounds = from_the_first(one.folder.read("rounds", variant="pruned"))
    rows = kept.rounds[(kept.rounds["run"] == one.name) & (kept.rounds["variant"] == "pruned")]
    steps = stepping(algorithm(one, "pruned"))
    found = path(rows, steps)
    constant = constants(rounds, steps)
    assert len(found.bound) == len(rounds["round"]) == 24
    for n in (1, 7, 24):
        terms = terms_of(constant, {name: column[:n] for name, column in rounds.items()})
        assert found.bound[n - 1] == pytest.approx(sum(terms.values()))
        assert found.measured[n - 1] == pytest.approx(rounds["gradient_square"][:n].mean())
    assert (found.measured < found.bound).all()
    optimisation = found.terms["optimisation"]
    np.testing.assert_allclose(optimisation * np.arange(1, 25), optimisation[0])


def test_lines_are_means_over_seeds_and_bars_are_shares(kept):
    left, right = drawn("bound", kept, Wanted()).axes
    paths = known(kept, framed(kept, TABLES)["rounds"])
    assert list(paths) == ["pruned", "dense"]
    shown = {(line.get_label(), line.get_markerfacecolor() == "white"): line for line in left.lines}
    for name, own in paths.items():
        assert len(own) == 3
        bound, measured = shown[name, False], shown[name, True]
        np.testing.assert_allclose(bound.get_ydata(), np.mean([each.bound for each in own], axis=0))
        np.testing.assert_allclose(
            measured.get_ydata(), np.mean([each.measured for each in own], axis=0)
        )
    widths = np.array([[bar.get_width() for bar in term] for term in right.containers])
    np.testing.assert_allclose(widths.sum(axis=0), 100.0)
    assert widths[1, 1] == 0.0, "nothing is pruned in the dense variant"


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({"restart": True}, 2),
        ({"restart": False}, 5),
        ({"restart": False, "scoring_steps": 0}, 2),
    ],
)
def test_scoring_steps_count_unless_they_are_thrown_away(of, said):
    base = {
        "shared_rate": 0.1,
        "masked_steps": 2,
        "scoring_steps": 3,
        "personal_rate": 0.2,
        "personal_steps": 1,
    }
    assert stepping(base | of).steps == said
    assert stepping({"kind": "fedavg", "steps": 8}) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fusion": "zeros"}, "fusion: zeros"),
        ({"fusion_weight": "samples"}, "fusion_weight: samples"),
        ({"momentum": 0.9}, "momentum"),
        ({"decay": 0.1}, "weight decay"),
        ({"restart": False, "importance": "delta"}, "restart: false"),
    ],
)
def test_methods_of_which_the_theorem_does_not_speak_are_told(settings, said):
    assert said in foreign(settings)


def test_methods_of_which_it_speaks_are_drawn():
    spoken = {"fusion": "kept", "fusion_weight": "uniform", "restart": False}
    assert foreign({**spoken, "importance": "magnitude", "momentum": 0.0, "decay": 0.0}) == ""


def test_where_the_theorem_says_nothing_a_sentence_says_why(kept, little):
    with pytest.raises(UserError, match=r"pruned: the theorem does not speak of fusion_weight"):
        drawn("bound", results.load(little), Wanted(), ["pruned"])
    with pytest.raises(UserError, match="methods with a shared and a personal part; play japp"):
        drawn("bound", results.load(little), Wanted(), ["fedavg"])
    long = {**algorithm(kept.played[0], "dense"), "shared_rate": 5.0}
    rows = kept.rounds[(kept.rounds["variant"] == "dense") & (kept.rounds["seed"] == 1)]
    assert path(rows, stepping(long)).startswith(
        "nothing is proven for such steps: η_u τ L_u must be at most 0.5"
    )
    unmeasured = rows.assign(gradient_square=rows["gradient_square"].where(rows["round"] != 5))
    nothing = rows.assign(gradient_square=np.nan)
    assert "no gradient was measured; write gradient_samples" in path(nothing, stepping(long))
    twice = rows.assign(round=rows["round"] // 2)
    assert "rounds with one exchange" in path(twice, stepping(long))
    assert "some rounds were not measured" in path(
        unmeasured, stepping(algorithm(kept.played[0], "dense"))
    )
