"""Which points are worth training: all are played without it first, and those that others beat in everything are left out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wflsim.contracts import FloatArray
from wflsim.errors import UserError
from wflsim.learning.surrogate import Fit, Surrogate, fit
from wflsim.records.folder import RunFolder
from wflsim.sweep.plan import Item, Plan

MEASURE = "accuracy_personal"
UNTRAINED = "learning=none"


@dataclass(frozen=True)
class Forecast:
    """What a point promises for one variant, mean over its seeds.

    Attributes:
        variant: The variant.
        simulated_s: Simulated time of all rounds.
        energy_j: Energy of all rounds.
        accuracy: Accuracy that the curve foretells for what the server takes in; 0 where no curve could be fitted.
        kept: Mean kept share: what pruning costs the accuracy no curve of rounds knows, so that it counts for itself.
    """

    variant: str
    simulated_s: float
    energy_j: float
    accuracy: float
    kept: float

    @property
    def costs(self) -> tuple[float, ...]:
        """What should be small."""
        return (self.simulated_s, self.energy_j, -self.accuracy, -self.kept)


@dataclass(frozen=True)
class Screening:
    """What was found before anything but one run was trained.

    Attributes:
        plan: The runs that are left to train.
        told: Curves, forecasts, and for whose sake points were left out, as the sweep's record tells them.
    """

    plan: Plan
    told: Mapping[str, Any]


def screened(plan: Plan, untrained: Plan, folders: tuple[Path, Path]) -> Screening:
    """Return what is worth training.

    A point goes if for each of its variants another point takes no more seconds and joules, promises no less accuracy and keeps
    no less of the models, and is better in one of these. It is a rule of thumb [X]: pruning more is never taken to help.

    Args:
        plan: All runs.
        untrained: The same without training, in the same order.
        folders: Where the first run of the one, trained, and all of the other lie.
    """
    trained, there = folders
    curves = _curves(RunFolder(trained / plan.items[0].key))
    places: dict[str, list[int]] = {}
    for place, item in enumerate(plan.items):
        places.setdefault(json.dumps(dict(item.values)), []).append(place)
    keys = list(places)
    forecasts = [
        _forecasts([untrained.items[place] for place in places[key]], there, curves) for key in keys
    ]
    beaten = [_beaten([each[variant] for each in forecasts]) for variant in forecasts[0]]
    better = [[found[point] for found in beaten] for point in range(len(keys))]
    gone = {key for key, by in zip(keys, better, strict=True) if all(one is not None for one in by)}
    told = [
        {
            "values": json.loads(key),
            "kept": key not in gone,
            "forecasts": [
                asdict(one) | {"beaten_by": None if by is None else json.loads(keys[by])}
                for one, by in zip(each.values(), by_all, strict=True)
            ],
        }
        for key, each, by_all in zip(keys, forecasts, better, strict=True)
    ]
    left = tuple(item for item in plan.items if json.dumps(dict(item.values)) not in gone)
    fits = {name: {**asdict(found.surrogate), "rmse": found.rmse} for name, found in curves.items()}
    return Screening(replace(plan, items=left), {"curves": fits, "points": told})


def beaten_by(costs: FloatArray) -> list[int | None]:
    """Return for each row the first other row that is nowhere greater and somewhere less, or None.

    Args:
        costs: What should be small, shape (points, measures).
    """
    found: list[int | None] = []
    for row in costs:
        better = np.flatnonzero((costs <= row).all(axis=1) & (costs < row).any(axis=1))
        found.append(int(better[0]) if len(better) else None)
    return found


def _beaten(forecasts: Sequence[Forecast]) -> list[int | None]:
    return beaten_by(np.array([forecast.costs for forecast in forecasts]))


def _curves(folder: RunFolder) -> dict[str, Fit]:
    """Return variant → the curve of its accuracy, of those for which one can be fitted."""
    rounds = folder.read("rounds", ["variant", "progress", MEASURE])
    found: dict[str, Fit] = {}
    for variant in dict.fromkeys(rounds["variant"].tolist()):
        rows = rounds["variant"] == variant
        try:
            found[variant] = fit(rounds["progress"][rows].cumsum(), rounds[MEASURE][rows])
        except ValueError:
            continue
    return found


def _forecasts(
    items: Sequence[Item], there: Path, curves: Mapping[str, Fit]
) -> dict[str, Forecast]:
    """Return variant → forecast of one point, from its runs without training."""
    columns = ["variant", "end_s", "energy_j", "progress", "keep_mean"]
    tables = [RunFolder(there / item.key).read("rounds", columns) for item in items]
    found = {}
    for variant in dict.fromkeys(tables[0]["variant"].tolist()):
        own = [{k: v[table["variant"] == variant] for k, v in table.items()} for table in tables]
        curve: Surrogate | None = curves[variant].surrogate if variant in curves else None
        found[variant] = Forecast(
            variant,
            float(np.mean([table["end_s"].max(initial=0.0) for table in own])),
            float(np.mean([table["energy_j"].sum() for table in own])),
            float(np.mean([curve.accuracy(table["progress"].sum()) for table in own]))
            if curve
            else 0.0,
            float(np.nanmean([_mean(table["keep_mean"]) for table in own])),
        )
    return found


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 1.0


def refuse_untrained(plan: Plan) -> None:
    """Raise where nothing would be trained anyway."""
    told = json.loads(plan.items[0].text)["variants"].values()
    if all(system["learning"]["kind"] != "train" for system in told):
        raise UserError(
            "--screen: the scenario trains nothing, so there is nothing to spare; leave it out"
        )
