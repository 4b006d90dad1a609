"""CIFAR-10 and CIFAR-100: 60,000 colour images of 32 × 32, from their binary files or their Python files."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from wflsim.contracts import Samples
from wflsim.learning.data.arrays import normalised, sealed
from wflsim.learning.data.fetching import obtain
from wflsim.learning.data.files import Edition, File, Held, Published, root

Bytes = npt.NDArray[np.uint8]

_HOME = "https://www.cs.toronto.edu/~kriz"
_PIXELS = 3 * 32 * 32
_CITATION = (
    "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009"
)
_LICENCE = "none stated; research use with citation is customary"


def _archive(name: str, digest: str, size: int) -> Edition:
    return Edition((File(name, f"sha256:{digest}", size, (f"{_HOME}/{name}",)),))


CIFAR10 = Published(
    name="cifar10",
    folder="cifar-10",
    samples=60_000,
    classes=10,
    licence=_LICENCE,
    citation=_CITATION,
    page=f"{_HOME}/cifar.html",
    editions=(
        Edition(
            (
                File("data_batch_1.bin", "sha256:cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5", 30_730_000),
                File("data_batch_2.bin", "sha256:a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed", 30_730_000),
                File("data_batch_3.bin", "sha256:bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67", 30_730_000),
                File("data_batch_4.bin", "sha256:014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48", 30_730_000),
                File("data_batch_5.bin", "sha256:755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add", 30_730_000),
                File("test_batch.bin", "sha256:8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b", 30_730_000),
            ),
            inside="cifar-10-batches-bin",
        ),
        Edition(
            (
                File("data_batch_1", "md5:c99cafc152244af753f735de768cd75f"),
                File("data_batch_2", "md5:d4bba439e000b95fd0a9bffe97cbabec"),
                File("data_batch_3", "md5:54ebc095f3ab1f0389bbae665268c751"),
                File("data_batch_4", "md5:634d18415352ddfa80567beed471001a"),
                File("data_batch_5", "md5:482c414d41f54cd18b22e5b47cb7c3cb"),
                File("test_batch", "md5:40351d587109b95175f43aff81a1287e"),
            ),
            inside="cifar-10-batches-py",
        ),
        _archive("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170_052_171),
        _archive("cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", 170_498_071),
    ),
)  # fmt: skip

CIFAR100 = Published(
    name="cifar100",
    folder="cifar-100",
    samples=60_000,
    classes=100,
    licence=_LICENCE,
    citation=_CITATION,
    page=f"{_HOME}/cifar.html",
    editions=(
        Edition(
            (
                File("train.bin", "sha256:f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29", 153_700_000),
                File("test.bin", "sha256:d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a", 30_740_000),
            ),
            inside="cifar-100-binary",
        ),
        Edition(
            (
                File("train", "md5:16019d7e3df5f24257cddd939b257f8d"),
                File("test", "md5:f0ef6b0ae62326f3e7ffdfab6717acfc"),
            ),
            inside="cifar-100-python",
        ),
        _archive("cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 168_513_733),
        _archive("cifar-100-python.tar.gz", "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7", 169_001_437),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Cifar10:
    """Small photographs in ten classes: 50,000 colour images of 32 × 32 pixels to learn from and 10,000 to test on.

    A pixel v of 0 … 255 becomes (v / 255 − m) / s with m = (0.4914, 0.4822, 0.4465) and s = (0.2470, 0.2435, 0.2616)
    for red, green and blue, mean and deviation of the training images [S]. Binary and Python version of the
    publisher's files are read, unpacked or in their archives; see docs/data.md.

    Reference:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009.

    >>> Cifar10().input_shape
    (3, 32, 32)
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Red, green and blue of 32 × 32 pixels."""
        return (3, 32, 32)

    @property
    def classes(self) -> int:
        """Ten kinds of vehicles and animals."""
        return CIFAR10.classes

    def load(self) -> Samples:
        """Return the images, shape (60000, 3, 32, 32), and their classes; the last 10,000 are held out."""
        return _load(CIFAR10, root(), "labels")


@dataclass(frozen=True)
class Cifar100:
    """Small photographs in a hundred classes: 50,000 colour images of 32 × 32 pixels to learn from and 10,000 to test on.

    A pixel v of 0 … 255 becomes (v / 255 − m) / s with m = (0.5071, 0.4865, 0.4409) and s = (0.2673, 0.2564, 0.2762)
    for red, green and blue, mean and deviation of the training images [S]. Binary and Python version of the
    publisher's files are read, unpacked or in their archives; see docs/data.md.

    Attributes:
        labels: Whether an image's class is one of 100 (fine) or one of the 20 groups of five (coarse).

    Reference:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009.

    >>> Cifar100().classes, Cifar100(labels="coarse").classes
    (100, 20)
    """

    labels: Literal["fine", "coarse"] = "fine"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Red, green and blue of 32 × 32 pixels."""
        return (3, 32, 32)

    @property
    def classes(self) -> int:
        """A hundred classes, or twenty groups of them."""
        return CIFAR100.classes if self.labels == "fine" else 20

    def load(self) -> Samples:
        """Return the images, shape (60000, 3, 32, 32), and their classes; the last 10,000 are held out."""
        return _load(CIFAR100, root(), f"{self.labels}_labels")


