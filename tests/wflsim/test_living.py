"""Whole runs with devices that live: batteries, presence, invitations, and runs that train nothing."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.network.timeline import Outcome
from wflsim.records.recorder import Recorder
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import HaltError, stage
from wflsim.simulation.setting import settle

WORLD = """\
name: living
seed: 5
fleet:
  devices: 8
  cpu_hz: [100e6, 400e6]
  slowness: {kind: log_normal, sigma: 0.4}
  electronics: handset
  battery: {kind: battery, capacity_j: 6, charge: [0.2, 1.0], least_share: 0.1, harvest_w: 0.3}
  availability: {kind: markov, mean_on_s: 3, mean_off_s: 1}
radio: {bandwidth_hz: 4e6, link: mcs}
task: {data: {kind: blank, samples: 800}, partition: iid, model: {kind: mlp, hidden: [64]}}
rounds: 12
learning: none
algorithm: {kind: japp, keep_min: 0.1}
allocator: equal_share
deadline: {kind: relative, share: 0.7}
procedures:
  paging: {kind: cycle, period_s: 0.08}
  access: {kind: random, inactivity_s: 0.0, procedure: {preambles: 6, attempts: 4}}
  grant: request
  background: {kind: poisson, load: 0.3}
  uplink: {kind: nr, pattern: DSUU}
variants:
  all: {policy: wait_for_all, deadline: none}
  deadline: {policy: deadline}
  kept: {policy: {kind: deadline, late: kept}}
  first: {policy: {kind: first, count: 4}, deadline: none}
  buffered: {policy: {kind: buffered, size: 2}, invited: 5, deadline: none}
  period: {policy: {kind: period, period_s: 0.4}}
  tiers: {policy: {kind: tiers, period_s: 0.3}}
  hierarchical: {policy: {kind: hierarchical, backhaul: wireless}, procedures: {downlink: unicast}}
