"""What cannot be read is found, and what can is let be."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wflsim.figures.layout import legend, panels
from wflsim.figures.legibility import clashes
from wflsim.figures.paper import styled


def test_texts_over_each_other_are_found():
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    assert clashes(figure) == []
    figure.text(0.5, 0.505, "other")
    assert clashes(figure) == ["'one' and 'other' overlap"]
    figure.texts[1].set_visible(False)
    assert clashes(figure) == []


def test_a_text_beyond_the_edge_is_found():
    figure = Figure()
    figure.text(0.95, 0.5, "far too long for its place")
    assert clashes(figure) == ["'far too long for its place' leaves the figure"]


def test_ticks_out_of_view_do_not_count_and_those_in_view_do():
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.set_xticks([0.0, 0.5, 5.0, 5.01], ["a", "b", "far", "farther"])
    axes.set_xlim(0, 1)
    assert clashes(figure) == []
    axes.set_xticks([0.0, 0.01], ["words", "more words"])
    assert clashes(figure) == ["'words' and 'more words' overlap"]


def test_a_legend_fits_the_width_and_the_figure_grows_for_it():
    with styled():
        figure, _ = panels(2, 3.5)
        before_in = figure.get_size_inches()[1]
        legend(figure, {f"a rather long name {n}": Line2D([], []) for n in range(9)})
        assert figure.get_size_inches()[1] > before_in + 0.5
        assert clashes(figure) == []
