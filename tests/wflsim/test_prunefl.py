"""One common mask: who decides it by what, what travels when, and averaging where there is nothing to decide."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from wflsim.contracts import Message, Prices, Turn, Updates
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.prunefl import PruneFl
from wflsim.learning.anatomy import step_macs
from wflsim.learning.cohort import Cohort
from wflsim.learning.common_mask import SQUARES, first_state
from wflsim.learning.testing import STREAMS, check_algorithm, small_task, ways_of
from wflsim.records.encoding import Coder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TASK = small_task()
ANATOMY = TASK.anatomy
EVERYBODY = np.arange(5)
WEIGHTS, OTHERS = 64 * 7 + 7 * 10, 17
PRICES = Prices(mac_s=np.full(5, 1e-9), bit_s=np.full(5, 1e-6), rest_s=np.full(5, 0.02))
OFTEN = PruneFl(interval=2, density=0.6, candidate_share=0.4, batch_size=8, steps=3)
TEXT = """\
name: masks
seed: 3
fleet: {devices: 6, cpu_hz: [20e6, 100e6]}
radio: {bandwidth_hz: 1e6}
task:
  data: digits
  partition: {kind: classes, per_device: 3}
  model: {kind: mlp, hidden: [12]}
rounds: 7
evaluate_every: 7
algorithm: {kind: prunefl, interval: 3, steps: 3, candidate_share: 0.4}
allocator: equal_share
"""


def turn_of(round_, step=0, prices=PRICES):
    return Turn(round_, step, STREAMS, prices=prices)


def exchanged(algorithm, state, turn, how="batched"):
    """Return the state after an exchange of everybody, and what was brought."""
    cohort = Cohort(TASK, EVERYBODY, turn, how)
    updates = algorithm.train(state, cohort, np.ones(5))
    return algorithm.fuse(state, updates), updates


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def planned(algorithm, state, turn):
    return algorithm.plan(ANATOMY, TASK.holdings.samples, turn, state)


def after(algorithm, rounds):
    """Return the state after some rounds of all their exchanges."""
    state = algorithm.init(TASK)
    for round_ in range(rounds):
        step = 0
        while planned(algorithm, state, turn_of(round_, step)) is not None:
            state, _ = exchanged(algorithm, state, turn_of(round_, step))
            step += 1
    return state


@pytest.mark.parametrize(
    "algorithm", [PruneFl(), PruneFl(density=0.3), PruneFl(density=1e-9)], ids=repr
)
def test_the_promises_of_a_method_are_kept(algorithm):
    check_algorithm(algorithm)


# Averaging where there is nothing to decide.


def test_with_everything_kept_and_no_candidates_it_is_averaging_bit_for_bit():
    pruning, plain = PruneFl(interval=1, candidate_share=0.0), FedAvg(5, None, 20, 0.1)
    one, other = pruning.init(TASK), plain.init(TASK)
    for round_ in range(4):
        exchange, dense = (
            planned(pruning, one, turn_of(round_)),
            planned(plain, other, turn_of(round_)),
        )
        for bits in ("up_bits", "down_bits", "macs"):
            np.testing.assert_array_equal(
                getattr(exchange, bits).at(1.0), getattr(dense, bits).at(1.0)
            )
        one, _ = exchanged(pruning, one, turn_of(round_))
        other, _ = exchanged(plain, other, turn_of(round_))
        assert planned(pruning, one, turn_of(round_, 1)) is None
        for name, tensor in plain.model_for(other, None).items():
            assert torch.equal(pruning.model_for(one, None)[name], tensor)


def test_such_a_run_is_a_run_of_averaging_bit_for_bit():
    found = []
    for algorithm in (
        "{kind: prunefl, interval: 2, candidate_share: 0, steps: 4, batch_size: 16}",
        "{kind: fedavg, steps: 4, batch_size: 16, learning_rate: 0.1}",
    ):
        *_, last = reports(f"algorithm={algorithm}", "algorithm.learning_rate=0.1")
        found.append((last.state, last.end_s))
    (masked, one_s), (plain, other_s) = found
    assert one_s == pytest.approx(other_s, abs=1e-8)
    for name, tensor in plain.shared.items():
        assert torch.equal(masked.model.shared[name], tensor)


# What is asked, when, and what travels.


def test_rounds_of_reconfiguration_have_two_exchanges_and_the_others_one():
    algorithm, state = OFTEN, OFTEN.init(TASK)
    for round_ in range(6):
        found = []
        while (exchange := planned(algorithm, state, turn_of(round_, len(found)))) is not None:
            state, updates = exchanged(algorithm, state, turn_of(round_, len(found)))
            sent = [message.bits for message in updates.messages]
            keep = exchange.whole_units(exchange.keep_min)
            assert sent == exchange.sent_bits(keep).tolist()
            found.append(exchange.purpose)
        asks = round_ > 0 and round_ % 2 == 0
        assert found == (["slopes", "train"] if asks else ["train"])


def test_up_go_all_squares_or_kept_weights_and_down_the_model_and_a_new_mask():
    state = after(OFTEN, 2)
    before = state.kept
    slopes = planned(OFTEN, state, turn_of(2))
    state, _ = exchanged(OFTEN, state, turn_of(2))
    training = planned(OFTEN, state, turn_of(2, 1))
    plain = planned(OFTEN, state, turn_of(3))
    assert state.kept != before
    bitmap = 8 * -(-WEIGHTS // 8)
    dense_macs = 5 * 8 * step_macs(ANATOMY, ANATOMY)[0]
    assert (slopes.up_bits.at(1.0) == 32 * WEIGHTS).all()
    assert (slopes.macs.at(1.0) == dense_macs).all()
    assert (slopes.down_bits.at(1.0) == 32 * (before + OTHERS)).all()
    for exchange in (training, plain):
        share = state.kept / WEIGHTS
        np.testing.assert_array_equal(exchange.keep_min, np.full(5, share))
        np.testing.assert_array_equal(exchange.keep_max, np.full(5, share))
        sent = exchange.sent_bits(exchange.whole_units(exchange.keep_min))
        assert (sent == 32 * (state.kept + OTHERS)).all()
    assert (plain.down_bits.at(1.0) == 32 * (state.kept + OTHERS)).all()
    assert (training.down_bits.at(1.0) == plain.down_bits.at(1.0) + bitmap).all()


def test_a_first_mask_travels_in_the_first_round_alone():
    state = OFTEN.init(TASK)
    bits = [planned(OFTEN, state, turn_of(round_)).down_bits.at(1.0)[0] for round_ in (0, 1)]
    assert bits[0] - bits[1] == 8 * -(-WEIGHTS // 8)
    without = planned(OFTEN, None, turn_of(0))
    assert without.down_bits.at(1.0)[0] == bits[0]
    assert without.keep_min[0] == state.kept / WEIGHTS == round(0.6 * WEIGHTS) / WEIGHTS


def test_where_nobody_brought_slopes_the_round_goes_on_with_the_old_mask():
    state = after(OFTEN, 2)
    training = planned(OFTEN, state, turn_of(2, 1))
    assert training.purpose == "train"
    assert (training.keep_min == state.kept / WEIGHTS).all()
    assert planned(OFTEN, state, turn_of(2, 2)) is None


def test_a_mask_that_becomes_full_still_has_its_training():
    algorithm = replace(OFTEN, candidate_share=0.0)
    cheap = Prices(np.zeros(5), np.full(5, 1e-15), np.full(5, 1.0))
    state = after(algorithm, 2)
    state, _ = exchanged(algorithm, state, turn_of(2, 0, cheap))
    assert state.kept == WEIGHTS
    assert planned(algorithm, state, turn_of(2, 1)).purpose == "train"
    assert planned(algorithm, state, turn_of(2, 2)) is None
    assert planned(algorithm, state, turn_of(4, 1)) is None


# The mask.


def best_of(gain, magnitude, kept, layer, *, seconds, share, cap):
    """Return the best mask of all that can be: with one time for all weights it takes in the largest squares, n of them."""
    stays = kept.copy()
    for one in np.unique(layer):
        held = np.flatnonzero(kept & (layer == one))
        stays[held[np.argsort(magnitude[held], kind="stable")][: int(share * len(held) + 1e-9)]] = (
            False
        )
    order = np.flatnonzero(~stays)
    order = order[np.argsort(-gain[order], kind="stable")]
    best, chosen = -1.0, None
    for count in range(len(order) + 1):
        if stays.sum() + count > cap * len(gain) and count:
            break
        mask = stays.copy()
        mask[order[:count]] = True
        merit = gain[mask].sum() / (seconds[1] + seconds[0] * mask.sum())
        if merit > best:
            best, chosen = merit, mask
    return chosen


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    st.floats(1e-5, 1e-2),
    st.sampled_from([0.5, 1.0]),
)
def test_the_mask_is_the_best_of_all(seed, density, share, each_s, cap):
    rng, state = np.random.default_rng(seed), first_state(TASK, density)
    squares = rng.exponential(1.0, (3, WEIGHTS)).astype(np.float32) ** 2
    brought = [Message({SQUARES: torch.from_numpy(row)}) for row in squares]
    updates = Updates(turn_of(4), np.arange(3), brought, {})
    found = state.reconfigured(updates, (each_s, 0.05), share, cap)
    weights = flat({name: state.model.shared[name] for name in ANATOMY.prunable}).abs().numpy()
    expected = best_of(
        squares.astype(np.float64).sum(0),
        weights,
        flat(state.mask).numpy(),
        np.repeat([0, 1], [64 * 7, 7 * 10]),
        seconds=(each_s, 0.05),
        share=share,
        cap=cap,
    )
    np.testing.assert_array_equal(flat(found.mask).numpy(), expected)
    assert found.decided == 4


def test_what_is_dropped_is_zero_what_is_taken_in_begins_there_and_biases_are_left_alone():
    state = after(OFTEN, 2)
    found, _ = exchanged(OFTEN, state, turn_of(2))
    assert set(found.mask) == set(ANATOMY.prunable)
    for name, tensor in state.model.shared.items():
        new = found.model.shared[name]
        if name not in found.mask:
            assert torch.equal(new, tensor)
            continue
        mask, old = found.mask[name], state.mask[name]
        assert (new[~mask] == 0).all()
        assert (new[mask & ~old] == 0).all()
        assert torch.equal(new[mask & old], tensor[mask & old])
    assert any((found.mask[n] & ~state.mask[n]).any() for n in found.mask)
    assert any((~found.mask[n] & state.mask[n]).any() for n in found.mask)


def test_the_model_stays_within_its_mask():
    state = after(OFTEN, 6)
    assert 0 < state.kept < WEIGHTS
    for name, mask in state.mask.items():
        assert (state.model.shared[name][~mask] == 0).all()
        assert (state.model.shared[name][mask] != 0).any()
    for message in exchanged(OFTEN, state, turn_of(7))[1].messages:
        assert message.tensors["kept"].numel() == state.kept
        assert "bitmap" not in message.tensors


def test_the_first_mask_keeps_the_largest_initial_weights():
    state = first_state(TASK, 0.25)
    weights = flat({name: TASK.initial[name] for name in ANATOMY.prunable}).abs()
    kept = flat(state.mask)
    assert kept.sum() == round(0.25 * WEIGHTS)
    assert weights[kept].min() >= weights[~kept].max()


@pytest.fixture
def asked(monkeypatch):
    """Return what the server asks when it reconfigures: the time of a weight, and what is named."""
    seen = []

    def listening(*given, **named):
        seen.append({"each_s": given[3], **named})
        return np.ones(WEIGHTS, dtype=bool)

    monkeypatch.setattr("wflsim.learning.common_mask.reconfigure", listening)
    return seen


def test_the_share_of_candidates_halves(asked):
    algorithm = PruneFl(interval=4, candidate_share=0.5, halving_rounds=4, density_max=0.9)
    for round_ in (4, 8, 12):
        exchanged(algorithm, algorithm.init(TASK), turn_of(round_))
    assert [each["candidate_share"] for each in asked] == [0.25, 0.125, 0.0625]
    assert {each["density_cap"] for each in asked} == {0.9}
    official = PruneFl()
    exchanged(official, official.init(TASK), turn_of(10_000))
    assert asked[-1]["candidate_share"] == pytest.approx(0.15)


# Slopes and prices.


@pytest.mark.parametrize("how", ["loop", *ways_of(TASK)])
def test_slopes_are_those_of_the_mean_loss(how):
    cohort = Cohort(TASK, EVERYBODY, turn_of(2), how)
    (batch,) = cohort.phases((1,), 40)
    found = cohort.slopes(cohort.stack(TASK.initial), ANATOMY.prunable, batch)
    for device in range(5):
        params = {n: t.clone().requires_grad_() for n, t in TASK.initial.items()}
        rows = batch.rows[0, device]
        scores = functional_call(TASK.module, params, (TASK.inputs[rows],))
        loss = torch.nn.functional.cross_entropy(scores, TASK.labels[rows])
        expected = torch.autograd.grad(loss, [params[n] for n in ANATOMY.prunable])
        for name, slope in zip(ANATOMY.prunable, expected, strict=True):
            assert torch.allclose(found[name][device], slope, rtol=1e-4, atol=1e-7)


def test_squares_are_of_all_weights_kept_or_not():
    state = after(OFTEN, 2)
    _, updates = exchanged(OFTEN, state, turn_of(2))
    dropped = ~flat(state.mask)
    for message in updates.messages:
        squares = message.tensors[SQUARES]
        assert squares.shape == (WEIGHTS,)
        assert (squares >= 0).all()
        assert (squares[dropped] > 0).any()


def test_weights_cost_what_the_slowest_device_that_is_heard_needs_for_one_more(asked):
    prices = Prices(
        np.array([1e-9, 3e-9, 2e-9]), np.array([2e-6, np.inf, 1e-6]), np.array([0.1, 0.9, 0.3])
    )
    exchanged(OFTEN, OFTEN.init(TASK), turn_of(2, 0, prices))
    fixed, scaled = step_macs(ANATOMY, ANATOMY, pruned=ANATOMY.layers)
    assert fixed == 0
    assert asked[0]["each_s"] == pytest.approx(3 * 8 * scaled / WEIGHTS * 1e-9 + 32 * 2e-6)
    assert asked[0]["fixed_s"] == pytest.approx(0.3 + 32 * OTHERS * 1e-6)


# In a network.


def reports(*assignments):
    scenario = parse(TEXT, "t", assignments).scenario
    (system,) = scenario.systems.values()
    return list(stage(settle(scenario.world), system).rounds())


def test_in_a_run_prices_are_those_of_the_channel_and_the_mask_learns():
    found = reports("rounds=40", "evaluate_every=40", "algorithm.interval=5")
    asked = [r.round_ for r in found if len(r.played) == 2]
    assert asked == [5, 10, 15, 20, 25, 30, 35]
    kept = [report.state.kept for report in found]
    assert len(set(kept)) > 3
    assert min(kept) < kept[0] == 64 * 12 + 120
    for report in found:
        keep = report.played[-1].agreement.plan.keep
        np.testing.assert_allclose(keep, report.state.kept / (64 * 12 + 120))
    assert found[-1].scores.whole > 0.6


def test_prices_of_a_turn_are_those_of_an_equal_share(monkeypatch):
    turns = []
    fuse = PruneFl.fuse

    def listening(self, state, updates):
        turns.append(updates.turn)
        return fuse(self, state, updates)

    monkeypatch.setattr(PruneFl, "fuse", listening)
    found = reports("rounds=4", "allocator=equal_share")
    games = [game for report in found for game in report.played]
    assert len(turns) == len(games) == 5
    for turn, game in zip(turns, games, strict=True):
        plan, prices = game.agreement.plan, turn.prices
        np.testing.assert_allclose(prices.bit_s, 1.0 / plan.rate_bps, rtol=1e-9)
        np.testing.assert_allclose(prices.rest_s, plan.receive_s)
        macs = game.agreement.exchange.computed_macs(plan.keep)
        np.testing.assert_allclose(prices.mac_s * macs, plan.compute_s)


def test_dearer_air_leaves_fewer_weights():
    kept = []
    for band in ("1e4", "1e5", "1e6"):
        slow_start = "fleet.compute={kind: kappa, start_s: 0.5}"
        found = reports("rounds=4", f"radio.bandwidth_hz={band}", slow_start)
        assert all(game.timeline.taken.all() for report in found for game in report.played)
        kept.append(found[-1].state.kept)
    assert kept[0] < kept[1] < kept[2]


def test_the_network_can_be_studied_without_training():
    for report in reports("learning=none", "algorithm.density=0.5"):
        for game in report.played:
            expected = 1.0 if game.purpose == "slopes" else 0.5
            np.testing.assert_allclose(game.agreement.plan.keep, expected, rtol=1e-3)


def test_the_state_can_be_kept_and_read_again():
    state = after(OFTEN, 3)
    again = Coder().unpack(Coder().pack(state))
    one, other = (exchanged(OFTEN, each, turn_of(4))[0] for each in (state, again))
    assert torch.equal(flat(one.mask), flat(other.mask))


@pytest.mark.slow
def test_any_crew_decides_the_same_masks_and_comes_to_the_same_bits():
    found = [
        reports("rounds=5", f"engine={engine}")[-1].state
        for engine in (
            "{kind: batched, chunk: 2, workers: 1}",
            "{kind: batched, chunk: 2, workers: 3}",
            "{kind: processes, train: batched, chunk: 2, workers: 2}",
        )
    ]
    for other in found[1:]:
        assert torch.equal(flat(found[0].mask), flat(other.mask))
        assert torch.equal(flat(found[0].model.shared), flat(other.model.shared))
