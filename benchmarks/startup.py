"""How long the command line takes to answer, beside bare Python in the same run."""

import subprocess
import sys
from statistics import median
from time import perf_counter

from benchmarks.outcome import Bar, Outcome

COMMANDS = {
    "python": ["-c", "pass"],
    "wflsim --help": ["-m", "wflsim", "--help"],
    "wflsim check quickstart": ["-m", "wflsim", "check", "quickstart", "--format", "json"],
}


def run(full: bool) -> Outcome:
    """Call each command in turn, again and again, and compare medians."""
    turns = 25 if full else 9
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(turns):
        for name, arguments in COMMANDS.items():
            start = perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds[name].append(perf_counter() - start)
    middle = {name: median(found) for name, found in seconds.items()}
    rows = [(name, min(found), middle[name], max(found)) for name, found in seconds.items()]
    ratios = {name: middle[name] / middle["python"] for name in COMMANDS if name != "python"}
    bars = {"seconds of wflsim --help": Bar(middle["wflsim --help"], 0.3)}
    return Outcome("startup", ("command", "least_s", "median_s", "most_s"), rows, ratios, bars)
