"""MNIST and Fashion-MNIST: 70,000 grey images of 28 × 28, from their idx files."""

from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wflsim.contracts import Samples
from wflsim.learning.data.arrays import normalised, sealed
from wflsim.learning.data.fetching import obtain
from wflsim.learning.data.files import Edition, File, Held, Published, root

_NAMES = (
    ("train-images-idx3-ubyte", 47_040_016),
    ("train-labels-idx1-ubyte", 60_008),
    ("t10k-images-idx3-ubyte", 7_840_016),
    ("t10k-labels-idx1-ubyte", 10_008),
)


def _editions(
    packed: tuple[tuple[str, int], ...], plain: tuple[str, ...], mirrors: tuple[str, ...]
) -> tuple[Edition, Edition]:
    """Return the two forms: four gzipped files as they are handed out, and the same ones unpacked."""
    gzipped = tuple(
        File(f"{name}.gz", f"sha256:{digest}", size, tuple(f"{m}/{name}.gz" for m in mirrors))
        for (name, _), (digest, size) in zip(_NAMES, packed, strict=True)
    )
    unpacked = tuple(
        File(name, f"sha256:{digest}", size)
        for (name, size), digest in zip(_NAMES, plain, strict=True)
    )
    return Edition(gzipped), Edition(unpacked)


MNIST = Published(
    name="mnist",
    folder="mnist",
    samples=70_000,
    classes=10,
    licence="none stated; commonly given as CC BY-SA 3.0",
    citation="LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, "
    "Proc. IEEE 86(11), 1998",
    page="http://yann.lecun.com/exdb/mnist/",
    editions=_editions(
        (
            ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
            ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
            ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
            ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
        ),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        (
            "http://yann.lecun.com/exdb/mnist",
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
    ),
)

FASHION_MNIST = Published(
    name="fashion_mnist",
    folder="fashion-mnist",
    samples=70_000,
    classes=10,
    licence="MIT",
    citation="Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
    page="https://github.com/zalandoresearch/fashion-mnist",
    editions=_editions(
        (
            ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
            ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
            ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
            ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
        ),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
        ),
    ),
)


@dataclass(frozen=True)
class Mnist:
    """Handwritten digits: 60,000 grey images of 28 × 28 pixels to learn from and 10,000 to test on.

    A pixel v of 0 … 255 becomes (v / 255 − 0.1307) / 0.3081, by mean and deviation of the training images [V: by our
    test on the files]. The files are found under the data root, or fetched; see docs/data.md.

    Reference:
        LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), 1998.

    >>> Mnist().input_shape
    (1, 28, 28)
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One channel of 28 × 28 pixels."""
        return (1, 28, 28)

    @property
    def classes(self) -> int:
        """Ten digits."""
        return MNIST.classes

    def load(self) -> Samples:
        """Return the images, shape (70000, 1, 28, 28), and their digits; the last 10,000 are held out."""
        return _load(MNIST, root(), 0.1307, 0.3081)


@dataclass(frozen=True)
class FashionMnist:
    """Pictures of clothes: 60,000 grey images of 28 × 28 pixels to learn from and 10,000 to test on.

    A pixel v of 0 … 255 becomes (v / 255 − 0.2860) / 0.3530, by mean and deviation of the training images [V: by our
    test on the files]. The files are found under the data root, or fetched; see docs/data.md.

    Reference:
        Xiao, Rasul, Vollgraf, arXiv:1708.07747, 2017.

    >>> FashionMnist().classes
    10
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One channel of 28 × 28 pixels."""
        return (1, 28, 28)

    @property
    def classes(self) -> int:
        """Ten kinds of clothes."""
        return FASHION_MNIST.classes

    def load(self) -> Samples:
        """Return the images, shape (70000, 1, 28, 28), and their kinds; the last 10,000 are held out."""
        return _load(FASHION_MNIST, root(), 0.2860, 0.3530)


@cache
def _load(published: Published, under: Path, mean: float, deviation: float) -> Samples:
    """Return a set under a data root, read once."""
    held = obtain(published)
    train_x, train_y, test_x, test_y = (
        _idx(held, name, content)
        for name, content in zip(held.names, held.read(*held.names), strict=True)
    )
    for name, images, labels in (
        (held.names[0], train_x, train_y),
        (held.names[2], test_x, test_y),
    ):
        if images.shape[1:] != (28, 28) or images.shape[:1] != labels.shape:
            raise held.broken(name, f"it has images {images.shape} for labels {labels.shape}")
    images, labels = np.concatenate([train_x, test_x]), np.concatenate([train_y, test_y])
    if labels.max() >= published.classes:
        raise held.broken(held.names[1], f"it has a label {labels.max()}")
    inputs = normalised(images[:, None], [mean], [deviation])
    return sealed(Samples(inputs, labels.astype(np.int64), held_out=len(test_y)))


def _idx(held: Held, name: str, content: bytes) -> npt.NDArray[np.uint8]:
    """Return the array of bytes in an idx file: a magic number 0x000008DD, DD sizes, and the bytes."""
    sizes = 3 if "idx3" in name else 1
    start = 4 * (1 + sizes)
    magic, *shape = np.frombuffer(content[:start].ljust(start, b"\0"), ">u4").astype(int).tolist()
    if magic != 0x800 + sizes:
        raise held.broken(name, f"its magic number is {magic} and not {0x800 + sizes}")
    if len(content) != start + prod(shape):
        raise held.broken(name, f"its header tells {shape} and it has {len(content)} bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
