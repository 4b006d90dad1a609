"""Laws of the whole round: bits, channels, deadlines, repeatability."""

from dataclasses import dataclass

import numpy as np
import pytest

from wflsim.contracts import Message, Turn, Updates
from wflsim.errors import ScenarioError, UserError
from wflsim.learning.algorithms.japp import Japp
from wflsim.network.timeline import UPLOAD, Outcome
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle


def reports(text, variant, *assignments, seed=None):
    scenario = parse(text, "t", assignments, seed).scenario
    return list(stage(settle(scenario.world), scenario.systems[variant]).rounds())


def test_the_network_carries_the_bits_of_the_tensors_that_are_sent(tiny, monkeypatch):
    sent = []
    train = Japp.train

    def listening(self, state, cohort, keep):
        updates = train(self, state, cohort, keep)
        sent.append(
            [
                sum(
                    8 * tensor.numel() * tensor.element_size()
                    for tensor in message.tensors.values()
                )
                for message in updates.messages
            ]
        )
        return updates

    monkeypatch.setattr(Japp, "train", listening)
    played = [report.played[0] for report in reports(tiny, "pruned")]
    for bits, game in zip(sent, played, strict=True):
        assert game.agreement.plan.bits.tolist() == bits
        seconds = game.timeline.phase_ns[:, UPLOAD] / 1e9
        assert np.allclose(seconds * game.agreement.plan.rate_bps, bits, rtol=1e-6)
        assert (game.agreement.plan.keep < 1).any()


def test_a_message_that_is_not_what_was_planned_is_refused(tiny, monkeypatch):
    train = Japp.train

    def shouting(self, state, cohort, keep):
        updates = train(self, state, cohort, keep)
        tensors = updates.messages[1].tensors
        longer = Message({**tensors, "more": tensors["kept"]})
        return Updates(
            updates.turn,
            updates.devices,
            [updates.messages[0], longer, *updates.messages[2:]],
            updates.private,
        )

    monkeypatch.setattr(Japp, "train", shouting)
    with pytest.raises(AssertionError, match="device 1 sends"):
        reports(tiny, "pruned")


def test_all_systems_see_the_same_channels_and_start_from_the_same_weights(tiny):
    pruned, fedalt, equal = (
        reports(tiny, "pruned"),
        reports(tiny, "fedalt"),
        reports(tiny, "pruned", "variants.pruned.allocator=equal_share"),
    )
    for one, other, third in zip(pruned, fedalt, equal, strict=True):
        assert (one.links.antenna_gain == other.links.antenna_gain).all()
        assert (one.links.antenna_gain == third.links.antenna_gain).all()
    assert (pruned[0].played[0].agreement.plan.keep != equal[0].played[0].agreement.plan.keep).any()
    assert (pruned[0].links.antenna_gain != pruned[1].links.antenna_gain).all()


def test_another_seed_is_another_world(tiny):
    one, other = reports(tiny, "pruned", seed=1), reports(tiny, "pruned", seed=2)
    assert (one[0].links.antenna_gain != other[0].links.antenna_gain).all()


