"""Samples that are drawn hold to their formulas, and files of one's own to their names."""

import zlib
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wflsim.errors import UserError
from wflsim.learning.data.npz import Npz
from wflsim.learning.data.synthetic import Gaussian, Synthetic, _drawn
from wflsim.learning.testing import check_data


@pytest.mark.parametrize("made", [Gaussian(), Synthetic(), Synthetic(iid=True)], ids=str)
def test_what_is_drawn_conforms_and_depends_on_its_seed_alone(made):
    check_data(made)
    _drawn.cache_clear()
    one, other = made.load(), replace(made, seed=made.seed + 1).load()
    assert np.array_equal(one.inputs, replace(made, seed=made.seed).load().inputs)
    assert not np.array_equal(one.inputs[:50], other.inputs[:50])


def test_two_clouds_are_told_apart_as_often_as_the_formula_says():
    made = Gaussian(samples=40_000, features=200, labels=2, separation=3.0)
    loaded = made.load()
    centres = np.stack([loaded.inputs[loaded.labels == label].mean(axis=0) for label in (0, 1)])
    apart = np.linalg.norm(centres[0] - centres[1])
    assert abs(apart - 3.0) < 0.35, "nearly orthogonal"
    towards = centres[1] - centres[0]
    right = ((loaded.inputs - centres.mean(axis=0)) @ towards > 0) == loaded.labels
    assert abs(right.mean() - NormalDist().cdf(apart / 2)) < 6e-3


def test_clouds_have_unit_deviation_and_equal_counts():
    loaded = Gaussian(samples=30_000, labels=3).load()
    assert np.bincount(loaded.labels).tolist() == [10_000] * 3
    for label in range(3):
        assert_allclose(loaded.inputs[loaded.labels == label].std(axis=0), 1.0, atol=0.03)


def test_fewer_samples_than_classes_are_refused():
    with pytest.raises(ValueError, match="samples must be at least the number of labels, got 3"):
        Gaussian(samples=3)


def test_more_users_change_no_others():
    few, many = Synthetic(users=5).load(), Synthetic(users=9).load()
    assert np.array_equal(many.inputs[: len(few.labels)], few.inputs)
    assert np.array_equal(many.labels[: len(few.labels)], few.labels)
    assert np.array_equal(np.unique(many.users), np.arange(9))


def test_users_have_fifty_samples_and_a_log_normal_number_more():
    counts = np.bincount(Synthetic(users=300).load().users)
    assert counts.min() >= 50
    more = np.log(counts - 50 + 0.5)
    assert abs(np.median(more) - 4.0) < 0.35
    assert abs(more.std() - 2.0) < 0.2


def test_features_have_the_variances_of_the_paper():
    loaded = Synthetic(users=40).load()
    user = int(np.argmax(np.bincount(loaded.users)))
    own = loaded.inputs[loaded.users == user].astype(np.float64)
    assert_allclose(own.var(axis=0), np.arange(1, 61) ** -1.2, rtol=0.25)


def test_beta_is_the_deviation_of_the_users_centres():
    def centres(beta):
        loaded = Synthetic(users=200, beta=beta).load()
        return np.array([loaded.inputs[loaded.users == u].mean() for u in range(200)])

    # B ~ N(0, β²), plus the mean of 60 entries of deviation 1, plus the mean of the samples.
    for beta in (0.0, 2.0):
        assert_allclose(centres(beta).std(), np.hypot(beta, 60**-0.5), rtol=0.15)


def transfer(made):
    """Return the accuracy at the second largest user of the linear rule that fits the largest one best."""
    loaded = made.load()
    one, other = np.argsort(np.bincount(loaded.users))[:-3:-1]
    inputs = np.column_stack([loaded.inputs, np.ones(len(loaded.labels))])
    here, there = loaded.users == one, loaded.users == other
    weight, *_ = np.linalg.lstsq(inputs[here], np.eye(10)[loaded.labels[here]], rcond=None)
    return (np.argmax(inputs[there] @ weight, axis=1) == loaded.labels[there]).mean()


def test_what_one_user_learns_serves_another_where_they_are_alike():
    assert transfer(Synthetic(iid=True)) > 0.6
    assert transfer(Synthetic(alpha=0.0, beta=0.0)) < 0.3
    centre = Synthetic(iid=True, users=60).load().inputs.mean(axis=0)
    assert_allclose(centre, 0.0, atol=0.03)


def test_alpha_shifts_all_scores_alike_and_changes_no_label():
    one, other = (Synthetic(alpha=alpha, beta=0.5).load() for alpha in (0.0, 3.0))
    assert np.array_equal(one.inputs, other.inputs)
    assert np.array_equal(one.labels, other.labels)


@pytest.fixture
def own(tmp_path):
    """Return a function that writes an .npz file and returns its name."""

    def write(**arrays):
        path = tmp_path / "own.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


X = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


def test_an_own_file_is_taken_as_it_is(own):
    made = Npz(own(x=X, y=Y.astype(np.uint8)))
    loaded = made.load()
    assert np.array_equal(loaded.inputs, X.astype(np.float32))
    assert (made.input_shape, made.classes) == ((1, 2, 2), 3)
    assert (loaded.users, loaded.held_out) == (None, 0)
    check_data(made)


def test_names_users_and_a_test_part(own):
    file = own(a=X, b=Y, who=Y + 7, c=X[:2] + 100, d=np.array([2, 1]))
    made = Npz(file, "a", "b", users="who", test_inputs="c", test_labels="d")
    loaded = made.load()
    assert np.array_equal(loaded.inputs, np.concatenate([X, X[:2] + 100]).astype(np.float32))
    assert loaded.labels.tolist() == [0, 1, 2, 0, 1, 2, 2, 1]
    assert loaded.users.tolist() == [7, 8, 9, 7, 8, 9, -1, -1]
    assert (loaded.count, loaded.held_out) == (6, 2)
    check_data(made)