"""
FEW = WORLD[: WORLD.index("  kept:")]  # two variants are enough where the command line is asked
VARIANTS = list(parse(WORLD, "t").scenario.systems)


def run_of(variant, *assignments, text=WORLD):
    scenario = parse(text, "t", assignments).scenario
    return stage(settle(scenario.world), scenario.systems[variant])


@cache
def reports(variant, *assignments, text=WORLD):
    return list(run_of(variant, *assignments, text=text).rounds())


@pytest.mark.parametrize("variant", VARIANTS)
def test_batteries_fall_by_the_joules_of_the_phases_and_rise_by_what_is_gathered(variant):
    stage_ = run_of(variant)
    before = stage_.setting.world.fleet.battery.init(8, stage_.setting.streams.stream("battery"))
    spent, charge, gathered_until = np.zeros(8), before.charge_j.copy(), np.zeros(8)
    settled = 0
    for report in reports(variant):
        for game in report.played:
            timeline = game.timeline
            device, now_s = timeline.device, timeline.end_ns / 1e9
            drop = timeline.phase_j.sum(axis=1)
            # While idle and while at work the same light falls on everybody; nothing fits into a full battery.
            began_s = timeline.settled.start_ns / 1e9
            rested = np.minimum(charge[device] + 0.3 * (began_s - gathered_until[device]), 6.0)
            assert timeline.settled.plan.charge_j == pytest.approx(rested, rel=1e-9)
            gains = 0.0 if game.purpose == "stop" else 0.3 * (now_s - began_s)
            after = np.minimum(np.maximum(rested - drop, 0.0) + gains, 6.0)
            assert game.charge_j == pytest.approx(after, rel=1e-9, abs=1e-12)
            charge[device], gathered_until[device] = after, now_s
            spent[device] += drop
            settled += len(device)
    assert settled > 10
    assert (spent > 0).sum() >= 6


@pytest.mark.parametrize("variant", VARIANTS)
def test_tables_are_conserved_and_the_band_is_never_granted_twice(variant):
    recorder = Recorder(variant)
    for report in reports(variant):
        recorder.add(report)
    rounds, clients = recorder.table("rounds"), recorder.table("clients")
    outcomes = ("on_time", "late", "dropped", "lost", "empty", "left", "unfinished")
    assert (
        rounds["participants"].sum()
        == sum(rounds[o].sum() for o in outcomes)
        == len(clients["round"])
    )
    assert rounds["offered_bits"] == pytest.approx(
        rounds["up_bits"] + rounds["lost_bits"], rel=1e-9
    )
    assert clients["delivered_bits"].sum() == pytest.approx(rounds["up_bits"].sum(), rel=1e-9)
    joules = sum(
        clients[name].sum()
        for name in clients
        if name.endswith("_j") and name not in {"battery_j", "budget_j"}
    )
    assert joules == pytest.approx(rounds["energy_j"].sum(), rel=1e-9)
    assert (rounds["lost_j"] <= rounds["energy_j"] * (1 + 1e-12)).all()
    assert (rounds["start_s"][1:] >= rounds["end_s"][:-1]).all()
    # Every grant is held from the device's beginning until its update is settled.
    seconds = sum(
        clients[f"{p}_s"]
        for p in ("page", "receive", "compute", "access", "grant", "queue", "upload")
    )
    edges = np.concatenate([clients["began_s"], clients["began_s"] + seconds])
    change = np.concatenate([clients["bandwidth_hz"], -clients["bandwidth_hz"]])
    order = np.lexsort((change, np.rint(edges * 1e9)))
    assert np.cumsum(change[order]).max() <= 4e6 * (1 + 1e-9)
    assert (clients["age"] >= 0).all()


def test_failures_of_every_kind_happen_in_these_runs():
    seen = set()
    for variant in VARIANTS:
        for report in reports(variant):
            for game in report.played:
                seen |= set(game.timeline.outcome.tolist())
    assert seen >= {Outcome.ON_TIME, Outcome.LATE, Outcome.DROPPED, Outcome.EMPTY, Outcome.LEFT}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_gives_the_same_events_and_records(variant):
    def digest(found):
        recorder = Recorder(variant)
        for report in found:
            recorder.add(report)
        return recorder.events, recorder.digest()

    again = digest(run_of(variant).rounds())
    assert again == digest(reports(variant))
    assert again != digest(run_of(variant, "seed=6", "rounds=2").rounds())


def test_presence_is_the_same_for_all_systems_and_devices_more_do_not_change_it():
    def presence(devices, instants_s):
        life = run_of("all", f"fleet.devices={devices}").setting
        state = life.world.fleet.availability.init(
            devices, lambda n: life.streams.stream("availability", n)
        )
        here = []
        for now_s in instants_s:
            state, found = life.world.fleet.availability.at(
                state, now_s, lambda n: life.streams.stream("availability", n)
            )
            here.append(found.here[:8])
        return np.array(here)

    instants_s = np.arange(0.0, 40.0, 0.7)
    assert (presence(8, instants_s) == presence(11, instants_s)).all()
    assert 0.5 < presence(8, instants_s).mean() < 0.95


def test_not_more_are_at_work_than_invited_and_everybody_has_a_turn():
    found = reports("buffered", "fleet.availability=always", "fleet.battery=mains", "rounds=40")
    at_work, turns = 0, np.zeros(8)
    for report in found[:-1]:
        (game,) = report.played
        at_work += game.participants
        assert at_work <= 5
        at_work = game.under_way
        turns[game.timeline.device] += 1
        assert game.timeline.taken.sum() >= 2
    assert (turns > 3).all()


def test_the_server_waits_for_somebody_to_come_back():
    text = WORLD.replace(
        "{kind: markov, mean_on_s: 3, mean_off_s: 1}",
        "{kind: markov, mean_on_s: 0.3, mean_off_s: 50}",
    )
    found = reports("all", "fleet.devices=2", text=text)
    assert len(found) == 12
    starts = np.array([report.played[0].timeline.start_ns for report in found])
    ends = np.array([report.played[-1].timeline.end_ns for report in found])
    assert (starts[1:] > ends[:-1]).any()
    assert all(report.played[0].participants >= 1 for report in found)


def test_a_run_whose_batteries_are_empty_ends_with_an_account(tmp_path):
    text = WORLD.replace("harvest_w: 0.3", "harvest_w: 0").replace("rounds: 12", "rounds: 1000")
    with pytest.raises(
        HaltError, match=r"nobody will take part any more: .* devices are gone, the batteries of"
    ):
        reports("all", text=text)
    path = tmp_path / "poor.yaml"
    path.write_text(text[: text.index("  kept:")])
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    assert "nobody will take part any more" in done.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["status"] == "halted"
    for variant in manifest["variants"].values():
        assert variant["status"] == "halted"
        assert "too empty" in variant["reason"]
        assert 0 < variant["rounds"] < 1000


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_in_which_every_device_always_fails_ends(variant):
    failing = [
        "fleet.availability={kind: markov, mean_on_s: 0.01, mean_off_s: 0.5}",
        "fleet.battery=mains",
        "procedures.paging={kind: cycle, period_s: 1.0}",
        "rounds=10",
    ]
    found = reports(variant, *failing)
    taken = sum(int(game.timeline.taken.sum()) for report in found for game in report.played)
    assert (len(found), taken) == (10, 0)


def test_nothing_of_torch_is_loaded_where_nothing_is_trained(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FEW)
    code = (
        "import sys\nfrom wflsim.cli.main import main\n"
        f"try:\n    main(['run', {str(path)!r}, '--set', 'rounds=2', '--quiet', '--out', {str(tmp_path / 'o')!r}])\n"
        "except SystemExit:\n    pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
    assert not (tmp_path / "o" / "weights").exists()


def test_a_surrogate_guesses_the_accuracy_from_what_arrives():
    guess = "learning={kind: surrogate, floor: 0.1, ceiling: 0.9, rounds: 5, exponent: 1}"
    plain = ["fleet.availability=always", "fleet.battery=mains", guess]
    found = reports("all", *plain)
    accuracy = [report.scores.whole for report in found]
    assert accuracy == pytest.approx([0.9 - 0.8 / (1 + (r + 1) / 5) for r in range(12)])
    late = [report.scores.whole for report in reports("buffered", *plain)]
    assert late[-1] < accuracy[-1]  # what is old counts less
    assert (np.diff(late) > 0).all()


def test_a_workload_needs_no_model_and_trains_nothing():
    work = "algorithm={kind: workload, up_bits: 4e5, down_bits: 1e5, macs: 1e7, prunable: 0.5, keep_min: 0.2}"
    found = reports("deadline", work, "fleet.availability=always", "fleet.battery=mains")
    plan = found[0].played[0].agreement.plan
    assert plan.bits == pytest.approx(2e5 * (1 + plan.keep), abs=1)
    assert (plan.keep < 1).any()
    with pytest.raises(UserError, match="trains nothing; write learning: none"):
        reports("deadline", work, "learning=train")


def test_check_says_that_a_deadline_is_shorter_than_any_upload(tmp_path):
    path = tmp_path / "hurried.yaml"
    path.write_text(FEW)
    hurried = [str(path), "--set", "deadline={kind: fixed, limit_s: 0.02}"]
    done = CliRunner().invoke(main, ["check", *hurried])
    assert done.exit_code == 0, done.output
    assert "deadline: the deadline of 0.02 s cannot be met" in done.output
    periods = ["--set", "policy={kind: period, period_s: 0.03}", "--set", "deadline=none"]
    done = CliRunner().invoke(main, ["check", str(path), *periods])
    assert "all: the deadline of 0.03 s cannot be met" in done.output
    # Without the procedures the same deadline can be met: check counts what they cost.
    ideal = ["--set", "procedures={paging: ideal, access: ideal, grant: ideal, uplink: ideal}"]
    short = ["--set", "deadline={kind: fixed, limit_s: 0.06}", "--format", "json"]
    real_s, ideal_s = (
        json.loads(CliRunner().invoke(main, ["check", str(path), *short, *extra]).stdout)[
            "variants"
        ]["deadline"]["sparsest_s"]
        for extra in ([], ideal)
    )
    assert real_s > ideal_s + 0.01


def test_a_change_of_cell_between_rounds_loses_what_is_under_way():
    fast = [
        "channel.layout={kind: hexagonal, intersite_m: 60}",
        "channel.mobility={kind: gauss_markov, mean_speed_m_s: 300}",
        "fleet.availability=always",
        "fleet.battery=mains",
        "rounds=40",
    ]
    found = reports("buffered", *fast)
    left = [
        game.timeline.settled.only(game.timeline.outcome == Outcome.LEFT)
        for report in found
        for game in report.played
    ]
    assert sum(map(len, left)) > 0
    for report in found:
        for game in report.played:
            gone = game.timeline.outcome == Outcome.LEFT
            assert (game.timeline.settled.final_ns[gone] == game.timeline.start_ns).all()


def test_an_update_that_is_there_survives_a_change_of_cell():
    fast = [
        "channel.layout={kind: hexagonal, intersite_m: 60}",
        "channel.mobility={kind: gauss_markov, mean_speed_m_s: 300}",
        "fleet.availability=always",
        "fleet.battery=mains",
        "policy={kind: tiers, period_s: 0.5}",
        "rounds=40",
    ]
    left = 0
    for report in reports("tiers", *fast):
        for game in report.played:
            gone = game.timeline.settled.only(game.timeline.outcome == Outcome.LEFT)
            done_ns = gone.start_ns + np.rint(gone.ends_s[:, 6] * 1e9)
            assert (done_ns > game.timeline.start_ns).all()
            left += len(gone)
    assert left > 0


@pytest.mark.slow
def test_memory_does_not_grow_with_rounds_beyond_the_records():
    sizes = []
    for report in run_of("buffered", "rounds=40").rounds():
        (game, *_) = report.played
        sizes.append(len(game.timeline.settled) + game.under_way)
    assert max(sizes) <= 8


def test_what_is_agreed_is_what_is_played():
    scenario = parse(WORLD, "t").scenario
    ideal = replace(scenario.systems["all"], procedures=type(scenario.systems["all"].procedures)())
    world = replace(
        scenario.world,
        fleet=replace(
            scenario.world.fleet,
            slowness=type("Exact", (), {"factors": staticmethod(lambda n, rng: np.ones(n))})(),
        ),
    )
    for report in stage(settle(world), ideal).rounds():
        (game,) = report.played
        plan = game.agreement.plan
        finish_s = plan.receive_s + plan.compute_s + plan.bits / plan.rate_bps
        done = np.isin(game.timeline.outcome, (Outcome.ON_TIME, Outcome.LATE))
        expected_ns = np.rint(finish_s * 1e9).astype(np.int64)[done]
        assert (game.timeline.phase_ns[done, :7].sum(axis=1) == expected_ns).all()
