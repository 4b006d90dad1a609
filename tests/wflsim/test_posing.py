"""What is planned is what is played: procedures, margins, tiers, blocks and invitations."""

from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.contracts import Turn
from wflsim.network.timeline import COMPUTE, PHASES, Outcome
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.air import sense
from wflsim.simulation.grid import whole_blocks
from wflsim.simulation.loop import stage
from wflsim.simulation.outlook import outlook
from wflsim.simulation.posing import Site, Window
from wflsim.simulation.setting import settle
from wflsim.world.life import born

TEXT = """\
name: planned
seed: 2
fleet: {devices: 8}
radio: {bandwidth_hz: 8e6}
task: {data: {kind: blank, samples: 800}, partition: iid, model: {kind: mlp, hidden: [64]}}
rounds: 6
learning: none
algorithm: {kind: japp, keep_min: 0.1}
deadline: {kind: relative, share: 0.7}
"""
WORK = "algorithm={kind: workload, up_bits: 4e5, down_bits: 1e5, macs: 1e7, prunable: 0.5, keep_min: 0.2}"


def made(*assignments):
    scenario = parse(TEXT, "t", assignments).scenario
    return settle(scenario.world), next(iter(scenario.systems.values()))


@cache
def games(*assignments):
    return [game for report in stage(*made(*assignments)).rounds() for game in report.played]


def posed(*assignments, rounds=1):
    setting, system = made(*assignments)
    streams = setting.streams.at(0)
    _, links = setting.world.channel.step(setting.channel, 0.0, streams)
    turn = Turn(0, 0, setting.streams)
    exchange = system.algorithm.plan(setting.holdings.anatomy, setting.holdings.samples, turn, None)
    site = Site(setting.devices, setting.world, system)
    window = Window(setting.world.radio.bandwidth_hz, np.full(8, rounds))
    return site.pose(exchange, sense(links, setting.world.radio, streams), window)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["deadline", "{kind: period, period_s: 0.3}", "hierarchical"])
@pytest.mark.parametrize("work", [WORK, "radio.link=mcs", "algorithm=fedavg"])
def test_with_everything_ideal_nobody_who_is_planned_in_time_is_late(work, policy):
    more = [] if work != "algorithm=fedavg" else ["deadline={kind: relative, share: 1.0}"]
    for game in games(work, f"policy={policy}", "rounds=12", *more):
        plan = game.agreement.plan
        planned = game.agreement.allocation.certificate.status == "optimal" or "fedavg" in work
        if planned and (
            game.agreement.posed.dense_s <= plan.deadline_s.max() or "fedavg" not in work
        ):
            assert set(game.timeline.outcome.tolist()) == {Outcome.ON_TIME}


def test_what_is_known_beforehand_is_planned_for_to_the_slot():
    real = [
        "procedures={paging: {kind: cycle, period_s: 0.2}, uplink: {kind: nr, pattern: DSUU, grid: false}}",
        "procedures.access={kind: random, inactivity_s: 0.0, procedure: {preambles: 4096, period_s: 0.02}}",
        "procedures.grant=request",
        "fleet.compute={kind: kappa, start_s: 0.05}",
    ]
    early = []
    for game in games(*real, "rounds=20"):
        posed_, plan = game.agreement.posed, game.agreement.plan
        settled = game.timeline.settled
        order = np.argsort(settled.plan.device)
        ready_s = settled.ends_s[order, COMPUTE]
        planned_s = posed_.problem.fixed_s + posed_.problem.slope_s * plan.keep
        known_s = ready_s + 0.02 / 2 + 0.008  # access: half a period, window and contention
        assert (np.abs(planned_s - known_s) < 0.02).all()
        early += list(planned_s - settled.ends_s[order, PHASES.index("queue")])
    assert (
        abs(np.mean(early)) < 0.004
    )  # eight devices have eight fixed places in the cycle of requests


def test_a_margin_is_kept_free():
    for game in games("procedures.margin_s=0.05", "deadline={kind: fixed, limit_s: 0.4}"):
        assert game.agreement.plan.deadline_s == pytest.approx(np.full(8, 0.4))
        finish_s = game.timeline.settled.final_ns - game.timeline.start_ns
        assert (finish_s <= 0.35e9 + 1).all()


def test_the_dense_round_of_half_an_uplink_is_that_of_twice_the_bits():
    twice = WORK.replace("up_bits: 4e5", "up_bits: 8e5")
    half = posed(WORK, "procedures.uplink={kind: nr, pattern: DU, grid: false, decode_s: 0}")
    slot_s = 0.5e-3
    assert half.dense_s - slot_s == pytest.approx(posed(twice).dense_s, rel=1e-9)
    assert half.sparsest_s - slot_s == pytest.approx(posed(twice).sparsest_s, rel=1e-9)
    masked = "algorithm={kind: japp, keep_min: 0.1}"
    ideal, shared = (
        posed(masked),
        posed(masked, "procedures.uplink={kind: nr, pattern: DU, grid: false}"),
    )
    assert shared.dense_s < 2.2 * ideal.dense_s


