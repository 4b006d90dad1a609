"""AutoFLIP: exploring, masks of rounds, what travels and what it costs in a network, and FedAvgM where nothing goes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.contracts import Late, Turn
from wflsim.learning.algorithms.autoflip import AutoFlip
from wflsim.learning.algorithms.fedavgm import FedAvgM
from wflsim.learning.anatomy import bitmap_bits, step_macs
from wflsim.learning.blueprint import BatchNorm, Blueprint, Chain, Linear
from wflsim.learning.cohort import Cohort
from wflsim.learning.exploration.exploring import Exploration, training_losses
from wflsim.learning.exploration.remains import explorers
from wflsim.learning.testing import STREAMS, check_algorithm, cohort_of, small_task
from wflsim.records.encoding import Coder
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task(hidden=(7, 6))
ANATOMY, SAMPLES = TASK.anatomy, TASK.holdings.samples
N, DENSE = ANATOMY.weights, ANATOMY.bits
EVERYBODY = np.arange(5)
QUICK = AutoFlip(epochs=1, batch_size=64, explore_epochs=3, patience=2)
GONE = int(0.3 * N)
BITMAP = bitmap_bits(N)


def turn_of(round_, step=0, began=None):
    return Turn(round_, step, STREAMS, began=began)


def step_of(algorithm, state, turn, who=EVERYBODY, how="batched"):
    """Return the state after an exchange, and what was brought."""
    turn = replace(turn, began=np.asarray(who))
    updates = algorithm.train(state, Cohort(TASK, np.asarray(who), turn, how), np.ones(len(who)))
    return algorithm.fuse(state, updates), updates


def explored(algorithm=QUICK, who=EVERYBODY, how="batched"):
    return step_of(algorithm, algorithm.init(TASK), turn_of(0), who, how)[0]


def after(algorithm, there, how="batched"):
    """Return the states after exploring, and after rounds in which some take part."""
    states = [explored(algorithm, how=how)]
    for round_, who in enumerate(there):
        turn = turn_of(round_, int(round_ == 0))
        states.append(step_of(algorithm, states[-1], turn, who, how)[0])
    return states


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("algorithm", [QUICK, replace(QUICK, prune_bias=True)], ids=repr)
def test_the_promises_of_a_method_are_kept(algorithm):
    check_algorithm(algorithm)


# Where nothing goes.


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_where_nothing_goes_it_is_averaging_with_momentum_bit_for_bit(how):
    there = [EVERYBODY, np.array([0, 2]), np.array([1, 2, 4])]
    found = after(replace(QUICK, prune_quantile=0.0), there, how)[1:]
    plain = FedAvgM(epochs=1, batch_size=64, rate_decay=0.99)
    state = plain.init(TASK)
    for round_, who in enumerate(there):
        cohort = cohort_of(TASK, who, round_, how=how)
        state = plain.fuse(state, plain.train(state, cohort, np.ones(len(who))))
        assert equal(QUICK.model_for(found[round_], 1), plain.model_for(state, 1))
        assert equal(found[round_].server.velocity, state.velocity)


# Exploring.


def test_exploring_leaves_the_model_as_it_was():
    state = explored()
    assert equal(state.server.model.shared, TASK.initial)
    assert not any(tensor.any() for tensor in state.server.velocity.values())
    assert state.deviations.touched.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("how", ["loop", "native"])
def test_explorers_do_not_depend_on_each_other(how):
    state = QUICK.init(TASK)
    together = step_of(QUICK, state, turn_of(0), how=how)[1]
    alone = [step_of(QUICK, state, turn_of(0), [device], how)[1] for device in (3, 0, 4, 2, 1)]
    for one in alone:
        (device,) = one.devices
        assert equal(one.messages[0].tensors, together.messages[device].tensors)
        assert one.macs[0] == together.macs[device]
    distinct = {flat(m.tensors).numpy().tobytes() for m in together.messages}
    assert len(distinct) == 5
    backwards = state
    for one in alone:
        backwards = QUICK.fuse(backwards, one)
    assert backwards.whole.same(QUICK.fuse(state, together).whole)


def test_a_deviation_is_the_square_of_how_far_a_device_was_moved():
    trip = Exploration(3, 2, 64, QUICK.learning_rate)
    cohort = cohort_of(TASK, EVERYBODY)
    found = trip.explored(cohort, cohort.stack(TASK.initial))
    sent = step_of(QUICK, QUICK.init(TASK), turn_of(0))[1].messages
    for device in range(5):
        for name, first in TASK.initial.items():
            expected = (found.params[name][device] - first) ** 2
            assert torch.equal(sent[device].tensors[name], expected)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 4), st.integers(1, 25), st.floats(0.05, 3.0))
def test_who_finds_no_lower_loss_stops_and_no_sooner(patience, epochs, rate):
    cohort = cohort_of(TASK, EVERYBODY, how="native")
    found = Exploration(epochs, patience, 64, rate).explored(cohort, cohort.stack(TASK.initial))
    for device, losses in enumerate(found.losses):
        count = found.epochs[device]
        assert len(losses) == count <= epochs
        ages = [k - int(np.argmin(losses[: k + 1])) for k in range(count)]
        assert all(age < patience for age in ages[:-1])
        assert ages[-1] == patience or count == epochs


def test_it_stops_with_the_last_model_and_not_the_best():
    cohort = cohort_of(TASK, EVERYBODY, how="native")
    begun, trip = cohort.stack(TASK.initial), Exploration(60, 2, 64, 2.0)
    found = trip.explored(cohort, begun)
    assert len(set(found.epochs.tolist())) > 1
    last = training_losses(cohort, found.params, TASK.fresh_module().eval())
    np.testing.assert_allclose(last, [losses[-1] for losses in found.losses], rtol=1e-6)
    assert any(losses[-1] > min(losses) for losses in found.losses)


def test_a_share_of_the_fleet_explores_the_same_devices_whenever_asked():
    who = explorers(10, 0.3, turn_of(0))
    assert len(who) == 3
    assert np.array_equal(who, explorers(10, 0.3, turn_of(4)))
    assert len(explorers(10, 0.01, turn_of(0))) == 1
    exchange = replace(QUICK, explorers=0.4).plan(ANATOMY, SAMPLES, turn_of(0), None)
    assert exchange.open
    assert exchange.purpose == "explore"
    assert len(exchange.participants) == 2


def test_statistics_of_norms_are_received_and_not_told_of():
    anatomy = Blueprint(Chain((Linear("d", 3), BatchNorm("n"))), (4,)).anatomy
    exchange = QUICK.plan(anatomy, SAMPLES, turn_of(0), None)
    assert (exchange.down_bits.at(1.0) == 32 * (12 + 3 + 12)).all()
    assert (exchange.up_bits.at(1.0) == 32 * (12 + 3 + 6)).all()


# Masks of rounds.


def test_with_everybody_there_the_mask_stays_and_travels_once():
    states = after(QUICK, [EVERYBODY] * 4)
    assert all(state.last.same(states[0].whole) for state in states)
    assert sum(int((~mask).sum()) for mask in states[-1].last.masks.values()) == GONE
    plans = [
        QUICK.plan(ANATOMY, SAMPLES, turn_of(round_, int(round_ == 0)), state)
        for round_, state in enumerate(states)
    ]
    kept = DENSE - 32 * states[0].last.dropped
    down = [int(plan.down_bits.at(1.0)[0]) for plan in plans]
    assert down == [kept + BITMAP, kept, kept, kept, kept]
    assert all((plan.sent_bits(plan.whole_units(plan.keep_min)) == kept).all() for plan in plans)


def test_the_mask_follows_who_begins_and_a_change_is_paid_for_once():
    there = [np.array([0, 1]), np.array([2, 3]), np.array([2, 3]), np.array([4])]
    states = after(QUICK, there)
    changes = [not a.last.same(b.last) for a, b in pairwise(states)]
    assert changes == [True, True, False, True]
    owed = [(state.owed_bits // BITMAP).tolist() for state in states]
    assert owed == [[1] * 5, [1] * 5, [1] * 5, [1, 1, 0, 0, 1], [1] * 5]
    mean = {
        name: each.double().mean(0)
        for name, each in states[0].deviations.rows(np.array([2, 3])).items()
    }
    expected = states[0].pruner.cut(ANATOMY, {name: each.numpy() for name, each in mean.items()})
    assert states[2].last.same(expected)


def test_where_nobody_who_explored_begins_the_last_mask_holds():
    state = explored(who=[0, 1])
    assert state.cut_at(turn_of(1, began=np.array([3, 4]))) is state.last
    assert state.cut_at(turn_of(1, began=np.array([0, 1, 3]))) is state.whole
    assert state.cut_at(turn_of(1)) is state.whole
    nobody = QUICK.init(TASK)
    assert not nobody.cut_at(turn_of(1, began=EVERYBODY)).entries
    assert not nobody.owed_bits.any()


@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_what_went_stays_as_it_is_on_devices_and_at_the_server(how):
    state = explored(how=how)
    after_one, updates = step_of(QUICK, state, turn_of(0, 1), how=how)
    left = state.whole
    for message in updates.messages:
        assert message.bits == left.bits(ANATOMY)
    for name, mask in left.entries.items():
        assert torch.equal(after_one.server.model.shared[name][~mask], TASK.initial[name][~mask])
        assert not after_one.server.velocity[name][~mask].any()
        assert not QUICK.model_for(after_one, None)[name][~mask].any()
        assert (after_one.server.model.shared[name][mask] != TASK.initial[name][mask]).any()


def test_zeros_at_the_server_are_zero_there():
    algorithm = replace(QUICK, hard_zero=True)
    state = after(algorithm, [EVERYBODY, np.array([1, 2])])[-1]
    for name, mask in state.last.entries.items():
        assert not state.server.model.shared[name][~mask].any()
    soft = after(QUICK, [EVERYBODY, np.array([1, 2])])[-1]
    assert any(soft.server.model.shared[n][~m].any() for n, m in soft.last.entries.items())


def test_more_than_nothing_may_go_of_biases():
    state = explored(replace(QUICK, prune_bias=True))
    assert any(name.endswith("bias") for name in state.whole.masks)
    total = N + ANATOMY.others
    assert sum(int((~m).sum()) for m in state.whole.masks.values()) == int(0.3 * total)


def heavily(algorithm=None):
    """Return a state in which all of the first layer's weights into two units have gone, after a round."""
    algorithm = algorithm or QUICK
    state = explored(algorithm)
    rows = state.deviations.rows(EVERYBODY)
    rows["dense0.weight"] = rows["dense0.weight"].clone()
    rows["dense0.weight"][:, [1, 4]] = 0.0
    shelf = state.deviations.replaced(EVERYBODY, rows)
    mean = {n: each.double().mean(0).numpy() for n, each in shelf.rows(EVERYBODY).items()}
    whole = state.pruner.cut(ANATOMY, mean)
    return replace(state, deviations=shelf, whole=whole, last=whole)


