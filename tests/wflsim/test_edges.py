"""Devices, edges and a cloud: identities with one server, what each edge knows, and when the cloud is told."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Message, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.algorithms.hierarchical_pruning import HierarchicalPruning
from wflsim.learning.cohort import Cohort
from wflsim.learning.testing import STREAMS, check_algorithm, small_task
from wflsim.records.encoding import Coder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.outlook import outlook
from wflsim.simulation.setting import settle

TASK = small_task()
EVERYBODY = np.arange(5)
CELLS = np.array([0, 2, 0, 2, 2])
TEXT = """\
name: edges
seed: 2
fleet:
  devices: 8
  placement: {kind: hall, length_m: 400, width_m: 200, spacing_m: 200}
  cpu_hz: [50e6, 200e6]
channel:
  layout: {kind: hall, length_m: 400, width_m: 200, spacing_m: 200, sectors: 1}
radio: {bandwidth_hz: 1e6}
task:
  data: digits
  partition: {kind: classes, per_device: 4}
  model: {kind: mlp, hidden: [16]}
rounds: 3
algorithm: {kind: hierarchical_pruning, edge_rounds: 3}
deadline: {kind: relative, share: 0.6}
policy: {kind: hierarchical, backhaul: {kind: wired, rate_bps: 1e6, delay_s: 0.02}}
"""


def turn_of(round_, step=0, cell=CELLS):
    return Turn(round_, step, STREAMS, cell)


def play(algorithm, state, turn, keep=1.0, who=EVERYBODY):
    """Return the state after an exchange, and what was brought; one device after another, so that nobody's bits depend on others."""
    cohort = Cohort(TASK, who, turn, "loop")
    updates = algorithm.train(state, cohort, np.full(len(who), keep))
    return algorithm.fuse(state, updates), updates


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


def close(one, other, atol=1e-6):
    return all(torch.allclose(one[name], other[name], atol=atol) for name in other)


def mean(models, weights):
    return {
        name: sum(w * model[name].double() for w, model in zip(weights, models, strict=True))
        / sum(weights)
        for name in models[0]
    }


@pytest.mark.parametrize(
    "algorithm",
    [HierarchicalPruning(), HierarchicalPruning(edge_rounds=1, importance="magnitude")],
    ids=repr,
)
def test_the_promises_of_a_method_are_kept(algorithm):
    check_algorithm(algorithm)


# Identities.


@pytest.mark.parametrize("edge_rounds", [1, 3])
@pytest.mark.parametrize("cell", [None, np.zeros(5, dtype=np.int64)], ids=["unknown", "one"])
def test_with_one_edge_and_nothing_pruned_it_is_averaging_bit_for_bit(edge_rounds, cell):
    edges = HierarchicalPruning(edge_rounds=edge_rounds, scoring_steps=1, steps=2)
    server = FedAvg(steps=3)
    one, other = edges.init(TASK), server.init(TASK)
    for round_ in range(3):
        for step in range(edge_rounds):
            one, _ = play(edges, one, turn_of(round_, step, cell))
            other, _ = play(server, other, turn_of(round_, step, cell))
        assert same(edges.model_for(one, None), server.model_for(other, None))


def test_with_one_edge_round_and_nothing_pruned_it_is_averaging_to_rounding():
    edges, server = HierarchicalPruning(edge_rounds=1, steps=2), FedAvg(steps=3)
    one, other = edges.init(TASK), server.init(TASK)
    for round_ in range(4):
        one, _ = play(edges, one, turn_of(round_))
        other, _ = play(server, other, turn_of(round_))
    found, expected = edges.model_for(one, None), server.model_for(other, None)
    assert close(found, expected, atol=1e-6)
    assert not same(found, edges.model_for(edges.init(TASK), None))


def test_a_run_with_one_cell_is_a_run_of_averaging_bit_for_bit():
    plain = ["channel.layout=one_cell", "deadline=none", "allocator=dense", "policy=deadline"]
    flat = "algorithm={kind: fedavg, steps: 4}"
    deep = "algorithm={kind: hierarchical_pruning, edge_rounds: 1, scoring_steps: 1, steps: 3}"
    (one, other) = (list(reports(*plain, algorithm))[-1].state for algorithm in (deep, flat))
    assert same(one.cloud.shared, other.shared)


# What edges and cloud know.


