"""UCI HAR: windows of a smartphone's motion in six activities by 30 subjects, as their inertial signals."""

import zlib
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from wflsim.contracts import FloatArray, IntArray, Samples
from wflsim.learning.data.arrays import sealed
from wflsim.learning.data.fetching import obtain
from wflsim.learning.data.files import Edition, File, Held, Published, root

CHANNELS = tuple(
    f"{signal}_{axis}" for signal in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"
)
LENGTH = 128
PARTS = ("train", "test")

# What NumPy and the archive's reader raise at arrays that are damaged or absent; NotImplementedError is a
# RuntimeError.
DAMAGED = (ValueError, KeyError, EOFError, OSError, BadZipFile, zlib.error, RuntimeError)

# Mean and deviation of each channel over the 7,352 windows of the training part [V: by our test on the files]:
# acceleration in g, rotation in rad/s.
MEAN = (
    -0.000636,
    -0.000292,
    -0.000275,
    0.000506,
    -0.000824,
    0.000113,
    0.804749,
    0.028755,
    0.086498,
)
DEVIATION = (0.194846, 0.122427, 0.106879, 0.406815, 0.381854, 0.255743, 0.414112, 0.390995, 0.357769)  # fmt: skip


def _texts(part: str) -> tuple[str, ...]:
    return tuple(f"{part}/Inertial Signals/{channel}_{part}.txt" for channel in CHANNELS)