def test_a_round_takes_what_its_own_mask_leaves_whatever_was_planned():
    state = heavily()
    assert state.whole.removed == 2
    wrong = replace(state, last=type(state.whole)())
    plan = QUICK.plan(ANATOMY, SAMPLES, turn_of(1), wrong)
    whole, small = 64 * 7 + 7 * 6 + 6 * 10, 64 * 5 + 5 * 6 + 6 * 10
    steps = [2 * 64 * n + 3 * (layers - 64 * n) for n, layers in ((7, whole), (5, small))]
    assert (plan.macs.at(1.0) == SAMPLES * steps[0]).all()
    for epochs in (1, 2):
        algorithm = replace(QUICK, epochs=epochs)
        updates = step_of(algorithm, wrong, turn_of(1), [0, 3, 4])[1]
        cut = wrong.cut_at(updates.turn)
        few = step_macs(cut.shrunk(ANATOMY), cut.shrunk(ANATOMY))[0]
        assert updates.macs.tolist() == (epochs * SAMPLES[[0, 3, 4]] * few).tolist()
        everybody = step_of(algorithm, wrong, turn_of(1))[1]
        assert everybody.macs.tolist() == (epochs * SAMPLES * steps[1]).tolist()


@pytest.mark.parametrize("late", [False, True])
def test_units_go_with_what_they_say_and_the_server_keeps_its_own_bias(late):
    state = heavily()
    assert state.last.gone["dense0"].nonzero()[:, 0].tolist() == [1, 4]
    plan = QUICK.plan(ANATOMY, SAMPLES, turn_of(1), state)
    small = state.last.shrunk(ANATOMY)
    assert (plan.macs.at(1.0) == SAMPLES * step_macs(small, small)[0]).all()
    assert small.macs < ANATOMY.macs
    updates = QUICK.train(state, Cohort(TASK, EVERYBODY, turn_of(1)), np.ones(5))
    if late:
        share = SAMPLES / SAMPLES.sum()
        found = QUICK.fuse_late(state, [Late(state, updates, share)])
    else:
        found = QUICK.fuse(state, updates)
    begun = state.within(state.last)["dense1.bias"]
    assert not torch.equal(begun, TASK.initial["dense1.bias"])
    share = torch.from_numpy(SAMPLES / SAMPLES.sum()).float()
    came = torch.stack([message.tensors["dense1.bias"] for message in updates.messages])
    step = begun - (share[:, None] * came).sum(0)
    expected = TASK.initial["dense1.bias"] - 0.1 * step
    torch.testing.assert_close(found.server.model.shared["dense1.bias"], expected)
    assert torch.equal(
        found.server.model.shared["dense0.bias"][[1, 4]], TASK.initial["dense0.bias"][[1, 4]]
    )
    assert found.told()["removed_units"] == 2.0


