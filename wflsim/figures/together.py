"""The figure that sums runs up: progress, what accuracy costs, distributions and phases, panel by panel."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wflsim.figures.distributions import below, energies_j, lengths_s
from wflsim.figures.layout import Wanted, legend, panels, share
from wflsim.figures.lines import handles, known, looks
from wflsim.figures.pareto import COSTS, FRONT_LABEL, marks, trade
from wflsim.figures.phases import patches
from wflsim.figures.progress import OVER, progress
from wflsim.figures.spending import height_in, spent, told


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of rounds, devices' parts and finals."""
    rounds = known(frames["rounds"], wanted.measure)
    finals = known(frames["finals"], wanted.measure)
    clients = frames["clients"]
    figure, axes = panels(9, wanted.width_in, 1.6, max(1.6, height_in(clients)))
    for panel, over in zip(axes[:3], OVER, strict=True):
        progress(panel, rounds, wanted.measure, over)
    for panel, cost in zip(axes[3:5], COSTS, strict=True):
        trade(panel, finals, wanted.measure, cost)
    length, energy, *bars = [axes[at] for at in ((5, 8, 6, 7) if _three(axes) else (5, 6, 7, 8))]
    below(length, lengths_s(rounds), looks(rounds), "length_s", "length of a round")
    below(energy, energies_j(clients), looks(clients), "energy_j", "energy a device and round")
    for panel, unit in zip(bars, "sj", strict=True):
        spent(panel, clients, unit)
    for some in (axes[:3], axes[3:5], bars):
        share(some)
    legend(figure, {**handles(clients), FRONT_LABEL: marks(finals)[FRONT_LABEL]})
    legend(figure, patches(told(clients)), "lower")
    return figure


def _three(axes: Sequence[Axes]) -> bool:
    """Return whether three panels stand beside each other; bars then stand where their names have room."""
    return axes[0].get_position().width < 0.5