_MEANS = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}
_DEVIATIONS = {"cifar10": (0.2470, 0.2435, 0.2616), "cifar100": (0.2673, 0.2564, 0.2762)}

# What the labels of a record are called, in the order of their bytes.
_LABELS = {"cifar10": ("labels",), "cifar100": ("coarse_labels", "fine_labels")}
_CLASSES = {"labels": 10, "coarse_labels": 20, "fine_labels": 100}


@cache
def _load(published: Published, under: Path, labels: str) -> Samples:
    """Return a set under a data root, read once."""
    held = obtain(published)
    binary = "bin" in (held.edition.inside or held.names[0])
    names = [file.name for file in published.editions[0 if binary else 1].files]
    read = _records if binary else _pickled
    parts = [
        read(held, name, content) for name, content in zip(names, held.read(*names), strict=True)
    ]
    at = _LABELS[published.name].index(labels)
    classes = np.concatenate([found[at] for found, _ in parts]).astype(np.int64)
    images = np.concatenate([pixels for _, pixels in parts]).reshape(-1, 3, 32, 32)
    inputs = normalised(images, _MEANS[published.name], _DEVIATIONS[published.name])
    return sealed(Samples(inputs, classes, held_out=len(parts[-1][1])))


def _records(held: Held, name: str, content: bytes) -> tuple[Sequence[Bytes], Bytes]:
    """Return labels and pixels, shape (N, 3072), of a binary file: records of a byte a label and 3,072 of pixels."""
    known = _LABELS[held.published.name]
    width = len(known) + _PIXELS
    if not content or len(content) % width:
        raise held.broken(name, f"its {len(content)} bytes are not records of {width}")
    table = np.frombuffer(content, np.uint8).reshape(-1, width)
    return _checked(held, name, list(table.T[: len(known)]), table[:, len(known) :])


def _pickled(held: Held, name: str, content: bytes) -> tuple[Sequence[Bytes], Bytes]:
    """Return labels and pixels, shape (N, 3072), of a Python file: a pickled dictionary."""
    try:
        found = ArraysOnly(BytesIO(content), encoding="bytes").load()
        pixels = np.asarray(found[b"data"])
        labels = [np.asarray(found[label.encode()]) for label in _LABELS[held.published.name]]
    except (
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise held.broken(name, f"it is no such dictionary of arrays ({error})") from error  # fmt: skip
    if pixels.dtype != np.uint8 or any(each.dtype.kind not in "iu" for each in labels):
        raise held.broken(name, "its arrays are not of whole numbers")
    return _checked(held, name, labels, pixels)


def _checked(
    held: Held, name: str, labels: Sequence[Any], pixels: Bytes
) -> tuple[Sequence[Bytes], Bytes]:
    """Return labels and pixels that fit each other."""
    for label, found in zip(_LABELS[held.published.name], labels, strict=True):
        if pixels.shape != (*found.shape, _PIXELS):
            raise held.broken(name, f"it has {found.shape} {label} for pixels {pixels.shape}")
        if found.min() < 0 or found.max() >= _CLASSES[label]:
            raise held.broken(name, f"its {label} are not all below {_CLASSES[label]}")
    return labels, pixels


class ArraysOnly(pickle.Unpickler):
    """An unpickler that makes numbers, texts, lists, dictionaries and NumPy arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what an array is made with, under the names of old and new releases of NumPy; refuse all else."""
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
            ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
