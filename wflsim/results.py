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

from wflsim.errors import UserError
from wflsim.records.columns import EVERY_TABLE
from wflsim.records.folder import MANIFEST, RunFolder
from wflsim.records.stored import Encoded, Gathered, gathered
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
        played: The runs, by their names, those of a sweep as it was planned.
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

    def axes_of(self, variant: str) -> list[str]:
        """Keys of the scenario that set runs apart and concern a variant: all but those of other variants alone."""
        own = ["variants", variant]
        return [
            axis for axis in self.axes if (key := axis.split("."))[0] != own[0] or key[:2] == own
        ]

    @cached_property
    def again(self) -> frozenset[tuple[str, str]]:
        """Variant and run of what is there once more: played with the same seed, set apart by nothing that concerns it, to the same records."""
        names = {name for one in self.played for name in one.told.get("variants", {})}
        own = {name: self.axes_of(name) for name in names}
        seen, found = set(), []
        for one, run in zip(self.played, self.runs.to_dict("records"), strict=True):
            for variant, said in one.told.get("variants", {}).items():
                apart = [repr(run[axis]) for axis in own[variant]]
                mark = (
                    one.owns["scenario"],
                    one.owns["seed"],
                    variant,
                    said.get("records_sha256"),
                    *apart,
                )
                if mark in seen and said.get("records_sha256"):
                    found.append((variant, one.name))
                seen.add(mark)
        return frozenset(found)

    def twice(self, variant: str, runs: Sequence[str]) -> UserError:
        """Return what to tell where runs of a variant have the same seed, other records, and nothing by which to tell them apart."""
        return UserError(
            f"{self.path}: of variant '{variant}' one seed was played several times with nothing to tell the runs apart "
            f"({', '.join(runs)}); name those runs that are meant"
        )

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
        if not there:
            raise UserError(f"{self.path}: no run has a table '{name}'; {_REMEDIES.get(name, '')}")
        found = gathered(
            [self.played[place].folder for place in there], name, columns or list(known)
        )
        for column in set(columns or ()) - set(found.columns):
            raise UserError(f"{self.path}: no run has recorded '{column}'; play them again")
        frame = _framed(found, self.runs.iloc[there])
        frame.attrs["units"] = {
            c.name: c.unit for c in known.values() if c.unit and c.name in frame
        }
        frame.attrs["meanings"] = {c.name: c.meaning for c in known.values() if c.name in frame}
        return frame


def load(path: str | Path, *more: str | Path, mixed: bool = False) -> Results:
    """Return what was played in a folder: of a run, of a sweep, or of any number of them, at any depth.

    Args:
        path: The folder.
        more: Others that are to stand beside it; runs are then named with their folders, and none counts twice.
        mixed: Whether runs of several versions of wflsim may stand side by side.
    """
    roots = [Path(each) for each in (path, *more)]
    found = [one for each in roots for one in (_named(each) if more else _below(each))]
    played = tuple({one.folder.path.resolve(): one for one in found}.values())
    root = Path(path) if not more else Path(os.path.commonpath([each.resolve() for each in roots]))
    versions = {one.told.get("versions", {}).get("wflsim", "an unknown version") for one in played}
    if len(versions) > 1 and not mixed:
        raise UserError(
            f"{root}: holds runs of wflsim {', '.join(sorted(versions))}, which may mean different things by the same column; "
            "play them again, or load them apart"
        )
    return Results(root, played)


def _below(root: Path) -> list[Played]:
    """Return the runs below a folder, by their names, those of a sweep as it was planned; there must be one."""
    if not root.is_dir():
        raise UserError(
            f"{root}: is no folder; name one that `wflsim run` or `wflsim sweep` has written"
        )
    played = list(_found(root))
    if not played:
        raise UserError(_empty(root))
    return played


def _named(root: Path) -> list[Played]:
    """Return the runs below one of several folders, named with it."""
    return [replace(one, name=one.folder.path.as_posix()) for one in _below(root)]


def _found(root: Path) -> Iterator[Played]:
    """Yield the runs below a folder; nothing is looked for inside of a run, and of a sweep its own runs alone."""
    for here, below, names in os.walk(root):
        folder = Path(here)
        below.sort()
        if SWEEP in names:
            below.clear()
            yield from _swept(root, folder)
        elif MANIFEST in names:
            told = RunFolder(folder).told()
            if "variants" in told and "resolved" in told:
                below.clear()
                yield Played(_name(root, folder), RunFolder(folder), told, None)


def _swept(root: Path, folder: Path) -> Iterator[Played]:
    """Yield the runs of a sweep that are over."""
    path = folder / SWEEP
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        points = [(told["runs"], point["key"], point["values"]) for point in told["points"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read: {error!r}; sweep the same again") from error
    for runs, key, values in points:
        one = RunFolder(folder / runs / key)
        if one.over:
            yield Played(_name(root, one.path), one, one.told(), values)


def _name(root: Path, folder: Path) -> str:
    return folder.name if folder == root else folder.relative_to(root).as_posix()


def _empty(root: Path) -> str:
    """Return what to tell of a folder in which no run is found."""
    if (root / SWEEP).is_file():
        return f"{root}: is a sweep of which nothing is finished; play it with `wflsim sweep`"
    return f"{root}: holds no run; name a folder that `wflsim run` or `wflsim sweep` has written"


def _apart(played: Sequence[Played]) -> list[dict[str, Any]]:
    """Return of each run the values that set it apart: those of its sweep, or else those keys in which runs differ."""
    loose = [one for one in played if one.values is None]
    told = {one.name: flat(one.told["resolved"]) for one in loose}
    keys = dict.fromkeys(key for values in told.values() for key in values)
    differ = [key for key in keys if len({repr(values.get(key)) for values in told.values()}) > 1]
    return [
        {key: told_of(value) for key, value in one.values.items()}
        if one.values is not None
        else {key: told[one.name].get(key) for key in differ}
        for one in played
    ]


def told_of(value: Any) -> Any:
    """Return a value of an axis as a plain one: of a component its kind, and what was said besides.

    >>> told_of({"kind": "japp", "personal": "output"}), told_of("kkt"), told_of([2, 3])
    ('japp (personal output)', 'kkt', (2, 3))
    """
    if isinstance(value, Mapping):
        kind = str(value.get("kind", ""))
        said = ", ".join(f"{key} {told_of(own)}" for key, own in value.items() if key != "kind")
        return f"{kind} ({said})" if kind and said else kind or said
    return tuple(map(told_of, value)) if isinstance(value, list) else value


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return path → plain value of a resolved scenario, without what sets no two runs apart."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        below = f"{path}.{key}" if path else key
        if below in _APART_BY_NONE:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, below)
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


def _framed(found: Gathered, runs: pd.DataFrame) -> pd.DataFrame:
    """Return a table as a frame, with what is known of each row's run before its columns; texts and runs are kept once."""
    run = np.repeat(np.arange(len(runs), dtype=np.int32), found.rows)
    columns: dict[str, Any] = {}
    for name in runs.columns.drop("status"):
        short, values = pd.factorize(runs[name].map(_hashable))
        index = pd.Index(values, tupleize_cols=False)
        columns[name] = pd.Categorical.from_codes(short[run], index, validate=False)
    for name, own in found.columns.items():
        columns[name] = (
            pd.Categorical.from_codes(own.codes, pd.Index(own.texts), validate=False)
            if isinstance(own, Encoded)
            else own
        )
    return pd.DataFrame(columns, copy=False)


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict | tuple) else value


_REMEDIES = {
    "groups": "only methods that group devices write it",
    "clients": "play the run again",
    "rounds": "play the run again",
}
