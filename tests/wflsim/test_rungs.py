"""Where whole units are pruned only some shares can be had: what is planned is no less than what is played."""

import numpy as np
import pytest

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.pruning.levels import levels
from wflsim.learning.testing import STREAMS, check_algorithm, small_task
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task(hidden=(16, 12))
UNITS = Japp(grain="units", levels=8)


def exchange_of(algorithm=UNITS):
    return algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)


@pytest.mark.parametrize("personal", ["output", "none"])
@pytest.mark.parametrize("count", [1, 3, 16])
def test_pruning_units_keeps_the_promises_of_an_algorithm(personal, count):
    check_algorithm(Japp(grain="units", personal=personal, levels=count))


def test_where_no_units_are_shared_pruning_units_is_refused():
    one_layer = small_task(hidden=(7,)).anatomy
    with pytest.raises(
        UserError, match=r"algorithm\.grain: the shared part of the model has no units"
    ):
        Japp(grain="units", personal="input").plan(one_layer, np.ones(5), Turn(0, 0, STREAMS), None)


def test_a_share_just_below_a_rung_by_rounding_is_on_it():
    rungs = exchange_of().rungs
    assert rungs.at(rungs.share * (1 - 3e-12)).tolist() == list(range(len(rungs.share)))
    assert rungs.at(rungs.share[1:] * (1 - 1e-9)).tolist() == list(range(len(rungs.share) - 1))


def test_a_rung_is_the_highest_that_keeps_no_more():
    exchange = exchange_of()
    rungs = exchange.rungs
    keep = np.array([*rungs.share[[0, 3]], 0.5 * (rungs.share[2] + rungs.share[3]), 1.0, 1e-9])
    assert rungs.at(keep).tolist() == [0, 3, 2, len(rungs.share) - 1, 0]
    assert exchange.whole_units(keep).tolist() == rungs.share[rungs.at(keep)].tolist()
    assert np.array_equal(
        exchange.whole_units(exchange.whole_units(keep)), exchange.whole_units(keep)
    )


def test_the_plan_is_never_less_than_what_a_rung_costs_and_exact_when_everything_is_kept():
    exchange = exchange_of()
    for share in exchange.rungs.share:
        keep = np.full(TASK.devices, share)
        assert (exchange.up_bits.at(keep) >= exchange.sent_bits(keep) - 1e-6).all()
        assert (exchange.macs.at(keep) >= exchange.computed_macs(keep) * (1 - 1e-12)).all()
    every = np.ones(TASK.devices)
    assert np.allclose(exchange.up_bits.at(every), exchange.sent_bits(every))
    assert np.allclose(exchange.macs.at(every), exchange.computed_macs(every))


def test_fewer_units_cost_fewer_bits_and_fewer_operations():
    rungs = exchange_of().rungs
    assert len(rungs.share) == 8
    for column in (rungs.share, rungs.bits, rungs.macs[0]):
        assert (np.diff(column) > 0).all()
    shared, _ = TASK.anatomy.split("output")
    assert rungs.bits.tolist() == levels(shared, TASK.anatomy, 8).bits.tolist()


def test_some_of_the_participants_keep_their_own_rungs():
    exchange = exchange_of()
    some = exchange.only(np.array([3, 1]))
    assert np.array_equal(some.rungs.macs, exchange.rungs.macs[[3, 1]])
    assert (
        some.sent_bits(np.array([1.0, 0.2])).tolist()
        == exchange.sent_bits(np.array([1.0, 1.0, 0.2, 1.0, 1.0]))[[0, 2]].tolist()
    )


def test_a_run_that_prunes_units_meets_its_deadlines_and_carries_what_is_sent(tiny):
    text = tiny.replace("hidden: [7]", "hidden: [16, 12]")
    scenario = parse(
        text, "t", ["variants.pruned.algorithm={kind: japp, grain: units, levels: 8}"]
    ).scenario
    found = list(stage(settle(scenario.world), scenario.systems["pruned"]).rounds())
    shares = set(exchange_of(scenario.systems["pruned"].algorithm).rungs.share.tolist())
    for report in found:
        (game,) = report.played
        plan = game.agreement.plan
        assert game.timeline.taken.all()
        assert game.timeline.end_ns - game.timeline.start_ns <= game.deadline_s * 1e9 + 1
        assert (plan.keep < 1).any()
        assert all(
            any(abs(keep - share) < 1e-12 for share in shares) for keep in plan.keep.tolist()
        )
        assert (plan.bits < 32 * TASK.anatomy.weights).all()
