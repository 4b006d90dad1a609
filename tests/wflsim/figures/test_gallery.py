"""The gallery: every figure of the catalogue, drawn from runs that are kept, beside the picture that the docs show."""

import importlib.util
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from wflsim.figures.catalogue import FIGURES
from wflsim.figures.drawing import drawn as paint
from wflsim.figures.layout import Wanted
from wflsim.figures.legibility import clashes
from wflsim.figures.paper import WIDTHS_IN, styled
from wflsim.results import load

DOCS = Path(__file__).parents[3] / "docs"
TOLERANCE = 6.0  # root of the mean squared difference of grey values, of 255: other versions of fonts and of anti-aliasing


@pytest.fixture(scope="module")
def gallery():
    """The module that draws it."""
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(gallery, tmp_path_factory):
    return {path.stem: path for path in gallery.draw(tmp_path_factory.mktemp("gallery"))}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_as_the_docs_show_it(drawn, name):
    kept = DOCS / "gallery" / f"{name}.png"
    assert compare_images(str(kept), str(drawn[name]), TOLERANCE) is None


@pytest.mark.parametrize(
    ("name", "width"),
    [(n, w) for n, figure in FIGURES.items() for w in WIDTHS_IN if figure.narrow or w == "two"],
)
def test_every_text_of_a_figure_can_be_read_as_papers_print_it(gallery, name, width):
    nothing = FIGURES[name].of == "nothing"
    runs = None if nothing else load(DOCS / "gallery" / "runs" / gallery.OF.get(name, "seeds"))
    with styled():
        assert clashes(paint(name, runs, Wanted(WIDTHS_IN[width]))) == []


def test_another_figure_would_be_noticed(drawn, tmp_path):
    """The tolerance is not so wide that a missing line passes."""
    import numpy as np
    from PIL import Image

    kept = DOCS / "gallery" / "progress.png"
    picture = np.array(Image.open(kept).convert("RGB"))
    blue = (picture[..., 2] > 120) & (picture[..., 0] < 90)
    picture[blue] = 255
    Image.fromarray(picture).save(tmp_path / "without.png")
    assert compare_images(str(kept), str(tmp_path / "without.png"), TOLERANCE) is not None


def test_every_figure_is_shown_in_the_docs():
    page = (DOCS / "plots.md").read_text()
    assert all(f"gallery/{name}.png" in page for name in FIGURES)
