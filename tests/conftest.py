"""A world small enough to be played in a moment."""

import os

import pytest

# One host thread an operation, as engines train: small operations wait for each other on a busy host otherwise.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TINY = """\
name: tiny
seed: 3
fleet: {devices: 4}
radio: {bandwidth_hz: 1e6, link: {kind: gap, gap_db: 3}}
task:
  data: digits
  partition: {kind: classes, per_device: 2}
  model: {kind: mlp, hidden: [7]}
rounds: 3
variants:
  pruned: {algorithm: japp, deadline: {kind: relative, share: 0.5}}
  fedalt: {algorithm: fedalt, allocator: dense}
  fedavg: {algorithm: fedavg, allocator: dense}
"""


@pytest.fixture(scope="session")
def tiny() -> str:
    return TINY


@pytest.fixture
def tiny_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def play():
    """Return what plays a scenario into a folder, without drawing anything."""
    from wflsim.records.folder import new_folder
    from wflsim.scenario.loading import load
    from wflsim.simulation.run import Run
    from wflsim.simulation.setting import settle

    def played(folder, scenario, *assignments, seed=None):
        loaded = load(str(scenario), assignments, seed)
        setting = settle(loaded.scenario.world, loaded.blaming)
        Run(loaded, setting, new_folder(str(folder), ""), every=0).play(lambda *_: None)
        return folder

    return played
