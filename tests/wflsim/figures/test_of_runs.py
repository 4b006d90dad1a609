"""Figures that are drawn from a run itself, from several, or from none: all can be read, none needs torch, and mistakes are told."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wflsim import results
from wflsim.errors import UserError
from wflsim.figures.catalogue import FIGURES
from wflsim.figures.drawing import drawn
from wflsim.figures.layout import Wanted
from wflsim.figures.legibility import clashes
from wflsim.figures.paper import WIDTHS_IN, styled

OF_ONE = [name for name, drawing in FIGURES.items() if drawing.of == "run"]
BOTH = [(name, width) for name in [*OF_ONE, "waterfall", "calibration"] for width in WIDTHS_IN]


@pytest.fixture(scope="module")
def one(little):
    return results.load(little / "seed-1")


@pytest.mark.parametrize(("name", "width"), BOTH)
def test_every_text_can_be_read_and_panels_have_labels(name, width, one):
    figure = drawn(name, None if name == "calibration" else one, Wanted(WIDTHS_IN[width]))
    with styled():
        assert clashes(figure) == []
    assert figure.get_size_inches()[0] == WIDTHS_IN[width]
    renderer = FigureCanvasAgg(figure).get_renderer()
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_ylabel() or axes.get_subplotspec() is not None


@pytest.mark.parametrize("name", OF_ONE)
def test_what_is_of_one_run_is_not_drawn_of_two(name, little):
    with pytest.raises(UserError, match=r"is of one run, and .* holds 2; name one of these"):
        drawn(name, results.load(little), Wanted())


def test_none_of_them_imports_torch(little):
    code = (
        "import sys\n"
        "from wflsim.results import load\n"
        "from wflsim.figures.drawing import drawn\n"
        "from wflsim.figures.layout import Wanted\n"
        f"found = load({str(little / 'seed-1')!r})\n"
        f"for name in {[*OF_ONE, 'waterfall']!r}:\n"
        "    drawn(name, found, Wanted())\n"
        "import wflsim.figures.bound, wflsim.figures.calibration\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {module.partition(".")[0] for module in done.stdout.split()}
    assert {"matplotlib", "pandas"} <= found
    assert found & {"torch", "cvxpy", "numba"} == set()


def altered(little, tmp_path, change):
    """Return a copy of a run whose resolved scenario is changed."""
    shutil.copytree(little / "seed-1", tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    told = json.loads(path.read_text())
    change(told["resolved"])
    path.write_text(json.dumps(told))
    return results.load(tmp_path / "run")


def test_a_scenario_that_cannot_be_read_any_more_is_told(little, tmp_path):
    found = altered(little, tmp_path, lambda of: of["channel"].update(wormholes=3))
    with pytest.raises(UserError, match=r"played by wflsim .*, cannot be read: .*; play it again"):
        drawn("coverage", found, Wanted())


def test_data_that_are_not_here_are_told(little, tmp_path, monkeypatch):
    monkeypatch.setenv("WFLSIM_DATA", str(tmp_path))

    def elsewhere(of):
        of["task"]["data"] = {"kind": "npz", "file": "not_there.npz"}

    found = altered(little, tmp_path, elsewhere)
    with pytest.raises(UserError, match="drawn from its data set, which cannot be read here"):
        drawn("partition", found, Wanted())
    assert drawn("coverage", found, Wanted()).axes, "the ground needs no data"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grid", "of 'pruned' no round is over"),
        ("fading", "nobody took part"),
        ("bound", "are empty"),
        ("waterfall", "nothing was spent"),
    ],
)
def test_runs_of_which_no_round_is_over_are_told(name, said, little, tmp_path):
    shutil.copytree(little / "seed-1", tmp_path / "run")
    for table in ("rounds", "clients"):
        path = tmp_path / "run" / f"{table}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(UserError, match=said):
        drawn(name, results.load(tmp_path / "run"), Wanted())


@pytest.mark.parametrize("name", [*OF_ONE, "waterfall"])
def test_a_style_is_laid_over_them(name, one):
    figure = drawn(name, one, Wanted(style="dark_background"))
    assert figure.get_facecolor() == (0, 0, 0, 1)


def test_the_partition_is_that_of_the_run(one):
    from wflsim.figures.held import held, resettled
    from wflsim.figures.partition import apart

    setting = resettled(one.played[0])
    found = held(setting)
    assert found.counts.sum() == found.sizes.sum()
    assert setting.devices.position_m.shape == (4, 2)
    assert ((found.counts > 0).sum(axis=1) == 2).all(), (
        "two classes a device, as its scenario has it"
    )
    np.testing.assert_array_equal(found.sizes[:, 0], setting.holdings.samples)
    where = np.random.default_rng(3).random((200, 2))
    kept = where[apart(where, np.array([0.1, 0.05]))]
    gap = np.abs(kept[:, None] - kept) + np.eye(len(kept))[..., None]
    assert (gap >= [0.1, 0.05]).any(axis=2).all(), "no two numbers lie over each other"
    assert len(kept) < len(where)
