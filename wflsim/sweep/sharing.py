"""What runs of a sweep have in common: a variant that another run has played the very same is taken over, not played again."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from wflsim.errors import UserError
from wflsim.records.columns import TABLES
from wflsim.records.folder import RunFolder
from wflsim.records.recorder import Block, Recorder
from wflsim.records.stored import of_variant
from wflsim.simulation.run import Reached, Run, Variant, weights_file
from wflsim.sweep.plan import Item, digest


def shared(items: Sequence[Item], done: Collection[str]) -> list[Item]:
    """Return runs that know from which run each of their variants can be had: one that is there, or else the first that plays it.

    A variant plays alone in its world: it is the same wherever world, system and versions are the same.

    Args:
        items: The runs.
        done: Keys of those that are there.
    """
    first: dict[str, str] = {}
    found: dict[str, Item] = {}
    for item in sorted(items, key=lambda item: item.key not in done):
        whole = json.loads(item.text)
        marks = {
            name: digest({"resolved": {**whole, "variants": {name: system}}})
            for name, system in whole["variants"].items()
        }
        donors = {name: first.setdefault(mark, item.key) for name, mark in marks.items()}
        others = {name: key for name, key in donors.items() if key != item.key}
        found[item.key] = replace(item, donors=others)
    return [found[item.key] for item in items]


def own_rounds(item: Item) -> int:
    """Return the rounds that a run plays itself, those of variants that it can have of others left out."""
    systems = json.loads(item.text)["variants"].items()
    return sum(system["rounds"] for name, system in systems if name not in item.donors)


def taken_over(
    item: Item, runs: Path, told: Callable[[int], None]
) -> Callable[[Run, str], Variant | None]:
    """Return what gives a run a variant that another run has played, with its weights; None where nobody has by now.

    Args:
        item: The run.
        runs: Where all runs lie.
        told: Hears how many rounds were taken over.
    """

    def taken(run: Run, name: str) -> Variant | None:
        if name not in item.donors:
            return None
        donor = RunFolder(runs / item.donors[name])
        found = left_behind(donor, name) if donor.over else None
        if found is None:
            return None
        variant, weights = found
        if weights:
            run.folder.write(weights_file(name), lambda aside: aside.write_bytes(weights))
        told(variant.rounds)
        return variant

    return taken


def left_behind(folder: RunFolder, name: str) -> tuple[Variant, bytes] | None:
    """Return a variant as a run has left it, and the file of its weights, if it has any; None unless all is there and what its manifest vouches for."""
    try:
        told = folder.told()["variants"][name]
        recorder, digest = _recorder(folder, name, told), told["weights_sha256"]
        weights = (folder.path / weights_file(name)).read_bytes() if digest else b""
    except (UserError, OSError, KeyError):
        return None
    found = sha256(weights).hexdigest() if digest else ""
    if (recorder.digest(), found) != (told["records_sha256"], digest):
        return None
    reached, reason = Reached(told["rounds"], told["simulated_s"]), told.get("reason", "")
    return Variant(recorder, told["status"], reached, told["engine"], found, reason), weights


def _recorder(folder: RunFolder, name: str, told: Mapping[str, Any]) -> Recorder:
    """Return the records of a variant."""
    found = of_variant(folder, name)
    tables = {table: found.pop(table) for table in TABLES}
    return Recorder(name, [Block(told["rounds"] - 1, tables, told["events_sha256"])], found)
