"""Energy budgets: what devices really spend stays within them, in every round or in the long run."""

import numpy as np
import pytest

from optimizers.lyapunov import Lyapunov
from wflsim.errors import UserError
from wflsim.network.timeline import WAIT
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.preflight import refuse
from wflsim.simulation.setting import settle

WORLD = """\
name: budgets
seed: 3
fleet: {{devices: 6, cpu_hz: {cpu_hz}, electronics: {electronics}}}
radio: {{bandwidth_hz: {band_hz}}}
procedures: {{uplink: {uplink}}}
task: {{data: blank, partition: iid, model: {{kind: mlp, hidden: [32]}}}}
rounds: {rounds}
learning: none
algorithm: {algorithm}
deadline: {{kind: relative, share: 0.6}}
policy: {policy}
allocator: {allocator}
energy: {energy}
variants: {{it: {{}}}}
"""


def played(energy, electronics="ideal", policy="deadline", allocator="kkt", rounds=4, **more):
    text = WORLD.format(
        energy=energy,
        electronics=electronics,
        policy=policy,
        allocator=allocator,
        rounds=rounds,
        algorithm=more.get("algorithm", "japp"),
        cpu_hz=more.get("cpu_hz", "[100e6, 400e6]"),
        band_hz=more.get("band_hz", "1e6"),
        uplink=more.get("uplink", "ideal"),
    ).replace(
        "deadline: {kind: relative, share: 0.6}",
        more.get("deadline", "deadline: {kind: relative, share: 0.6}"),
    )
    scenario = parse(text, "budgets.yaml").scenario
    refuse(scenario.world, scenario.systems)
    made = stage(settle(scenario.world), scenario.systems["it"])
    return [report for report, _ in made.onward(made.begin())], made


def spent_j(report):
    """Return what each device spent and might spend, by device, shapes (K,)."""
    timeline = report.played[0].timeline
    order = np.argsort(timeline.device)
    budget_j = timeline.settled.plan.budget_j
    return timeline.phase_j.sum(axis=1)[order], budget_j[order]


PHONE = "{kind: handset, amplifier_efficiency: 0.4, circuit_w: 0.02, receive_w: 0.05, idle_w: 0.01}"


@pytest.mark.parametrize("electronics", ["ideal", PHONE], ids=["ideal", "phone"])
@pytest.mark.parametrize("allocator", ["kkt", "equal_share", "uniform_ratio"])
def test_half_of_the_free_use_is_kept_by_every_device_in_every_round(electronics, allocator):
    share = 0.5 if electronics == "ideal" else 0.75
    reports, _ = played(f"{{kind: relative, share: {share}}}", electronics, allocator=allocator)
    for report in reports:
        used_j, budget_j = spent_j(report)
        assert np.isfinite(budget_j).all()
        assert (used_j <= budget_j).all()
        assert len(used_j) == 6
        assert report.played[0].timeline.taken.all()


def test_budgets_are_that_share_of_what_the_free_round_spends():
    free, _ = played("none")
    half, _ = played("{kind: relative, share: 0.5}")
    used_j, _ = spent_j(free[0])
    budget_j = spent_j(half[0])[1]
    # The free plan is rounded down to whole weights when it is played.
    assert (0.5 * used_j <= budget_j * (1 + 1e-7)).all()
    assert np.allclose(0.5 * used_j, budget_j, rtol=2e-3)


def test_power_becomes_a_variable_where_energy_binds():
    free, made = played("none")
    half, _ = played("{kind: relative, share: 0.5}")
    most = made.setting.devices.power_max_w
    power = [r.played[0].agreement.allocation.power_w for r in (free[0], half[0])]
    assert np.allclose(power[0], most)
    assert (power[1] < most).any()
    keep = [r.played[0].agreement.allocation.keep.mean() for r in (free[0], half[0])]
    # Halving the energy costs far less than half of the model.
    assert 0.75 * keep[0] < keep[1] < keep[0]


def test_a_budget_that_nobody_reaches_changes_nothing():
    free, _ = played("none")
    rich, _ = played("{kind: per_round, limit_j: 1e6}")
    for one, other in zip(free, rich, strict=True):
        assert np.allclose(spent_j(one)[0], spent_j(other)[0], rtol=1e-6)
        assert np.isinf(spent_j(one)[1]).all()
        assert (spent_j(other)[1] == 1e6).all()


def test_joules_a_round_bind_only_who_would_spend_more():
    free = spent_j(played("none")[0][0])[0]
    limit = float(np.median(free))
    used_j, _ = spent_j(played(f"{{kind: per_round, limit_j: {limit}}}")[0][0])
    assert (used_j <= limit).all()
    assert used_j.max() == pytest.approx(limit, rel=2e-3)


