"""Each rule keeps the contract and does what its name says."""

import itertools

import numpy as np
import pytest

from optimizers.selection import Candidates, check_selection
from optimizers.selection.rules import (
    BestChannel,
    LossBased,
    Oldest,
    ProportionalFair,
    Random,
    RoundRobin,
)

RULES = [Random(), RoundRobin(), BestChannel(), ProportionalFair(), Oldest(), LossBased()]


def name_of(rule):
    return type(rule).__name__


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("rule", [*RULES, LossBased(0.0), LossBased(3.0)], ids=name_of)
def test_contract(rule):
    check_selection(rule)


@pytest.mark.parametrize("rule", [r for r in RULES if not isinstance(r, RoundRobin)], ids=name_of)
def test_who_is_chosen_stays_when_more_are_wanted(rule):
    draws = np.random.default_rng(1)
    candidates = Candidates(
        gain=draws.exponential(size=20), average_gain=draws.exponential(size=20),
        last_loss=draws.exponential(size=20), age_rounds=draws.integers(0, 5, 20),
    )  # fmt: skip
    chosen = [set(rule.select(candidates, n, np.random.default_rng(2))) for n in range(21)]
    assert all(few < more for few, more in itertools.pairwise(chosen))


def test_random_is_uniform(rng):
    candidates = Candidates(gain=np.ones(10))
    counts = np.zeros(10)
    for _ in range(4000):
        counts[Random().select(candidates, 3, rng)] += 1
    assert np.all(np.abs(counts / 4000 - 0.3) < 5.0 * np.sqrt(0.3 * 0.7 / 4000))


def test_in_turn_all_have_the_same_number_of_turns(rng):
    counts = np.zeros(10)
    for number in range(10):
        chosen = RoundRobin().select(Candidates(gain=np.ones(10), round=number), 4, rng)
        counts[chosen] += 1
    np.testing.assert_array_equal(counts, 4)
    turns = [
        RoundRobin().select(Candidates(gain=np.ones(10), round=number), 4, rng).tolist()
        for number in range(3)
    ]
    assert turns == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 8, 9]]


def test_best_and_fair_and_oldest(rng):
    candidates = Candidates(
        gain=[4.0, 1.0, 3.0, 2.0], average_gain=[8.0, 0.5, 4.0, 8.0], age_rounds=[1, 2, np.inf, 0]
    )
    assert BestChannel().select(candidates, 2, rng).tolist() == [0, 2]
    assert ProportionalFair().select(candidates, 2, rng).tolist() == [1, 2]
    assert Oldest().select(candidates, 2, rng).tolist() == [1, 2]


def test_losses_are_probabilities(rng):
    loss = np.array([1.0, 2.0, 5.0, 0.0])
    candidates = Candidates(gain=np.ones(4), last_loss=loss)
    for exponent in (0.0, 1.0, 2.0):
        counts = np.zeros(4)
        for _ in range(4000):
            counts[LossBased(exponent).select(candidates, 1, rng)] += 1
        expected = loss**exponent / (loss**exponent).sum()
        np.testing.assert_allclose(counts / 4000, expected, atol=0.04)


def test_unknown_losses_come_first(rng):
    candidates = Candidates(gain=np.ones(5), last_loss=[9.0, np.nan, 9.0, np.nan, 9.0])
    for _ in range(20):
        assert LossBased().select(candidates, 2, rng).tolist() == [1, 3]


def test_candidates_are_checked():
    with pytest.raises(ValueError, match=r"Candidates\.gain"):
        Candidates(gain=[-1.0, 1.0])
    with pytest.raises(ValueError, match=r"Candidates\.last_loss"):
        Candidates(gain=[1.0, 1.0], last_loss=[1.0, 2.0, 3.0])
    candidates = Candidates(gain=[1.0, 2.0], average_gain=1.0)
    with pytest.raises(ValueError, match="read-only"):
        candidates.gain[0] = 3.0


class Repeats:
    """Chooses one device again and again."""

    def select(self, candidates, count, rng):
        return np.zeros(min(count, candidates.devices), dtype=np.intp)


class Meddles:
    """Moves the gains."""

    def select(self, candidates, count, rng):
        object.__setattr__(candidates, "gain", candidates.gain * 2.0)
        return np.arange(min(count, candidates.devices))


class Moody:
    """Does not use the stream it is given."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def select(self, candidates, count, rng):
        return Random().select(candidates, count, self.rng)


class Stingy:
    """Chooses one less."""

    def select(self, candidates, count, rng):
        return np.arange(max(min(count, candidates.devices) - 1, 0))


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (Repeats(), "do not rise"),
        (Meddles(), "changes gain"),
        (Moody(), "does not repeat itself"),
        (Stingy(), "returns shape"),
    ],
    ids=["repeats", "meddles", "moody", "stingy"],
)
def test_the_checks_catch(rule, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_selection(rule)
