"""Who holds which part of the band: what is drawn is what was granted, and nobody lies over another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from wflsim import results
from wflsim.figures.drawing import drawn
from wflsim.figures.grid import Grants, granted, pale, stacked
from wflsim.figures.layout import Wanted
from wflsim.network.timeline import PHASES

BAND_HZ = 1e6


def grants(rows):
    """Return grants of (device, from, send, until, width)."""
    device, *columns = zip(*rows, strict=True)
    return Grants(np.array(device), *(np.array(column, dtype=float) for column in columns))


@st.composite
def admitted(draw):
    """Grants of which, whenever one begins, no more is held than there is."""
    rows, now_s = [], 0.0
    for device in range(draw(st.integers(1, 12))):
        now_s += draw(st.sampled_from([0.0, 0.5, 1.0]))
        held_hz = sum(row[4] for row in rows if row[3] > now_s)
        width_hz = (BAND_HZ - held_hz) * draw(st.sampled_from([0.25, 0.5, 1.0]))
        if width_hz > 1.0:
            length_s = draw(st.sampled_from([0.5, 1.0, 2.0, 4.0]))
            rows.append((device, now_s, now_s + length_s / 2, now_s + length_s, width_hz))
    return grants(rows)


@given(admitted())
def test_pieces_have_the_width_of_their_grant_and_no_two_lie_over_each_other(found):
    pieces = stacked(found, BAND_HZ)
    for row, width_hz in enumerate(found.width_hz):
        own = [piece.high_hz - piece.low_hz for piece in pieces if piece.row == row]
        assert sum(own) == pytest.approx(width_hz, rel=1e-6)
    for place, one in enumerate(pieces):
        assert 0.0 <= one.low_hz < one.high_hz <= BAND_HZ * (1 + 1e-9)
        for other in pieces[:place]:
            at_once = min(found.until_s[one.row], found.until_s[other.row]) - max(
                found.from_s[one.row], found.from_s[other.row]
            )
            shared_hz = min(one.high_hz, other.high_hz) - max(one.low_hz, other.low_hz)
            assert at_once <= 1e-9 or shared_hz <= 1e-6 * BAND_HZ


def test_who_begins_together_is_stacked_by_number_from_the_bottom():
    pieces = stacked(grants([(3, 0, 1, 2, 2e5), (5, 0, 1, 2, 3e5)]), BAND_HZ)
    assert [(piece.low_hz, piece.high_hz) for piece in pieces] == [(0.0, 2e5), (2e5, 5e5)]


def test_who_fits_into_no_gap_is_drawn_in_pieces():
    rows = [(0, 0, 0, 1, 3e5), (1, 0, 0, 4, 3e5), (2, 0, 0, 1, 4e5), (3, 1, 1, 4, 6e5)]
    last = [piece for piece in stacked(grants(rows), BAND_HZ) if piece.row == 3]
    assert [(piece.low_hz, piece.high_hz) for piece in last] == [(0.0, 3e5), (6e5, 9e5)]


def clients(began_s, compute_s, upload_s, width_hz):
    count = len(began_s)
    table = {f"{phase}_s": np.zeros(count) for phase in PHASES}
    return table | {
        "device": np.arange(count),
        "began_s": np.array(began_s, dtype=float),
        "compute_s": np.array(compute_s, dtype=float),
        "upload_s": np.array(upload_s, dtype=float),
        "wait_s": np.full(count, 9.0),
        "bandwidth_hz": np.array(width_hz, dtype=float),
    }


def test_grants_are_those_held_within_the_exchange_and_end_with_the_upload():
    about = {"start_s": 10.0, "length_s": 2.0}
    table = clients([8, 10, 7, 12, 10], [3, 1, 1, 1, 1], [0.5, 0.5, 2, 1, 1], [1, 2, 3, 4, 0])
    found = granted(about, table)
    assert found.device.tolist() == [0, 1], "2 had ended, 3 begins later, 4 was granted nothing"
    assert found.from_s.tolist() == [-2.0, 0.0]
    assert found.send_s.tolist() == [1.0, 1.0]
    assert found.until_s.tolist() == [1.5, 1.5]
    assert found.sending(2.0) == 0.5 * 1 + 0.5 * 2
    assert found.sending(1.25) == 0.25 * 3


def test_who_begins_as_the_exchange_ends_is_of_the_next_one():
    begins_s = 0.1 + 0.2  # a rounding error above the end
    clients = {f"{phase}_s": np.zeros(1) for phase in PHASES}
    clients |= {"device": np.array([3]), "began_s": np.array([begins_s - 1e-12])}
    clients |= {"bandwidth_hz": np.array([BAND_HZ]), "upload_s": np.ones(1)}
    assert not len(granted({"start_s": 0.0, "length_s": begins_s}, clients).device)
    assert len(granted({"start_s": 0.0, "length_s": begins_s + 0.01}, clients).device)


def test_the_full_areas_are_hertz_times_the_seconds_of_uploads(little):
    one = results.load(little / "seed-2")
    figure = drawn("grid", one, Wanted())
    for axes, name in zip(figure.axes, ("pruned", "fedavg"), strict=True):
        (unused,) = (patch for patch in axes.patches if type(patch) is Rectangle)
        (parts,) = axes.collections
        areas = [np.prod(path.get_extents().size) for path in parts.get_paths()]
        rounds, rows = (one.played[0].folder.read(of, variant=name) for of in ("rounds", "clients"))
        number = int(axes.get_xlabel().split("round ")[1].split()[0])
        here, length_s = rows["round"] == number, rounds["length_s"][rounds["round"] == number][0]
        sent = rows["bandwidth_hz"][here] * rows["upload_s"][here]
        scale = unused.get_width() * unused.get_height() / (1e6 * length_s)
        assert sum(areas[1::2]) == pytest.approx(scale * sent.sum())
        said = float(axes.get_title(loc="left").split("\n")[1].split()[0])
        assert said == pytest.approx(100 * sent.sum() / (1e6 * length_s), abs=0.06)
        assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "3"]
        faces = [tuple(face[:3]) for face in parts.get_facecolor()]
        assert all(
            np.allclose(pale(full), light)
            for light, full in zip(faces[::2], faces[1::2], strict=True)
        )
        assert all(one != two for one, two in zip(faces[1::2], faces[3::2], strict=False))


def test_resource_blocks_are_counted_where_the_band_is_granted_in_them(play, tmp_path):
    play(tmp_path / "run", "protocol", "rounds=2", "learning=none", "fleet.devices=4")
    figure = drawn("grid", results.load(tmp_path / "run"), Wanted(), ["ideal", "nr"])
    beside = [axes for axes in figure.axes if axes.get_ylabel() == "resource blocks"]
    assert len(beside) == 1
    assert beside[0].get_ylim()[1] == pytest.approx(20e6 / 360e3)
    granted_mhz = [path.get_extents().y0 for path in figure.axes[1].collections[0].get_paths()]
    edges = np.array(granted_mhz) / 0.36
    np.testing.assert_allclose(edges, edges.round(), atol=1e-6)
