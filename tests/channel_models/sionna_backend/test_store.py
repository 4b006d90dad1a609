"""The store keeps what was drawn, under all that decided it, and never trusts a broken file."""

import numpy as np
import pytest

from channel_models.sionna_backend.store import cache_folder, kept, key

ASK = {"kind": "cdl", "seed": 7, "spread_s": 1e-7, "bearing_rad": np.array([0.0, 0.5])}
DRAWN = {
    "gain": np.arange(6, dtype=np.complex64).reshape(2, 3),
    "delay_s": np.array([1e-9, 2e-9, 3e-9]),
}


class Counting:
    """Draws the same arrays and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return DRAWN


def assert_same(found):
    assert set(found) == set(DRAWN)
    for name, array in DRAWN.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_a_question_is_drawn_once(tmp_path):
    draw = Counting()
    for _ in range(3):
        assert_same(kept(ASK, draw, tmp_path / "new"))
    assert draw.times == 1
    assert [file.name for file in (tmp_path / "new").iterdir()] == [f"{key(ASK)}.npz"]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "tdl"},
        {"seed": 8},
        {"spread_s": 1.1e-7},
        {"bearing_rad": np.array([0.0, 0.6])},
        {"bearing_rad": np.array([[0.0, 0.5]])},
        {"bearing_rad": np.array([0.0, 0.5], dtype=np.float32)},
        {"version": "2.2.0"},
    ],
)
def test_every_part_of_a_question_counts(tmp_path, other):
    draw = Counting()
    kept(ASK, draw, tmp_path)
    kept(ASK | other, draw, tmp_path)
    assert draw.times == 2


@pytest.mark.parametrize("keep", [0, 1, 40, -30])
def test_a_broken_file_is_drawn_anew_and_mended(tmp_path, keep):
    draw = Counting()
    kept(ASK, draw, tmp_path)
    file = tmp_path / f"{key(ASK)}.npz"
    file.write_bytes(file.read_bytes()[:keep])
    assert_same(kept(ASK, draw, tmp_path))
    assert_same(kept(ASK, draw, tmp_path))
    assert draw.times == 2


def test_a_changed_byte_is_noticed(tmp_path):
    draw = Counting()
    kept(ASK, draw, tmp_path)
    file = tmp_path / f"{key(ASK)}.npz"
    content = bytearray(file.read_bytes())
    at = content.index(DRAWN["gain"].tobytes())
    content[at + 8] ^= 1
    file.write_bytes(bytes(content))
    assert_same(kept(ASK, draw, tmp_path))
    assert draw.times == 2


def test_a_file_of_something_else_is_drawn_anew(tmp_path):
    draw = Counting()
    (tmp_path / f"{key(ASK)}.npz").write_text("not an archive")
    assert_same(kept(ASK, draw, tmp_path))
    assert draw.times == 1


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / f"{key(ASK)}.npz", gain=np.array([{}], dtype=object))
    assert_same(kept(ASK, Counting(), tmp_path))


def test_half_a_file_is_never_seen(tmp_path, monkeypatch):
    def breaks(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", breaks)
    assert_same(kept(ASK, Counting(), tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    draw = Counting()
    for _ in range(2):
        assert_same(kept(ASK, draw, tmp_path / "file" / "below"))
    assert draw.times == 2


def test_without_a_folder_it_keeps_nothing():
    draw = Counting()
    for _ in range(2):
        assert_same(kept(ASK, draw, None))
    assert draw.times == 2


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("WFLSIM_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "wflsim" / "sionna"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "wflsim" / "sionna"
    monkeypatch.setenv("WFLSIM_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("WFLSIM_CACHE", "off")
    assert cache_folder() is None
