"""Image sets: what small files in the publishers' formats become, what is refused, and the real files' statistics."""

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wflsim.errors import UserError
from wflsim.learning.data import cifar, mnist
from wflsim.learning.data.arrays import normalised
from wflsim.learning.testing import check_data

RNG = np.random.default_rng(5)


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def grey(count):
    return RNG.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) % 10).astype(np.uint8)


@pytest.fixture
def arrays():
    (train_x, train_y), (test_x, test_y) = grey(20), grey(10)
    names = [name for name, _ in mnist._NAMES]
    return dict(zip(names, (train_x, train_y, test_x, test_y), strict=True))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "case",
    [("MNIST", mnist.Mnist(), 0.1307, 0.3081), ("FASHION_MNIST", mnist.FashionMnist(), 0.2860, 0.3530)],
)  # fmt: skip
def test_idx_files_become_normalised_images_in_their_order(put, unsigned, arrays, packed, case):
    set_name, component, mean, deviation = case
    published = unsigned(mnist, set_name)
    contents = {name: idx(array) for name, array in arrays.items()}
    if packed:
        contents = {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}
    put(published.folder, contents)
    loaded = component.load()
    train_x, train_y, test_x, test_y = arrays.values()
    pixels = np.concatenate([train_x, test_x])[:, None].astype(np.float64)
    assert loaded.inputs.dtype == np.float32
    assert_allclose(loaded.inputs, (pixels / 255 - mean) / deviation, rtol=1e-6, atol=1e-7)
    assert np.array_equal(loaded.labels, np.concatenate([train_y, test_y]))
    assert loaded.labels.dtype == np.int64
    assert (loaded.held_out, loaded.count, loaded.users) == (10, 20, None)
    assert component.load() is loaded, "read once"
    with pytest.raises(ValueError, match="read-only"):
        loaded.inputs[0] = 0.0
    check_data(component)


@pytest.mark.parametrize(
    "case",
    [
        ("train-images-idx3-ubyte", lambda c: b"\0\0\x08\x01" + c[4:], "magic number"),
        ("train-images-idx3-ubyte", lambda c: c[:-1], "bytes"),
        ("train-images-idx3-ubyte", lambda c: c + b"\0", "bytes"),
        ("train-images-idx3-ubyte", lambda c: b"", "magic number"),
        ("t10k-labels-idx1-ubyte", lambda c: c[:6], "header tells"),
        ("t10k-labels-idx1-ubyte", lambda c: c[:4] + b"\0\0\0\x09" + c[8:-1], "for labels"),
        ("train-labels-idx1-ubyte", lambda c: c[:-1] + b"\x0a", "label 10"),
    ],
)
def test_idx_files_that_are_not_what_they_say_are_refused(put, unsigned, arrays, case):
    name, change, why = case
    unsigned(mnist, "MNIST")
    contents = {key: idx(array) for key, array in arrays.items()}
    put("mnist", contents | {name: change(contents[name])})
    with pytest.raises(UserError, match=f"{why}.*wflsim data fetch mnist"):
        mnist.Mnist().load()


def test_gzip_that_breaks_off_is_refused(put, unsigned, arrays):
    unsigned(mnist, "MNIST")
    contents = {f"{name}.gz": gzip.compress(idx(array)) for name, array in arrays.items()}
    contents["train-images-idx3-ubyte.gz"] = contents["train-images-idx3-ubyte.gz"][:-20]
    put("mnist", contents)
    with pytest.raises(UserError, match="cannot be read"):
        mnist.Mnist().load()


def test_bytes_are_normalised_to_the_nearest_single_precision():
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    exact = (np.arange(256) / 255 - 0.2860) / 0.3530
    assert np.array_equal(normalised(images, [0.2860], [0.3530]).ravel(), exact.astype(np.float32))


def colour(count, classes):
    pixels = RNG.integers(0, 256, (count, 3072), np.uint8)
    return pixels, (np.arange(count) % classes).astype(np.uint8)


BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def tar(contents, folder):
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return kept.getvalue()


def cifar10_files(form):
    """Return pixels and labels of all batches, and their files in a form."""
    batches = {name: colour(10, 10) for name in BATCHES}
    if form == "bin":
        files = {
            f"{name}.bin": np.column_stack([labels, pixels]).tobytes()
            for name, (pixels, labels) in batches.items()
        }
    else:
        files = {
            name: pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=4)
            for name, (pixels, labels) in batches.items()
        }
    return batches, files


@pytest.mark.parametrize("form", ["bin", "py"])
@pytest.mark.parametrize("where", ["own", "inner", "beside", "archive"])
def test_every_form_of_cifar10_gives_the_same(put, unsigned, form, where):
    unsigned(cifar, "CIFAR10")
    batches, files = cifar10_files(form)
    inner = f"cifar-10-batches-{form}"
    if where == "archive":
        name = "cifar-10-binary.tar.gz" if form == "bin" else "cifar-10-python.tar.gz"
        hidden = {f"._{name}": b"what some archivers leave" for name in files}
        put("cifar-10", {name: tar(files | hidden, inner)})
    else:
        put({"own": "cifar-10", "inner": f"cifar-10/{inner}", "beside": inner}[where], files)
    loaded = cifar.Cifar10().load()
    pixels = np.concatenate([found for found, _ in batches.values()]).reshape(-1, 3, 32, 32)
    for channel, (mean, deviation) in enumerate(
        [(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)]
    ):
        expected = (pixels[:, channel] / 255 - mean) / deviation
        assert_allclose(loaded.inputs[:, channel], expected, rtol=1e-6, atol=1e-6)
    assert np.array_equal(loaded.labels, np.concatenate([found for _, found in batches.values()]))
    assert loaded.held_out == 10
    check_data(cifar.Cifar10())