def test_half_of_the_dense_round_is_half_of_fedalts_own_round(tiny):
    for pruned, fedalt in zip(reports(tiny, "pruned"), reports(tiny, "fedalt"), strict=True):
        length_s = (fedalt.played[0].timeline.end_ns - fedalt.played[0].timeline.start_ns) / 1e9
        assert pruned.played[0].deadline_s == pytest.approx(length_s / 2, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_every_deadline_that_the_allocator_accepts_is_kept_to_the_nanosecond(tiny, seed):
    for report in reports(tiny, "pruned", seed=seed):
        (game,) = report.played
        assert game.agreement.allocation.certificate.status == "optimal"
        assert (game.timeline.outcome == Outcome.ON_TIME).all()
        assert game.timeline.end_ns - game.timeline.start_ns <= np.ceil(game.deadline_s * 1e9)


def test_a_deadline_that_cannot_be_met_loses_devices_and_says_so(tiny):
    played = [
        r.played[0]
        for r in reports(tiny, "pruned", "variants.pruned.deadline={kind: fixed, limit_s: 4e-4}")
    ]
    assert {game.agreement.allocation.certificate.status for game in played} <= {
        "infeasible",
        "unbounded",
    }
    assert all("least deadline" in game.agreement.allocation.certificate.reason for game in played)
    assert all((game.timeline.outcome == Outcome.DROPPED).any() for game in played)
    assert all(game.timeline.end_ns - game.timeline.start_ns == 400_000 for game in played)


def test_nobody_arrives_and_nothing_changes(tiny):
    found = reports(tiny, "pruned", "variants.pruned.deadline={kind: fixed, limit_s: 1e-5}")
    assert all((report.played[0].timeline.outcome == Outcome.DROPPED).all() for report in found)
    assert all(report.state is found[0].state for report in found)
    assert found[0].scores.personal.tolist() == found[2].scores.personal.tolist()


def test_joint_allocation_keeps_at_least_as_much_as_its_rivals(tiny):
    def pruning(allocator):
        found = reports(tiny, "pruned", f"variants.pruned.allocator={allocator}")
        return np.array([report.played[0].agreement.allocation.objective for report in found])

    joint = pruning("kkt")
    assert (joint <= pruning("equal_share") + 1e-9).all()
    assert (joint <= pruning("uniform_ratio") + 1e-9).all()
    assert joint == pytest.approx(pruning("convex"), rel=1e-6)


def test_engines_agree_until_a_last_bit_differs(tiny):
    one, other = (
        reports(tiny, "fedavg", "rounds=1"),
        reports(tiny, "fedavg", "rounds=1", "engine=loop"),
    )
    for name, tensor in one[0].state.shared.items():
        assert float((tensor - other[0].state.shared[name]).abs().max()) < 1e-5


def test_evaluation_on_a_schedule_never_skips_the_last_round(tiny):
    found = reports(tiny, "fedavg", "evaluate_every=2")
    assert [report.scores is not None for report in found] == [False, True, True]


@dataclass(frozen=True)
class TwoTalks:
    """A method with two exchanges a round: the second half of the devices speaks after the first."""

    inner: Japp

    def plan(self, anatomy, samples, turn, state):
        half = len(samples) // 2
        rows = [slice(0, half), slice(half, None)]
        whole = self.inner.plan(anatomy, samples, Turn(0, 0, turn.streams), None)
        return _part(whole, rows[turn.step]) if turn.step < 2 else None

    def __getattr__(self, name):
        return getattr(self.inner, name)


def _part(exchange, rows):
    from dataclasses import fields, replace

    from wflsim.contracts import Load

    values = {f.name: getattr(exchange, f.name) for f in fields(exchange)}
    cut = {
        name: Load(value.fixed[rows], value.prunable[rows])
        if isinstance(value, Load)
        else value[rows]
        for name, value in values.items()
        if isinstance(value, Load | np.ndarray)
    }
    return replace(exchange, **cut, purpose=f"from {rows.start}")


def test_several_exchanges_of_a_round_are_played_one_after_another(tiny):
    from dataclasses import replace

    scenario = parse(tiny, "t").scenario
    system = replace(scenario.systems["pruned"], algorithm=TwoTalks(Japp()))
    found = list(stage(settle(scenario.world), system).rounds())
    for report in found:
        first, second = report.played
        assert second.timeline.start_ns == first.timeline.end_ns
        assert first.agreement.exchange.participants.tolist() == [0, 1]
        assert second.agreement.exchange.participants.tolist() == [2, 3]
    assert found[1].played[0].timeline.start_ns == found[0].played[1].timeline.end_ns


def test_a_diverging_run_is_told_and_not_recorded_as_learning(tiny):
    with pytest.raises(UserError, match="are no numbers; lower the learning rates"):
        reports(tiny, "fedavg", "variants.fedavg.algorithm.learning_rate=1e30")


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("fleet.placement={kind: explicit, positions_m: [[1, 2]]}", "fleet.placement"),
        (
            "fleet.placement={kind: explicit, positions_m: [[0, 0], [1, 2], [3, 4], [5, 6]]}",
            "channel",
        ),
        ("task.partition.per_device=11", "task.partition"),
        ("fleet.devices=2000", "task.partition"),
    ],
)
def test_what_turns_out_to_be_impossible_is_told_at_its_key(tiny, assignment, path):
    loaded = parse(tiny, "t", [assignment])
    with pytest.raises(ScenarioError) as caught:
        settle(loaded.scenario.world, loaded.blaming)
    (mistake,) = caught.value.mistakes
    assert mistake.path == path