def test_updates_of_several_rounds_move_what_any_of_them_could_move():
    first = explored()
    second = step_of(QUICK, first, turn_of(0, 1), [0, 1])[0]
    late = []
    for state, who, weight in ((first, [0, 1], 0.3), (second, [3, 4], 0.2)):
        turn = turn_of(1, began=np.array(who))
        updates = QUICK.train(state, Cohort(TASK, np.array(who), turn), np.ones(2))
        late.append(Late(state, updates, np.array([weight, weight])))
    found = QUICK.fuse_late(second, late)
    cuts = [group.base.cut_at(group.updates.turn) for group in late]
    for name in cuts[0].entries:
        either = cuts[0].entries[name] | cuts[1].entries[name]
        old, new = second.server.model.shared[name], found.server.model.shared[name]
        assert torch.equal(old[~either], new[~either])
        assert (old[either] != new[either]).float().mean() > 0.5
    assert found.last.same(cuts[1])


# What it cost.


def test_the_books_are_those_of_a_hand_count():
    state = after(QUICK, [EVERYBODY] * 2)[-1]
    assert state.ledger.explored_bits == 5 * 2 * DENSE
    kept = DENSE - 32 * state.last.dropped
    saved = 10 * 2 * (DENSE - kept) - 5 * BITMAP
    assert state.ledger.saved_bits == saved
    assert state.told()["break_even"] == pytest.approx(2 * DENSE / (saved / 10))
    free = after(replace(QUICK, charge_exploration=False), [EVERYBODY])[-1]
    assert free.told()["break_even"] == 0.0
    nothing = after(replace(QUICK, prune_quantile=0.0), [EVERYBODY])[-1]
    assert nothing.told()["break_even"] == np.inf
    assert np.isnan(explored().told()["break_even"])


