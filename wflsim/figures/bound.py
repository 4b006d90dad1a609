"""The figure of the bound: what the theorem allows the mean squared gradient to be, beside what was measured along a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from wflsim.claims.gradients import (
    NEEDS,
    Stepping,
    constants,
    from_the_first,
    silent,
    terms_of,
)
from wflsim.contracts import FloatArray
from wflsim.errors import UserError
from wflsim.figures.layout import Wanted, legend, panels
from wflsim.figures.lines import Look, framed, handles, looks, names, of_line
from wflsim.figures.progress import Curve, together
from wflsim.figures.spending import broken
from wflsim.results import Results

TABLES = {"rounds": ("on_time", "late", "stale", *NEEDS)}
TERMS: Mapping[str, Mapping[str, Any]] = {
    "optimisation": {"facecolor": "#0072B2", "hatch": "/////"},
    "pruning": {"facecolor": "#D55E00", "hatch": "\\\\\\\\\\"},
    "drift": {"facecolor": "#F0E442", "hatch": ""},
    "noise": {"facecolor": "0.85", "hatch": "....."},
    "coverage": {"facecolor": "#009E73", "hatch": "-----"},
}
"""Term of the bound → how it is drawn."""
EDGE: Mapping[str, Any] = {"edgecolor": "0.35", "linewidth": 0.4}
GREY = "0.35"


@dataclass(frozen=True, eq=False)
class Path:
    """What the theorem says of a run, of its first n rounds for every n; all arrays have shape (N,).

    Attributes:
        measured: Mean squared gradient of these rounds.
        terms: Term → what it adds to the bound on that.
    """

    measured: FloatArray
    terms: Mapping[str, FloatArray]

    @property
    def bound(self) -> FloatArray:
        """The bound."""
        return np.asarray(np.sum(list(self.terms.values()), axis=0))


def draw(results: Results, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure of those variants of which a bound is known: both over rounds, and what it is made of in the end."""
    rounds = framed(results, TABLES, variants)["rounds"]
    paths = known(results, rounds)
    rounds = rounds[rounds["line"].isin(list(paths))]
    count = [line.count("\n") + 1 for line in map(broken, paths)]
    height_in = max(1.9, 0.9 + sum(0.12 + 0.14 * each for each in count))
    figure, (left, right) = panels(2, wanted.width_in, height_in)
    beside(left, paths, looks(rounds))
    shares(right, paths)
    legend(figure, {**handles(rounds), **kinds()})
    there = {name: look for name, look in TERMS.items() if counts(paths, name)}
    legend(figure, {name: Patch(**look, **EDGE) for name, look in there.items()}, "lower")
    return figure


def known(results: Results, rounds: pd.DataFrame) -> dict[str, list[Path]]:
    """Return line → the paths of its runs; a mistake if the theorem speaks of none."""
    algorithms = {
        (one.name, name): system["algorithm"]
        for one in results.played
        for name, system in one.told["resolved"]["variants"].items()
    }
    found: dict[str, list[Path]] = {}
    silences: dict[str, str] = {}
    for line in names(rounds):
        for key, rows in of_line(rounds, line).groupby(["run", "variant"], observed=True):
            run, variant = key
            algorithm = algorithms[str(run), str(variant)]
            told = foreign(algorithm) or path(rows, stepping(algorithm))
            if isinstance(told, str):
                silences[line] = told
            else:
                found.setdefault(line, []).append(told)
    found = {line: paths for line, paths in found.items() if line not in silences}
    if not found:
        line, why = next(iter(silences.items()))
        raise UserError(f"no bound is known: {line or 'the run'}: {why} (docs/bound.md)")
    return found


def stepping(algorithm: Mapping[str, Any]) -> Stepping | None:
    """Return how devices step by a method of a shared and a personal part; None for others.

    >>> stepping({"shared_rate": 0.01, "masked_steps": 2, "scoring_steps": 3, "restart": True, "personal_rate": 0.1, "personal_steps": 5})
    Stepping(rate=0.01, steps=2, personal_rate=0.1, personal_steps=5, lowest_loss=0.0)
    """
    if "shared_rate" not in algorithm or not {"masked_steps", "shared_steps"} & set(algorithm):
        return None
    dense = 0 if algorithm.get("restart") else algorithm.get("scoring_steps", 0)
    return Stepping(
        rate=algorithm["shared_rate"],
        steps=algorithm["shared_steps"]
        if "shared_steps" in algorithm
        else algorithm["masked_steps"] + dense,
        personal_rate=algorithm["personal_rate"],
        personal_steps=algorithm["personal_steps"],
    )


