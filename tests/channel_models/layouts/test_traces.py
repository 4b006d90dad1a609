"""Traces: positions as the file has them, straight between, and files that say where they are wrong."""

import numpy as np
import pytest

from channel_models.layouts.traces import Trace
from channel_models.testing import check_mobility

LINES = """time_s,device,x_m,y_m
10,0,0,0
20,0,100,50
40,0,100,-150
10,1,7,8
30,1,-13,8
"""


def played(model, devices, *steps_s):
    rng = np.random.default_rng(1)
    state, position_m = model.init(np.full((devices, 2), np.nan), rng)
    found = [position_m]
    for elapsed_s in steps_s:
        state, position_m = model.step(state, elapsed_s, rng)
        found.append(position_m)
    return np.stack(found)


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        path = tmp_path / "trace.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


def test_positions_are_those_of_the_file_and_straight_between(csv):
    found = played(Trace(csv(LINES)), 2, 0.0, 2.5, 7.5, 5.0, 15.0, 100.0)
    wanted = [
        [[0.0, 0.0], [7.0, 8.0]],
        [[0.0, 0.0], [7.0, 8.0]],
        [[25.0, 12.5], [4.5, 8.0]],
        [[100.0, 50.0], [-3.0, 8.0]],
        [[100.0, 0.0], [-8.0, 8.0]],
        [[100.0, -150.0], [-13.0, 8.0]],
        [[100.0, -150.0], [-13.0, 8.0]],
    ]
    np.testing.assert_array_equal(found, wanted)


def test_order_of_lines_and_columns_blanks_and_further_columns_do_not_matter(csv):
    head, *lines = LINES.splitlines()
    turned = [",".join(line.split(",")[::-1]) + " , 5" for line in (head, *lines[::-1])]
    one = played(Trace(csv(LINES)), 2, 3.0, 12.0)
    two = played(Trace(csv("\ufeff" + "\n\n".join(turned))), 2, 3.0, 12.0)
    np.testing.assert_array_equal(one, two)


def test_a_device_waits_at_its_first_position(csv):
    late = "time_s,device,x_m,y_m\n0,0,0,0\n10,0,10,0\n5,1,50,50\n10,1,60,50\n"
    found = played(Trace(csv(late)), 2, 4.0, 3.5)
    np.testing.assert_allclose(found[:, 1], [[50.0, 50.0], [50.0, 50.0], [55.0, 50.0]])
    # The clock is that of the whole file, so that who else is in the fleet does not matter.
    np.testing.assert_array_equal(found[:, :1], played(Trace(csv(late)), 1, 4.0, 3.5))


def test_one_position_is_enough_to_stand(csv):
    found = played(Trace(csv("time_s,device,x_m,y_m\n3,0,1,2\n")), 1, 4.0)
    np.testing.assert_array_equal(found, [[[1.0, 2.0]], [[1.0, 2.0]]])


def test_an_archive_says_the_same_as_its_lines(csv, npz):
    time_s = np.array([0.0, 0.7, 2.0, 11.0])
    position_m = np.random.default_rng(2).normal(size=(4, 5, 2))
    lines = [
        f"{time_s[t]!r},{device},{position_m[t, device, 0]!r},{position_m[t, device, 1]!r}"
        for t in range(4)
        for device in range(5)
    ]
    written = csv(
        "\n".join(["time_s,device,x_m,y_m", *lines]).replace("np.float64(", "").replace(")", "")
    )
    one = played(Trace(npz(time_s=time_s, position_m=position_m)), 5, 0.5, 0.2, 1.3, 9.0)
    two = played(Trace(written), 5, 0.5, 0.2, 1.3, 9.0)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[[0, 4]], position_m[[0, 3]])
    np.testing.assert_allclose(one[[2, 3]], position_m[[1, 2]])
    between = np.stack([np.interp(0.5, time_s, row) for row in position_m.reshape(4, -1).T])
    np.testing.assert_allclose(one[1].ravel(), between)


@pytest.mark.parametrize("after", ["stay", "error"])
def test_traces_conform(npz, after):
    position_m = np.random.default_rng(3).normal(size=(30, 12, 2))
    check_mobility(Trace(npz(time_s=np.arange(30.0), position_m=position_m), after))


