"""Figures on a page: its colours and names, and white paper below what has others."""

import re
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure

from wflsim.figures.inline import inline, of_page
from wflsim.figures.paper import styled


def drawn(**line):
    with styled():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0.0, 1.0], [0.0, 2.0], label="a < b & c", **line)
        axes.legend()
    return figure


def test_a_figure_is_whole_and_in_the_colours_of_the_page():
    found = inline(drawn(), "one", 'says "more" & <less>')
    root = ET.fromstring(found.svg)
    assert root.get("aria-label") == 'says "more" & <less>'
    assert root.get("role") == "img"
    assert "a < b & c" in "".join(root.itertext())
    assert not found.paper
    assert not re.search(r"#[0-9a-f]{6}\b", found.svg + found.styles)
    assert "var(--blue)" in found.styles
    assert "font-family" not in found.styles
    assert "style=" not in found.svg
    assert "http" not in found.svg


def test_all_names_are_the_figures_own_and_what_is_pointed_at_is_there():
    found = inline(drawn(marker="o"), "two", "says")
    names = set(re.findall(r' id="([^"]+)"', found.svg))
    assert names
    assert all(name.startswith("two-") for name in names)
    assert set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", found.svg)) <= {
        (name, "") for name in names
    } | {("", name) for name in names}
    classes = set(re.findall(r'class="([^"]+)"', found.svg))
    assert classes == set(re.findall(r"\.(two-s\d+)\{", found.styles))


def test_other_colours_stay_and_lie_on_paper():
    found = inline(drawn(color="#123456"), "three", "says")
    assert found.paper
    assert "#123456" in found.styles


def test_images_lie_on_paper():
    with styled():
        figure = Figure()
        figure.subplots().imshow([[0.0, 1.0]], cmap="gray")
    assert inline(figure, "four", "says").paper


def test_the_same_figure_is_the_same_text():
    assert inline(drawn(), "five", "says") == inline(drawn(), "five", "says")


@pytest.mark.parametrize(("grey", "black"), [("#ffffff", 0), ("#808080", 50), ("#1a1a1a", 90)])
def test_greys_are_so_much_of_the_ink(grey, black):
    assert f"var(--ink) {black}%" in of_page(grey)
