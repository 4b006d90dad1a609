"""Messages for more than those who take part, explorations of all, and operations that are known only after training."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from wflsim.contracts import Load, Reckoning
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle

WORLD = """\
name: broadcasts
seed: 5
fleet:
  devices: 6
  cpu_hz: [100e6, 400e6]
  electronics: {kind: handset, receive_w: 0.5, idle_w: 0.25}
  battery: {kind: battery, capacity_j: 1000, charge: [1, 1]}
channel: {antennas: 4}
radio: {bandwidth_hz: 4e6}
task: {data: digits, partition: iid, model: {kind: mlp, hidden: [8]}}
rounds: 3
evaluate_every: 3
invited: 2
algorithm: fedavg
allocator: equal_share
procedures: {paging: {kind: cycle, period_s: 0.08}}
"""


@dataclass
class Noted:
    """FedAvg whose exchanges are changed, and which notes the moments that it is told."""

    changes: dict
    trains_first: bool = False
    macs: float | None = None
    turns: list = field(default_factory=list)
    plain: FedAvg = field(default_factory=lambda: FedAvg(steps=2))

    def plan(self, anatomy, samples, turn, state):
        found = self.plain.plan(anatomy, samples, turn, state)
        return found and replace(found, **self.changes)

    def init(self, task):
        return self.plain.init(task)

    def train(self, state, cohort, keep):
        self.turns.append(cohort.turn)
        found = self.plain.train(state, cohort, keep)
        macs = None if self.macs is None else np.full(len(cohort.devices), self.macs)
        return replace(found, macs=macs)

    def fuse(self, state, updates):
        self.turns.append(updates.turn)
        return self.plain.fuse(state, updates)

    def fuse_late(self, state, late):
        return self.plain.fuse_late(state, late)

    def reckoned(self, anatomy, samples, devices, state):
        return Reckoning(float(len(devices)), float(samples[devices].sum()))

    def model_for(self, state, device):
        return self.plain.model_for(state, device)


def staged(algorithm, *assignments):
    """Return an algorithm in the world, ready to play."""
    scenario = parse(WORLD, "t", assignments).scenario
    (system,) = scenario.systems.values()
    return stage(settle(scenario.world), replace(system, algorithm=algorithm))


def ran(algorithm, *assignments):
    """Return the tables of a run of an algorithm."""
    records = Recorder("x")
    for report in staged(algorithm, *assignments).rounds():
        records.add(report)
    return records.table("rounds"), records.table("clients")


def scenes_of(algorithm, *assignments):
    """Return the scene before a run, and the report of each round with the scene after it."""
    play = staged(algorithm, *assignments)
    begin = play.begin()
    return begin, list(play.onward(begin))


@pytest.mark.parametrize("downlink", ["multicast", "unicast"])
def test_who_listens_spends_energy_and_nothing_else_changes(downlink):
    """The others page and receive at a quarter and half a watt, in a broadcast as long as participants do."""
    asked = f"procedures.downlink={downlink}"
    rounds, clients = ran(Noted({"listeners": np.arange(6)}), asked)
    plain, _ = ran(Noted({}), asked)
    assert (plain["listening_j"] == 0.0).all()
    assert (rounds["listening_j"] > 0.0).all()
    assert (rounds["participants"] == 2).all()
    each_j = 0.25 * clients["page_s"] + 0.5 * clients["receive_s"]
    if downlink == "multicast":
        four_j = 4 * each_j.reshape(3, 2).mean(1)
        assert np.allclose(rounds["listening_j"], four_j, rtol=1e-6)
    else:
        _, every = ran(Noted({}), asked, "invited=null", "rounds=1")
        every_j = 0.25 * every["page_s"] + 0.5 * every["receive_s"]
        assert rounds["listening_j"][0] == pytest.approx(every_j.sum() - each_j[:2].sum())


def test_messages_to_single_devices_share_the_downlink_among_all_who_listen():
    """Six listeners instead of two participants: a third of the band and of the power, and so three times as long."""
    asked = "procedures.downlink=unicast"
    _, told = ran(Noted({"listeners": np.arange(6)}), asked)
    _, plain = ran(Noted({}), asked)
    assert np.array_equal(told["device"][:2], plain["device"][:2])
    assert np.allclose(told["receive_s"][:2], 3.0 * plain["receive_s"][:2], atol=4e-9)


def test_the_weakest_listener_decides_how_long_a_broadcast_takes():
    everybody, _ = ran(Noted({}), "invited=null")
    some, some_clients = ran(Noted({"listeners": np.arange(6)}))
    _, alone_clients = ran(Noted({}))
    _, all_clients = ran(Noted({}), "invited=null")
    longest = all_clients["receive_s"][:6].max()
    assert some_clients["receive_s"][0] == pytest.approx(longest, abs=2e-9)
    assert alone_clients["receive_s"][:2].max() <= longest
    assert (some["down_bits"] == everybody["down_bits"]).all()


@pytest.mark.parametrize("downlink", ["multicast", "unicast"])
def test_what_listening_took_is_missing_in_the_battery(downlink):
    begin, played = scenes_of(Noted({"listeners": np.arange(6)}), f"procedures.downlink={downlink}")
    before_j = begin.life.charge.charge_j
    for report, scene in played:
        (game,) = report.played
        spent_j, before_j = before_j - scene.life.charge.charge_j, scene.life.charge.charge_j
        who = game.timeline.device
        others = np.setdiff1d(np.arange(6), who)
        assert len(others) == 4
        assert np.allclose(spent_j[who], game.timeline.phase_j.sum(1), rtol=1e-6)
        assert (spent_j[others] > 0.0).all()
        assert spent_j[others].sum() == pytest.approx(game.listening_j, rel=1e-6)
    begin, played = scenes_of(Noted({}), f"procedures.downlink={downlink}")
    full_j, left_j = begin.life.charge.charge_j, played[0][1].life.charge.charge_j
    assert (full_j == left_j).sum() == 4


def test_a_device_at_work_does_not_hear():
    method = Noted({"listeners": np.arange(6)})
    begin, played = scenes_of(method, "policy={kind: buffered, size: 1}", "rounds=8")
    heard = {turn.round_: turn.heard for turn in method.turns}
    before, checked = begin, 0
    for report, scene in played:
        game = report.played[0]
        busy = np.isin(np.arange(6), before.flights.plan.device)
        if report.round_ in heard:  # else nothing came of it before the end
            assert np.array_equal(heard[report.round_], ~busy)
            checked += busy.sum()
        begun = np.zeros(0, int) if game.agreement is None else game.agreement.plan.device
        assert not busy[begun].any()
        spent_j = before.life.charge.charge_j - scene.life.charge.charge_j
        listened = ~busy & ~np.isin(np.arange(6), begun)
        assert (spent_j[listened] > 0.0).all()
        assert spent_j[listened].sum() == pytest.approx(game.listening_j, rel=1e-6)
        before = scene
    assert checked > 4


def test_an_algorithm_is_told_who_hears_and_who_begins():
    method = Noted({"listeners": np.arange(6)})
    ran(method, "fleet.availability={kind: markov, mean_on_s: 1, mean_off_s: 2}", "rounds=8")
    assert any(not turn.heard.all() for turn in method.turns)
    for turn in method.turns:
        assert turn.heard.shape == (6,)
        assert turn.heard[turn.began].all()
        assert 1 <= len(turn.began) <= 2
    method = Noted({})
    ran(method)
    assert all(turn.heard is None for turn in method.turns)


def test_an_open_exchange_asks_everybody():
    rounds, _ = ran(Noted({"open": True}))
    assert (rounds["participants"] == 6).all()


def test_operations_that_are_known_after_training_take_their_time():
    few, few_clients = ran(Noted({}, trains_first=True, macs=1000.0))
    _, many_clients = ran(Noted({}, trains_first=True, macs=3000.0))
    planned, clients = ran(Noted({}))
    assert (few["macs"] == 2000.0).all()
    assert (few_clients["macs"] == 1000.0).all()
    assert np.allclose(many_clients["compute_s"], 3 * few_clients["compute_s"], atol=3e-9)
    assert np.allclose(many_clients["compute_j"], 3 * few_clients["compute_j"], rtol=1e-3)
    share = clients["macs"] / 1000.0
    assert np.allclose(clients["compute_s"], share * few_clients["compute_s"], rtol=1e-3)
    assert planned["macs"].sum() == clients["macs"].sum()


def test_costs_by_the_authors_rule_stand_beside_the_real_ones():
    rounds, clients = ran(Noted({}))
    assert (rounds["paper_bits"] == 2.0).all()
    holdings = settle(parse(WORLD, "t").scenario.world).holdings
    seen = holdings.samples[clients["device"]].reshape(3, 2).sum(1)
    assert (rounds["paper_macs"] == seen).all()
    rounds, _ = ran(FedAvg(steps=2, batch_size=4))
    anatomy = holdings.anatomy
    assert (rounds["paper_bits"] == 2 * 2 * anatomy.bits).all()
    assert (rounds["paper_macs"] == 3 * 2 * 2 * 4 * anatomy.macs).all()


def test_loads_of_some_participants_keep_the_listeners():
    exchange = FedAvg().plan(
        settle(parse(WORLD, "t").scenario.world).holdings.anatomy,
        np.full(6, 10),
        stage_turn(),
        None,
    )
    told = replace(exchange, listeners=np.arange(6)).only(np.array([1, 4]))
    assert told.participants.tolist() == [1, 4]
    assert told.audience.tolist() == list(range(6))
    assert exchange.only(np.array([1, 4])).audience.tolist() == [1, 4]
    assert isinstance(told.down_bits, Load)


def stage_turn():
    from wflsim.contracts import Turn
    from wflsim.randomness import Streams

    return Turn(0, 0, Streams(1))


ROOM_FOR_TWO = (
    "radio={bandwidth_hz: 800e3}",
    "procedures={uplink: nr, grant: request, access: random, paging: {kind: cycle, period_s: 0.08}}",
    "rounds=1",
    "evaluate_every=1",
    "learning=none",
)


def waves_of(algorithm, *assignments):
    """Return the exchanges of a run in whose band there is room for two."""
    return [
        game
        for report in staged(algorithm, *ROOM_FOR_TWO, *assignments).rounds()
        for game in report.played
    ]


def test_an_open_exchange_goes_on_in_waves_where_there_is_no_room_for_all():
    games = waves_of(Noted({"open": True}))
    began = [game.agreement.plan.device.tolist() for game in games]
    assert [len(each) for each in began] == [2, 2, 2]
    assert sorted(np.concatenate(began)) == [0, 1, 2, 3, 4, 5]
    for game, before in zip(games[1:], games, strict=False):
        assert game.timeline.start_ns == before.timeline.end_ns
    assert [len(game.agreement.waiting) for game in games] == [4, 2, 0]
    assert [game.purpose for game in games] == ["train", "train 2", "train 3"]


def test_who_could_not_begin_in_a_wave_is_not_waited_for():
    away = "fleet.availability={kind: markov, mean_on_s: 1000, mean_off_s: 1000}"
    games = waves_of(Noted({"open": True}), away)
    began = [each for game in games for each in game.agreement.plan.device.tolist()]
    assert 0 < len(began) == len(set(began)) < 6
    assert len(games) == -(-len(began) // 2)


def test_an_exchange_of_those_who_are_invited_is_one_wave():
    (game,) = waves_of(Noted({}))
    assert len(game.agreement.plan.device) == 2


def test_what_happens_on_the_air_is_drawn_anew_for_each_wave():
    slow = "fleet.cpu_hz=[1e4, 1e4]"  # who computes for long has to ask for access again
    games = waves_of(Noted({"open": True}), slow)
    preambles = [str(game.timeline.settled.preamble.tolist()) for game in games]
    assert len(set(preambles)) == len(games) == 3
