"""The figure of distributions: how long rounds last, and what a round costs a device."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.contracts import FloatArray
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.lines import Look, apart_marks, handles, looks, names, of_line
from wflsim.figures.naming import handy, label, stretch
from wflsim.network.timeline import PHASES

STEPS = 1000
"""Steps of a distribution that are drawn at most."""
JOULES = tuple(f"{phase}_j" for phase in PHASES)


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the rounds and of the devices' parts in them."""
    rounds, clients = frames["rounds"], frames["clients"]
    figure, axes = panels(2, wanted.width_in)
    below(axes[0], lengths_s(rounds), looks(rounds), "length_s", "length of a round")
    below(axes[1], energies_j(clients), looks(clients), "energy_j", "energy a device and round")
    share(axes)
    legend(figure, handles(rounds))
    return figure


def lengths_s(rounds: pd.DataFrame) -> dict[str, FloatArray]:
    """Return line → the lengths of its rounds in all runs, from the first exchange's begin to the last one's end."""
    found = {}
    for line in names(rounds):
        each = of_line(rounds, line).groupby(["run", "round"], observed=True, sort=False)
        found[line] = (each["end_s"].max() - each["start_s"].min()).to_numpy(dtype=np.float64)
    return found


def energies_j(clients: pd.DataFrame) -> dict[str, FloatArray]:
    """Return line → the energy of each device in each round of all runs, over all phases and exchanges."""
    found = {}
    for line in names(clients):
        of = of_line(clients, line)
        spent = of[list(JOULES)].sum(axis=1)
        keys = [of["run"], of["round"], of["device"]]
        found[line] = spent.groupby(keys, observed=True, sort=False).sum().to_numpy(np.float64)
    return found


def distribution(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where an empirical distribution steps, and to what share; of very many steps an even choice with both ends.

    >>> at, share = distribution(np.array([2.0, 1.0, 2.0, 4.0]))
    >>> at.tolist(), share.tolist()
    ([1.0, 1.0, 2.0, 4.0], [0.0, 0.25, 0.75, 1.0])
    """
    at, count = np.unique(values, return_counts=True)
    share = np.cumsum(count) / len(values)
    chosen = np.unique(np.linspace(0, len(at) - 1, min(len(at), STEPS)).round().astype(np.int64))
    return np.concatenate([at[:1], at[chosen]]), np.concatenate([[0.0], share[chosen]])


def below(
    axes: Axes,
    values: Mapping[str, FloatArray],
    looks_of: Mapping[str, Look],
    column: str,
    words: str,
) -> None:
    """Draw the share of values that are not above.

    Args:
        axes: The panel.
        values: Line → its values.
        looks_of: Line → its look.
        column: The column that has their unit.
        words: What they are.
    """
    whole = np.concatenate(list(values.values()))
    unit, prefix = handy(column, whole)
    for place, (line, of) in enumerate(values.items()):
        at, part = distribution(of)
        axes.plot(
            unit * at,
            part,
            drawstyle="steps-post",
            label=line,
            markevery=apart_marks(place),
            **looks_of[line],
        )
    stretch(axes, whole)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel(label(column, prefix, words))
    axes.set_ylabel("empirical CDF")
