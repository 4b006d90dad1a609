"""A thousand runs as frames: the seconds and the memory of loading their records, beside reading the files and no more."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.outcome import Bar, Outcome

RUNS = 1000
_LOAD = """
import json, resource, sys, time
from wflsim import results
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
found = results.load(sys.argv[1])
rows = [len(found.runs), len(found.finals), len(found.rounds), len(found.clients)]
took_s = time.perf_counter() - start
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"took_s": took_s, "gib": most / 2**20, "own_gib": (most - before) / 2**20, "rows": rows}))
"""
_READ = """
import json, resource, sys, time
from pathlib import Path
import pyarrow.parquet as pq
start = time.perf_counter()
for path in Path(sys.argv[1]).rglob("*.parquet"):
    pq.read_table(path)
print(json.dumps({"took_s": time.perf_counter() - start}))
"""


def run(full: bool) -> Outcome:
    """Play quickstart once without training, lay it down a thousand times with other seeds, and load them all."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        one = root / "one"
        play = ["run", "quickstart", "--set", "learning=none", "--out", str(one), "--quiet"]
        subprocess.run([sys.executable, "-m", "wflsim", *play], check=True)
        many = root / "many"
        told = json.loads((one / "manifest.json").read_text())
        for seed in range(RUNS if not full else 2 * RUNS):
            copy = many / f"run-{seed:04d}"
            copy.mkdir(parents=True)
            (copy / "manifest.json").write_text(json.dumps({**told, "seed": seed}))
            for path in one.glob("*.parquet"):
                copyfile(path, copy / path.name)
        loaded, read = (_measured(code, many) for code in (_LOAD, _READ))
    count, _, rounds, clients = loaded["rows"]
    rows = [
        (count, rounds, clients, loaded["took_s"], read["took_s"], loaded["gib"], loaded["own_gib"])
    ]
    header = ("runs", "rounds", "clients", "load_s", "read_s", "peak_gib", "own_gib")
    bars = {
        "seconds of a thousand runs": Bar(loaded["took_s"] * RUNS / count, 10.0),
        "GiB of a thousand runs": Bar(loaded["gib"] * RUNS / count, 1.0),
    }
    return Outcome(
        "loading", header, rows, {"load / read": loaded["took_s"] / read["took_s"]}, bars
    )


def _measured(code: str, folder: Path) -> dict[str, Any]:
    """Return what a process of its own measures."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