def test_each_device_pays_for_the_masks_that_it_was_not_told():
    there = [np.array([0, 1]), np.array([2, 3]), np.array([2, 3]), np.array([3, 4])]
    states = after(QUICK, there)
    assert [state.version for state in states] == [1, 2, 3, 3, 4]
    assert states[0].told_version.tolist() == [-1] * 5
    assert states[-1].told_version.tolist() == [1, 1, 3, 3, 3]
    plan = QUICK.plan(ANATOMY, SAMPLES, turn_of(3), states[3])
    kept = DENSE - 32 * states[3].last.dropped
    down = kept + BITMAP * np.array([1, 1, 0, 0, 1])
    assert plan.down_bits.at(1.0).tolist() == down.tolist()
    paid = [
        2,
        2,
        2,
        1,
    ]  # bitmaps of each round: in the last, only 4 had not heard the version of before
    for (before, now), who, count in zip(pairwise(states), there, paid, strict=True):
        assert now.told_bits[who].sum() == count * BITMAP
        planned = 32 * before.last.dropped
        brought = 32 * now.last.dropped
        saved = now.ledger.saved_bits - before.ledger.saved_bits
        assert saved == len(who) * (planned + brought) - count * BITMAP
        found = QUICK.reckoned(ANATOMY, SAMPLES, who, now)
        assert found.bits == 2 * len(who) * (DENSE - brought) + count * BITMAP
    ledger = states[-1].ledger
    assert ledger.break_even == pytest.approx(2 * DENSE / (ledger.saved_bits / 8))


