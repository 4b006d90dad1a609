"""Grids: what the arithmetic says is what a list of all slots says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflsim.clock import LONGEST_NS, NEVER
from wflsim.network.procedures.slots import (
    Pattern,
    next_occasion_ns,
    period_ns,
    slot_ns,
    whole_ns,
)

letters = st.text("DSU", min_size=1, max_size=12).filter(lambda text: "U" in text)


def listed(text, length_ns, slots=200):
    """Return the starts of all uplink slots among the first, by looking at each."""
    return np.array([i * length_ns for i in range(slots) if text[i % len(text)] == "U"])


@given(letters, st.integers(1, 9), st.lists(st.integers(0, 300), min_size=1), st.integers(0, 5))
def test_the_arithmetic_is_what_a_list_of_slots_says(text, length_ns, at_ns, skipped):
    pattern, starts = Pattern(text, length_ns), listed(text, length_ns, 400)
    at = np.array(at_ns)
    begun = np.array([np.sum(starts < instant) for instant in at])
    np.testing.assert_array_equal(pattern.begun_before(at), begun)
    np.testing.assert_array_equal(pattern.start_ns(np.arange(len(starts))), starts)
    np.testing.assert_array_equal(pattern.next_ns(at), starts[begun])
    np.testing.assert_array_equal(pattern.next_ns(at, skipped), starts[begun + skipped])


@given(letters, st.integers(1, 30))
def test_the_overlap_is_the_most_uplink_slots_that_begin_within_a_window_of_one(text, slots):
    starts = listed(text, 1, 50 * len(text))
    counted = max(np.sum((starts >= s) & (starts < s + slots)) for s in starts[: text.count("U")])
    assert Pattern(text, 125).overlap(slots) == counted


@given(st.integers(1, 10**10), st.floats(0.0, 1.0, exclude_max=True), st.integers(0, LONGEST_NS))
def test_the_next_occasion_is_congruent_and_within_a_period(period, offset, at_ns):
    (found,) = next_occasion_ns(np.array([at_ns]), period, np.array([offset])).tolist()
    assert 0 <= found - at_ns < period
    assert (found - int(np.floor(offset * period))) % period == 0


def test_an_occasion_is_met_by_those_who_come_just_then_and_never_is_never():
    at_ns = np.array([0, 10, 11, NEVER])
    assert next_occasion_ns(at_ns, 10).tolist() == [0, 10, 20, NEVER]
    offset = np.array([0.0, 0.5, 0.1, 0.5])
    assert next_occasion_ns(at_ns, 10, offset).tolist() == [0, 15, 11, NEVER]


def test_slots_of_all_numerologies_are_whole_nanoseconds_and_halve():
    assert [slot_ns(mu) for mu in (0, 1, 2, 3)] == [1_000_000, 500_000, 250_000, 125_000]


def test_lengths_are_rounded_and_bounded():
    assert (whole_ns(0.1), whole_ns(1e300), period_ns(1e-12)) == (100_000_000, LONGEST_NS, 1)


def test_far_instants_are_as_exact_as_near_ones():
    pattern, periods = Pattern("DDDSU", 62_500), 10**11
    shift = periods * 5 * 62_500
    assert pattern.start_ns(np.array([periods])) == shift + 4 * 62_500
    assert pattern.begun_before(
        np.array([shift + 4 * 62_500, shift + 4 * 62_500 + 1])
    ).tolist() == [
        periods,
        periods + 1,
    ]


@pytest.mark.parametrize("text", ["", "DDS", "dddsu", "DXU"])
def test_a_pattern_without_uplink_or_of_other_letters_is_refused(text):
    with pytest.raises(ValueError, match=r"^pattern must consist of the letters D, S and U"):
        Pattern(text, 1)
