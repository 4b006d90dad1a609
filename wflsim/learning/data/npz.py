"""A data set of one's own, from an .npz file."""

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, is_zipfile

import numpy as np

from wflsim.contracts import IntArray, Samples
from wflsim.errors import UserError
from wflsim.learning.data.arrays import sealed

Arrays = dict[str, np.ndarray]

# What NumPy and the archive's reader raise at bytes that are damaged; NotImplementedError is a RuntimeError.
DAMAGED = (ValueError, EOFError, OSError, BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True)
class Npz:
    """Samples from an .npz file that NumPy wrote: an array of samples and one of labels, each with N rows.

    A sample has at least one dimension, and labels are whole numbers 0 … C − 1, each of which occurs. Anything that
    would have to be unpickled is refused.

    Attributes:
        file: The .npz file. A name without a folder is that of a file here.
        inputs: Name of the array of samples, shape (N, …).
        labels: Name of the array of labels, shape (N,).
        users: Name of the array of whole numbers that say whom a sample comes from, shape (N,); empty if there is none.
        test_inputs: Name of the array of samples that are kept for testing; empty if there are none.
        test_labels: Name of the array of their labels. Where there are users, those samples are of user -1.
        scaling: What is done to the samples: nothing (none), bytes to 0 … 1 (bytes), or mean 0 and deviation 1 in
            each channel, or feature, of the samples that are not kept for testing (standard).

    >>> Npz("mine.npz").labels
    'y'
    """

    file: str
    inputs: str = "x"
    labels: str = "y"
    users: str = ""
    test_inputs: str = ""
    test_labels: str = ""
    scaling: Literal["none", "bytes", "standard"] = "none"

    def __post_init__(self) -> None:
        """Refuse one half of a test part."""
        if bool(self.test_inputs) != bool(self.test_labels):
            raise ValueError(
                "test_inputs and test_labels must be given together, "
                f"got '{self.test_inputs}' and '{self.test_labels}'; give both or none"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return self.load().inputs.shape[1:]

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        return int(self.load().labels.max()) + 1

    def load(self) -> Samples:
        """Return the samples, their labels and users; those for testing come last."""
        path = Path(self.file).absolute()
        if not path.is_file():
            raise UserError(
                f"file must be there, got '{self.file}', which is not a file in {Path.cwd()}; give its path"
            )
        found = path.stat()
        return _load(self, path, found.st_size, found.st_mtime_ns)


@cache
def _load(own: Npz, path: Path, size: int, changed_ns: int) -> Samples:
    """Return what a file holds, read once unless it changes."""
    arrays = _read(own, path)
    inputs, labels = arrays[own.inputs], _whole(own, own.labels, arrays)
    empty = inputs.ndim < 2 or 0 in inputs.shape[1:]
    _refuse(own, own.inputs, empty, f"has the shape {inputs.shape} and not (N, …), with numbers in every sample")  # fmt: skip
    _refuse(own, own.inputs, len(inputs) != len(labels), f"has {len(inputs)} rows for {len(labels)} labels")  # fmt: skip
    users = _whole(own, own.users, arrays) if own.users else None
    if users is not None:
        _refuse(own, own.users, len(users) != len(labels), f"has {len(users)} rows for {len(labels)} labels")  # fmt: skip
    scaled = _scaled(own, inputs, inputs)
    if not own.test_inputs:
        return _checked(own, Samples(scaled, labels, users))
    test_inputs, test_labels = arrays[own.test_inputs], _whole(own, own.test_labels, arrays)
    _refuse(own, own.test_labels, len(test_labels) == 0, "has no rows, so that nothing would be kept for testing")  # fmt: skip
    fits = test_inputs.shape == (len(test_labels), *inputs.shape[1:])
    _refuse(own, own.test_inputs, not fits, f"has the shape {test_inputs.shape} for {len(test_labels)} labels")  # fmt: skip
    return _checked(
        own,
        Samples(
            np.concatenate([scaled, _scaled(own, test_inputs, inputs)]),
            np.concatenate([labels, test_labels]),
            None if users is None else np.append(users, np.full(len(test_labels), -1)),
            len(test_labels),
        ),
    )


def _read(own: Npz, path: Path) -> Arrays:
    """Return the arrays that are asked for."""
    asked = [own.inputs, own.labels, own.users, own.test_inputs, own.test_labels]
    names = [name for name in asked if name]
    if not is_zipfile(path):
        raise _unreadable(own, "it is no whole archive; write it with numpy.savez")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if absent := [name for name in names if name not in file.files]:
                raise UserError(
                    f"file '{own.file}' must hold arrays {', '.join(names)}, got {', '.join(file.files)}; "
                    f"add {', '.join(absent)} or name others"
                )
            return {name: np.asarray(file[name]) for name in names}
    except DAMAGED as error:
        # NumPy advises to allow what is refused here on purpose.
        pickled = "pickle" in str(error)
        plain = "object arrays are not read; save plain numbers"
        raise _unreadable(
            own, plain if pickled else f"{error}; write it again with numpy.savez"
        ) from error


def _unreadable(own: Npz, why: str) -> UserError:
    """Return the refusal of a file that is not what NumPy writes."""
    return UserError(f"file must be an .npz file of plain arrays, got '{own.file}': {why}")


def _whole(own: Npz, name: str, arrays: Arrays) -> IntArray:
    """Return an array of whole numbers, shape (N,)."""
    found = arrays[name]
    flat = found.ndim == 1 and found.dtype.kind in "iu"
    _refuse(own, name, not flat, f"is {found.dtype} of shape {found.shape} and not whole numbers (N,)")  # fmt: skip
    return found.astype(np.int64)


def _scaled(own: Npz, values: np.ndarray, reference: np.ndarray) -> Any:
    """Return samples as float32, scaled by what the reference shows, shape (N, …)."""
    numbers = values.dtype.kind in "iufb"
    _refuse(own, own.inputs, not numbers, f"is {values.dtype} and not numbers")
    if own.scaling == "bytes":
        _refuse(own, own.inputs, values.dtype != np.uint8, f"is {values.dtype} and not bytes (uint8)")  # fmt: skip
        return (np.arange(256) / 255.0).astype(np.float32)[values]
    if own.scaling == "none":
        return np.array(values, np.float32)
    axes = (0, *range(2, reference.ndim))
    mean = reference.mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = reference.std(axis=axes, dtype=np.float64, keepdims=True)
    return ((values - mean) / np.where(deviation > 0.0, deviation, 1.0)).astype(np.float32)


def _checked(own: Npz, samples: Samples) -> Samples:
    """Return samples that can be learned from."""
    labels = samples.labels
    _refuse(own, own.inputs, not np.isfinite(samples.inputs).all(), "has numbers that are none")
    found = np.unique(labels)
    gapless = len(found) > 0 and found[0] == 0 and found[-1] == len(found) - 1
    _refuse(own, own.labels, not gapless, "must have the labels 0 … C − 1, each of them somewhere")
    return sealed(samples)


def _refuse(own: Npz, name: str, wrong: bool, why: str) -> None:
    if wrong:
        raise UserError(f"file '{own.file}', array {name}, {why}; correct the array")