def test_a_slow_tier_is_planned_over_its_periods():
    tiers = "policy={kind: tiers, period_s: 0.1}"
    assert posed(tiers, "deadline=none", rounds=3).problem.deadline_s == pytest.approx(
        np.full(8, 0.3)
    )
    for game in games(tiers, "deadline=none", "rounds=24", "algorithm=fedavg"):
        if game.agreement is not None:
            assert (game.round_ % game.agreement.plan.rounds == 0).all()
    assert {
        int(r)
        for g in games(tiers, "deadline=none", "rounds=24", "algorithm=fedavg")
        if g.agreement
        for r in g.agreement.plan.rounds
    } >= {2, 3}


def test_band_of_updates_that_wait_for_their_time_is_granted_again():
    tiers = "policy={kind: tiers, period_s: 0.3, tiers: 3}"
    found = games(tiers, "deadline=none", "rounds=12", "algorithm=fedavg", "allocator=equal_share")
    granted = [g.agreement.plan.bandwidth_hz.sum() for g in found if g.agreement is not None]
    waiting = [g.under_way for g in found]
    assert max(waiting) > 0
    assert max(granted[1:]) == pytest.approx(8e6)


def test_blocks_are_whole_and_everybody_has_one_before_anybody_has_two():
    rng = np.random.default_rng(3)
    for _ in range(300):
        many, total = int(rng.integers(1, 12)), int(rng.integers(1, 40))
        share = rng.dirichlet(np.full(many, 0.3)) * total * rng.uniform(0.3, 1.0)
        share[rng.random(many) < 0.2] = 0.0
        blocks = whole_blocks(share, total)
        assert blocks.sum() <= max(total, (share > 0).sum())
        assert (blocks[share == 0] == 0).all()
        if (share > 0).sum() <= total:
            assert (blocks[share > 0] >= 1).all()
            assert blocks.sum() >= min(total, round(share.sum()))
            assert (np.abs(blocks - np.maximum(share, 1.0))[share > 1] < many + 1).all()
    assert whole_blocks(np.array([2.9, 1.1, 1.0]), 5).tolist() == [3, 1, 1]
    assert whole_blocks(np.array([4.4, 0.3, 0.3]), 5).tolist() == [3, 1, 1]


NR = "procedures.uplink={kind: nr, pattern: U}"


def test_who_is_rounded_down_prunes_more_and_is_in_time():
    found = games(NR, "procedures.margin_s=0.002", "rounds=10")
    assert all((g.timeline.outcome == Outcome.ON_TIME).all() for g in found)
    for game in found:
        blocks = game.agreement.plan.bandwidth_hz / 360e3
        assert blocks == pytest.approx(np.rint(blocks))
        assert blocks.sum() <= 22
        assert (game.agreement.plan.keep < 1).any()


def test_when_blocks_are_few_everybody_has_a_turn():
    turns = np.zeros(8)
    for game in games(
        NR, "radio.bandwidth_hz=1e6", "deadline=none", "rounds=30", "allocator=equal_share"
    ):
        assert game.participants == 2
        turns[game.timeline.device] += 1
    assert (turns >= 2).all()


def test_a_device_below_its_least_charge_is_not_invited():
    poor = "fleet.battery={kind: battery, capacity_j: 100, charge: [0.0, 1.0], least_share: 0.5}"
    setting, _ = made(poor)
    for game in games(poor, "rounds=2"):
        assert (setting.life.charge.charge_j[game.timeline.device] >= 50.0).all()
    assert 0 < games(poor, "rounds=2")[0].participants < 8


@pytest.mark.parametrize("harvest_w", [1.0, 1e-3])
def test_the_server_looks_again_when_the_first_battery_is_charged(harvest_w):
    empty = f"fleet.battery={{kind: battery, capacity_j: 1000, charge: [0.0, 0.1], least_share: 0.2, harvest_w: {harvest_w}}}"
    (setting, _), game = made(empty), games(empty, "rounds=1")[0]
    needed_s = (200.0 - setting.life.charge.charge_j.max()) / harvest_w
    assert game.timeline.start_ns / 1e9 == pytest.approx(needed_s, abs=2.0)


def test_the_server_waits_for_the_first_to_come_back():
    away = "fleet.availability={kind: markov, mean_on_s: 1, mean_off_s: 1e4}"
    setting, _ = made(away, "fleet.devices=2")
    life = born(setting.world.fleet, setting.streams)
    assert not life.presence.here.any()
    (game, *_) = games(away, "fleet.devices=2", "rounds=1")
    assert game.timeline.start_ns == pytest.approx(life.presence.until_s.min() * 1e9, abs=1)


