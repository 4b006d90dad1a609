"""A trade-off sweep by several processes beside one, killed and gone on, and on a Ray cluster that loses a node."""

import json
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from benchmarks.outcome import Bar, Outcome

BANDWIDTHS_HZ = "0.5e6,1e6,2e6,4e6"
SHARES = "0.3,0.4,0.5,0.6,0.7,0.8"
KILLS = 5
PROCESSES = ("--engine", "processes", "--workers", "2")


def run(full: bool) -> Outcome:
    """Sweep quickstart over bandwidths and deadlines: 4 × 6 × 3 runs in full, else 2 × 2 × 2 short ones."""
    bandwidths, shares = (BANDWIDTHS_HZ, SHARES) if full else ("1e6,2e6", "0.4,0.6")
    what = ["quickstart", "--vary", f"radio.bandwidth_hz={bandwidths}"]
    what += ["--vary", f"variants.pruned.deadline.share={shares}", "--seeds", "3" if full else "2"]
    what += [] if full else ["--set", "rounds=8"]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        seconds = {
            "serial": _swept([*what, "--engine", "serial"], root / "serial"),
            "processes": _swept([*what, *PROCESSES], root / "processes"),
            "killed five times": _killed([*what, *PROCESSES], root / "killed", root / "processes"),
        }
        if _has_ray():
            seconds["Ray, a node lost"] = _on_ray(what, root / "ray")
        digests = {path.name: _content(path) for path in root.iterdir()}
    ratio = seconds["processes"] / seconds["serial"]
    differing = {
        name: float(sum(found.get(key) != digest for key, digest in digests["serial"].items()))
        for name, found in digests.items()
        if name != "serial"
    }
    rows = list(seconds.items())
    bars = {"processes / serial": Bar(ratio, 1 / 1.7)}
    bars |= {f"files that differ, {name}": Bar(count, 0.0) for name, count in differing.items()}
    return Outcome("sweep", ("sweep", "seconds"), rows, {"processes / serial": ratio}, bars)


def _command(arguments: list[str], out: Path) -> list[str]:
    return [sys.executable, "-m", "wflsim", "sweep", *arguments, "--out", str(out), "--quiet"]


def _swept(arguments: list[str], out: Path) -> float:
    """Return the seconds of a sweep."""
    start = perf_counter()
    subprocess.run(_command(arguments, out), check=True)
    return perf_counter() - start


def _killed(arguments: list[str], out: Path, beside: Path) -> float:
    """Return the seconds of a sweep that is killed at random moments, drawn over what it takes undisturbed."""
    whole_s = sum(json.loads((beside / "sweep.json").read_text())["took_s"]) / 2
    draws = np.random.default_rng(1)
    start = perf_counter()
    for _ in range(KILLS):
        process = subprocess.Popen(_command(arguments, out))
        try:
            process.wait(3.0 + draws.random() * whole_s / KILLS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _swept(arguments, out)
    return perf_counter() - start


def _has_ray() -> bool:
    try:
        import ray
    except ImportError:
        return False
    return bool(ray.__version__)


def _on_ray(arguments: list[str], out: Path) -> float:
    """Return the seconds of a sweep on a cluster of two nodes on this host, of which one goes a third of the way."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    start = perf_counter()
    process = subprocess.Popen(
        _command([*arguments, "--engine", "ray", "--address", cluster.address], out)
    )
    try:
        total = 0
        while process.poll() is None:
            total = total or _planned(out)
            if second and total and _done(out) >= total / 3:
                cluster.remove_node(second)
                second = None
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode == 0, "the sweep has failed"
        assert second is None, "no node was lost"
        return perf_counter() - start
    finally:
        cluster.shutdown()


def _planned(out: Path) -> int:
    """Return how many runs a sweep has; 0 while it says nothing."""
    path = out / "sweep.json"
    return len(json.loads(path.read_text())["points"]) if path.exists() else 0


def _done(out: Path) -> int:
    return sum(1 for _ in (out / "runs").glob("*/manifest.json"))


def _content(out: Path) -> Mapping[str, str]:
    """Return file → digest of all that a sweep's runs left behind, but for where they were cut short."""
    found = {}
    for path in sorted((out / "runs").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "manifest.json":
                told = {k: v for k, v in json.loads(data).items() if k != "resumed"}
                data = json.dumps(told).encode()
            found[str(path.relative_to(out))] = sha256(data).hexdigest()
    return found