def test_an_edge_takes_the_mean_over_its_own_devices_and_starts_them_from_it():
    algorithm = HierarchicalPruning(edge_rounds=2)
    start = algorithm.init(TASK)
    state, updates = play(algorithm, start, turn_of(0))
    sent = {d: m.tensors["kept"] for d, m in zip(range(5), updates.messages, strict=True)}
    for cell in (0, 2):
        own = np.flatnonzero(cell == CELLS)
        weights = [int(TASK.holdings.samples[d]) for d in own]
        weight = torch.cat([state.edges[cell].shared[n].flatten() for n in TASK.anatomy.prunable])
        expected = mean([{"kept": sent[d]} for d in own], weights)["kept"]
        assert torch.allclose(weight.double(), expected, atol=1e-6)
    begun = state.of(Cohort(TASK, EVERYBODY, turn_of(0, 1)))
    for device, cell in enumerate(CELLS.tolist()):
        for name, tensor in state.edges[cell].shared.items():
            assert torch.equal(begun[name][device], tensor)


def test_what_another_edge_learns_reaches_an_edge_only_through_the_cloud():
    algorithm = HierarchicalPruning(edge_rounds=2)
    start = algorithm.init(TASK)
    alone, both = start, start
    for step in range(2):
        alone, _ = play(algorithm, alone, turn_of(0, step), 0.4, who=np.array([0, 2]))
        both, _ = play(algorithm, both, turn_of(0, step), 0.4)
    assert same(alone.edges[0].shared, both.edges[0].shared)
    alone, _ = play(algorithm, alone, turn_of(1), 0.4, who=np.array([0, 2]))
    both, _ = play(algorithm, both, turn_of(1), 0.4, who=np.array([0, 2]))
    assert not same(alone.edges[0].shared, both.edges[0].shared)


def test_the_cloud_takes_the_mean_of_edges_by_the_samples_of_all_whom_they_serve():
    algorithm, samples = HierarchicalPruning(edge_rounds=2), TASK.holdings.samples
    state, _ = play(algorithm, algorithm.init(TASK), turn_of(0), 0.5, who=np.array([0, 1, 3]))
    weights = [int(samples[cell == CELLS].sum()) for cell in state.edges]
    assert sorted(state.edges) == [0, 2]
    expected = mean([edge.shared for edge in state.edges.values()], weights)
    assert close({n: t.double() for n, t in state.cloud.shared.items()}, expected)
    for device in (None, 0, 4):
        assert algorithm.model_for(state, device) is state.cloud.shared


def test_weights_that_nobody_of_an_edge_kept_stay_what_they_were_there():
    algorithm = HierarchicalPruning()
    start = algorithm.init(TASK)
    state, updates = play(algorithm, start, turn_of(0), 0.2, who=np.array([1]))
    moved = [
        (state.edges[2].shared[n] != start.before.shared[n]).sum() for n in TASK.anatomy.prunable
    ]
    assert 0 < sum(map(int, moved)) <= len(updates.messages[0].tensors["kept"])


def test_an_edge_that_took_nothing_in_has_nothing_to_say():
    algorithm = HierarchicalPruning(edge_rounds=2)
    state, _ = play(algorithm, algorithm.init(TASK), turn_of(0), who=np.array([0]))
    assert same(state.cloud.shared, state.edges[0].shared)


@pytest.mark.parametrize("steps", [(0,), (1,), (0, 1)])
def test_a_new_round_begins_with_the_cloud_whoever_came_when(steps):
    algorithm = HierarchicalPruning(edge_rounds=2)
    state = algorithm.init(TASK)
    for step in steps:
        state, _ = play(algorithm, state, turn_of(0, step))
    for step in (0, 1):  # even if nobody comes in the first exchange of the next round
        begun = state.of(Cohort(TASK, EVERYBODY, turn_of(1, step)))
        for name, tensor in state.cloud.shared.items():
            assert all(torch.equal(row, tensor) for row in begun[name])


def test_an_update_is_taken_in_where_its_device_is_served():
    algorithm, start = HierarchicalPruning(), HierarchicalPruning().init(TASK)
    sent = [{name: t + d for name, t in start.before.shared.items()} for d in range(2)]
    updates = Updates(turn_of(0), np.array([3, 0]), [Message(s) for s in sent], {})
    state = algorithm.fuse(start, updates)
    assert close(state.edges[2].shared, sent[0])
    assert close(state.edges[0].shared, sent[1])


