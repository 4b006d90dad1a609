"""Checkpoints on disk: a file of arrays, and a small one that names it with its digest and makes it count."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from wflsim.errors import UserError
from wflsim.records.encoding import Coder, Packed
from wflsim.records.folder import unwritable

FOLDER, INDEX, FORMAT = "checkpoint", "checkpoint.json", 1
_TREE = "tree"


def exists(run: Path) -> bool:
    """Return whether a run folder holds a checkpoint."""
    return (run / FOLDER / INDEX).exists()


def write(run: Path, packed: Packed) -> None:
    """Write a checkpoint, or say why it cannot be written; the one before counts then."""
    try:
        _write(run, packed)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            _sweep(run / FOLDER)
        raise unwritable(run / FOLDER, error) from error


def _write(run: Path, packed: Packed) -> None:
    """Write a checkpoint; the one before counts until this one is whole on the disk, and is removed then.

    A process may be killed at any moment: the small file is moved to its name last, in one step, and what is left
    without one that names it goes with the next write. At no time there are more than two.
    """
    place = run / FOLDER
    place.mkdir(exist_ok=True)
    _sweep(place)
    tree = np.frombuffer(json.dumps(packed.tree, separators=(",", ":")).encode(), dtype=np.uint8)
    arrays, index = place / ".arrays.part", place / ".index.part"
    digest = _durable(
        arrays, lambda path: safetensors.numpy.save_file({**packed.arrays, _TREE: tree}, path)
    )
    name = f"{digest[:16]}.safetensors"
    arrays.replace(place / name)
    told = json.dumps({"format": FORMAT, "file": name, "sha256": digest}) + "\n"
    _durable(index, lambda path: path.write_text(told, encoding="utf-8"))
    index.replace(place / INDEX)
    _sweep(place)


def read(run: Path, coder: Coder) -> object:
    """Return what a run folder's checkpoint holds; one that is damaged is refused."""
    place = run / FOLDER
    try:
        told = json.loads((place / INDEX).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {told['format']}, not {FORMAT}")  # noqa: TRY301
        with (place / told["file"]).open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != told["sha256"]:
                raise ValueError(f"{told['file']} is not the file that was written")  # noqa: TRY301
        arrays = safetensors.numpy.load_file(place / told["file"])
        tree = json.loads(arrays.pop(_TREE).tobytes())
        return coder.unpack(Packed(tree, arrays))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError) as error:
        raise UserError(
            f"{place}: cannot be resumed from: {error}; name another --out to play the run anew, or remove {run}"
        ) from error


def clear(run: Path) -> None:
    """Remove the checkpoint of a run that needs none any more; what makes it count goes first."""
    (run / FOLDER / INDEX).unlink(missing_ok=True)
    rmtree(run / FOLDER, ignore_errors=True)


def _durable(path: Path, save: Callable[[Path], object]) -> str:
    """Let ``save`` write a file, wait until the disk has it, and return its SHA-256."""
    save(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return file_digest(file, "sha256").hexdigest()


def _sweep(place: Path) -> None:
    """Remove all but the checkpoint that counts."""
    counts = {INDEX}
    with suppress(OSError, ValueError, LookupError):
        counts.add(json.loads((place / INDEX).read_text(encoding="utf-8"))["file"])
    for path in place.iterdir():
        if path.name not in counts:
            path.unlink()
