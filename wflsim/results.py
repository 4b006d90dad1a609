"""What was played, as pandas frames: one run, a sweep, or a folder of them; the one door to pandas."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from wflsim.errors import UserError
from wflsim.records.columns import EVERY_TABLE
from wflsim.records.folder import MANIFEST, RunFolder
from wflsim.scenario.remedies import did_you_mean

SWEEP = "sweep.json"
OWN = ("run", "scenario", "seed", "status")
"""What the frame of runs says of every run, before the values that set runs apart."""
_APART_BY_NONE = frozenset({"name", "about", "seed", "paper", "sweep"})


@dataclass(frozen=True)
class Played:
    """One run folder.

    Attributes:
        name: Its path below the folder that was loaded.
        folder: The folder.
        told: Its manifest.
        values: Key of the scenario → value, of what sets it apart in its sweep; None outside of a sweep.
    """

    name: str
    folder: RunFolder
    told: Mapping[str, Any]
    values: Mapping[str, Any] | None

    @property
    def owns(self) -> dict[str, Any]:
        """What the frame of runs says of it before values."""
        return {
            "run": self.name,
            "scenario": self.told.get("scenario", ""),
            "seed": self.told.get("seed", -1),
            "status": self.told.get("status", ""),
        }


@dataclass(frozen=True, eq=False)
class Results:
    """Frames of some runs; each is read when it is first asked for.

    Every frame has a row an observation, the run that it belongs to, and what sets that run apart; ``frame.attrs["units"]``
    says the unit of every column that has one.

    Attributes:
        path: What was loaded.
        played: The runs, in the order of their names.
    """

    path: Path
    played: tuple[Played, ...]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run: its name, scenario, seed, status, and the values of the keys that set runs apart."""
        values = _apart(self.played)
        rows = [{**one.owns, **own} for one, own in zip(self.played, values, strict=True)]
        return pd.DataFrame(rows)

    @property
    def axes(self) -> list[str]:
        """Keys of the scenario that set runs apart."""
        return [name for name in self.runs.columns if name not in OWN]

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """A row an exchange of a round of a variant of a run."""
        return self.table("rounds")

    @cached_property
    def clients(self) -> pd.DataFrame:
        """A row a device's part in an exchange."""
        return self.table("clients")

    @cached_property
    def finals(self) -> pd.DataFrame:
        """A row a variant of a run: the metrics at its end, its simulated seconds and joules, and how it ended."""
        own = self.runs.to_dict("records")
        rows = [
            {
                **run,
                "variant": variant,
                "status": said["status"],
                "rounds": said["rounds"],
                "simulated_s": said["simulated_s"],
                "energy_j": said["energy_j"],
                **said["final"],
            }
            for one, run in zip(self.played, own, strict=True)
            for variant, said in one.told.get("variants", {}).items()
        ]
        frame = pd.DataFrame(rows)
        frame.attrs["units"] = {
            "simulated_s": "s",
            "energy_j": "J",
            "up_bits": "bit",
            "target_s": "s",
        }
        return frame

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a table of all runs under another.

        Args:
            name: Its name: rounds, clients or groups.
            columns: Some of its columns; None for all.
        """
        known = {column.name: column for column in _known(name)}
        for column in columns or ():
            if column not in known:
                remedy = did_you_mean(column, list(known), "columns")
                raise UserError(
                    f"{self.path}: no column '{column}' in the table '{name}'; {remedy}"
                )
        there = [place for place, one in enumerate(self.played) if _there(one, name)]
        parts = [self.played[place].folder.arrow(name, columns) for place in there]
        if not parts:
            raise UserError(f"{self.path}: no run has a table '{name}'; {_REMEDIES.get(name, '')}")
        whole = pa.concat_tables(parts, promote_options="default")
        frame = whole.to_pandas(strings_to_categorical=True, split_blocks=True, self_destruct=True)
        frame = _beside(frame, self.runs, there, [part.num_rows for part in parts])
        frame.attrs["units"] = {
            c.name: c.unit for c in known.values() if c.unit and c.name in frame
        }
        frame.attrs["meanings"] = {c.name: c.meaning for c in known.values() if c.name in frame}
        return frame


def load(path: str | Path, *, mixed: bool = False) -> Results:
    """Return what was played in a folder: of a run, of a sweep, or of any number of them, at any depth.

    Args:
        path: The folder.
        mixed: Whether runs of several versions of wflsim may stand side by side.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(
            f"{root}: is no folder; name one that `wflsim run` or `wflsim sweep` has written"
        )
    played = tuple(sorted(_found(root), key=lambda one: one.name))
    if not played:
        raise UserError(_empty(root))
    versions = {one.told.get("versions", {}).get("wflsim", "an unknown version") for one in played}
    if len(versions) > 1 and not mixed:
        raise UserError(
            f"{root}: holds runs of wflsim {', '.join(sorted(versions))}, which may mean different things by the same column; "
            "play them again, or load them apart"
        )
    return Results(root, played)