def foreign(algorithm: Mapping[str, Any]) -> str:
    """Return by what a method leaves the theorem (docs/bound.md, where it does not apply); empty where by nothing that its settings tell.

    >>> foreign({"fusion": "zeros"})
    'the theorem does not speak of fusion: zeros'
    """
    follows = algorithm.get("restart") is False and algorithm.get("importance") != "magnitude"
    outside = {
        "fusion: zeros": algorithm.get("fusion") == "zeros",
        "momentum": bool(algorithm.get("momentum")),
        "weight decay": bool(algorithm.get("decay")),
        "fusion_weight: samples": algorithm.get("fusion_weight") == "samples",
        "masks that follow from the batches that are averaged (restart: false)": follows,
    }
    named = [what for what, holds in outside.items() if holds]
    return f"the theorem does not speak of {', '.join(named)}" if named else ""


def path(rounds: pd.DataFrame, steps: Stepping | None) -> Path | str:
    """Return what the theorem says of a run, or why it says nothing.

    The constants are the largest of the whole run, so that the bound on its first rounds holds on the same terms.
    """
    if steps is None:
        return "the theorem speaks of methods with a shared and a personal part; play japp"
    of = from_the_first({name: rounds[name].to_numpy() for name in ("round", *TABLES["rounds"])})
    several = len(np.unique(of["round"])) < len(of["round"])
    if why := silent(of) or ("the theorem speaks of rounds with one exchange" if several else ""):
        return why
    constant = constants(of, steps)
    if constant.broken:
        return f"nothing is proven for such steps: {'; '.join(constant.broken)}; take shorter ones"
    total = len(of["round"])
    parts = [terms_of(constant, {k: v[:n] for k, v in of.items()}) for n in range(1, total + 1)]
    return Path(
        np.cumsum(of["gradient_square"]) / np.arange(1, total + 1),
        {name: np.array([part[name] for part in parts]) for name in parts[0]},
    )


def beside(axes: Axes, paths: Mapping[str, Sequence[Path]], looks_of: Mapping[str, Look]) -> None:
    """Draw bound and measured mean over the number of rounds that both are of, with what seeds say together."""
    for place, (line, own) in enumerate(paths.items()):
        look = looks_of[line]
        for values, extra in (
            ([each.bound for each in own], {"linewidth": 1.3}),
            ([each.measured for each in own], MEASURED),
        ):
            curve = _over_seeds(values)
            step = max(1, len(curve.where) // 8)
            marks = (place % step, step)
            axes.plot(curve.where, curve.mean, markevery=marks, label=line, **{**look, **extra})
            if np.isfinite(curve.low).all():
                low = np.maximum(curve.low, 0.1 * curve.mean)
                shade: Any = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
                axes.fill_between(curve.where, low, curve.high, **shade)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel("rounds so far")
    axes.set_ylabel("mean squared\ngradient")


MEASURED: Mapping[str, Any] = {"linewidth": 0.8, "markerfacecolor": "white"}


def _over_seeds(values: Sequence[FloatArray]) -> Curve:
    return together([(np.arange(1.0, len(each) + 1), each) for each in values])


def kinds() -> dict[str, Artist]:
    """Return label → what stands for bound and measurement in a legend."""
    plain: Any = {"color": GREY, "marker": "o"}
    return {
        "bound (filled)": Line2D([], [], linewidth=1.3, **plain),
        "measured (open)": Line2D([], [], **plain, **MEASURED),
    }


def counts(paths: Mapping[str, Sequence[Path]], term: str) -> bool:
    """Return whether a term is more than a thousandth of any bound."""
    return any(
        each.terms[term][-1] > 1e-3 * each.bound[-1] for own in paths.values() for each in own
    )


def shares(axes: Axes, paths: Mapping[str, Sequence[Path]]) -> None:
    """Draw the share of each term in the bound on all rounds, a bar a line."""
    bars = [broken(line) for line in paths]
    last = {
        name: np.array([np.mean([each.terms[name][-1] for each in own]) for own in paths.values()])
        for name in TERMS
    }
    total, start = np.sum(list(last.values()), axis=0), np.zeros(len(bars))
    for name, look in TERMS.items():
        width = 100.0 * last[name] / total
        axes.barh(bars, width, left=start, **look, **EDGE)
        start = start + width
    axes.set(xlim=(0.0, 100.0), ylim=(len(bars) - 0.5, -0.5), xlabel="share of the bound [%]")
    axes.grid(visible=False, axis="y")
