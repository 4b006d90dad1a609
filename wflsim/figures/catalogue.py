"""All figures of finished runs by name: what each shows, where it is drawn, and what it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wflsim.errors import UserError
from wflsim.records.columns import DOING
from wflsim.scenario.remedies import did_you_mean


@dataclass(frozen=True)
class Drawing:
    """A figure of finished runs.

    Attributes:
        about: What it shows, in a line.
        module: Where ``draw`` is.
        tables: Table, or ``finals`` → the columns it needs beside the keys, none for all; without any, it is of a single run.
        takes: What may be chosen beyond width, style and variants.
    """

    about: str
    module: str
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    takes: frozenset[str] = frozenset()


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
    ),
    "anatomy": Drawing(
        "Of one run: a typical round of every variant, device by device.",
        "wflsim.figures.anatomy",
    ),
    "groups": Drawing(
        "Of one run: which devices were moved alike, and who is grouped.",
        "wflsim.figures.groups",
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
