"""Which folder a run may write to: a new one, or that of the very same run, cut short, to play on."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from wflsim.errors import UserError
from wflsim.records.checkpoint import FOLDER, exists
from wflsim.records.folder import INTERRUPTED, MANIFEST, RunFolder, finite, new_folder
from wflsim.scenario.describe import ABOUT

if sys.platform != "win32":
    import fcntl

Wish = Literal["either", "resume", "fresh"]
_TOLD = 4  # differences that are told


class BusyError(UserError):
    """Another process plays a run in the folder."""


@contextmanager
def opened(
    out: str | None, name: str, same: Mapping[str, Any], wish: Wish = "either"
) -> Iterator[RunFolder]:
    """Yield the folder of a run, which nobody else writes to meanwhile.

    Args:
        out: Folder that the user named; None for a new one.
        name: Name of the scenario, after which a new folder is called.
        same: What must be equal for a run to be the same, as it stands in the manifest.
        wish: What the user insists on: to resume, or not to.
    """
    if out is None or not RunFolder(Path(out)).told():
        if wish == "resume":
            where = "--resume" if out is None else f"--out {out}"
            raise UserError(f"{where}: there is nothing to resume; name a run's folder by --out")
        folder = new_folder(out, name)
        with alone(folder.path):
            yield folder
    else:
        folder = RunFolder(Path(out))
        with alone(folder.path):
            _examine(folder, same, wish)
            yield folder


def over(path: Path, same: Mapping[str, Any]) -> bool:
    """Return whether a folder holds this very run and it is over; another one that is over is refused."""
    folder = RunFolder(path)
    if not folder.over:
        return False
    _compare(folder, same, "which is over")
    return True


def _examine(folder: RunFolder, same: Mapping[str, Any], wish: Wish) -> None:
    """Raise unless the run in a folder may be played on, or has left nothing that could be lost."""
    where, there = f"--out {folder.path}", exists(folder.path)
    if folder.told().get("status") != INTERRUPTED:
        raise UserError(
            f"{where}: holds a run that is over; name another folder, or remove it first"
        )
    _compare(folder, same, "cut short")
    if there and wish == "fresh":
        raise UserError(
            f"{where}: holds a checkpoint, from which the run is resumed without --fresh; "
            "name another folder, or remove it first"
        )
    if not there and wish == "resume":
        raise UserError(f"{where}: holds no checkpoint to resume from; leave --resume out")
    if not there and folder.holdings() - {MANIFEST, FOLDER}:
        raise UserError(
            f"{where}: exists and is not an empty folder: it holds a run that was cut short and left no checkpoint; "
            "name another, or remove it first"
        )


def _compare(folder: RunFolder, same: Mapping[str, Any], state: str) -> None:
    """Raise with what differs unless a folder holds the same run."""
    told = folder.told()
    found = list(_differences(determining(told, same), determining(finite(same), same)))
    if found:
        more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise UserError(
            f"--out {folder.path}: holds another run, {state}: {'; '.join(found[:_TOLD])}{more}; name another folder, "
            "or play with what it was played with"
        )


def determining(mark: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return some parts of a manifest without what the scenario says of itself."""
    found = {key: mark.get(key) for key in keys}
    whole = found.get("resolved") or {}
    return {**found, "resolved": {key: value for key, value in whole.items() if key != ABOUT}}


def _differences(there: Any, here: Any, path: str = "") -> Iterator[str]:
    """Yield where two trees of plain data differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(here.keys() - there.keys())]:
            below = f"{path}.{key}" if path else str(key)
            yield from _differences(there.get(key), here.get(key), below)
    elif there != here:
        yield f"{path.removeprefix('resolved.')} is {there!r} there and {here!r} here"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a folder, so that no two processes play the same run; a process that ends lets go of it, however it ends."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError(
            f"--out {path}: another process plays a run there; wait for it, or name another folder"
        ) from error
    finally:
        os.close(handle)
