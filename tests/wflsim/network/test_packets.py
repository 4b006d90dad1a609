"""Updates lost as whole packets: how often, at what cost, and whose luck it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_models.channel import Links
from optimizers import RoundProblem
from optimizers.closed_forms import packet_errors
from wflsim.clock import Instants
from wflsim.network.policies import WaitForAll
from wflsim.network.procedures.uplink import Packet, Whole
from wflsim.network.round import play
from wflsim.network.testing import network, plan_of
from wflsim.network.timeline import Outcome
from wflsim.scenario.loading import parse
from wflsim.scenario.schema import Procedures
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle
from wflsim.world.electronics import Handset

TEXT = """\
name: packets
seed: 5
fleet: {devices: 12, placement: {kind: ring, radius_min_m: 200, radius_max_m: 600}}
radio: {bandwidth_hz: 4e6, noise_figure_db: 9}
task: {data: {kind: blank, samples: 1200}, partition: iid, model: {kind: mlp, hidden: [8]}}
rounds: 150
learning: none
algorithm: {kind: workload, up_bits: 1e6, down_bits: 1e5, macs: 1e7, prunable: 0.9, keep_min: 0.1}
policy: wait_for_all
procedures: {uplink: {kind: packet, waterfall: 3}}
variants: {even: {allocator: equal_share}, joint: {deadline: {kind: relative, share: 0.5}}}
"""


def send(uplink, bits, chance, device=None, seed=1):
    bits = np.asarray(bits, dtype=float)
    return uplink.send(
        Instants(np.zeros(len(bits), dtype=np.int64), np.zeros(len(bits))),
        bits,
        np.full(len(bits), 1e6),
        None if chance is None else np.broadcast_to(chance, (len(bits), 1)),
        device=np.arange(len(bits)) if device is None else device,
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("snr", [0.02, 0.1, 1.0, 30.0])
def test_packets_are_lost_as_often_as_the_formula_says(snr):
    uplink, many = Packet(waterfall=0.05), 100_000
    (chance,) = uplink.message_errors(np.array([snr]))[0]
    assert chance == pytest.approx(1.0 - np.exp(-0.05 / snr), rel=1e-12)
    lost = (~send(uplink, np.ones(many), chance).delivered).mean()
    assert abs(lost - chance) < 4 * np.sqrt(chance * (1 - chance) / many)


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=9), st.integers(0, 2**32))
def test_what_is_lost_has_taken_what_an_ideal_upload_takes(bits, seed):
    packet, ideal = (send(uplink, bits, 0.5, seed=seed) for uplink in (Packet(), Whole()))
    for column in ("airtime_s", "blocks", "attempts"):
        np.testing.assert_array_equal(getattr(packet, column), getattr(ideal, column))
    np.testing.assert_array_equal(packet.done.after_s, ideal.done.after_s)
    assert packet.delivered[np.asarray(bits) == 0.0].all()


def test_luck_is_a_devices_own():
    whole = send(Packet(), np.ones(20), 0.5)
    assert 0 < whole.delivered.sum() < 20
    some = np.array([17, 3, 8])
    fewer = send(Packet(), np.ones(3), 0.5, device=some)
    np.testing.assert_array_equal(fewer.delivered, whole.delivered[some])
    certain = np.where(np.arange(20) == 4, 1.0, 0.5)[:, None]
    other = send(Packet(), np.ones(20), certain)
    assert not other.delivered[4]
    np.testing.assert_array_equal(np.delete(other.delivered, 4), np.delete(whole.delivered, 4))


def test_without_signal_a_packet_is_lost_and_without_a_threshold_none_is():
    assert Packet().message_errors(np.zeros(1)).tolist() == [[1.0]]
    assert Packet(waterfall=0.0).message_errors(np.array([1e-9])).tolist() == [[0.0]]
    assert send(Packet(), np.ones(50), None).delivered.all()


def test_a_lost_update_costs_its_seconds_and_joules_and_nothing_arrives():
    found = []
    for uplink in (Packet(), Whole()):
        rules = network(Procedures(uplink=uplink), Handset())
        plan = plan_of([0.01, 0.02, 0.03], [0.04] * 3, errors=np.array([[0.0], [1.0], [0.0]]))
        timeline, _ = play(0, rules.launch(plan, 0, 0), rules, WaitForAll(), round_=0)
        found.append(timeline)
    lossy, ideal = found
    assert lossy.outcome.tolist() == [Outcome.ON_TIME, Outcome.LOST, Outcome.ON_TIME]
    assert lossy.delivered_bits.tolist() == pytest.approx([40.0, 0.0, 40.0])
    np.testing.assert_array_equal(lossy.phase_ns, ideal.phase_ns)
    np.testing.assert_array_equal(lossy.phase_j, ideal.phase_j)


def reports(variant, *assignments):
    scenario = parse(TEXT, "t", assignments).scenario
    setting = settle(scenario.world)
    return setting, list(stage(setting, scenario.systems[variant]).rounds())


def chances(setting, links: Links, plan):
    """Return 1 − exp(−ϑ N₀ b/(p g)) of a plan, computed from the channel, shape (K,)."""
    radio = setting.world.radio
    gain = (np.abs(links.antenna_gain[plan.device]) ** 2).sum(axis=1)
    noise_w = radio.noise_w_per_hz * plan.bandwidth_hz
    return 1.0 - np.exp(-3.0 * noise_w / (plan.transmit_w * gain))


@pytest.mark.parametrize("variant", ["even", "joint"])
def test_in_a_run_updates_are_lost_as_often_as_their_bands_and_powers_say(variant):
    setting, found = reports(variant)
    expected = variance = lost = 0.0
    for report in found:
        (game,) = report.played
        chance = chances(setting, report.links, game.agreement.plan)
        lost += (game.timeline.outcome == Outcome.LOST).sum()
        expected, variance = expected + chance.sum(), variance + (chance * (1 - chance)).sum()
        np.testing.assert_allclose(game.agreement.plan.errors[:, 0], chance, rtol=1e-9)
    assert expected > 20
    assert abs(lost - expected) < 4 * np.sqrt(variance)


def test_these_are_the_errors_that_the_allocator_weighs():
    _, found = reports("even", "rounds=3")
    for report in found:
        agreement = report.played[0].agreement
        problem: RoundProblem = agreement.posed.problem
        weighed = packet_errors(problem, agreement.plan.bandwidth_hz, 3.0)
        np.testing.assert_allclose(agreement.plan.errors[:, 0], weighed, rtol=1e-9)


def test_another_uplink_changes_no_channel_no_plan_and_no_length():
    (_, lossy), (_, ideal) = (
        reports("even", "rounds=4", f"procedures.uplink={uplink}") for uplink in ("packet", "ideal")
    )
    for one, other in zip(lossy, ideal, strict=True):
        plans = [report.played[0].agreement.plan for report in (one, other)]
        np.testing.assert_array_equal(plans[0].bandwidth_hz, plans[1].bandwidth_hz)
        np.testing.assert_array_equal(plans[0].bits, plans[1].bits)
        assert one.end_s == other.end_s
