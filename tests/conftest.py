"""A world small enough to be played in a moment."""

import os
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

import pytest

# One host thread an operation, as engines train: small operations wait for each other on a busy host otherwise.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What was compiled is kept between runs, and forgotten when any of its modules changes: the compiler looks at one of them.
NATIVE = Path(__file__).parent.parent / "wflsim/learning/native"
DIGEST = sha256(b"".join(path.read_bytes() for path in sorted(NATIVE.glob("*.py")))).hexdigest()
os.environ.setdefault("NUMBA_CACHE_DIR", f"{gettempdir()}/wflsim-compiled-{DIGEST[:16]}")

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
