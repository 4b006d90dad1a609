"""The figure of fairness: the mean, the worst tenth and the worst of devices' accuracies over rounds, beside Jain's index."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from wflsim.errors import UserError
from wflsim.figures.layout import Wanted, alike, legend, panels
from wflsim.figures.lines import handles, known
from wflsim.figures.progress import progress

MEASURES = ("accuracy_personal", "accuracy_decile", "accuracy_worst", "accuracy_jain")


def draw(frames: Mapping[str, pd.DataFrame], wanted: Wanted) -> Figure:
    """Return the figure of the rounds; accuracies stand on one scale."""
    rounds = frames["rounds"]
    if missing := [name for name in MEASURES if name not in rounds]:
        raise UserError(
            f"the runs do not tell {', '.join(missing)}, since they are older; play them again"
        )
    for measure in MEASURES:
        rounds = known(rounds, measure)
    figure, axes = panels(len(MEASURES), wanted.width_in)
    for panel, measure in zip(axes, MEASURES, strict=True):
        progress(panel, rounds, measure, "round")
    alike(axes[:3])
    legend(figure, handles(rounds))
    return figure
