"""Tiers: how much each counts, what the fused model is, and what their deadlines reach."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.network.policies import Tiers
from wflsim.scenario.loading import parse
from wflsim.simulation.arrivals import arrivals, whole, worth
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

TEXT = """\
name: tiers
seed: 4
fleet: {devices: 8, placement: {kind: ring, radius_min_m: 60, radius_max_m: 300}, power_dbm: [-14, 15], cpu_hz: [4e6, 100e6]}
channel: {fading: none}
radio: {bandwidth_hz: 2e6}
task:
  data: digits
  partition: {kind: classes, per_device: 2}
  model: {kind: mlp, hidden: [16]}
rounds: 12
evaluate_every: 12
algorithm: {kind: fedavg, steps: 4}
allocator: equal_share
policy: {kind: tiers, period_s: 0.026, tiers: 3}
"""
REVERSED = "policy.weighting=reversed"
PRUNED = ["algorithm={kind: japp, personal_steps: 2, keep_min: 0.05}", "allocator=kkt"]
SCARCE = ["radio.bandwidth_hz=3e5", "policy.period_s=0.078", "fleet.power_dbm=[-27, 15]"]


def prepared(*assignments, algorithm=None):
    scenario = parse(TEXT, "t", assignments).scenario
    (system,) = scenario.systems.values()
    if algorithm is not None:
        object.__setattr__(system, "algorithm", algorithm)
    return stage(settle(scenario.world), system)


# Shares of tiers.


@given(st.sets(st.integers(1, 40), min_size=1))
def test_shares_add_up_to_one_and_the_slower_tier_has_no_less(found):
    tiers = np.array(sorted(found))
    for weighting in ("reversed", "equal"):
        share = Tiers(0.1, weighting=weighting).tier_shares(tiers)
        assert share.sum() == pytest.approx(1.0)
        assert (np.diff(share) >= 0).all()


@given(st.sets(st.integers(1, 40), min_size=1))
def test_reversed_counts_are_the_counts_read_from_the_other_end(found):
    tiers = np.array(sorted(found))
    share = Tiers(0.1, weighting="reversed").tier_shares(tiers)
    # Tier m reports once in m periods; over a long run the first makes up as much as the last.
    np.testing.assert_allclose(share * tiers[::-1], share[-1] * tiers[0])
    long_run = share / tiers
    np.testing.assert_allclose(long_run, long_run[::-1])


def test_of_one_tier_everything_is_that_tiers():
    for weighting in ("reversed", "equal"):
        assert Tiers(0.1, weighting=weighting).tier_shares(np.array([3])).tolist() == [1.0]
    assert Tiers(0.1).tier_shares(np.array([1, 2])) is None


# What comes in, counted in samples.


@pytest.mark.parametrize("weighting", ["samples", "reversed", "equal"])
def test_a_tier_that_reports_counts_for_its_share_of_what_came(weighting):
    policy, seen = f"policy.weighting={weighting}", set()
    there = prepared(policy, "learning=none", "rounds=24")
    samples, scene = there.setting.holdings.samples, there.begin()
    for report, after in there.onward(scene):
        (game, *_) = report.played
        found = arrivals(
            game.timeline,
            after.flights,
            report.round_,
            defaultdict(lambda: None),
            policy=there.system.policy,
            samples=samples,
        )
        total = sum(int(samples[group.device].sum()) for group in found)
        tiers = np.union1d(game.timeline.settled.plan.rounds, after.flights.plan.rounds)
        share = there.system.policy.tier_shares(tiers)
        for group in found:
            tier = 1 + report.round_ - (report.round_ if group.fresh else _first(game, group))
            seen.add(tier)
            own = samples[group.device]
            if share is None:
                np.testing.assert_array_equal(group.samples, own)
                continue
            part = share[tiers == tier][0]
            assert group.samples.sum() == pytest.approx(part * total)
            np.testing.assert_allclose(group.samples / group.samples.sum(), own / own.sum())
        came = {int(r) for r in game.timeline.settled.plan.rounds[game.timeline.taken]}
        everybody = share is None or came == set(tiers.tolist()) or not found
        assert whole(found, samples) == everybody
        assert worth(found, samples) <= 1.0 + 1e-12
    assert len(seen) == 3


def _first(game, group):
    settled = game.timeline.settled
    return int(settled.round_[settled.plan.device == group.device[0]][0])


# What the server's model becomes.


@dataclass
class Counting:
    """FedAvg that remembers how much each device counted."""

    inner: FedAvg = field(default_factory=lambda: FedAvg(steps=4))
    fused: list = field(default_factory=list)

    def plan(self, anatomy, samples, turn, state):
        return self.inner.plan(anatomy, samples, turn, state)

    def init(self, task):
        return self.inner.init(task)

    def train(self, state, cohort, keep):
        return self.inner.train(state, cohort, keep)

    def fuse(self, state, updates):
        share = state.samples[updates.devices] / state.samples[updates.devices].sum()
        self.fused.append((state, [(state, updates, share)]))
        return self.inner.fuse(state, updates)

    def fuse_late(self, state, late):
        self.fused.append((state, [(g.base, g.updates, g.weight) for g in late]))
        return self.inner.fuse_late(state, late)

    def model_for(self, state, device):
        return self.inner.model_for(state, device)


def test_in_the_long_run_the_slowest_tier_makes_up_as_much_as_the_fastest():
    parts = {}
    for weighting in ("samples", "reversed"):
        watched, part = Counting(), defaultdict(float)
        list(prepared(f"policy.weighting={weighting}", algorithm=watched).rounds())
        assert len(watched.fused) == 12  # two turns of tiers 1, 2 and 3
        for _, groups in watched.fused:
            for _, updates, weight in groups:
                part[_tier(updates, watched)] += weight.sum()
        parts[weighting] = dict(part)
    assert parts["reversed"][1] == pytest.approx(parts["reversed"][3])
    assert parts["samples"][1] > 1.5 * parts["samples"][3]


def _tier(updates, watched):
    """Return the tier of devices: the number of rounds between their beginnings."""
    device = int(updates.devices[0])
    turns = [
        u.turn.round_
        for _, groups in watched.fused
        for _, u, _ in groups
        if device in u.devices.tolist()
    ]
    return min(np.diff(turns))


def test_what_was_learnt_is_added_in_these_parts_and_the_rest_stays():
    watched = Counting()
    *_, last = prepared(REVERSED, algorithm=watched).rounds()
    states = [state for state, _ in watched.fused] + [last.state]
    partial = 0
    for before, (_, groups), after in zip(states, watched.fused, states[1:], strict=False):
        partial += sum(float(weight.sum()) for *_, weight in groups) < 1 - 1e-9
        for name, tensor in before.shared.items():
            expected = tensor.clone().double()
            for base, updates, weight in groups:
                for message, w in zip(updates.messages, weight, strict=True):
                    expected += w * (message.tensors[name] - base.shared[name]).double()
            assert torch.allclose(after.shared[name].double(), expected, atol=1e-6)
    assert partial > 4


def test_with_everybody_in_the_first_tier_it_is_the_plain_round_to_the_last_bit():
    slow = ["policy.period_s=3", "rounds=3"]
    *_, tiers = prepared(REVERSED, *slow).rounds()
    *_, plain = prepared("policy={kind: period, period_s: 3}", "rounds=3").rounds()
    for name, tensor in plain.state.shared.items():
        assert torch.equal(tensor, tiers.state.shared[name])


# Deadlines of tiers and the allocator.


def test_a_pruning_method_is_planned_to_the_end_of_its_own_periods_and_learns():
    there = prepared(REVERSED, *PRUNED, *SCARCE, "rounds=60", "evaluate_every=60")
    over, pruned, seen = 0, 0, set()
    for report in there.rounds():
        for game in report.played:
            if game.agreement is None:
                continue
            agreement, plan = game.agreement, game.agreement.plan
            certificate = agreement.allocation.certificate
            np.testing.assert_allclose(plan.deadline_s, 0.078 * plan.rounds)
            np.testing.assert_array_equal(
                agreement.posed.problem.deadline_s, agreement.posed.planned_s
            )
            assert certificate.feasible
            ends_s = agreement.posed.problem.finish_s(
                agreement.allocation.keep, plan.bandwidth_hz, plan.transmit_w
            )
            assert (ends_s <= plan.deadline_s * (1 + 1e-9)).all()
            over += (ends_s > 0.078 * (plan.rounds - 1)).sum()
            pruned += (plan.keep < 1.0).sum()
            seen |= set(plan.rounds.tolist())
    assert seen == {1, 2, 3}
    assert over > 30
    assert pruned > 30
    assert report.scores.personal.mean() > 0.8
