"""Ten thousand devices that keep a personal part, a hundred at work at once: the memory that a run takes."""

import json
import subprocess
import sys

from benchmarks.outcome import Bar, Outcome

GIB = 2.0**30
FLEET = """\
name: population
seed: 1
fleet: {{devices: {devices}}}
radio: {{bandwidth_hz: 1e8}}
task:
  data: {{kind: blank, samples: {samples}}}
  partition: iid
  model: lenet5
rounds: {rounds}
invited: 100
evaluate_every: 1000
allocator: dense
algorithm: {{kind: fedalt, personal: "{personal}", personal_steps: 2, shared_steps: 2, batch_size: 4}}
"""
CHILD = """\
import json, resource, sys
from pathlib import Path
from wflsim.scenario.loading import parse
from wflsim.simulation.loop import stage
from wflsim.simulation.setting import settle
scenario = parse(sys.stdin.read(), "population").scenario
(system,) = scenario.systems.values()
for report in stage(settle(scenario.world), system).rounds():
    touched = len(report.state.personal.touched)
status = Path("/proc/self/status")  # what getrusage tells begins with the memory of the process that started this one
found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
peak = int(found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
print(json.dumps({"peak_bytes": peak, "touched": touched}))
"""


def run(full: bool) -> Outcome:
    """Play the population in a process of its own, with a small personal part and with nearly the whole model."""
    devices, rounds = (10_000, 120) if full else (2_000, 10)
    rows, bars = [], {}
    for what, personal, size in (("last layer", "output", 850), ("dense layers", "dense*", 59_134)):
        text = FLEET.format(devices=devices, samples=6 * devices, rounds=rounds, personal=personal)
        done = subprocess.run(
            [sys.executable, "-c", CHILD], input=text, capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        peak = found["peak_bytes"] / GIB
        whole = devices * size * 4 / GIB
        rows.append((what, devices, found["touched"], size, whole, peak))
        if full:
            bars[f"{what} personal: peak memory, GiB"] = Bar(peak, 2.0)
    header = ("personal", "devices", "took_part", "values_each", "all_parts_gib", "peak_gib")
    ratios = {f"{row[0]}: peak memory over all parts": row[5] / row[4] for row in rows}
    return Outcome("population", header, rows, ratios, bars)
