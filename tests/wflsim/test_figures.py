import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wflsim.figures.overview import draw
from wflsim.figures.phases import happened
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle


@pytest.fixture(scope="module")
def tables(tiny):
    scenario = parse(tiny, "t", ["evaluate_every=2"]).scenario
    setting, found = settle(scenario.world), {}
    for name, system in scenario.systems.items():
        recorder = Recorder(name)
        for report in stage(setting, system).rounds():
            recorder.add(report)
        found[name] = {table: recorder.table(table) for table in ("rounds", "clients")}
    return found


@pytest.fixture(scope="module")
def figure(tables):
    return draw("tiny", tables)


def test_the_left_panel_is_accuracy_over_simulated_time(figure, tables):
    axes = figure.axes[0]
    assert axes.get_xlabel() == "simulated time [s]"
    assert axes.get_ylabel().endswith("[%]")
    assert [line.get_label() for line in axes.lines] == list(tables)
    for line, found in zip(axes.lines, tables.values(), strict=True):
        rounds = found["rounds"]
        known = ~np.isnan(rounds["accuracy_personal"])
        assert known.tolist() == [False, True, True]
        assert np.allclose(line.get_xdata(), rounds["end_s"][known])
        assert np.allclose(line.get_ydata(), 100 * rounds["accuracy_personal"][known])


def test_the_right_panel_adds_up_to_a_round(figure, tables):
    axes = figure.axes[1]
    bars = np.array([[bar.get_width() for bar in container] for container in axes.containers])
    assert bars.shape == (len(happened({n: t["clients"] for n, t in tables.items()})), len(tables))
    for total, found in zip(bars.sum(axis=0), tables.values(), strict=True):
        assert total == pytest.approx(found["rounds"]["length_s"].mean())


def test_every_line_differs_without_colour(figure):
    shapes = {(line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(shapes) == len(figure.axes[0].lines)


def seen(axis):
    """Return the labels of an axis that are drawn: those of ticks in view, and its own."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in (*ticks, axis.label) if text.get_text()]


def test_texts_do_not_overlap(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [
        text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in seen(axis)
    ]
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]
    assert len(boxes) > 10
    for index, (one, here) in enumerate(boxes):
        for other, there in boxes[index + 1 :]:
            assert not here.overlaps(there), (one, other)


def test_legends_cover_no_data(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        legend = axes.get_legend().get_window_extent(canvas.get_renderer())
        assert legend.y0 >= axes.get_window_extent().y1 - 1


def test_drawing_changes_nothing_outside(figure):
    import matplotlib as mpl

    assert mpl.rcParams["pdf.fonttype"] == 3
    assert isinstance(figure, Figure)
