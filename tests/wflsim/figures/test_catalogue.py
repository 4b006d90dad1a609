"""All figures of the catalogue, drawn from runs: what they show are the runs' numbers, and all of it can be read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wflsim import results
from wflsim.errors import UserError
from wflsim.figures.catalogue import FIGURES, named
from wflsim.figures.certificate import RESIDUALS, largest
from wflsim.figures.drawing import LISTED, drawn, provenance
from wflsim.figures.layout import Wanted
from wflsim.figures.legibility import clashes
from wflsim.figures.paper import WIDTHS_IN, styled
from wflsim.network.timeline import PHASES

OF_MANY = [name for name, drawing in FIGURES.items() if drawing.tables]


@pytest.fixture(scope="module")
def both(little):
    return results.load(little)


@pytest.fixture(scope="module")
def figures(both):
    return {
        (name, width): drawn(name, both, Wanted(inches))
        for name in OF_MANY
        for width, inches in WIDTHS_IN.items()
    }


def line(axes, label):
    return next(each for each in axes.lines if each.get_label() == label)


@pytest.mark.parametrize("width", WIDTHS_IN)
@pytest.mark.parametrize("name", OF_MANY)
def test_every_text_can_be_read_and_legends_cover_no_data(figures, name, width):
    figure = figures[name, width]
    with styled():
        assert clashes(figure) == []
    assert figure.get_size_inches()[0] == WIDTHS_IN[width]
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert figure.legends
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


@pytest.mark.parametrize("name", OF_MANY)
def test_panels_of_a_figure_have_labels_and_nothing_changes_outside(figures, name):
    figure = figures[name, "two"]
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert rcParams["pdf.fonttype"] == 3
    assert rcParams["font.size"] == 10


def test_progress_is_the_mean_of_the_seeds_in_percent(figures, both):
    axes = figures["progress", "two"].axes
    assert [panel.get_xlabel().partition(" [")[0] for panel in axes[:1]] == ["round"]
    for variant, rows in both.rounds.groupby("variant", observed=True):
        expected = 100 * rows.groupby("round")["accuracy_personal"].mean()
        shown = line(axes[0], variant)
        np.testing.assert_allclose(shown.get_xdata(), expected.index)
        np.testing.assert_allclose(shown.get_ydata(), expected)
    assert len(axes[0].collections) == 2, "a band a variant"
    assert axes[0].get_ylim()[0] >= 0
    assert axes[0].get_ylim()[1] <= 101


def test_of_one_seed_progress_is_what_was_recorded_and_has_no_band(little):
    alone = results.load(little / "seed-1")
    figure = drawn("progress", alone, Wanted())
    for variant, rows in alone.rounds.groupby("variant", observed=True):
        spent = rows["energy_j"].cumsum().to_numpy()
        shown = line(figure.axes[2], variant)
        assert "[mJ]" in figure.axes[2].get_xlabel()
        np.testing.assert_allclose(shown.get_xdata(), 1e3 * spent)
        np.testing.assert_allclose(shown.get_ydata(), 100 * rows["accuracy_personal"])
        of = alone.finals.set_index("variant").loc[variant]
        assert spent[-1] == pytest.approx(of["energy_j"])
        assert rows["end_s"].iloc[-1] == pytest.approx(of["simulated_s"])
    assert not any(axes.collections for axes in figure.axes)


def test_progress_over_one_quantity_is_one_panel_of_any_measure(both):
    figure = drawn("progress", both, Wanted(measure="loss_personal", over="round"))
    assert len(figure.axes) == 1
    assert figure.axes[0].get_ylabel() == "loss personal"
    rows = both.rounds[both.rounds["variant"] == "fedavg"]
    expected = rows.groupby("round")["loss_personal"].mean()
    np.testing.assert_allclose(line(figure.axes[0], "fedavg").get_ydata(), expected)


def test_variants_are_shown_as_asked_for(both):
    figure = drawn("progress", both, Wanted(), ["fedavg"])
    assert [each.get_label() for each in figure.axes[0].lines] == ["fedavg"]
    with pytest.raises(UserError, match="--variant fedavgs: was not played; did you mean 'fedavg'"):
        drawn("progress", both, Wanted(), ["fedavgs"])


def test_pareto_has_a_marker_a_variant_at_the_mean_of_its_finals(figures, both):
    axes = figures["pareto", "one"].axes
    for variant, rows in both.finals.groupby("variant"):
        for panel, cost in zip(axes, ("simulated_s", "energy_j"), strict=True):
            bars = next(each for each in panel.containers if each.get_label() == variant)
            (x,), (y,) = bars.lines[0].get_data()
            assert x == pytest.approx(1e3 * rows[cost].mean())
            assert y == pytest.approx(100 * rows["accuracy_personal"].mean())


def test_distributions_count_rounds_and_devices(figures, both):
    lengths, energies = figures["cdf", "two"].axes
    rounds = both.rounds[both.rounds["variant"] == "pruned"]
    clients = both.clients[both.clients["variant"] == "pruned"]
    for panel, values in (
        (lengths, rounds["length_s"]),
        (energies, clients[[f"{phase}_j" for phase in PHASES]].sum(axis=1)),
    ):
        at, share = line(panel, "pruned").get_data()
        expected = [np.mean(1e3 * values <= each * (1 + 1e-12)) for each in at[1:]]
        np.testing.assert_allclose(share[1:], expected)


def test_bars_of_phases_add_up_to_a_round(figures, both):
    seconds, joules = figures["phases", "two"].axes
    for panel, unit in ((seconds, "s"), (joules, "j")):
        total = np.sum([[bar.get_width() for bar in each] for each in panel.containers], axis=0)
        clients = both.clients
        spent = clients[[f"{phase}_{unit}" for phase in PHASES]].sum(axis=1)
        expected = spent.groupby(clients["variant"], observed=True).mean()
        np.testing.assert_allclose(total, 1e3 * expected[["pruned", "fedavg"]])


def test_allocations_are_the_recorded_ones(figures, both):
    for panel, column, factor in zip(
        figures["allocation", "two"].axes,
        ("keep", "bandwidth_hz", "power_w"),
        (1, 1e-3, 1e3),
        strict=True,
    ):
        rows = both.clients[both.clients["variant"] == "pruned"]
        gain_db, value = line(panel, "pruned").get_data()
        np.testing.assert_allclose(gain_db, rows["gain_db"])
        np.testing.assert_allclose(value, factor * rows[column])


def test_fairness_stands_on_one_scale_and_jain_on_its_own(figures, both):
    axes = figures["fairness", "two"].axes
    assert len({panel.get_ylim() for panel in axes[:3]}) == 1
    rows = both.rounds[both.rounds["variant"] == "fedavg"].groupby("round")
    np.testing.assert_allclose(
        line(axes[2], "fedavg").get_ydata(), 100 * rows["accuracy_worst"].mean()
    )
    np.testing.assert_allclose(line(axes[3], "fedavg").get_ydata(), rows["accuracy_jain"].mean())


def test_certificates_are_the_largest_residuals_down_to_zero(figures, both):
    axes = figures["certificate", "one"].axes
    rows = both.rounds[both.rounds["variant"] == "pruned"].groupby("round")
    for panel, column in zip(axes, RESIDUALS, strict=True):
        shown = line(panel, "pruned").get_ydata()
        np.testing.assert_allclose(shown, rows[column].max().abs())
        low, high = panel.get_ylim()
        assert low < min(shown)
        assert max(shown) < high
        assert panel.get_yscale() == "symlog"


def test_residuals_without_a_bound_are_not_drawn():
    rounds = pd.DataFrame({"round": [0, 0, 1, 2], "gap": [np.inf, 0.5, np.inf, np.nan]})
    at, most = largest(rounds, "gap")
    assert (at.tolist(), most.tolist()) == ([0.0], [0.5])


@pytest.mark.parametrize("name", ["overview", "anatomy"])
def test_figures_of_one_run_are_drawn_of_one_run_alone(name, little, both):
    figure = drawn(name, results.load(little / "seed-2"), Wanted())
    assert figure.axes
    with pytest.raises(
        UserError, match=r"is of one run, and .* holds 2; name one of these: .*seed-1"
    ):
        drawn(name, both, Wanted())
    with pytest.raises(UserError, match="needs two columns"):
        drawn(name, results.load(little / "seed-2"), Wanted(WIDTHS_IN["one"]))


def test_a_run_without_groups_has_no_figure_of_them(little):
    with pytest.raises(UserError, match="nothing is told of who was alike"):
        drawn("groups", results.load(little / "seed-1"), Wanted())


def test_a_style_is_laid_over_all_figures(little):
    alone = results.load(little / "seed-1")
    for name in ("progress", "overview"):
        figure = drawn(name, alone, Wanted(style="dark_background"))
        assert figure.get_facecolor() == (0, 0, 0, 1)
    with pytest.raises(UserError, match="no style of matplotlib; did you mean 'ggplot'"):
        drawn("progress", alone, Wanted(style="gplot"))


def test_the_page_of_figures_has_a_command_for_each():
    page = (Path(__file__).parents[3] / "docs/plots.md").read_text("utf-8")
    rows = [row.split("`")[1] for row in page.splitlines() if row.startswith("| `")]
    assert rows == list(FIGURES)
    for name, drawing in FIGURES.items():
        run = "" if drawing.of == "nothing" else "RUN "
        assert f"`wflsim plot {run}--figure {name} --out {name}.pdf`" in page


def test_what_a_figure_does_not_take_is_told():
    with pytest.raises(UserError, match="--figure progres: did you mean 'progress'"):
        named("progres")
    with pytest.raises(
        UserError, match="'cdf' has no choice of it; leave it out, or draw progress"
    ):
        named("cdf", ["over"])


def test_a_figure_tells_every_digest_or_one_of_all(both, monkeypatch):
    told = provenance("wflsim plot x", both)
    assert told["Subject"] == "wflsim plot x"
    digests = [
        said["records_sha256"] for one in both.played for said in one.told["variants"].values()
    ]
    assert len(set(digests)) == 4 <= LISTED
    assert all(digest in told["Keywords"] for digest in digests)
    assert digests[1] not in provenance("", both, ["pruned"])["Keywords"]
    monkeypatch.setattr("wflsim.figures.drawing.LISTED", 3)
    many = provenance("", both)["Keywords"]
    assert "all 4 variants of 2 runs" in many
    assert not any(digest in many for digest in digests)
