"""What goes into a checkpoint comes out of it: the same bits, the same layout, the same identities."""

import json
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.errors import UserError
from wflsim.learning.shelf import Shelf
from wflsim.network.timeline import Outcome
from wflsim.randomness import Streams
from wflsim.records import checkpoint
from wflsim.records.encoding import ROOMS, Coder, Packed

HERE = Coder(rooms=ROOMS | {__name__.partition(".")[0]})


@dataclass(frozen=True, eq=False)
class Pair:
    """Two things."""

    one: Any
    two: Any = None


@dataclass(frozen=True)
class Checked:
    """Something that is changed and checked when it is made."""

    number: int
    twice: int = field(init=False)

    def __post_init__(self):
        if self.number < 0:
            raise ValueError("number must not be negative")
        object.__setattr__(self, "twice", 2 * self.number)

    @cached_property
    def thrice(self):
        return 3 * self.number


class Colour(Enum):
    RED = 1


class Own:
    """Something that says itself what it is made of."""

    def __init__(self, values):
        self.values = values

    def saved(self):
        return {"values": self.values}

    @classmethod
    def restored(cls, saved):
        return cls(saved["values"])


def through(value, coder=HERE):
    """Return what comes out of a tree as JSON and arrays as a safetensors file."""
    packed = coder.pack(value)
    arrays = safetensors.numpy.load(safetensors.numpy.save(dict(packed.arrays)))
    return coder.unpack(Packed(json.loads(json.dumps(packed.tree)), arrays))


def bits(array):
    moved = [n > 1 for n in array.shape]
    strides = tuple(s for s, m in zip(array.strides, moved, strict=True) if m)
    return array.dtype, array.shape, strides if array.size else (), array.tobytes()


def equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.generic):
        a, b = np.asarray(a), np.asarray(b)
    if isinstance(a, np.ndarray):
        assert bits(a) == bits(b) if a.dtype.kind != "O" else a.tolist() == b.tolist()
    elif isinstance(a, float):
        assert struct.pack("d", a) == struct.pack("d", b)
    elif isinstance(a, dict):
        equal(list(a), list(b))
        equal(list(a.values()), list(b.values()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, two in zip(a, b, strict=True):
            equal(one, two)
    elif isinstance(a, Pair):
        equal((a.one, a.two), (b.one, b.two))
    else:
        assert a == b


@st.composite
def layouts(draw):
    """An array of any plain type, seen from behind, across, with gaps, or repeated."""
    array = draw(
        hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    )
    seen = array.transpose(draw(st.permutations(range(array.ndim))))
    steps = draw(st.tuples(*[st.sampled_from([1, -1, 2, -2])] * seen.ndim))
    seen = seen[tuple(slice(None, None, step) for step in steps)]
    repeated = draw(st.sampled_from([(), (3,)]))
    return np.broadcast_to(seen, repeated + seen.shape) if repeated else seen


atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from([Colour.RED, Outcome.LATE, Checked(4), np.float32(0.1), np.int64(-5)])
)
values = st.recursive(
    atoms | layouts(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            atoms.filter(lambda a: not (isinstance(a, float) and isnan(a))), inner, max_size=3
        )
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(values)
def test_every_bit_comes_back(value):
    equal(through(value), value)


@settings(max_examples=40, deadline=None)
@given(layouts().filter(lambda a: a.dtype.kind in "biuf" and a.dtype.isnative))
def test_tensors_come_back_with_bits_and_strides(array):
    if any(stride < 0 for stride in array.strides) or array.dtype.itemsize == 16:
        array = np.abs(array) if array.dtype.kind != "b" else ~array
    tensor = torch.from_numpy(np.array(array, copy=True, order="K")).expand(2, *array.shape)
    again = through([tensor])[0]
    assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
    if tensor.numel():
        assert again.stride() == tensor.stride()
    assert again.numpy().tobytes() == tensor.numpy().tobytes()


def test_tensors_keep_rare_types_gaps_and_where_they_begin():
    base = torch.arange(40, dtype=torch.bfloat16).reshape(5, 8)
    for tensor in (base[1:, ::3], base[2], base[0, 0], base[:0], torch.tensor([1 + 2j]).conj()):
        again = through({"x": tensor})["x"]
        assert torch.equal(again, tensor.resolve_conj())
        assert again.dtype == tensor.dtype
        assert again.stride() == tensor.stride()
    assert through([base[1]])[0].data_ptr() % 64 == base[1].storage_offset() * 2 % 64


def test_what_takes_no_memory_takes_no_disk():
    wide = np.broadcast_to(np.arange(3.0), (10**6, 3))
    packed = HERE.pack([wide, torch.ones(1, 4).expand(10**6, 4)])
    assert sum(array.nbytes for array in packed.arrays.values()) < 1000
    assert through([wide])[0].strides == (0, 8)


def test_an_object_is_stored_once_and_is_one_again():
    state = Pair(np.arange(1000.0), {"t": torch.ones(1000)})
    began = {0: state, 1: Pair(state.one, state), 2: Pair(state.one.copy(), state.two)}
    packed = HERE.pack({"state": state, "began": began})
    assert sum(array.nbytes for array in packed.arrays.values()) == 2 * 8000 + 4000
    found = through({"state": state, "began": began})
    assert found["began"][0] is found["state"] is found["began"][1].two
    assert found["began"][1].one is found["state"].one
    assert found["began"][2].two is found["state"].two
    assert found["began"][2].one is not found["state"].one


def test_arrays_of_texts_are_their_different_ones():
    texts = np.array([["on_time", "late"], ["", "on_time\0"]], dtype=object)
    found = through([texts, texts[:0], np.array(["a", "bc"]), np.array("x", dtype=object)])
    assert found[0].tolist() == texts.tolist()
    assert found[1].shape == (0, 2)
    assert found[2].dtype == "<U2"
    assert found[3].shape == ()


def test_surroundings_are_told_by_name():
    streams = Streams(7)
    coder = Coder({"streams": streams})
    packed = coder.pack({"turn": (3, streams)})
    assert packed.arrays == {}
    assert '"seed"' not in json.dumps(packed.tree)
    other = Streams(8)
    assert Coder({"streams": other}).unpack(packed)["turn"][1] is other
    assert coder.unpack(coder.pack(Streams(7))) is not streams  # equal is not the same


def test_dataclasses_are_not_made_anew():
    value = Checked(3)
    object.__setattr__(value, "number", -1)  # what making it would refuse
    _ = value.thrice
    found = through(value)
    assert (found.number, found.twice) == (-1, 6)
    assert "thrice" not in vars(found)


def test_who_says_how_it_is_taken_apart_is_asked():
    found = through(Own(np.arange(3)))
    assert isinstance(found, Own)
    assert found.values.tolist() == [0, 1, 2]
    shelf = Shelf.of_default({"w": torch.zeros(2)}, 100)
    shelf = shelf.replaced(np.array([7, 3]), {"w": torch.tensor([[0.1, 0.2], [0.3, 0.4]])})
    found = through({"shelf": shelf})["shelf"]
    assert found.touched.tolist() == [3, 7]
    assert torch.equal(found.rows(np.arange(100))["w"], shelf.rows(np.arange(100))["w"])


@dataclass(frozen=True)
class Opaque:
    """A state as it should not be."""

    inner: Any


@dataclass(frozen=True, eq=False)
class Local:
    """Stands for a class of a package that the scenario does not use."""


Local.__module__ = "somebody.elses"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.random.default_rng(1), "numpy.random"),
        (open, "builtin_function"),
        (lambda: None, "function"),
        ({1, 2}, "builtins.set"),
        (OrderedDict(a=1), "OrderedDict"),
        (b"bytes", "bytes"),
        (np.array([{}], dtype=object), "numpy.ndarray"),
        (np.zeros(2, dtype=[("a", "i4")]), "numpy.ndarray"),
        (torch.nn.Linear(1, 1), "Linear"),
        (torch.nn.Parameter(torch.ones(1)), "Parameter"),
        (torch.ones(1, requires_grad=True), "torch.Tensor"),
        (torch.ones(1).to_sparse(), "torch.Tensor"),
        (Local(), "somebody.elses.Local"),
        (Opaque, "builtins.type"),
        (Path("x"), "Path"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_kind_and_place(value, kind):
    with pytest.raises(UserError) as told:
        HERE.pack({"state": Opaque([0, value])})
    assert "state.inner.1 is a " in str(told.value)
    assert kind in str(told.value)
    assert "make it a dataclass" in str(told.value)


def test_a_local_class_and_a_circle_are_refused():
    @dataclass
    class Inner:
        x: int = 1

    with pytest.raises(UserError, match="cannot be found by its name"):
        HERE.pack(Inner())
    circle: list = []
    circle.append(circle)
    with pytest.raises(UserError, match="contains itself"):
        HERE.pack(circle)


def test_only_known_packages_are_looked_into(tmp_path):
    packed = HERE.pack(Pair(1))
    checkpoint.write(tmp_path, packed)
    with pytest.raises(UserError, match="no class of this scenario's packages"):
        checkpoint.read(tmp_path, Coder())
    node = {"class": "os:environ", "fields": {}}
    checkpoint.write(tmp_path, Packed({"root": [0], "nodes": [node]}, {}))
    with pytest.raises(UserError, match="cannot be resumed from"):
        checkpoint.read(tmp_path, HERE)


def test_a_class_that_has_changed_is_refused(tmp_path, monkeypatch):
    checkpoint.write(tmp_path, HERE.pack(Pair(1)))

    @dataclass
    class Other:
        one: int = 1

    monkeypatch.setitem(globals(), "Pair", Other)
    with pytest.raises(UserError, match="has other fields than it had"):
        checkpoint.read(tmp_path, HERE)


def test_digests_tell_values_apart():
    digests = {
        HERE.pack(value).digest
        for value in (1, 1.0, True, "1", [1], (1,), np.ones(1), np.ones(1, "f4"), np.ones((1, 1)))
    }
    assert len(digests) == 9
    assert HERE.pack(np.ones(1)).digest == HERE.pack(np.ones(1)).digest


class KilledError(BaseException):
    pass


def files(folder):
    return sorted(path.name for path in (folder / checkpoint.FOLDER).iterdir())


@pytest.mark.parametrize("step", range(8))
def test_a_writer_that_is_killed_leaves_the_checkpoint_before(tmp_path, monkeypatch, step):
    """Whatever step it is killed before, what counts is whole: the one before, or the new one."""
    checkpoint.write(tmp_path, HERE.pack([1, np.arange(3)]))
    steps = iter(range(100))

    def counted(real):
        def call(*arguments, **named):
            if next(steps) == step:
                raise KilledError
            return real(*arguments, **named)

        return call

    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(checkpoint.os, "fsync", counted(checkpoint.os.fsync))
    monkeypatch.setattr(
        checkpoint.safetensors.numpy, "save_file", counted(checkpoint.safetensors.numpy.save_file)
    )
    try:
        checkpoint.write(tmp_path, HERE.pack([2, np.arange(5)]))
        killed = False
    except KilledError:
        killed = True
    monkeypatch.undo()
    assert killed == (step < 6)
    assert checkpoint.read(tmp_path, HERE)[0] == (1 if step < 5 else 2)
    assert len([name for name in files(tmp_path) if not name.endswith(".json")]) <= 3
    checkpoint.write(tmp_path, HERE.pack([3, np.arange(7)]))
    assert len(files(tmp_path)) == 2
    assert checkpoint.read(tmp_path, HERE)[0] == 3


def test_a_damaged_checkpoint_is_refused_with_the_remedy(tmp_path):
    checkpoint.write(tmp_path, HERE.pack([1, np.arange(300)]))
    place = tmp_path / checkpoint.FOLDER
    (arrays,) = place.glob("*.safetensors")
    whole = arrays.read_bytes()
    for damaged in (whole[:-1], whole[:50] + b"x" + whole[51:], b""):
        arrays.write_bytes(damaged)
        with pytest.raises(UserError, match="is not the file that was written; name another --out"):
            checkpoint.read(tmp_path, HERE)
    arrays.unlink()
    with pytest.raises(UserError, match=r"cannot be resumed from: .*No such file"):
        checkpoint.read(tmp_path, HERE)
    for text in ("", "{}", '{"format": 99}', "[]"):
        (place / checkpoint.INDEX).write_text(text)
        with pytest.raises(UserError, match="or remove"):
            checkpoint.read(tmp_path, HERE)


def test_clearing_leaves_nothing(tmp_path):
    checkpoint.clear(tmp_path)
    checkpoint.write(tmp_path, HERE.pack(1))
    assert checkpoint.exists(tmp_path)
    checkpoint.clear(tmp_path)
    assert not checkpoint.exists(tmp_path)
    assert list(tmp_path.iterdir()) == []