def test_late_updates_tell_what_their_devices_were_told():
    first = explored()
    second = step_of(QUICK, first, turn_of(0, 1), [0, 1])[0]
    late = []
    for state, who in ((first, [2]), (second, [0, 4])):
        turn = turn_of(1, began=np.array(who))
        updates = QUICK.train(state, Cohort(TASK, np.array(who), turn), np.ones(len(who)))
        late.append(Late(state, updates, np.full(len(who), 0.3)))
    found = QUICK.fuse_late(second, late)
    assert found.told_version.tolist() == [2, 1, 1, -1, 2]
    assert (found.told_bits // BITMAP).tolist() == [1, 1, 1, 0, 1]
    assert (found.owed_bits // BITMAP).tolist() == [1] * 5


def test_devices_are_examined_within_the_mask_of_all_that_explored():
    states = after(QUICK, [EVERYBODY, np.array([1])])
    assert not states[-1].last.same(states[-1].whole)
    model = QUICK.model_for(states[-1], None)
    for name, mask in states[0].whole.entries.items():
        assert not model[name][~mask].any()
        assert torch.equal(model[name][mask], states[-1].server.model.shared[name][mask])
    assert QUICK.model_for(states[-1], 1) is model
    shares = [kept / size for kept, size, _ in states[-1].last.weights(ANATOMY)]
    assert QUICK.told(states[-1])["density"] == pytest.approx(np.mean(shares))


def test_break_even_is_about_three_and_a_half_participations():
    """The digest's own estimate: 0.7 of all entries kept, and a bitmap with every model."""
    state, size = explored(), 10_000
    saving = 2 * 0.3 * 32 * size - size
    ledger = replace(
        state.ledger, explored_bits=2 * 32 * size, explorers=1, saved_bits=saving, participations=1
    )
    assert ledger.break_even == pytest.approx(3.5165, abs=1e-3)


def test_the_authors_count_leaves_exploring_out():
    state = after(QUICK, [EVERYBODY])[-1]
    found = QUICK.reckoned(ANATOMY, SAMPLES, EVERYBODY, state)
    kept = DENSE - 32 * state.last.dropped
    assert found.bits == 5 * (2 * kept + BITMAP)
    each = 0
    for layer in ANATOMY.layers:
        mask = state.last.entries.get(f"{layer.name}.weight")
        share = layer.weights if mask is None else int(mask.sum())
        each += layer.macs * share // layer.weights
    assert found.macs == 3 * int(SAMPLES.sum()) * each
    assert QUICK.reckoned(ANATOMY, SAMPLES, np.array([], int), state).bits == 0


def test_the_state_can_be_kept_and_read_again():
    state = after(QUICK, [EVERYBODY, np.array([0, 2])])[-1]
    again = Coder().unpack(Coder().pack(state))
    one, other = (step_of(QUICK, each, turn_of(2), [1, 2])[0] for each in (state, again))
    assert equal(one.used, other.used)
    assert one.ledger == other.ledger


# In a network.

TEXT = """\
name: explored
seed: 3
fleet: {devices: 4}
radio: {bandwidth_hz: 1e6}
task:
  data: digits
  partition: {kind: classes, per_device: 3}
  model: {kind: mlp, hidden: [7, 6]}
rounds: 3
evaluate_every: 3
algorithm: {kind: autoflip, epochs: 1, explore_epochs: 8, patience: 1, batch_size: 64, learning_rate: 1.0}
allocator: equal_share
"""


def reports(*assignments):
    scenario = parse(TEXT, "t", assignments).scenario
    (system,) = scenario.systems.values()
    return list(stage(settle(scenario.world), system).rounds())


def table(found):
    recorder = Recorder("x")
    for report in found:
        recorder.add(report)
    return recorder.table("rounds")


def test_exploring_is_paid_for_in_bits_seconds_and_joules():
    found = reports()
    games = [game for report in found for game in report.played]
    assert [game.purpose for game in games] == ["explore", "train", "train", "train"]
    explore, train = games[0], games[1]
    plan = explore.timeline.settled.plan
    assert (plan.bits == DENSE).all()
    samples = found[0].state.server.model.samples[plan.device]
    epochs = plan.macs / (samples * (step_macs(ANATOMY, ANATOMY)[0] + ANATOMY.macs))
    assert (epochs == np.rint(epochs)).all()
    assert epochs.min() < epochs.max() <= 8
    later = train.timeline.settled.plan
    each_s = dict(zip(later.device.tolist(), later.compute_s / later.macs, strict=True))
    each = [each_s[device] for device in plan.device.tolist()]
    np.testing.assert_allclose(plan.compute_s / plan.macs, each)
    rounds = table(found)
    assert rounds["macs"][0] == plan.macs.sum()
    assert rounds["down_bits"][0] == DENSE
    assert rounds["up_bits"][0] == 4 * DENSE
    assert rounds["length_s"][0] > rounds["length_s"][1]
    assert rounds["energy_j"][0] > rounds["energy_j"][1] > 0
    kept = found[0].state.last.bits(ANATOMY)
    assert (train.timeline.settled.plan.bits == kept).all()
    assert rounds["down_bits"][1:].tolist() == [kept + BITMAP, kept, kept]
    weights = sum(each for each, *_ in found[0].state.last.weights(ANATOMY))
    np.testing.assert_allclose(rounds["keep_mean"][1:], weights / N)
    np.testing.assert_allclose(rounds["density"][3], found[2].state.told()["density"])
    assert rounds["paper_bits"][3] == 4 * 2 * kept
    expected = (2 * DENSE) / ((12 * 2 * (DENSE - kept) - 4 * BITMAP) / 12)
    assert rounds["break_even"][3] == pytest.approx(expected)


def test_exploring_can_be_free():
    found = reports("algorithm.charge_exploration=false")
    rounds = table(found)
    for column in ("macs", "down_bits", "up_bits", "energy_j", "length_s"):
        assert rounds[column][0] == 0
        assert rounds[column][1] > 0
    assert rounds["break_even"][3] == 0
    paid = reports()
    assert equal(found[-1].state.used, paid[-1].state.used)


def test_all_are_asked_to_explore_and_few_to_a_round():
    found = reports("invited=2", "rounds=6")
    games = [game for report in found for game in report.played]
    assert [len(game.timeline.device) for game in games] == [4, *[2] * 6]
    assert found[0].state.deviations.touched.tolist() == [0, 1, 2, 3]
    assert len({flat(r.state.last.entries).numpy().tobytes() for r in found}) > 1
    for game, report in zip(games[1:], found, strict=True):
        left = report.state.last
        assert sum(int((~mask).sum()) for mask in left.masks.values()) == GONE
        assert (game.timeline.settled.plan.bits == left.bits(ANATOMY)).all()


def test_the_network_can_be_studied_without_training():
    games = [game for report in reports("learning=none") for game in report.played]
    assert [game.purpose for game in games] == ["explore", "train", "train", "train"]
    plan = games[0].timeline.settled.plan
    each = step_macs(ANATOMY, ANATOMY)[0] + ANATOMY.macs
    assert (plan.macs % (8 * each) == 0).all()
    assert (games[1].timeline.settled.plan.bits == DENSE - 32 * GONE).all()


def test_it_learns():
    quick = ("rounds=15", "evaluate_every=15", "algorithm.server_beta=0.5", "algorithm.epochs=3")
    last = reports(*quick, "algorithm.learning_rate=0.2", "algorithm.patience=8")[-1]
    assert last.scores.whole > 0.6


@pytest.mark.slow
def test_any_crew_comes_to_the_same_bits():
    found = [
        reports(f"engine={engine}")[-1].state
        for engine in (
            "{kind: batched, chunk: 2, workers: 1}",
            "{kind: batched, chunk: 2, workers: 3}",
            "{kind: processes, train: batched, chunk: 2, workers: 2}",
        )
    ]
    for other in found[1:]:
        assert equal(found[0].used, other.used)