def test_who_cannot_even_compute_within_its_budget_is_told():
    reports, _ = played("{kind: per_round, limit_j: 1e-7}")
    certificate = reports[0].played[0].agreement.allocation.certificate
    assert not certificate.feasible
    assert certificate.reason


def test_in_the_long_run_the_mean_exceeds_the_allowance_by_no_more_than_the_queue_shows():
    free, _ = played("none")
    allowance = 0.5 * float(spent_j(free[0])[0].mean())
    energy = f"{{kind: long_term, allowance_j: {allowance}}}"
    rounds, weight = 12, 1e-7
    reports, made = played(
        energy, allocator=f"{{kind: lyapunov, penalty_weight: {weight}}}", rounds=rounds
    )
    used_j = np.array([spent_j(report)[0] for report in reports])
    queue_j = np.zeros(6)
    for (_, scene), used in zip(made.onward(made.begin()), used_j, strict=True):
        queue_j = np.maximum(queue_j + used - allowance, 0.0)
        assert np.allclose(scene.overdrawn_j, queue_j)
    assert (used_j.mean(0) <= allowance + queue_j / rounds + 1e-12).all()
    # It listens: later rounds spend less than the free ones.
    assert used_j[rounds // 2 :].mean() < 0.8 * np.mean([spent_j(r)[0].mean() for r in free])


def test_with_nothing_overdrawn_energy_is_free():
    reports, _ = played("none", rounds=1)
    problem = reports[0].played[0].agreement.posed.problem
    free = Lyapunov().allocate(problem, np.random.default_rng(0))
    assert free.objective == pytest.approx(reports[0].played[0].agreement.allocation.objective)


@pytest.mark.parametrize(
    ("energy", "allocator", "deadline", "sentence"),
    [
        ("{kind: long_term, allowance_j: 1}", "kkt", "{kind: fixed, limit_s: 1}", "lyapunov"),
        ("{kind: long_term, allowance_j: 1}", "lyapunov", "none", "needs a deadline"),
        ("{kind: per_round, limit_j: 1}", "kkt", "none", "needs a deadline"),
    ],
)
def test_budgets_that_nothing_can_keep_are_refused(energy, allocator, deadline, sentence):
    text = WORLD.format(
        energy=energy,
        electronics="ideal",
        policy="wait_for_all",
        allocator=allocator,
        rounds=1,
        algorithm="japp",
        cpu_hz="[100e6, 400e6]",
        band_hz="1e6",
        uplink="ideal",
    ).replace("deadline: {kind: relative, share: 0.6}", f"deadline: {deadline}")
    scenario = parse(text, "budgets.yaml").scenario
    with pytest.raises(UserError, match=sentence):
        refuse(scenario.world, scenario.systems)


def test_measured_curves_need_an_algorithm_that_measures():
    text = WORLD.format(
        energy="none",
        electronics="ideal",
        policy="deadline",
        allocator="kkt",
        rounds=1,
        algorithm="fedavg",
        cpu_hz="[100e6, 400e6]",
        band_hz="1e6",
        uplink="ideal",
    ).replace("learning: none", "learning: none\nerror_model: lorenz")
    scenario = parse(text, "budgets.yaml").scenario
    made = stage(settle(scenario.world), scenario.systems["it"])
    with pytest.raises(UserError, match="error_model: lorenz needs an algorithm"):
        next(made.onward(made.begin()))


def test_nobody_waits_on_credit():
    """Waiting until the round is over is paid for from the budget too."""
    reports, _ = played("{kind: relative, share: 0.8}", PHONE)
    timeline = reports[0].played[0].timeline
    assert timeline.phase_j[:, WAIT].sum() > 0.0
    # A period goes on after the deadline, and so does the waiting.
    later, _ = played(
        "{kind: per_round, limit_j: 0.45}",
        "{kind: handset, amplifier_efficiency: 0.4, circuit_w: 0.05, receive_w: 0.05, idle_w: 0.05}",
        policy="{kind: period, period_s: 6}",
        deadline="deadline: {kind: fixed, limit_s: 3}",
    )
    for report in later:
        used_j, budget_j = spent_j(report)
        assert (used_j <= budget_j).all()
        assert report.played[0].timeline.phase_j[:, WAIT].sum() > 0.0


def test_a_slower_clock_saves_joules_that_the_upload_can_use():
    energy, hot = "{kind: relative, share: 0.8}", "[1e9, 2e9]"
    fast, _ = played(energy, rounds=1, cpu_hz=hot)
    slow, made = played(energy, allocator="cpu_frequency", rounds=1, cpu_hz=hot)
    used_j, budget_j = spent_j(slow[0])
    assert (used_j <= budget_j).all()
    agreements = [reports[0].played[0].agreement for reports in (fast, slow)]
    assert agreements[1].allocation.objective < agreements[0].allocation.objective
    clocks = agreements[1].posed.clock_hz
    assert (clocks <= made.setting.devices.cpu_hz * (1 + 1e-9)).all()
    assert (clocks < 0.99 * made.setting.devices.cpu_hz).any()
    # What is played computes at the clocks that were chosen.
    plan = agreements[1].plan
    macs = agreements[1].exchange.computed_macs(plan.keep)
    assert np.allclose(plan.compute_s, 2.0 * macs / clocks)
    assert np.allclose(plan.compute_w, 1e-28 * clocks**3)


def test_without_a_budget_every_device_computes_as_fast_as_it_can():
    free, made = played("none", allocator="cpu_frequency", rounds=1)
    agreement = free[0].played[0].agreement
    assert (agreement.posed.clock_hz == made.setting.devices.cpu_hz).all()
    kkt = played("none", rounds=1)[0][0].played[0].agreement
    assert agreement.allocation.objective == pytest.approx(kkt.allocation.objective)


HEAVY = "{kind: workload, prunable: 0.5, up_bits: 2e5, macs: 2e8, keep_min: 0.1}"


def test_slow_clocks_keep_a_budget_that_full_clocks_could_not_even_compute_on():
    limit = 0.01
    fixed_j = 1e-28 * 1e9**2 * 2.0 * 1e8  # what half of the operations take at the fastest clock
    assert fixed_j > limit
    reports, _ = played(
        f"{{kind: per_round, limit_j: {limit}}}",
        allocator="cpu_frequency",
        cpu_hz="[0.5e9, 1e9]",
        algorithm=HEAVY,
        deadline="deadline: {kind: fixed, limit_s: 3}",
        rounds=2,
    )
    for report in reports:
        used_j, _ = spent_j(report)
        assert len(used_j) == 6
        assert (used_j <= limit).all()


def test_who_is_left_out_spends_nothing():
    reports, _ = played(
        "{kind: per_round, limit_j: 0.005}",
        cpu_hz="[0.5e9, 1e9]",
        algorithm=HEAVY,
        deadline="deadline: {kind: fixed, limit_s: 3}",
    )
    for report in reports:
        used_j, budget_j = spent_j(report)
        assert (used_j <= budget_j).all()
        assert len(used_j) < 6


def test_in_the_long_run_computing_is_dear_too():
    """Where nearly all energy is computing, only pruning can save it."""
    energy = "{kind: long_term, allowance_j: 0.03}"
    load = "{kind: workload, prunable: 0.9, up_bits: 1e4, macs: 5e8, keep_min: 0.05}"
    reports, _ = played(
        energy,
        allocator="{kind: lyapunov, penalty_weight: 0.01}",
        cpu_hz="[0.5e9, 1e9]",
        algorithm=load,
        deadline="deadline: {kind: fixed, limit_s: 5}",
        rounds=12,
    )
    keep = [report.played[0].agreement.plan.keep.mean() for report in reports]
    assert keep[0] == 1.0
    assert keep[-1] < 0.5


@pytest.mark.parametrize("pattern", ["U", "DDDSU"])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_on_resource_blocks_a_share_is_that_share_of_what_is_on_the_air(pattern, share):
    slots = {
        "uplink": f"{{kind: nr, pattern: {pattern}}}",
        "band_hz": "8e6",
        "deadline": "deadline: {kind: fixed, limit_s: 3.0}",
        "rounds": 2,
    }
    free, _ = played("none", **slots)
    thrifty, _ = played(f"{{kind: relative, share: {share}}}", **slots)
    for one, other in zip(free, thrifty, strict=True):
        used_j, budget_j = spent_j(other)
        assert (used_j <= budget_j * 1.02).all()  # the last slot is filled up
        # The free round is planned before blocks and whole slots are dealt, which move joules by up to a fifth; charged by
        # the clock instead of by the air, budgets of the pattern DDDSU would be several times as large.
        assert np.allclose(budget_j, share * spent_j(one)[0], rtol=0.2)


def test_a_share_is_that_of_the_round_of_those_who_are_chosen():
    tight = {"deadline": "deadline: {kind: relative, share: 0.4}", "rounds": 2}
    chooser = "{kind: liu_yu2022, data_cost: 0.6}"
    free, _ = played("none", allocator=chooser, **tight)
    half, _ = played("{kind: relative, share: 0.5}", allocator=chooser, **tight)
    for one, other in zip(free, half, strict=True):
        whole = dict(zip(sorted(one.played[0].timeline.device), spent_j(one)[0], strict=True))
        used_j, budget_j = spent_j(other)
        assert (used_j <= budget_j).all()
        for device, budget in zip(sorted(other.played[0].timeline.device), budget_j, strict=True):
            assert budget == pytest.approx(0.5 * whole[device], rel=2e-3)