UCI_HAR = Published(
    name="uci_har",
    folder="uci-har",
    samples=10_299,
    classes=6,
    licence="its README: no commercial use, citation asked for; UCI's page: CC BY 4.0",
    citation="Anguita, Ghio, Oneto, Parra, Reyes-Ortiz, A Public Domain Dataset for Human Activity Recognition Using "
    "Smartphones, ESANN 2013",
    page="https://archive.ics.uci.edu/dataset/240/human+activity+recognition+using+smartphones",
    editions=(
        Edition(
            (
                *(File(name) for part in PARTS for name in _texts(part)),
                File("train/y_train.txt", "sha256:415b3357e2e2d5e70a45c781947c6bdd80e0410a579d862eedcd6bbce3c694ef", 14_704),
                File("train/subject_train.txt", "sha256:66e1e2fbe9b396fa5155f531dc3348c803f503be663e2318772d49947db9153a", 20_152),
                File("test/y_test.txt", "sha256:2a94cb53ca46b956c1b2aebd4a09a72badd8a8e9ea9cdfe9f31b3306a08666bb", 5_894),
                File("test/subject_test.txt", "sha256:63b8c577f4a85431c06bd87f6384608c90a9f72f05c7956dd21255dc63515c07", 7_934),
            ),
            inside="UCI HAR Dataset",
        ),
        Edition(tuple(File(f"{part}/inertial_{part}.npz") for part in PARTS)),
        Edition(
            (
                File(
                    "human+activity+recognition+using+smartphones.zip",
                    "sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
                    61_005_872,
                    ("https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",),
                ),
            )
        ),
        Edition(
            (
                File(
                    "UCI HAR Dataset.zip",
                    "sha256:2045e435c955214b38145fb5fa00776c72814f01b203fec405152dac7d5bfeb0",
                    60_999_314,
                    ("https://archive.ics.uci.edu/ml/machine-learning-databases/00240/UCI%20HAR%20Dataset.zip",),
                ),
            )
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class UciHar:
    """Motion of a smartphone on the waist in six activities: 10,299 windows of 2.56 s at 50 Hz from 30 subjects.

    A window has nine channels, in this order: body acceleration, rotation and total acceleration in x, y and z. Each
    channel is brought to mean 0 and deviation 1 by constants of the training part. The users are the subjects; each
    is in one of the publisher's two parts only. Windows of one recording overlap by half, so a random split of them
    puts the same instants on both sides.

    Attributes:
        use: Whether the nine subjects whom the publisher keeps for testing are held out (official), or all 30
            subjects are users and nothing is held out (all).

    Reference:
        Anguita, Ghio, Oneto, Parra, Reyes-Ortiz, ESANN 2013.

    >>> UciHar().input_shape
    (9, 128)
    """

    use: Literal["official", "all"] = "official"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Nine channels of 128 instants."""
        return (len(CHANNELS), LENGTH)

    @property
    def classes(self) -> int:
        """Walking, walking upstairs, walking downstairs, sitting, standing, lying."""
        return UCI_HAR.classes

    def load(self) -> Samples:
        """Return the windows, shape (10299, 9, 128), activities from 0, and subjects 1 … 30."""
        return _load(root(), self.use == "official")


class _Part(NamedTuple):
    """One of the two parts: windows, shape (N, 9, 128), activities from 1, shape (N,), and subjects, shape (N,)."""

    windows: npt.NDArray[np.float32]
    labels: IntArray
    subjects: IntArray


@cache
def _load(under: Path, official: bool) -> Samples:
    """Return the set under a data root, read once for each use."""
    held = obtain(UCI_HAR)
    read = _arrays if held.names[0].endswith(".npz") else _signals
    parts = [_checked(held, part, read(held, part)) for part in PARTS]
    if sum(len(part.labels) for part in parts) != UCI_HAR.samples:
        raise held.broken("", f"it has not {UCI_HAR.samples} windows")
    windows, labels, subjects = (np.concatenate(each) for each in zip(*parts, strict=True))
    for channel, (mean, deviation) in enumerate(zip(MEAN, DEVIATION, strict=True)):
        windows[:, channel] -= np.float32(mean)
        windows[:, channel] /= np.float32(deviation)
    held_out = len(parts[1].labels) if official else 0
    return sealed(Samples(windows, labels - 1, subjects, held_out))


def _signals(held: Held, part: str) -> _Part:
    """Return a part from the publisher's texts: a line of 128 numbers a window, a file a channel."""
    signals = [_numbers(held, name) for name in _texts(part)]
    if len({signal.shape for signal in signals}) != 1:
        raise held.broken(part, "its channels have different numbers of windows")
    windows = np.stack(signals, axis=1).astype(np.float32)
    labels, subjects = (
        _numbers(held, f"{part}/{name}_{part}.txt")[:, 0].astype(np.int64)
        for name in ("y", "subject")
    )
    return _Part(windows, labels, subjects)


def _numbers(held: Held, name: str) -> FloatArray:
    """Return the table of numbers in a text."""
    (content,) = held.read(name)
    try:
        table = np.loadtxt(BytesIO(content), ndmin=2)
    except ValueError as error:
        raise held.broken(name, f"it is no table of numbers ({error})") from error
    if "Inertial" in name and table.shape[1:] != (LENGTH,):
        raise held.broken(name, f"its lines have not {LENGTH} numbers")
    return table


def _arrays(held: Held, part: str) -> _Part:
    """Return a part from arrays X (N, 128, 9), y and subject, for whoever keeps the texts in that form."""
    name = f"{part}/inertial_{part}.npz"
    try:
        with np.load(BytesIO(held.read(name)[0]), allow_pickle=False) as file:
            windows, labels, subjects = file["X"], file["y"], file["subject"]
    except DAMAGED as error:
        raise held.broken(
            name, f"it has no plain arrays X, y and subject ({_told(error)})"
        ) from error
    if windows.ndim != 3:
        raise held.broken(name, f"its X has the shape {windows.shape} and not (N, 128, 9)")
    turned = np.ascontiguousarray(windows.transpose(0, 2, 1), dtype=np.float32)
    return _Part(turned, labels.astype(np.int64), subjects.astype(np.int64))


def _told(error: Exception) -> str:
    """Return what is wrong with arrays; NumPy's advice to unpickle what is in a file is not passed on."""
    return "object arrays are not read" if "pickle" in str(error) else str(error)


def _checked(held: Held, part: str, found: _Part) -> _Part:
    """Return a part whose arrays fit each other."""
    count = len(found.labels)
    if found.windows.shape != (count, len(CHANNELS), LENGTH) or len(found.subjects) != count:
        raise held.broken(
            part, f"it has windows {found.windows.shape} for {count} labels and {len(found.subjects)} subjects"
        )  # fmt: skip
    inside = set(found.labels.tolist()) <= set(range(1, UCI_HAR.classes + 1))
    if not inside or not np.isfinite(found.windows).all():
        raise held.broken(part, "it has labels beyond 1 … 6, or numbers that are none")
    return found
