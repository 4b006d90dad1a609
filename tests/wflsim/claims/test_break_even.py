"""What is paid in advance: hand counts of when it is even, and of what is saved afterwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflsim.claims.break_even import BreakEven
from wflsim.contracts import Evidence

PAIR = {"claim": "ours", "paper": "theirs [X]", "of": "a", "beside": "b"}


def evidence(*pairs):
    """Return evidence of pairs of (round, up_bits) tables, a pair a seed."""
    tables = [
        {
            name: {
                "rounds": {"round": np.array(told[0]), "up_bits": np.array(told[1], dtype=float)}
            }
            for name, told in zip("ab", pair, strict=True)
        }
        for pair in pairs
    ]
    return Evidence(dict(enumerate(tables, 1)))


def paid(advance, each, rounds):
    """Return the table of a variant that pays in an exchange of its own first, in round 0."""
    return [0, *range(rounds)], [advance, *[each] * rounds]


def plain(each, rounds):
    return list(range(rounds)), [each] * rounds


def test_it_is_even_when_what_was_saved_is_what_was_paid():
    """90 in advance and 30 saved a round: even after three rounds, 0.7 from then on, (90 + 700)/1000 in all."""
    told = BreakEven(**PAIR, most=0.7).judge(evidence((paid(90, 70, 10), plain(100, 10))))
    assert told.verdict == "met"
    assert told.value == pytest.approx(0.7)
    assert told.ours.startswith("even after 3 rounds (one seed), from then on 0.700")
    assert told.ours.endswith("0.790 of it in all")
    told = BreakEven(**PAIR, most=0.69).judge(evidence((paid(90, 70, 10), plain(100, 10))))
    assert told.verdict == "missed"


def test_a_seed_that_is_never_even_is_a_miss():
    good, never = (paid(90, 70, 10), plain(100, 10)), (paid(900, 70, 10), plain(100, 10))
    told = BreakEven(**PAIR).judge(evidence(good, never))
    assert told.verdict == "missed"
    assert told.reason == "never even in 1 of 2 seeds"


def test_even_for_a_moment_is_not_even():
    mine, other = [0, 1, 2, 3], [10.0, 0.0, 30.0, 0.0]
    told = BreakEven(**PAIR).judge(evidence(((mine, other), (mine, [10.0] * 4))))
    assert told.verdict == "missed"  # 10 10 40 40 beside 10 20 30 40: even in the very end only


def test_nothing_cannot_be_compared():
    told = BreakEven(**PAIR).judge(evidence((plain(1, 3), plain(0, 3))))
    assert told.verdict == "not comparable"


@given(st.integers(0, 500), st.integers(1, 99), st.integers(2, 30))
def test_the_round_is_that_of_the_closed_form(advance, each, rounds):
    told = BreakEven(**PAIR).judge(evidence((paid(advance, each, rounds), plain(100, rounds))))
    even = max(1, -(-advance // (100 - each)))  # the least t with advance + t · each <= 100 t
    if even >= rounds:
        assert told.verdict == "missed"
    else:
        assert told.ours.startswith(f"even after {even:.3g} rounds")
        assert told.value == pytest.approx(each / 100)


def test_what_is_not_known_cannot_be_compared():
    unknown = ([0, 1, 2], [np.nan] * 3)
    told = BreakEven(**PAIR).judge(evidence((unknown, plain(100, 3))))
    assert told.verdict == "not comparable"


def test_a_run_that_ended_early_is_compared_as_far_as_it_went():
    told = BreakEven(**PAIR).judge(evidence((paid(90, 70, 6), plain(100, 10))))
    assert told.ours.startswith("even after 3 rounds")
