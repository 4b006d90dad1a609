"""Two seeds of two variants that learn something, played once."""

import pytest

LITTLE = """\
name: little
fleet: {devices: 4}
radio: {bandwidth_hz: 1e6, link: {kind: gap, gap_db: 3}}
task:
  data: digits
  partition: {kind: classes, per_device: 2}
  model: {kind: mlp, hidden: [7]}
rounds: 3
variants:
  pruned: {algorithm: japp, deadline: {kind: relative, share: 0.5}}
  fedavg: {algorithm: fedavg, allocator: dense}
"""


@pytest.fixture(scope="session")
def little(tmp_path_factory, play):
    """Return the folder of the runs, below it seed-1 and seed-2."""
    root = tmp_path_factory.mktemp("little")
    scenario = root / "little.yaml"
    scenario.write_text(LITTLE)
    for seed in (1, 2):
        play(root / f"seed-{seed}", scenario, seed=seed)
    return root
