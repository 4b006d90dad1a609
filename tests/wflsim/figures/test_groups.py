"""The figure of groups, from the table that a variant leaves behind."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from wflsim.contracts import Grouping
from wflsim.figures.groups import GREY, NAMED, draw, likeness, stretches, told
from wflsim.records.recorder import Recorder


def table(label, cosine):
    recorder = Recorder("x")
    recorder.end(Grouping(np.array(label), np.array(cosine)))
    return recorder.table("groups")


def blobs(label, within=0.9, between=0.1, seed=0):
    """Return how alike devices are of which those of one group are much alike."""
    same = np.equal.outer(label, label)
    noise = 0.02 * np.random.default_rng(seed).random(same.shape)
    cosine = np.where(same, within, between) + (noise + noise.T) / 2
    np.fill_diagonal(cosine, 1.0)
    return cosine


LABEL = np.array([0, 1, 0, 2, 1, 2, 0])
COSINE = blobs(LABEL)


def run(label=LABEL, cosine=COSINE):
    return {"groups": table(label, cosine)}


def drawn(tables):
    figure = draw("a run", tables)
    FigureCanvasAgg(figure).draw()
    return figure


def test_the_table_says_how_alike_every_two_are_and_who_is_in_which_group():
    device, group, cosine = likeness(table(LABEL, COSINE))
    assert device.tolist() == list(range(7))
    assert group.tolist() == LABEL.tolist()
    assert np.array_equal(cosine, COSINE)


def test_who_did_not_come_stands_in_the_table_and_in_no_picture():
    unknown = COSINE.copy()
    unknown[3], unknown[:, 3] = np.nan, np.nan
    label = np.where(np.arange(7) == 3, -1, LABEL)
    found = table(label, unknown)
    assert (found["device"] == 3).sum() == 1
    device, group, cosine = likeness(found)
    assert device.tolist() == [0, 1, 2, 4, 5, 6]
    assert group.tolist() == np.delete(LABEL, 3).tolist()
    assert np.isfinite(cosine).all()
    assert told(found) == "3 groups of 6 devices, 1 in none"


def test_groups_that_chose_themselves_have_nothing_to_draw():
    found = table([0, 1, 0], np.full((3, 3), np.nan))
    assert found["group"].tolist() == [0, 1, 0]
    assert draw("t", {"x": {"groups": found}}) is None
    assert draw("t", {"x": {"groups": Recorder("x").table("groups")}}) is None
    assert draw("t", {"x": {}}) is None


def test_devices_of_one_group_stand_beside_each_other_and_the_tree_has_their_colour():
    tree, strip, matrix, bar = drawn({"a": run()}).axes
    order = [int(tick.get_text()) for tick in matrix.get_yticklabels()]
    assert len(stretches(LABEL[order])) == 3
    assert [text.get_text() for text in strip.texts] == [
        str(number) for number, _, _ in stretches(LABEL[order])
    ]
    shown = matrix.images[0].get_array()
    assert np.ma.getmaskarray(shown).diagonal().all()
    apart = ~np.eye(7, dtype=bool)
    assert np.array_equal(np.asarray(shown)[apart], COSINE[np.ix_(order, order)][apart])
    (lines,) = tree.collections
    colours = [to_hex(colour) for colour in lines.get_colors()]
    assert colours.count(to_hex(GREY)) == 2  # three groups are merged twice
    assert len(set(colours)) == 4
    assert bar.get_ylabel() == "cosine"


def test_the_tree_merges_at_mean_distances_from_the_least_up():
    tree, *_ = drawn({"a": run([0, 0, 1], [[1, 0.9, 0.2], [0.9, 1, 0.4], [0.2, 0.4, 1]])}).axes
    far = sorted(float(path.vertices[:, 0].max()) for path in tree.collections[0].get_paths())
    assert far == pytest.approx([0.1, 0.7])


@pytest.mark.parametrize("devices", [2, 12, 150])
@pytest.mark.parametrize("variants", [1, 3])
def test_nothing_lies_on_anything_else(devices, variants):
    label = np.arange(devices) % 5
    figure = drawn({f"variant {k}": run(label, blobs(label, seed=k)) for k in range(variants)})
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        labels = [t for t in axes.get_yticklabels() if t.get_text()]
        assert len(labels) <= NAMED
        boxes = [label.get_window_extent(renderer) for label in labels]
        gaps = np.diff(sorted(box.y0 + box.height / 2 for box in boxes))
        assert not len(gaps) or gaps.min() > 0.7 * boxes[0].height
    tight = [axes.get_tightbbox(renderer) for axes in figure.axes]
    for one, box in enumerate(tight):
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1 + 1
        for other in tight[one + 1 :]:
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(wide, high) <= 1
            if high > 1:
                continue
    assert figure.axes[0].get_title(loc="left").startswith("variant 0 – ")


def test_short_stretches_have_no_room_for_a_number():
    label = np.random.default_rng(1).integers(0, 60, 90)
    figure = drawn({"a": run(label, blobs(label, within=0.15))})
    renderer, texts = figure.canvas.get_renderer(), figure.axes[1].texts
    boxes = sorted((t.get_window_extent(renderer) for t in texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_some_variants_are_drawn_and_the_others_counted():
    figure = drawn({f"v{k}": run() for k in range(6)})
    assert "2 more variants" in figure.get_suptitle()