def test_scaling_is_by_the_samples_that_are_not_held_out(own):
    values = np.random.default_rng(0).normal(5, [1, 0, 3], (6, 3))
    file = own(x=values, y=Y, tx=values[:2] * 10, ty=Y[:2], pixels=X)
    made = Npz(file, test_inputs="tx", test_labels="ty", scaling="standard")
    loaded = made.load()
    assert_allclose(loaded.inputs[:6].mean(axis=0), 0.0, atol=1e-6)
    assert_allclose(loaded.inputs[:6].std(axis=0), [1.0, 0.0, 1.0], atol=1e-6)
    expected = (values[:2] * 10 - values.mean(axis=0)) / np.where([1, 0, 1], values.std(axis=0), 1)
    assert_allclose(loaded.inputs[6:], expected, rtol=1e-5)
    assert_allclose(Npz(file, "pixels", scaling="bytes").load().inputs, X / 255, rtol=1e-6)
    channels = Npz(file, "pixels", scaling="standard").load().inputs
    assert_allclose([channels.mean(), channels.std()], [0, 1], atol=1e-6)


def test_a_file_that_changes_is_read_again(own):
    made = Npz(own(x=X, y=Y))
    assert made.load() is made.load()
    own(x=np.concatenate([X, X]), y=np.concatenate([Y, Y]))
    assert len(made.load().labels) == 12


@pytest.mark.parametrize(
    ("arrays", "fields", "why"),
    [
        ({"x": X}, {}, r"must hold arrays x, y, got x; add y"),
        ({"x": X, "y": Y}, {"users": "who"}, "add who"),
        ({"x": X, "y": Y[:5]}, {}, "has 6 rows for 5 labels"),
        ({"x": X, "y": Y, "u": Y[:5]}, {"users": "u"}, "array u, has 5 rows for 6 labels"),
        ({"x": X, "y": Y / 2}, {}, "not whole numbers"),
        ({"x": X, "y": Y[:, None]}, {}, "not whole numbers"),
        ({"x": X, "y": Y + 1}, {}, "must have the labels 0"),
        ({"x": X, "y": Y * 2}, {}, "must have the labels 0"),
        ({"x": X, "y": Y - 1}, {}, "must have the labels 0"),
        ({"x": X[:0], "y": Y[:0]}, {}, "must have the labels 0"),
        ({"x": X * np.nan, "y": Y}, {}, "has numbers that are none"),
        ({"x": X.astype(str), "y": Y}, {}, "not numbers"),
        ({"x": X.astype(object), "y": Y}, {}, "plain arrays.*: object arrays are not read; save plain numbers$"),
        ({"x": np.float64(3.0), "y": Y}, {}, r"array x, has the shape \(\) and not \(N, …\)"),
        ({"x": np.arange(6.0), "y": Y}, {}, r"array x, has the shape \(6,\)"),
        ({"x": X[:, :, :0], "y": Y}, {}, r"array x, has the shape \(6, 1, 0, 2\)"),
        ({"x": X, "y": np.array([0, 1, 2, 0, 1, 10**13])}, {}, "must have the labels 0"),
        ({"x": X, "y": Y, "t": X[:0], "u": Y[:0]}, {"test_inputs": "t", "test_labels": "u"}, "array u, has no rows"),
        ({"x": X, "y": Y, "t": np.float64(1.0), "u": Y}, {"test_inputs": "t", "test_labels": "u"}, "has the shape"),
        ({"x": X / 1.0, "y": Y}, {"scaling": "bytes"}, "not bytes"),
        ({"x": X, "y": Y, "t": X[:, :, :1], "u": Y}, {"test_inputs": "t", "test_labels": "u"}, "has the shape"),
    ],
)  # fmt: skip
def test_own_files_that_cannot_be_learned_from_are_refused(own, arrays, fields, why):
    with pytest.raises(UserError, match=why):
        Npz(own(**arrays), **fields).load()


@pytest.mark.parametrize("place", range(0, 1400, 20))
def test_damaged_bytes_are_refused_or_change_nothing(tmp_path, place):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random((40, 4), np.float32), y=np.arange(40) % 3)  # fmt: skip
    whole = Npz(str(path)).load()
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(content)
    said = "damaged.npz'"
    try:
        loaded = Npz(str(tmp_path / "damaged.npz")).load()
    except UserError as error:
        loaded, said = whole, str(error)
    assert "damaged.npz'" in said
    assert "allow_pickle" not in said
    assert np.array_equal(loaded.inputs, whole.inputs)
    assert np.array_equal(loaded.labels, whole.labels)


@pytest.mark.parametrize(
    "raised",
    [zlib.error("invalid block"), NotImplementedError("method"), RuntimeError("encrypted")],
)
def test_what_the_archives_reader_raises_is_a_refusal(own, monkeypatch, raised):
    def fail(*_):
        raise raised

    made = Npz(own(x=X, y=Y))
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", fail)
    with pytest.raises(
        UserError, match=r"own.npz': (invalid block|method|encrypted); write it again"
    ):
        made.load()


def test_files_that_are_missing_or_others_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"file must be there, got 'nowhere.npz'"):
        Npz("nowhere.npz").load()
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "text.npz").write_text("text")
    for name in ("one.npy", "text.npz"):
        with pytest.raises(UserError, match=r"must be an .npz file.*: it is no whole archive"):
            Npz(str(tmp_path / name)).load()
    with pytest.raises(ValueError, match="test_inputs and test_labels must be given together"):
        Npz("own.npz", test_inputs="x")
