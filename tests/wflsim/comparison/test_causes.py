"""Where seconds and joules go: the parts sum to the whole, and what changes by design is what is named."""

import itertools

import numpy as np
import pytest

from wflsim.comparison.causes import (
    REST,
    ROUNDS,
    Spent,
    critical,
    critical_seconds,
    difference,
    joules,
    mean,
    seconds,
)
from wflsim.figures import anatomy
from wflsim.network.timeline import PHASES, Outcome
from wflsim.records.folder import RunFolder

VARIANTS = ("wait_for_all", "deadline", "first", "buffered", "period", "tiers", "hierarchical")


@pytest.fixture(scope="module")
def tables(tmp_path_factory, play):
    """Seven policies, with updates that go on beyond their round, and one variant that plays fewer rounds."""
    folder = tmp_path_factory.mktemp("runs") / "policies"
    play(folder, "policies", "learning=none", "rounds=6", "variants.first.rounds=4")
    return {
        name: tuple(RunFolder(folder).read(table, variant=name) for table in ("rounds", "clients"))
        for name in VARIANTS
    }


def parts(causes):
    return {part.name: part.difference for part in causes.parts}


@pytest.mark.parametrize("name", VARIANTS)
def test_phases_sum_to_the_whole(tables, name):
    rounds, clients = tables[name]
    time, energy = seconds(rounds, clients), joules(rounds, clients)
    assert time.total == pytest.approx(rounds["length_s"].sum())
    assert sum(time.phases.values()) + time.rest == pytest.approx(time.total)
    assert sum(energy.phases.values()) == pytest.approx(energy.total, rel=1e-12)
    assert energy.total == pytest.approx(rounds["energy_j"].sum())


@pytest.mark.parametrize("name", ["wait_for_all", "deadline", "first", "hierarchical"])
def test_where_all_begin_with_the_round_nothing_is_left_unexplained(tables, name):
    rounds, clients = tables[name]
    assert seconds(rounds, clients).rest == pytest.approx(0.0, abs=1e-9)


def test_no_more_of_a_round_is_explained_than_it_lasts(tables):
    for rounds, clients in tables.values():
        within = critical_seconds(rounds, clients)
        place = np.repeat(np.arange(len(rounds["round"])), settled(rounds))
        lengths_s = rounds["length_s"][np.unique(place)]
        assert np.all(within.sum(axis=1) <= lengths_s + 1e-9)
        assert np.all(within >= 0.0)
    began = tables["buffered"][1]["began_s"]
    assert not set(began) <= set(tables["buffered"][0]["start_s"][-2:])  # some began long before


def settled(rounds):
    return sum(rounds[outcome.name.lower()] for outcome in Outcome)


def test_the_device_is_the_one_that_the_figure_names(tables):
    for rounds, clients in tables.values():
        place = np.repeat(np.arange(len(rounds["round"])), settled(rounds))
        for row in critical(rounds, clients):
            here = {name: column[place == place[row]] for name, column in clients.items()}
            assert clients["device"][row] == anatomy.critical(here)[0]


@pytest.mark.parametrize("by_rounds", [True, False])
def test_parts_sum_to_the_difference_and_change_sign_with_the_sides(tables, by_rounds):
    for one, other in itertools.product(VARIANTS, repeat=2):
        for spent in (seconds, joules):
            a, b = spent(*tables[one]), spent(*tables[other])
            forth = difference(a, b, "s", by_rounds=by_rounds)
            back = difference(b, a, "s", by_rounds=by_rounds)
            scale = max(a.total, b.total)
            assert forth.difference == pytest.approx(a.total - b.total)
            assert sum(parts(forth).values()) == pytest.approx(forth.difference, abs=1e-12 * scale)
            for name, part in parts(forth).items():
                assert part == pytest.approx(-parts(back)[name], abs=1e-12 * scale)


def test_rounds_that_one_plays_more_are_a_part_of_their_own():
    each = dict.fromkeys(PHASES, 0.0)
    a = Spent(30.0, {**each, "compute": 20.0, "upload": 10.0}, 10)
    b = Spent(
        12.0, {**each, "compute": 8.0, "upload": 4.0}, 4
    )  # rounds of the same kind, but fewer
    found = parts(difference(a, b, "s", by_rounds=True))
    assert found.pop(ROUNDS) == pytest.approx(18.0)
    assert all(part == pytest.approx(0.0) for part in found.values())
    same = parts(difference(a, a, "s", by_rounds=True))
    assert set(same.values()) == {0.0}


def test_what_no_phase_explains_is_a_part():
    each = dict.fromkeys(PHASES, 0.0)
    found = difference(
        Spent(5.0, {**each, "compute": 3.0}, 1), Spent(3.0, each, 1), "s", by_rounds=True
    )
    assert parts(found)["compute"] == 3.0
    assert parts(found)[REST] == -1.0


def test_means_of_differences_keep_their_parts():
    each = dict.fromkeys(PHASES, 0.0)
    a, b = Spent(5.0, {**each, "compute": 5.0}, 2), Spent(2.0, {**each, "upload": 2.0}, 1)
    both = [difference(a, b, "s", by_rounds=True), difference(b, b, "s", by_rounds=True)]
    found = mean(both)
    assert found.difference == pytest.approx(1.5)
    assert sum(parts(found).values()) == pytest.approx(1.5)


def test_a_device_that_delivered_sets_the_length_before_one_that_did_not():
    rounds = {
        "round": np.array([0]),
        "exchange": np.array(["train"], dtype=object),
        "start_s": np.array([10.0]),
        "end_s": np.array([14.0]),
        **{outcome.name.lower(): np.array([0]) for outcome in Outcome},
        "on_time": np.array([2]),
        "dropped": np.array([1]),
    }
    clients = {
        "round": np.zeros(3, dtype=int),
        "outcome": np.array(["dropped", "on_time", "late"], dtype=object),
        "began_s": np.array([10.0, 10.0, 8.0]),
        **{f"{phase}_s": np.zeros(3) for phase in PHASES},
        "compute_s": np.array([4.0, 1.0, 2.5]),
        "upload_s": np.array([0.0, 1.0, 1.0]),
        "wait_s": np.array([0.0, 2.0, 2.5]),
    }
    assert critical(rounds, clients).tolist() == [1]
    clients["upload_s"][2], clients["wait_s"][2] = (
        2.0,
        1.5,
    )  # ends at 12.5 now, but began before the round
    assert critical(rounds, clients).tolist() == [2]
    found = dict(zip(PHASES, critical_seconds(rounds, clients)[0], strict=True))
    assert found["compute"] == pytest.approx(0.5)
    assert found["upload"] == pytest.approx(2.0)
    assert found["wait"] == pytest.approx(1.5)


def test_the_number_of_rounds_is_told_of_all_pairs_also_of_those_that_are_equal():
    def spent(rounds):
        return Spent(float(rounds), {phase: rounds / len(PHASES) for phase in PHASES}, rounds)

    found = mean(
        [
            difference(spent(10), spent(12), "s", by_rounds=True),
            difference(spent(11), spent(11), "s", by_rounds=True),
        ]
    )
    (rounds,) = [part for part in found.parts if part.name == ROUNDS]
    assert (rounds.a, rounds.b) == (10.5, 11.5)
    assert sum(part.difference for part in found.parts) == pytest.approx(found.difference)