def test_the_state_can_be_kept_and_read_again():
    algorithm = HierarchicalPruning()
    state, _ = play(algorithm, algorithm.init(TASK), turn_of(0), 0.5)
    again = Coder().unpack(Coder().pack(state))
    assert same(again.cloud.shared, state.cloud.shared)
    one, other = (play(algorithm, each, turn_of(0, 1), 0.5)[0] for each in (state, again))
    assert same(one.cloud.shared, other.cloud.shared)


# Rounds of the cloud in a network.


def reports(*assignments, algorithm=None):
    scenario = parse(TEXT, "t", assignments).scenario
    (system,) = scenario.systems.values()
    system = system if algorithm is None else replace(system, algorithm=algorithm)
    return stage(settle(scenario.world), system).rounds()


@dataclass
class Watched:
    """Hierarchical pruning that remembers when devices were trained."""

    inner: HierarchicalPruning = field(default_factory=lambda: HierarchicalPruning(edge_rounds=3))
    turns: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def plan(self, *asked):
        return self.inner.plan(*asked)

    def train(self, state, cohort, keep):
        self.turns.append(cohort.turn)
        return self.inner.train(state, cohort, keep)


def test_devices_know_their_cells_and_each_exchange_has_its_own_deadline():
    watched = Watched()
    found = list(reports(algorithm=watched))
    serving = watched.turns[0].cell
    assert set(serving.tolist()) == {0, 1}
    for report in found:
        assert [game.purpose for game in report.played] == ["edge 1", "edge 2", "edge 3"]
        for game in report.played:
            assert game.deadline_s == pytest.approx(0.6 * game.agreement.dense_s)
            assert (game.agreement.plan.keep < 1).any()
            assert game.timeline.taken.all()
            np.testing.assert_array_equal(
                game.agreement.plan.cell, serving[game.agreement.plan.device]
            )
    assert {turn.step for turn in watched.turns} == {0, 1, 2}


def test_the_cloud_is_told_once_a_round_and_the_whole_model_of_each_edge():
    bits = 32 * (64 * 16 + 16 + 16 * 10 + 10)
    for report in reports("learning=none"):
        for game in report.played:
            timeline = game.timeline
            last = game.purpose == "edge 3"
            relay_s = 0.02 + bits / 1e6 if last else 0.0
            done_ns = [
                timeline.settled.final_ns[timeline.settled.plan.cell == cell].max()
                for cell in (0, 1)
            ]
            assert max(done_ns) == timeline.close_ns
            assert timeline.end_ns == pytest.approx(timeline.close_ns + relay_s * 1e9, abs=1)


def test_a_method_that_says_nothing_relays_its_largest_message_every_time():
    for report in reports("learning=none", "algorithm=japp", "rounds=2"):
        (game,) = report.played
        relay_s = 0.02 + game.timeline.settled.plan.bits.max() / 1e6
        assert game.timeline.end_ns <= game.timeline.close_ns + relay_s * 1e9 + 1
        assert game.timeline.end_ns > game.timeline.close_ns


def test_check_knows_when_the_cloud_is_told():
    def seen(edge_rounds):
        scenario = parse(TEXT, "t", [f"algorithm.edge_rounds={edge_rounds}"]).scenario
        (system,) = scenario.systems.values()
        return outlook(settle(scenario.world), system).length_s

    bits = 32 * (64 * 16 + 16 + 16 * 10 + 10)
    assert seen(1) == pytest.approx(seen(2) + 0.02 + bits / 1e6)


def test_updates_cannot_go_on_beyond_an_edge_round():
    late = ["policy.late=kept", "deadline={kind: relative, share: 0.6}", "rounds=4"]
    slow = "fleet.slowness={kind: log_normal, sigma: 1.0}"
    with pytest.raises(UserError, match="exchanges several times a round"):
        list(reports(*late, slow))


@pytest.mark.slow
def test_other_processes_come_to_the_same_bits():
    found = [
        list(reports("rounds=2", f"engine={engine}"))[-1].state.cloud.shared
        for engine in (
            "{kind: batched, chunk: 2, workers: 1}",
            "{kind: processes, train: batched, chunk: 2, workers: 2}",
        )
    ]
    assert same(*found)


def test_it_learns():
    *_, last = reports("rounds=12", "evaluate_every=12")
    assert last.scores.whole > 0.7
