"""Traces of availability: intervals as a file has them, and files that say where they are wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.world.availability.traces import Trace

LINES = """device,from_s,to_s
1,5,10
0,30,40
0,10,20
"""


def unasked(number):
    raise AssertionError("a trace draws nothing")


def seen(model, devices, *instants_s):
    state = model.init(devices, unasked)
    found = [model.at(state, now_s, unasked)[1] for now_s in instants_s]
    return [presence.here.tolist() for presence in found], [
        presence.until_s.tolist() for presence in found
    ]


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_device_is_there_from_the_beginning_until_just_before_the_end_of_an_interval(csv):
    here, until_s = seen(Trace(csv(LINES)), 2, 0.0, 5.0, 9.999, 10.0, 20.0, 39.0, 40.0, 1e6)
    never = np.inf
    assert here == [
        [False, False],
        [False, True],
        [False, True],
        [True, False],
        [False, False],
        [True, False],
        [False, False],
        [False, False],
    ]
    assert [row[0] for row in until_s] == [10.0, 10.0, 10.0, 20.0, 30.0, 40.0, never, never]
    assert [row[1] for row in until_s] == [5.0, 10.0, 10.0, never, never, never, never, never]


def test_a_period_begins_the_file_anew(csv):
    here, until_s = seen(Trace(csv(LINES), period_s=50.0), 2, 45.0, 57.0, 160.0, 1e5 + 5.0)
    assert here == [[False, False], [False, True], [True, False], [False, True]]
    assert until_s == [[60.0, 55.0], [60.0, 60.0], [170.0, 205.0], [1e5 + 10.0, 1e5 + 10.0]]


def test_what_ends_with_the_period_and_begins_with_it_is_one(csv):
    text = "device,from_s,to_s\n0,0,10\n0,80,100\n1,0,100\n2,80,100\n3,0,10\n"
    here, until_s = seen(Trace(csv(text), period_s=100.0), 4, 0.0, 50.0, 90.0, 200.0)
    assert here == [
        [True, True, False, True],
        [False, True, False, False],
        [True, True, True, False],
        [True, True, False, True],
    ]
    assert until_s == [
        [10.0, np.inf, 80.0, 10.0],
        [80.0, np.inf, 80.0, 100.0],
        [110.0, np.inf, 100.0, 100.0],
        [210.0, np.inf, 280.0, 210.0],
    ]


def test_a_larger_fleet_follows_the_file_again_and_again(csv):
    here, until_s = seen(Trace(csv(LINES)), 5, 5.0)
    assert here == [[False, True, False, True, False]]
    assert until_s == [[10.0, 10.0, 10.0, 10.0, 10.0]]


def test_without_wrapping_a_device_without_intervals_is_never_there(csv):
    here, until_s = seen(Trace(csv(LINES + "4,0,9\n"), wrap=False), 6, 5.0)
    assert here == [[False, True, False, False, True, False]]
    assert until_s == [[10.0, 10.0, np.inf, np.inf, 9.0, np.inf]]


def test_a_fleet_smaller_than_the_file_follows_its_first_devices(csv):
    for wrap in (True, False):
        assert seen(Trace(csv(LINES), wrap=wrap), 1, 5.0, 15.0) == (
            [[False], [True]],
            [[10.0], [20.0]],
        )
    text = "device,from_s,to_s\n7,0,1\n"
    assert seen(Trace(csv(text), wrap=False), 2, 0.5) == ([[False, False]], [[np.inf, np.inf]])


def test_intervals_that_overlap_or_touch_are_one_in_any_order_of_lines(csv):
    text = "device,from_s,to_s\n0,8,12\n0,1,5\n0,4,6\n0,6,7\n0,1,2\n0,9,10\n"
    state_here, until_s = seen(Trace(csv(text)), 1, 0.0, 1.0, 4.5, 6.0, 7.0, 8.0, 11.0, 12.0)
    assert [row[0] for row in state_here] == [False, True, True, True, False, True, True, False]
    assert [row[0] for row in until_s] == [1.0, 7.0, 7.0, 7.0, 8.0, 12.0, 12.0, np.inf]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 20)),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from([0, 60, 64]),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
def test_a_device_is_there_when_any_of_its_intervals_says_so(tmp_path_factory, rows, period, asked):
    path = tmp_path_factory.mktemp("any") / "trace.csv"
    lines = [f"{device},{begin / 4},{(begin + length) / 4}" for device, begin, length in rows]
    path.write_text("\n".join(["device,from_s,to_s", *lines]))
    model = Trace(str(path), period_s=period / 4, wrap=False)

    def there(device, quarter):
        local = quarter % period if period else quarter
        return any(d == device and a <= local < a + length for d, a, length in rows)

    here, until_s = seen(model, 3, *(quarter / 4 for quarter in asked))
    for quarter, row, ends in zip(asked, here, until_s, strict=True):
        assert row == [there(device, quarter) for device in range(3)]
        for device, end in enumerate(ends):
            now = there(device, quarter)
            later = (q for q in range(quarter + 1, quarter + 200) if there(device, q) != now)
            assert end * 4 == next(later, np.inf)


def test_columns_may_stand_in_any_order_beside_others_and_lines_may_be_empty(csv):
    text = "\ufeffto_s, name ,device,from_s\n10,x,0,5\n\n20,y,1,15\n"
    assert seen(Trace(csv(text)), 2, 5.0)[0] == [[True, False]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1, must name the columns device, from_s, to_s, got \[\]; add"),
        ("device,from_s\n0,1\n", r"line 1, must name .* add \['to_s'\]"),
        ("device,from_s,to_s\n", "must have lines of intervals, got none after line 1"),
        ("device,from_s,to_s\n0,1,2\n\n0,x,2\n", "line 4, from_s must be a finite number, got 'x'"),
        ("device,from_s,to_s\n0,1\n", "line 2, to_s must be a finite number, got ''"),
        ("device,from_s,to_s\n0,1,inf\n", "line 2, to_s must be a finite number, got 'inf'"),
        ("device,from_s,to_s\n0.5,1,2\n", "line 2, device must be a whole number .* got '0.5'"),
        ("device,from_s,to_s\n-1,1,2\n", "line 2, device must be a whole number"),
        ("device,from_s,to_s\n1e300,1,2\n", "line 2, device must be a whole number"),
        ("device,from_s,to_s\n0,-1,2\n", "line 2, from_s must be at least 0, got '-1.0'"),
        ("device,from_s,to_s\n0,1,2\n0,3,3\n", "line 3, to_s must be a nanosecond or more above"),
        ("device,from_s,to_s\n0,1,2\n0,3,2.5\n", "line 3, to_s must be a nanosecond or more above"),
        ("device,from_s,to_s\n0,1,2\n3,3,4\n", "without a gap, got none of device 1; renumber"),
    ],
)
def test_a_file_that_is_wrong_says_where(csv, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        Trace(csv(text)).init(2, unasked)
    assert str(caught.value).startswith("file ")


def test_what_lies_beyond_the_period_is_refused(csv):
    with pytest.raises(
        ValueError, match=r"line 3, to_s must be at most the period_s of 35 s, got 40"
    ):
        Trace(csv(LINES), period_s=35.0).init(2, unasked)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"file must be there, got 'nowhere\.csv'"):
        Trace("nowhere.csv").init(2, unasked)
    binary = tmp_path / "trace.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match="file must be a CSV file"):
        Trace(str(binary)).init(2, unasked)
