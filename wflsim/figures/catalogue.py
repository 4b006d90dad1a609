"""All figures of finished runs by name: what each shows, where it is drawn, and what it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wflsim.errors import UserError
from wflsim.records.columns import DOING
from wflsim.scenario.remedies import did_you_mean

Handed = Literal["lines", "tables", "run", "runs", "nothing"]


@dataclass(frozen=True)
class Drawing:
    """A figure of finished runs.

    Attributes:
        about: What it shows, in a line.
        module: Where ``draw`` is.
        tables: Table, or ``finals`` → the columns it needs beside the keys, none for all.
        takes: What may be chosen beyond width, style and variants.
        of: What ``draw`` is handed: lines of these tables, all tables of a single run, that run, all runs, or nothing that was played.
        narrow: Whether a single column is wide enough for it.
    """

    about: str
    module: str
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    takes: frozenset[str] = frozenset()
    of: Handed = "lines"
    narrow: bool = True


_JOULES = tuple(f"{phase}_j" for phase in DOING)
_SPENT = ("device", *(f"{phase}_s" for phase in DOING), *_JOULES)

FIGURES: Mapping[str, Drawing] = {
    "progress": Drawing(
        "Accuracy over rounds, simulated seconds and joules; bands are 95 % intervals over seeds.",
        "wflsim.figures.progress",
        {"rounds": ()},
        frozenset({"measure", "over"}),
    ),
    "pareto": Drawing(
        "Accuracy at the end against seconds and joules, and which variants no other dominates.",
        "wflsim.figures.pareto",
        {"finals": ()},
        frozenset({"measure"}),
    ),
    "cdf": Drawing(
        "Distributions of the lengths of rounds and of devices' energy in a round.",
        "wflsim.figures.distributions",
        {"rounds": ("start_s", "end_s"), "clients": ("device", *_JOULES)},
    ),
    "phases": Drawing(
        "Where seconds and joules of a round go, phase by phase.",
        "wflsim.figures.spending",
        {"clients": _SPENT},
    ),
    "allocation": Drawing(
        "Kept share, bandwidth and power of devices by their channel's gain.",
        "wflsim.figures.allocation",
        {"clients": ("gain_db", "keep", "bandwidth_hz", "power_w")},
    ),
    "fairness": Drawing(
        "Mean, worst tenth and worst of devices' accuracies over rounds, and Jain's index.",
        "wflsim.figures.fairness",
        {"rounds": ()},
    ),
    "certificate": Drawing(
        "How far allocations are from meeting what an optimum has to meet, round by round.",
        "wflsim.figures.certificate",
        {"rounds": ("stationarity", "complementarity", "violation", "gap")},
    ),
    "summary": Drawing(
        "Progress, pareto, cdf and phases on one page.",
        "wflsim.figures.together",
        {"rounds": (), "finals": (), "clients": _SPENT},
        frozenset({"measure"}),
    ),
    "overview": Drawing(
        "Of one run: accuracy over simulated time, and where seconds go.",
        "wflsim.figures.overview",
        of="tables",
        narrow=False,
    ),
    "anatomy": Drawing(
        "Of one run: a typical round of every variant, device by device.",
        "wflsim.figures.anatomy",
        of="tables",
        narrow=False,
    ),
    "groups": Drawing(
        "Of one run: which devices were moved alike, and who is grouped.",
        "wflsim.figures.groups",
        of="tables",
        narrow=False,
    ),
    "grid": Drawing(
        "Of one run: who holds which part of the band when, in a typical round of every variant.",
        "wflsim.figures.grid",
        of="run",
    ),
    "fading": Drawing(
        "Of one run: channels' gains over rounds and devices, large scale and fading apart.",
        "wflsim.figures.fading",
        of="run",
    ),
    "coverage": Drawing(
        "Of one run: the mean gain to the best cell over the ground, with sites, cells and devices.",
        "wflsim.figures.coverage",
        of="run",
    ),
    "partition": Drawing(
        "Of one run: how many samples of which class lie on which device, and where that stands.",
        "wflsim.figures.held",
        of="run",
    ),
    "waterfall": Drawing(
        "From the seconds and joules of the first variant to those of each other, phase by phase.",
        "wflsim.figures.waterfall",
        of="runs",
    ),
    "bound": Drawing(
        "The bound on the mean squared gradient beside what was measured, and what it is made of.",
        "wflsim.figures.bound",
        of="runs",
    ),
    "calibration": Drawing(
        "Of no run: coupling gain and geometry in 3GPP's networks beside its companies' medians.",
        "wflsim.figures.calibration",
        of="nothing",
    ),
}
"""Name → figure, in the order in which they are listed."""


def named(name: str, chosen: Sequence[str] = ()) -> Drawing:
    """Return a figure by name; a mistake if there is none, or if it does not take what was chosen.

    Args:
        name: Its name.
        chosen: Options beyond those of all figures that were given.
    """
    if name not in FIGURES:
        raise UserError(f"--figure {name}: {did_you_mean(name, list(FIGURES), 'figures')}")
    for option in chosen:
        if option not in FIGURES[name].takes:
            able = [each for each, drawing in FIGURES.items() if option in drawing.takes]
            raise UserError(
                f"--{option}: the figure '{name}' has no choice of it; leave it out, or draw {' or '.join(able)}"
            )
    return FIGURES[name]
