"""Store: arrays that are costly to draw, kept on disk under the hash of all that decides them."""

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.sionna_backend.door import Echoes, version

Arrays = Mapping[str, npt.NDArray[Any]]

_ENVIRONMENT = "WFLSIM_CACHE"
_OFF = "off"


def cache_folder() -> Path | None:
    """Return the folder of the cache: WFLSIM_CACHE of the environment, or None where that says "off".

    Where it says nothing: wflsim/sionna in the user's folder of caches, $XDG_CACHE_HOME or else ~/.cache.
    """
    asked = os.environ.get(_ENVIRONMENT, "")
    if asked == _OFF:
        return None
    if asked:
        return Path(asked).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "wflsim" / "sionna"


def kept_echoes(ask: Mapping[str, Any], draw: Callable[[], Echoes]) -> Echoes:
    """Return paths that Sionna drew before, or draws now.

    Args:
        ask: All that decides the paths, but for Sionna's version.
        draw: Draws them.
    """

    def drawn() -> Arrays:
        echoes = draw()
        return {"gain": echoes.gain, "delay": echoes.delay}

    return Echoes(**kept({**ask, "sionna": version()}, drawn, cache_folder()))


def kept(ask: Mapping[str, Any], draw: Callable[[], Arrays], folder: Path | None) -> Arrays:
    """Return the arrays that belong to a question: read where they were kept, else drawn now and kept.

    Args:
        ask: All that decides the arrays; numbers, words, tuples of them and arrays.
        draw: Draws the arrays.
        folder: Where arrays are kept; None keeps nothing. A folder that cannot be written keeps nothing either.
    """
    if folder is None:
        return draw()
    file = folder / f"{key(ask)}.npz"
    found = _read(file)
    if found is None:
        found = draw()
        with suppress(OSError):
            _write(file, found)
    return found


def key(ask: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a question, as 64 hexadecimal digits; the order of its parts does not matter.

    >>> key({"a": 1, "b": 2.0}) == key({"b": 2.0, "a": 1}), key({"a": 1}) == key({"a": 1.0})
    (True, False)
    """
    digest = sha256()
    for name in sorted(ask):
        part = ask[name]
        if isinstance(part, np.ndarray):
            digest.update(f"{name}={part.dtype.str}{part.shape}:".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"{name}={part!r}".encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _read(file: Path) -> Arrays | None:
    """Return the arrays of a file, or None where there is none or it is broken."""
    try:
        with file.open("rb") as source, np.load(source, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception:  # a damaged archive fails in a dozen ways, and all of them mean the same
        return None


def _write(file: Path, arrays: Arrays) -> None:
    """Write a file in one go: a reader, or a crash, never meets half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as part:
            named: dict[str, Any] = dict(arrays)
            np.savez(part, **named)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