def together(several: Sequence[Results]) -> Results:
    """Return what was loaded from several folders as one; a run that lies in two of them is there once."""
    if len(several) == 1:
        return several[0]
    own = {
        one.folder.path.resolve(): replace(one, name=one.folder.path.as_posix())
        for each in several
        for one in each.played
    }
    return Results(Path(", ".join(str(each.path) for each in several)), tuple(own.values()))


def _found(root: Path) -> Iterator[Played]:
    """Yield the runs below a folder; nothing is looked for inside of a run."""
    sweeps: dict[Path, Mapping[str, Any]] = {}
    for here, below, names in os.walk(root):
        folder = Path(here)
        if SWEEP in names:
            sweeps[folder] = _points(folder / SWEEP)
        folder_of = RunFolder(folder)
        told = folder_of.told() if MANIFEST in names else {}
        if "variants" not in told or "resolved" not in told:
            continue
        below.clear()
        within = next((sweeps[each] for each in folder.parents if each in sweeps), None)
        if within is None:
            yield Played(_name(root, folder), folder_of, told, None)
        elif folder.name in within:
            yield Played(_name(root, folder), folder_of, told, within[folder.name])


def _points(path: Path) -> dict[str, Any]:
    """Return key of a run → the values that set it apart, of a sweep's record."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {point["key"]: point["values"] for point in told["points"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read: {error!r}; sweep the same again") from error


def _name(root: Path, folder: Path) -> str:
    return folder.name if folder == root else folder.relative_to(root).as_posix()


def _empty(root: Path) -> str:
    """Return what to tell of a folder in which no run is found."""
    if (root / SWEEP).is_file():
        return f"{root}: is a sweep of which nothing was played so far; play it with `wflsim sweep`"
    return f"{root}: holds no run; name a folder that `wflsim run` or `wflsim sweep` has written"


def _apart(played: Sequence[Played]) -> list[dict[str, Any]]:
    """Return of each run the values that set it apart: those of its sweep, or else those keys in which runs differ."""
    loose = [one for one in played if one.values is None]
    flat = {one.name: _flat(one.told["resolved"]) for one in loose}
    keys = dict.fromkeys(key for values in flat.values() for key in values)
    differ = [key for key in keys if len({repr(values.get(key)) for values in flat.values()}) > 1]
    return [
        dict(one.values)
        if one.values is not None
        else {key: flat[one.name].get(key) for key in differ}
        for one in played
    ]


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return path → plain value of a resolved scenario, without what sets no two runs apart."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        below = f"{path}.{key}" if path else key
        if below in _APART_BY_NONE:
            continue
        if isinstance(value, Mapping):
            found |= _flat(value, below)
        else:
            found[below] = tuple(value) if isinstance(value, list) else value
    return found


def _known(name: str) -> Sequence[Any]:
    """Return the columns of a table."""
    if name not in EVERY_TABLE:
        raise UserError(f"no table '{name}'; {did_you_mean(name, list(EVERY_TABLE), 'tables')}")
    return EVERY_TABLE[name]


def _there(one: Played, name: str) -> bool:
    return (one.folder.path / f"{name}.parquet").is_file()


def _beside(
    frame: pd.DataFrame, runs: pd.DataFrame, there: Sequence[int], rows: Sequence[int]
) -> pd.DataFrame:
    """Return a frame with what is known of each row's run before its columns, kept once a run."""
    codes = np.repeat(np.arange(len(there), dtype=np.int32), rows)
    own = runs.iloc[list(there)].drop(columns="status")
    found = {}
    for name in own.columns:
        short, values = pd.factorize(own[name].map(_hashable))
        found[name] = pd.Categorical.from_codes(short[codes], pd.Index(values, tupleize_cols=False))
    return pd.concat([pd.DataFrame(found, index=frame.index), frame], axis=1)


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict | tuple) else value


_REMEDIES = {
    "groups": "only methods that group devices write it",
    "clients": "play the run again",
    "rounds": "play the run again",
}
