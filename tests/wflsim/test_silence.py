"""Where nothing travels, no radio is needed: whatever it is like, a round is computing alone."""

import numpy as np
import pytest

from wflsim.errors import UserError
from wflsim.network.timeline import Outcome
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.outlook import outlook
from wflsim.simulation.setting import settle

ALONE = """\
name: alone
seed: 3
fleet: {devices: 6, cpu_hz: [100e6, 400e6], electronics: handset}
radio: {bandwidth_hz: 1e6}
task:
  data: digits
  partition: {kind: classes, per_device: 2}
  model: {kind: mlp, hidden: [7]}
rounds: 3
algorithm: local_only
"""
WORLDS = {
    "pilots": ["radio.estimation={kind: pilots, length: 8}"],
    "unicast": ["procedures.downlink=unicast"],
    "paging": ["procedures.paging={kind: cycle, period_s: 0.08}"],
    "access": ["procedures.access={kind: random, inactivity_s: 0.0}"],
    "grant": ["procedures.grant=request"],
    "others": ["procedures.background={kind: poisson, load: 0.3}"],
    "fewer blocks than devices": ["procedures.uplink={kind: nr, pattern: DSUU}"],
    "deaf": ["radio.link=mcs", "radio.downlink_dbm=-300", "fleet.power_dbm=[-300, -300]"],
}
WORLDS["all of it"] = [each for world in WORLDS.values() for each in world]
POLICIES = {
    "deadline": ["policy=deadline", "deadline={kind: fixed, limit_s: 0.05}"],
    "buffered": ["policy={kind: buffered, size: 1}"],
}


def played(*assignments):
    """Return what is expected of the first round, and the rounds."""
    scenario = parse(ALONE, "alone", assignments).scenario
    setting = settle(scenario.world)
    (system,) = scenario.systems.values()
    return outlook(setting, system), list(stage(setting, system).rounds())


@pytest.mark.parametrize(
    ("world", "policy"),
    [*((world, "all") for world in WORLDS), *(("all of it", policy) for policy in POLICIES)],
)
def test_procedures_and_links_change_nothing(world, policy):
    ends = POLICIES.get(policy, ["policy=wait_for_all"])
    ideal, hard = played(*ends), played(*ends, *WORLDS[world])
    for one, other in zip(ideal[1], hard[1], strict=True):
        for game, same in zip(one.played, other.played, strict=True):
            assert np.array_equal(game.timeline.device, same.timeline.device)
            assert np.array_equal(game.timeline.phase_ns, same.timeline.phase_ns)
            assert np.array_equal(game.timeline.phase_j, same.timeline.phase_j)
            assert np.array_equal(game.timeline.outcome, same.timeline.outcome)
        assert np.array_equal(one.scores.personal, other.scores.personal)
    assert hard[0].length_s == ideal[0].length_s
    assert hard[0].met
    assert hard[0].feasible


def test_a_round_is_computing_and_waiting():
    foreseen, reports = played()
    for report in reports:
        (game,) = report.played
        compute, wait = 2, 7
        spent_ns = game.timeline.phase_ns
        assert (np.delete(spent_ns, [compute, wait], axis=1) == 0).all()
        assert (spent_ns[:, compute] > 0).all()
        assert (game.timeline.outcome == Outcome.ON_TIME).all()
        assert game.timeline.delivered_bits.sum() == 0.0
        assert (game.timeline.end_ns - game.timeline.start_ns) / 1e9 == pytest.approx(
            foreseen.length_s, abs=2e-9
        )
    assert reports[-1].scores.mean > reports[0].scores.mean


def test_who_does_exchange_something_needs_the_radio():
    with pytest.raises(UserError, match="can never send"):
        played("algorithm=fedavg", *WORLDS["deaf"])
    ideal, hard = played("algorithm=fedavg"), played("algorithm=fedavg", *WORLDS["grant"])
    assert hard[0].length_s > ideal[0].length_s