def test_a_trace_that_is_over_stops_the_run_if_it_shall(csv):
    model = Trace(csv(LINES), after="error")
    played(model, 2, *[0.1] * 200)
    with pytest.raises(
        ValueError,
        match=r"^file '.*trace\.csv' must last as long as the run, or give `after: stay`; it ends 20 s after its "
        r"start for device 1, got 21 s",
    ):
        played(model, 2, 21.0)


HEAD = "time_s,device,x_m,y_m\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1 must name the columns time_s, device, x_m, y_m; time_s is missing, got []"),
        ("time_s,device,x_m\n0,0,0\n", "line 1 must name the columns time_s, device, x_m, y_m; y_m is missing"),
        (HEAD, "must have lines of positions, got none after line 1"),
        (HEAD + "0,0,1,2\n1,0,east,2\n", "line 3, x_m must be a finite number, got 'east'"),
        (HEAD + "0,0,1,2\n\n1,0,1,nan\n", "line 4, y_m must be a finite number, got 'nan'"),
        (HEAD + "inf,0,1,2\n", "line 2, time_s must be a finite number, got 'inf'"),
        (HEAD + "0,0,1,2\n1,0,1\n", "line 3, y_m must be a finite number, got ''"),
        (HEAD + "0,0,1,2\n1,1.5,1,2\n", "line 3, device must be a whole number from 0, got 1.5"),
        (HEAD + "0,-1,1,2\n", "line 2, device must be a whole number from 0, got -1"),
        (HEAD + "0,0,1,2\n0,1,3,4\n", "must have positions of all 3 devices, numbered from 0, got none of device 2"),
        (HEAD + "0,0,1,2\n1,2,3,4\n", "must have positions of all 3 devices, numbered from 0, got none of device 1"),
        (HEAD + "0,0,1,2\n5,0,3,4\n5,0,5,6\n", "must have one position for each device and time, got two for device 0"),
    ],
)  # fmt: skip
def test_a_bad_file_says_where(csv, text, sentence):
    with pytest.raises(ValueError, match=r"^file '.*trace\.csv'") as refused:
        played(Trace(csv(text)), 3)
    assert sentence in str(refused.value)


TIMES, PLACES = np.arange(3.0), np.zeros((3, 4, 2))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"time_s": TIMES}, "must have an array position_m, got ['time_s']"),
        ({"time_s": TIMES, "position_m": PLACES[:2]}, "position_m of shape (T, K, 2), got (3,) and (2, 4, 2)"),
        ({"time_s": TIMES, "position_m": np.zeros((3, 4, 3))}, "got (3,) and (3, 4, 3)"),
        ({"time_s": TIMES[:0], "position_m": PLACES[:0]}, "got (0,) and (0, 4, 2)"),
        ({"time_s": TIMES, "position_m": PLACES * np.nan}, "position_m must be finite, got nan at (0, 0, 0)"),
        ({"time_s": TIMES * 0.0, "position_m": PLACES}, "got two for device 0 at 0 s"),
        ({"time_s": TIMES, "position_m": PLACES[:, :2]}, "got none of device 2"),
        ({"time_s": np.array(["a", "b", "c"]), "position_m": PLACES}, "could not convert"),
        ({"time_s": np.array([None] * 3), "position_m": PLACES}, "allow_pickle"),
    ],
)  # fmt: skip
def test_a_bad_archive_says_why(npz, arrays, sentence):
    with pytest.raises(ValueError, match=r"^file .*trace\.npz'") as refused:
        played(Trace(npz(**arrays)), 3)
    assert sentence in str(refused.value)


def test_what_is_no_file_of_its_kind_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"^file must be there, got 'nowhere\.csv', which is not a"
    ):
        played(Trace("nowhere.csv"), 1)
    for name, content, sentence in [
        ("text.npz", b"time_s", "^file must be an .npz archive of arrays of numbers"),
        ("empty.npz", b"", "^file must be an .npz archive of arrays of numbers"),
        ("bytes.csv", b"\xff\xfe\x00\xd8", "^file must be a readable CSV file"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            played(Trace(str(path)), 1)
    np.save(tmp_path / "array.npy", TIMES)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(ValueError, match=r"^file must be an \.npz archive of arrays of numbers"):
        played(Trace(str(tmp_path / "array.npz")), 1)