def test_check_looks_at_those_who_are_invited_and_at_what_the_policy_makes_of_them():
    few = ["invited=2", "deadline=none", "allocator=equal_share", "algorithm=fedavg"]
    assert len(outlook(*made(*few)).keep) == 2
    assert outlook(*made(*few)).length_s < outlook(*made(*few[1:])).length_s
    first = outlook(*made(*few[1:], "policy={kind: first, count: 2}"))
    assert first.length_s < outlook(*made(*few[1:])).length_s
    assert outlook(*made(*few[1:], "policy={kind: period, period_s: 7.5}")).length_s == 7.5
    slow = [
        "policy={kind: hierarchical, backhaul: {kind: wired, rate_bps: 1e3}}",
        "procedures.aggregation_s=3",
    ]
    assert outlook(*made(*few[1:], *slow)).length_s > 100


def test_check_counts_the_margin():
    seen = outlook(*made("deadline={kind: fixed, limit_s: 0.4}", "procedures.margin_s=0.3"))
    assert seen.planned_s == pytest.approx(0.1)
    assert seen.feasible == (seen.sparsest_s <= 0.1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["procedures.uplink=nr", "radio.bandwidth_hz=300e3"],
            "hold no resource block of 360000 Hz",
        ),
        (
            ["deadline={kind: fixed, limit_s: 1}", "procedures.margin_s=1"],
            "leave nothing of a round of 1 s",
        ),
        (
            ["policy={kind: period, period_s: 1}", "procedures.margin_s=2"],
            "leave nothing of a round of 1 s",
        ),
        ([WORK, "learning=train"], "a workload trains nothing"),
        (["fleet.availability={kind: trace, file: nowhere.csv}"], "nowhere.csv"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_what_cannot_work_is_refused_before_a_folder_is_made(tmp_path, settings, said, command):
    path, out = tmp_path / "t.yaml", tmp_path / "out"
    path.write_text(TEXT)
    extra = ["--out", str(out)] if command == "run" else []
    sets = [part for one in settings for part in ("--set", one)]
    done = CliRunner().invoke(main, [command, str(path), *sets, *extra])
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert not out.exists()


@pytest.mark.parametrize("policy", ["wait_for_all", "{kind: buffered, size: 2}"])
def test_a_server_without_a_limit_does_not_wait_for_whom_the_allocator_has_left_out(policy):
    settings = [f"policy={policy}", "deadline={kind: fixed, limit_s: 0.002}", "rounds=3"]
    recorder = Recorder("hopeless")
    for report in stage(*made(*settings)).rounds():
        recorder.add(report)
    rounds = recorder.table("rounds")
    assert rounds["participants"].sum() == 0
    assert set(rounds["status"]) <= {"infeasible", "unbounded"}
    assert all("least deadline" in reason or "cannot" in reason for reason in rounds["reason"])
    some = [
        "deadline={kind: load_factor, theta: 0.0}",
        f"policy={policy}",
        "fleet.power_dbm=[-20, 20]",
    ]
    assert sum(int(game.timeline.taken.sum()) for game in games(*some)) > 0


def test_loading_is_silence_too():
    silent = ["fleet.compute={kind: kappa, start_s: 0.5}", "deadline=none"]
    silent += ["procedures.access={kind: random, inactivity_s: 0.4, procedure: {period_s: 0.2}}"]
    seen, connected = posed(*silent), posed(*silent[:2])
    assert seen.problem.fixed_s - connected.problem.fixed_s == pytest.approx(np.full(8, 0.108))


def test_check_counts_aggregation_and_relays_what_is_kept():
    plain = ["deadline=none", "allocator=equal_share", "algorithm=fedavg"]
    slower = outlook(*made(*plain, "procedures.aggregation_s=3")).length_s
    assert slower == pytest.approx(outlook(*made(*plain)).length_s + 3.0)
    wired = "policy={kind: hierarchical, backhaul: {kind: wired, rate_bps: 1e6, delay_s: 0}}"
    pruned = [WORK.replace("prunable: 0.5", "prunable: 1.0"), wired, "channel.fading=rayleigh"]
    seen = outlook(*made(*pruned, "allocator=uniform_ratio"))
    without = outlook(*made(*pruned, "allocator=uniform_ratio", "policy=deadline"))
    assert seen.length_s - without.length_s == pytest.approx(4e5 * seen.keep.max() / 1e6, rel=1e-3)


def test_places_go_to_those_who_can_begin():
    tiers = ["policy={kind: tiers, period_s: 0.1, tiers: 4}", "deadline=none", "algorithm=fedavg"]
    found = games(*tiers, "invited=3", "rounds=24", "allocator=equal_share")
    assert all(game.under_way <= 3 for game in found)
    assert max(game.participants for game in found) == 3
    for game in found:
        if game.agreement is not None:
            assert (game.round_ % game.agreement.plan.rounds == 0).all()


def test_check_does_not_wait_for_whom_a_patient_server_leaves_out():
    weak = [
        "policy=wait_for_all",
        "fleet.power_dbm=[-60, 23]",
        "deadline={kind: fixed, limit_s: 0.2}",
    ]
    seen = outlook(*made(*weak))
    assert 0 < seen.late < 8
    assert seen.length_s <= 0.2 * (1 + 1e-9)