@pytest.mark.parametrize("form", ["bin", "py"])
def test_cifar100_has_fine_and_coarse_labels(put, unsigned, form):
    unsigned(cifar, "CIFAR100")
    found = {name: colour(count, 100) for name, count in (("train", 200), ("test", 100))}
    if form == "bin":
        files = {
            f"{name}.bin": np.column_stack([fine // 5, fine, pixels]).astype(np.uint8).tobytes()
            for name, (pixels, fine) in found.items()
        }
    else:
        files = {
            name: pickle.dumps(
                {
                    b"data": pixels,
                    b"fine_labels": fine.tolist(),
                    b"coarse_labels": (fine // 5).tolist(),
                },
                protocol=4,
            )
            for name, (pixels, fine) in found.items()
        }
    put("cifar-100", files)
    fine, coarse = cifar.Cifar100(), cifar.Cifar100(labels="coarse")
    assert np.array_equal(fine.load().labels, np.tile(np.arange(100), 3))
    assert np.array_equal(coarse.load().labels, np.tile(np.arange(100), 3) // 5)
    assert np.array_equal(fine.load().inputs, coarse.load().inputs)
    check_data(fine)
    check_data(coarse)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c[:-1], "not records of 3073"),
        (lambda c: c + b"\0", "not records of 3073"),
        (lambda c: b"", "not records of 3073"),
        (lambda c: b"\x0a" + c[1:], "not all below 10"),
    ],
)
def test_binary_records_that_are_none_are_refused(put, unsigned, change, why):
    unsigned(cifar, "CIFAR10")
    _, files = cifar10_files("bin")
    put("cifar-10", files | {"data_batch_3.bin": change(files["data_batch_3.bin"])})
    with pytest.raises(UserError, match=f"data_batch_3.bin cannot be used.*{why}"):
        cifar.Cifar10().load()


class Evil:
    def __reduce__(self):
        return print, ("code in a data file has run",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (pickle.dumps(Evil()), "asks for builtins.print"),
        (pickle.dumps({b"data": Evil(), b"labels": []}), "asks for builtins.print"),
        (pickle.dumps(np.float64(1.0)), "asks for numpy.*scalar"),
        (b"", "no such dictionary"),
        (b"no pickle", "no such dictionary"),
        (pickle.dumps({b"labels": [0]}), "no such dictionary"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["0"]}, 4), "whole numbers"),
        (pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [0]}, 4), "whole numbers"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, 4), "for pixels"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]}, 4), "below 10"),
    ],
)  # fmt: skip
def test_python_files_run_no_code_and_hold_arrays(put, unsigned, content, why, capsys):
    unsigned(cifar, "CIFAR10")
    _, files = cifar10_files("py")
    put("cifar-10", files | {"data_batch_2": content})
    with pytest.raises(UserError, match=f"data_batch_2 cannot be used.*{why}"):
        cifar.Cifar10().load()
    assert not capsys.readouterr().out


def test_an_archive_without_a_batch_is_refused(put, unsigned):
    unsigned(cifar, "CIFAR10")
    _, files = cifar10_files("bin")
    del files["test_batch.bin"]
    put("cifar-10", {"cifar-10-binary.tar.gz": tar(files, "cifar-10-batches-bin")})
    with pytest.raises(UserError, match=r"cifar-10-binary.tar.gz.*holds no 'test_batch.bin'"):
        cifar.Cifar10().load()


@pytest.mark.parametrize(
    ("component", "published"),
    [(mnist.Mnist(), mnist.MNIST), (mnist.FashionMnist(), mnist.FASHION_MNIST)],
    ids=["mnist", "fashion_mnist"],
)
def test_the_real_images_are_normalised_by_their_own_mean_and_deviation(real, component, published):
    loaded = real(component, published)
    assert len(loaded.labels) == published.samples
    assert (loaded.count, loaded.held_out) == (60_000, 10_000)
    train = loaded.inputs[: loaded.count]
    assert abs(train.mean(dtype=np.float64)) < 2e-4
    assert abs(train.std(dtype=np.float64) - 1) < 2e-4
    check_data(component)


def test_the_real_digits_have_the_known_class_counts(real):
    loaded = real(mnist.Mnist(), mnist.MNIST)
    test = np.bincount(loaded.labels[loaded.count :])
    assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert loaded.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "published"),
    [(cifar.Cifar10(), cifar.CIFAR10), (cifar.Cifar100(), cifar.CIFAR100)],
    ids=["cifar10", "cifar100"],
)
def test_the_real_photographs_are_normalised_by_their_own_mean_and_deviation(
    real, component, published
):
    loaded = real(component, published)
    assert (loaded.count, loaded.held_out) == (50_000, 10_000)
    train = loaded.inputs[: loaded.count]
    assert_allclose(train.mean(axis=(0, 2, 3), dtype=np.float64), 0.0, atol=1e-3)
    assert_allclose(train.std(axis=(0, 2, 3), dtype=np.float64), 1.0, atol=2e-3)
    check_data(component)
