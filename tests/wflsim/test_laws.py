"""Laws that a single changed line would break: who is averaged how, what is measured where, what costs what."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from channel_models import rate_bps
from wflsim.contracts import Message, Turn, Updates
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.crews import host_threads
from wflsim.learning.evaluation import evaluate
from wflsim.learning.testing import STREAMS, cohort_of, small_task
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle
from wflsim.world.compute import Kappa

TASK = small_task()
EVERYBODY = np.arange(5)


def trained(algorithm, rounds=2):
    state = algorithm.init(TASK)
    for round_ in range(rounds):
        updates = algorithm.train(state, cohort_of(TASK, EVERYBODY, round_), np.ones(5))
        state = algorithm.fuse(state, updates)
    return state


def test_devices_count_by_their_samples():
    samples = TASK.holdings.samples
    assert len(set(samples)) > 1
    state = FedAvg().init(TASK)
    sent = [
        {name: torch.full_like(t, float(k)) for name, t in state.shared.items()} for k in EVERYBODY
    ]
    fused = state.fused(Updates(Turn(0, 0, STREAMS), EVERYBODY, [Message(s) for s in sent], {}))
    expected = float((EVERYBODY * samples).sum() / samples.sum())
    assert all(torch.allclose(tensor, torch.tensor(expected)) for tensor in fused.shared.values())


def test_accuracies_are_those_of_every_device_on_its_own_test_samples_and_nothing_else():
    algorithm = FedAlt(personal_rate=0.3, shared_rate=0.3)
    state = trained(algorithm, 3)
    found = evaluate(algorithm, state, TASK)
    for device, rows in enumerate(TASK.holdings.test):
        module = TASK.module
        logits = torch.func.functional_call(
            module, algorithm.model_for(state, device), (TASK.inputs[rows],)
        )
        assert found.personal[device] == pytest.approx(
            float((logits.argmax(1) == TASK.labels[rows]).double().mean())
        )
    everyone = np.concatenate(TASK.holdings.test)
    logits = torch.func.functional_call(
        TASK.module, algorithm.model_for(state, None), (TASK.inputs[everyone],)
    )
    assert found.whole == pytest.approx(
        float((logits.argmax(1) == TASK.labels[everyone]).double().mean())
    )
    assert found.personal.mean() > found.whole  # the personal parts are worth something


@pytest.mark.parametrize(("poisoned", "changes"), [("test", True), ("train", False)])
def test_only_test_labels_move_the_scores(poisoned, changes):
    algorithm = FedAvg(learning_rate=0.3)
    state = trained(algorithm)
    labels = TASK.labels.clone()
    labels[np.concatenate(getattr(TASK.holdings, poisoned))] = 99
    before, after = (
        evaluate(algorithm, state, TASK),
        evaluate(algorithm, state, replace(TASK, labels=labels)),
    )
    assert (before.whole != after.whole) == changes
    assert (before.personal != after.personal).any() == changes


def test_the_global_model_is_the_shared_part_with_the_mean_of_the_personal_parts():
    algorithm = FedAlt()
    state = trained(algorithm)
    models = [algorithm.model_for(state, device) for device in EVERYBODY]
    whole = algorithm.model_for(state, None)
    for name, tensor in whole.items():
        assert torch.allclose(
            tensor, torch.stack([model[name] for model in models]).mean(0), atol=1e-7
        )


def test_batches_of_two_rounds_and_of_two_exchanges_differ():
    def batches(round_, step):
        cohort = replace(cohort_of(TASK, EVERYBODY), turn=Turn(round_, step, STREAMS))
        return cohort.phases((3,), 8)[0].rows

    drawn = [batches(0, 0), batches(1, 0), batches(0, 1)]
    assert torch.equal(drawn[0], batches(0, 0))
    assert not any(torch.equal(drawn[i], drawn[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("method", [FedAlt, Japp])
def test_each_part_moves_at_its_own_rate(method):
    initial = method().init(TASK)

    def moved(state):
        shared = float(
            (state.shared["dense0.weight"] - initial.shared["dense0.weight"]).abs().max()
        )
        return shared, float(
            (
                state.personal.rows(EVERYBODY)["dense1.weight"]
                - initial.personal.rows(EVERYBODY)["dense1.weight"]
            )
            .abs()
            .max()
        )

    slow_shared = moved(trained(method(shared_rate=1e-7, personal_rate=0.1), 1))
    slow_own = moved(trained(method(shared_rate=0.1, personal_rate=1e-7), 1))
    assert max(slow_shared[0], slow_own[1]) < 1e-5
    assert min(slow_shared[1], slow_own[0]) > 1e-3


def test_a_large_negative_weight_is_worth_keeping():
    algorithm = Japp(importance="magnitude", shared_rate=1e-9)
    state = algorithm.init(TASK)
    weight = torch.full_like(state.shared["dense0.weight"], 0.01)
    weight[2, 5] = -3.0
    state = replace(state, shared={**state.shared, "dense0.weight": weight})
    updates = algorithm.train(state, cohort_of(TASK, EVERYBODY), np.full(5, 1 / 448))
    for message in updates.messages:
        assert message.tensors["kept"].tolist() == pytest.approx([-3.0], abs=1e-6)


@pytest.mark.parametrize(
    "algorithm", [Japp(), FedAlt(), FedAvg()], ids=["japp", "fedalt", "fedavg"]
)
def test_what_travels_down_is_what_devices_start_from(algorithm):
    exchange = algorithm.plan(TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None)
    shared = algorithm.init(TASK).shared
    assert (
        exchange.down_bits.at(1.0) == sum(32 * tensor.numel() for tensor in shared.values())
    ).all()


@pytest.mark.parametrize("width", [7, 49, 50, 100])
@pytest.mark.parametrize("personal", ["output", "input", "none"])
def test_messages_are_whole_bits_for_every_number_of_kept_weights(width, personal):
    task = small_task(hidden=(width, 3))
    exchange = Japp(personal=personal).plan(
        task.anatomy, task.holdings.samples, Turn(0, 0, STREAMS), None
    )
    for kept in range(1, exchange.units + 1, max(1, exchange.units // 997)):
        keep = exchange.whole_units(np.full(5, kept / exchange.units))
        bits = exchange.sent_bits(keep)
        assert (bits == exchange.up_bits.fixed + 32 * kept).all()


def test_the_least_share_is_whole_weights_and_never_less_than_asked():
    exchange = Japp(keep_min=0.1).plan(
        TASK.anatomy, TASK.holdings.samples, Turn(0, 0, STREAMS), None
    )
    assert (exchange.keep_min >= 0.1).all()
    assert (exchange.whole_units(exchange.keep_min) == exchange.keep_min).all()


def test_energy_of_computing_is_kappa_f_squared_per_cycle():
    model, cpu_hz, macs = Kappa(cycles_per_mac=3.0, kappa=2e-28), np.array([1e8, 2e9]), 5e6
    joules = model.power_w(cpu_hz) * model.seconds_per_mac(cpu_hz) * macs
    assert joules == pytest.approx(2e-28 * cpu_hz**2 * 3.0 * macs)


def first(text, *assignments):
    scenario = parse(text, "t", assignments).scenario
    setting = settle(scenario.world)
    report = next(iter(stage(setting, scenario.systems["fedavg"]).rounds()))
    return setting, report.links, report.played[0]


def test_the_broadcast_takes_as_long_as_the_weakest_link_needs(tiny):
    setting, links, game = first(tiny)
    radio = setting.world.radio
    gain = (np.abs(links.antenna_gain) ** 2).mean(axis=1)
    snr = (
        10 ** ((radio.downlink_dbm - 30) / 10)
        * gain
        / (radio.noise_w_per_hz * radio.downlink_bandwidth_hz)
    )
    rate = radio.downlink_bandwidth_hz * np.log2(1 + snr / radio.link.snr_gap)
    assert game.agreement.plan.receive_s == pytest.approx(
        game.agreement.exchange.down_bits.at(1.0).max() / rate.min()
    )
    assert rate.max() > 1.01 * rate.min()


def test_the_upload_takes_its_bits_over_the_rate_less_the_gap(tiny):
    setting, links, game = first(tiny)
    radio, allocation = setting.world.radio, game.agreement.allocation
    assert radio.link.snr_gap == pytest.approx(10**0.3)
    rate = rate_bps(
        allocation.bandwidth_hz,
        allocation.power_w,
        links.uplink_gain,
        radio.noise_w_per_hz,
        radio.link.snr_gap,
    )
    assert game.timeline.phase_ns[:, 6] / 1e9 == pytest.approx(
        game.agreement.plan.bits / rate, abs=2e-9
    )
    assert game.agreement.plan.rate_bps == pytest.approx(rate)


def test_the_channel_is_told_how_long_the_round_took(tiny):
    told = []

    class Listening:
        def init(self, links, antennas, rng):
            return (links, antennas)

        def step(self, state, around, elapsed_s, rng):
            told.append(elapsed_s)
            return state, np.ones(state)

    scenario = parse(tiny, "t").scenario
    world = replace(scenario.world, channel=replace(scenario.world.channel, fading=Listening()))
    ends = [report.end_s for report in stage(settle(world), scenario.systems["fedavg"]).rounds()]
    # The first call is the trial that finds out before the run what a step would refuse.
    assert told[1:] == pytest.approx([0.0, *np.diff([0.0, *ends[:-1]])])


def test_a_model_with_nothing_to_send_learns_alone(tiny):
    text = tiny.replace("hidden: [7]", "hidden: []")
    scenario = parse(text, "t", ["deadline=none"]).scenario
    for name in ("pruned", "fedalt"):
        for report in stage(settle(scenario.world), scenario.systems[name]).rounds():
            (game,) = report.played
            assert (game.timeline.outcome == 0).all()
            assert game.agreement.plan.bits.sum() == 0


def test_a_share_of_nothing_is_no_deadline(tiny):
    algorithm = "{kind: japp, personal_steps: 0, masked_steps: 0}"
    text = tiny.replace("hidden: [7]", "hidden: []").replace(
        "algorithm: japp", f"algorithm: {algorithm}"
    )
    scenario = parse(text, "t").scenario
    for report in stage(settle(scenario.world), scenario.systems["pruned"]).rounds():
        assert (report.played[0].timeline.outcome == 0).all()


def test_host_threads_are_given_back():
    before = torch.get_num_threads()
    with host_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_device_is_trained_the_same_in_any_company():
    whole = FedAvg().train(FedAvg().init(TASK), cohort_of(TASK, EVERYBODY), np.ones(5))
    pair = FedAvg().train(FedAvg().init(TASK), cohort_of(TASK, np.array([1, 3])), np.ones(2))
    for name, tensor in pair.messages[1].tensors.items():
        assert torch.allclose(tensor, whole.messages[3].tensors[name], atol=1e-6)
