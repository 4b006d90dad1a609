"""Laws of what devices keep for themselves: versions, bounded memory, means, checkpoints; and of the file of weights."""

import copy
import gc
import pickle
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.errors import UserError
from wflsim.learning import shelf as shelves
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.shelf import Shelf
from wflsim.learning.testing import cohort_of, small_task
from wflsim.learning.weights import write_weights

DEFAULT = {
    "w": torch.arange(6.0).reshape(2, 3),
    "mask": torch.tensor([True, False, True]),
    "seen": torch.tensor(4),
    "m": torch.full((2,), 0.5, dtype=torch.float64),
}
ROW = 6 * 4 + 3 + 8 + 16


def final_weights(algorithm, state, devices):
    """Return the bytes of the file of final weights."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        write_weights(path, algorithm, state, devices)
        return path.read_bytes()


def drawn(devices, seed):
    rng = torch.Generator().manual_seed(seed)
    return {
        "w": torch.randn(devices, 2, 3, generator=rng),
        "mask": torch.rand(devices, 3, generator=rng) < 0.5,
        "seen": torch.randint(0, 99, (devices,), generator=rng),
        "m": torch.randn(devices, 2, generator=rng).double(),
    }


def everything(shelf):
    return shelf.rows(np.arange(shelf.devices))


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@given(
    rounds=st.lists(st.sets(st.integers(0, 8), max_size=6), max_size=8),
    room=st.integers(1, 12),
    forgotten=st.sets(st.integers(0, 8)),
)
@settings(max_examples=60, deadline=None)
def test_every_version_is_what_stacked_tensors_would_be(rounds, room, forgotten):
    shelf = Shelf.of_default(DEFAULT, 9, budget_bytes=room * ROW)
    stacked = {name: torch.stack([tensor] * 9) for name, tensor in DEFAULT.items()}
    versions = [(shelf, stacked)]
    for seed, who in enumerate(rounds):
        rows = np.array(sorted(who, reverse=True), dtype=np.int64)
        values = drawn(len(rows), seed)
        stacked = {
            n: t.index_copy(0, torch.from_numpy(rows), values[n]) for n, t in stacked.items()
        }
        shelf = shelf.replaced(rows, values)
        versions.append((shelf, stacked))
        versions = [v for age, v in enumerate(versions) if age not in forgotten or v[0] is shelf]
    for found, expected in versions:
        assert same(everything(found), expected)
        some = np.array([4, 0, 4])
        assert same(found.rows(some), {n: t[torch.from_numpy(some)] for n, t in expected.items()})
        for device in range(9):
            assert same(found.row(device), {n: t[device] for n, t in expected.items()})
    assert shelf.touched.tolist() == sorted(set().union(*rounds))
    needed = {id(row) for found, _ in versions for row in found.held.values()}
    young, old = shelf.arena.rows
    assert young <= room
    assert young + old == len(needed)


def test_what_no_version_refers_to_is_forgotten_and_its_room_used_again():
    shelf = Shelf.of_default(DEFAULT, 50, budget_bytes=4 * ROW)
    sizes = []
    for round_ in range(60):
        who = np.random.default_rng(round_).choice(50, 10, replace=False)
        shelf = shelf.replaced(who, drawn(10, round_))
        sizes.append(shelf.arena.file_bytes)
    assert sum(shelf.arena.rows) == len(shelf.touched) == 50
    assert shelf.arena.rows[0] <= 4
    assert sizes[-1] == max(sizes) <= 60 * ROW  # everybody, and a cohort that was still there
    arena = shelf.arena
    del shelf
    assert arena.rows == (0, 0)


def test_rows_that_fit_never_see_a_disk():
    shelf = Shelf.of_default(DEFAULT, 50, budget_bytes=50 * ROW)
    assert shelf.replaced(np.arange(50), drawn(50, 0)).arena.file_bytes == 0


def test_the_oldest_go_to_the_disk_first():
    shelf = Shelf.of_default(DEFAULT, 9, budget_bytes=3 * ROW)
    for device in (5, 2, 7, 1):
        shelf = shelf.replaced(np.array([device]), drawn(1, device))
    young = set(shelf.arena._young)
    assert [device for device in (5, 2, 7, 1) if shelf.held[device].key in young] == [2, 7, 1]


@pytest.mark.parametrize("room", [1, 100])
def test_what_was_handed_out_or_in_can_be_changed_without_changing_the_shelf(room):
    values = drawn(2, 0)
    shelf = Shelf.of_default(DEFAULT, 3, room * ROW).replaced(np.array([0, 2]), values)
    before = {name: tensor.clone() for name, tensor in everything(shelf).items()}
    values["w"].zero_()
    shelf.rows(np.array([0, 1]))["w"].zero_()
    shelf.row(2)["w"].zero_()
    assert same(everything(shelf), before)


def test_parts_that_are_not_given_stay_as_they_are():
    first, second = drawn(2, 0), drawn(2, 1)
    shelf = Shelf.of_default(DEFAULT, 5).replaced(np.array([1, 3]), first)
    found = shelf.replaced(np.array([3, 4]), {"m": second["m"]})
    assert torch.equal(found.row(3)["m"], second["m"][0])
    assert torch.equal(found.row(3)["w"], first["w"][1])
    assert torch.equal(found.row(4)["w"], DEFAULT["w"])
    assert torch.equal(found.row(4)["m"], second["m"][1])


def test_those_who_never_took_part_have_the_very_tensors_of_the_default():
    shelf = Shelf.of_default(DEFAULT, 10**9)
    assert all(shelf.row(123_456_789)[name] is DEFAULT[name] for name in DEFAULT)
    assert shelf.arena.rows == (0, 0)
    assert same(
        shelf.rows(np.array([10**9 - 1])), {n: tensor[None] for n, tensor in DEFAULT.items()}
    )


@pytest.mark.parametrize("touched", [0, 1, 17, 40])
def test_the_mean_is_that_of_all_devices(touched, monkeypatch):
    shelf = Shelf.of_default(DEFAULT, 40, 5 * ROW)
    shelf = shelf.replaced(np.arange(touched)[::-1], drawn(touched, 0))
    stacked = everything(shelf)
    assert torch.equal(shelf.mean()["w"], stacked["w"].mean(0))
    assert torch.equal(shelf.mean()["m"], stacked["m"].mean(0))
    monkeypatch.setattr(shelves, "_BLOCK_BYTES", 7 * ROW)
    found = shelf.mean()
    assert list(found) == list(DEFAULT)
    for name, tensor in stacked.items():
        assert torch.allclose(found[name].double(), tensor.double().mean(0), atol=1e-7)
    assert found["w"].dtype == torch.float32
    assert same(shelf.mean(), found)


@pytest.mark.parametrize("alone", range(9))
def test_the_mean_forgets_nobody_at_the_edge_of_a_block(alone, monkeypatch):
    shelf = Shelf.of_default(DEFAULT, 9).replaced(np.array([alone]), drawn(1, 0))
    monkeypatch.setattr(shelves, "_BLOCK_BYTES", 3 * ROW)
    assert torch.allclose(shelf.mean()["w"], everything(shelf)["w"].mean(0), atol=1e-7)


@pytest.mark.parametrize("lazily", [False, True])
def test_what_was_saved_is_restored(lazily, tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "_BLOCK_BYTES", 3 * ROW)
    default = {f"part.{index}": tensor for index, tensor in enumerate([*DEFAULT.values()] * 3)}
    shelf = Shelf.of_default(default, 30, 2 * ROW)
    values = {
        f"part.{i}": t for i, t in enumerate(drawn(20, i)[n] for i in range(3) for n in DEFAULT)
    }
    shelf = shelf.replaced(np.arange(29, 9, -1), values)
    saved = shelf.saved()
    whole = sum(tensor.nbytes for tensor in default.values())
    assert sum(array.nbytes for array in saved.values()) == (1 + 20) * whole + 8 * (20 + 2)
    if lazily:
        np.savez(tmp_path / "shelf.npz", **dict(sorted(saved.items())))  # in another order
        saved = np.load(tmp_path / "shelf.npz")
    again = Shelf.restored(saved)
    assert same(everything(again), everything(shelf))
    assert again.touched.tolist() == shelf.touched.tolist() == list(range(10, 30))
    assert (again.devices, again.arena.budget_bytes) == (30, 2 * ROW)
    assert Shelf.restored(saved, 10**6).arena.budget_bytes == 10**6


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_has_an_arena_of_its_own(copied):
    shelf = Shelf.of_default(DEFAULT, 9, 2 * ROW).replaced(np.arange(1, 7), drawn(6, 0))
    again = copied(shelf)
    assert same(everything(again), everything(shelf))
    assert again.arena is not shelf.arena
    with pytest.raises(TypeError, match="stays in its process"):
        copied(shelf.held[1])


def test_what_a_worker_is_sent_is_small_and_knows_only_its_devices():
    shelf = Shelf.of_default(DEFAULT, 1000, 5 * ROW).replaced(np.arange(900), drawn(900, 0))
    some = shelf.only(np.array([7, 950, 3]))
    sent = pickle.dumps(some)
    assert len(sent) < 2500 < len(pickle.dumps(shelf)) / 10
    arrived = pickle.loads(sent)
    for found in (some, arrived):
        assert same(found.rows(np.array([950, 3, 7])), shelf.rows(np.array([950, 3, 7])))
        assert same(found.row(3), shelf.row(3))
        assert found.arena.file_bytes == 0
        for ask in (lambda s: s.rows(np.array([3, 4])), lambda s: s.row(4), Shelf.mean):
            with pytest.raises(IndexError, match="knows 3 devices of 1000"):
                ask(found)
    changed = arrived.replaced(np.array([3]), drawn(1, 5))
    assert same(changed.rows(np.array([3])), drawn(1, 5))
    with pytest.raises(IndexError, match="knows 1 devices of 1000"):
        arrived.only(np.array([3])).only(np.array([7]))


def test_nothing_personal_costs_nothing():
    shelf = Shelf.of_default({}, 10**7)
    assert shelf.replaced(np.arange(5), {}) is shelf
    assert shelf.rows(np.arange(5)) == shelf.row(3) == shelf.mean() == {}
    assert len(pickle.dumps(shelf)) < 1000
    assert everything(pickle.loads(pickle.dumps(replace(shelf, devices=9)))) == {}


@pytest.mark.parametrize(
    ("device", "change", "error", "says"),
    [
        (5, {}, IndexError, "device 5: this shelf knows 5 devices"),
        (-1, {}, IndexError, "device -1"),
        (1, {"other": torch.zeros(1)}, ValueError, "other: no part of a record; its parts are w"),
        (1, {"w": torch.zeros(1, 3, 2)}, ValueError, r"got torch.float32 of \(1, 3, 2\)"),
        (1, {"w": torch.zeros(2, 2, 3)}, ValueError, r"shape \(1, 2, 3\)"),
        (1, {"m": torch.zeros(1, 2)}, ValueError, "m: must be torch.float64"),
    ],
)
def test_records_that_do_not_fit_are_refused(device, change, error, says):
    shelf = Shelf.of_default(DEFAULT, 5)
    with pytest.raises(error, match=says):
        shelf.replaced(np.array([device]), {**drawn(1, 0), **change})
    with pytest.raises(IndexError, match="device 9"):
        shelf.row(9)


@pytest.mark.parametrize("how", ["refused", "short"])
def test_a_full_disk_is_told_and_leaves_what_there_was(how, monkeypatch):
    shelf = Shelf.of_default(DEFAULT, 9, 4 * ROW).replaced(np.arange(6), drawn(6, 0))
    shelf = shelf.replaced(np.arange(2), drawn(2, 1))  # which leaves gaps in the file
    before, length = everything(shelf), shelf.arena.file_bytes

    def full(*_):
        if how == "refused":
            raise OSError(28, "No space left on device")
        return 3

    with monkeypatch.context() as patch:
        patch.setattr("wflsim.learning.arena.os.pwrite", full)
        with pytest.raises(UserError, match=r"temporary folder .* set TMPDIR"):
            shelf.replaced(np.array([7, 8]), drawn(2, 2))
    gc.collect()
    assert same(everything(shelf), before)
    assert sum(shelf.arena.rows) == 6
    later = shelf.replaced(np.array([0, 8]), drawn(2, 2))
    assert same(later.rows(np.array([0, 8])), drawn(2, 2))
    assert same(everything(shelf), before)
    assert shelf.arena.file_bytes == length


def test_a_forked_process_does_not_write_into_its_parents_file(monkeypatch):
    shelf = Shelf.of_default(DEFAULT, 9, ROW).replaced(np.arange(3), drawn(3, 0))
    monkeypatch.setattr("wflsim.learning.arena.os.getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="hand it a copy"):
        shelf.replaced(np.arange(2), drawn(2, 1))


@pytest.mark.parametrize(
    "method", [FedAlt(), Japp(personal="input")], ids=lambda a: type(a).__name__
)
def test_where_records_lie_changes_no_bit_of_what_is_learnt(method):
    task, ends = small_task(), []
    for budget_bytes in (1, 2**20):
        state = method.init(task)
        default = dict(state.personal.layout.default)
        state = replace(state, personal=Shelf.of_default(default, task.devices, budget_bytes))
        for round_, who in enumerate([[0, 1, 2], [1, 4], [0, 2]]):
            cohort = cohort_of(task, np.array(who), round_)
            state = method.fuse(state, method.train(state, cohort, np.full(len(who), 0.5)))
        ends.append(state)
    assert ends[0].personal.arena.rows == (1, 3)
    assert final_weights(method, ends[0], 5) == final_weights(method, ends[1], 5)
    assert ends[0].personal.touched.tolist() == [0, 1, 2, 4]


class Told:
    """An algorithm whose models are told."""

    def __init__(self, whole, own):
        self.whole, self.own = whole, own

    def model_for(self, state, device):
        return self.whole if device is None else self.own[device]


def test_the_file_is_the_one_that_the_formats_own_library_writes(tmp_path):
    types = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32)
    types += (torch.int16, torch.int8, torch.uint8, torch.bool)
    whole = {f"b.{i}": torch.arange(6).reshape(2, 3).T.to(t) for i, t in enumerate(types)}
    whole |= {"a": torch.tensor(2.5), "empty é": torch.zeros(0, 3)}
    own = [
        {**whole, "a": torch.tensor(2.5 + (device % 3)), "b.0": torch.full((3, 2), float(device))}
        for device in range(12)
    ]
    expected = {f"global.{name}": tensor.contiguous() for name, tensor in whole.items()}
    for device, model in enumerate(own):
        expected |= {
            f"device{device}.{n}": t.contiguous()
            for n, t in model.items()
            if not torch.equal(t, whole[n])
        }
    told = Told(whole, own)
    assert len(expected) == 12 + 8 + 12
    assert final_weights(told, None, 12) == safetensors.torch.save(expected)
    digest = write_weights(tmp_path / "w.safetensors", told, None, 12)
    written = (tmp_path / "w.safetensors").read_bytes()
    assert written == final_weights(told, None, 12)
    assert digest == sha256(written).hexdigest()


def test_the_names_of_many_devices_are_sorted_as_the_library_does():
    whole = {"x": torch.zeros(2), "wide": torch.zeros(3).double()}
    own = [{"x": torch.ones(2) * d, "wide": whole["wide"] + d} for d in range(1, 113)]
    written = final_weights(Told(whole, own), None, 112)
    read = safetensors.torch.load(written)
    assert len(read) == 2 * 113
    assert written == safetensors.torch.save(read)
    assert all(torch.equal(read[f"device{d}.x"], own[d]["x"]) for d in range(112))


CROWD = """
import resource
from pathlib import Path
from types import SimpleNamespace
import numpy as np, torch
from torch import nn
from wflsim.learning.evaluation import evaluate
from wflsim.learning.shelf import Shelf
from wflsim.learning.weights import write_weights

devices, cohort = 10_000, 100
torch.set_num_threads(1)
module = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
)
initial = {name: tensor.detach().clone() for name, tensor in module.named_parameters()}
assert sum(tensor.numel() for tensor in initial.values()) == 61_706
shelf = Shelf.of_default(initial, devices, budget_bytes=2**28)
for first in range(0, devices, cohort):
    who = np.arange(first, first + cohort)
    shelf = shelf.replaced(who, {name: tensor + 0.01 * first for name, tensor in shelf.rows(who).items()})
assert len(shelf.touched) == devices
mean = shelf.mean()["11.bias"]
assert torch.allclose(mean, initial["11.bias"] + 0.01 * (devices - cohort) / 2, rtol=1e-4)
told = SimpleNamespace(model_for=lambda state, device: shelf.mean() if device is None else shelf.row(device))
tests = np.arange(10_000)
holdings = SimpleNamespace(test=np.split(np.tile(tests, 3), devices), common_test=tests)
inputs, labels = torch.rand(10_000, 1, 28, 28), torch.randint(0, 10, (10_000,))
task = SimpleNamespace(network=None,
    holdings=holdings, inputs=inputs, labels=labels, module=module, initial=initial, devices=devices
)
scores = evaluate(told, None, task, devices=np.arange(0, devices, 10))
assert len(scores.known) == devices // 10
write_weights(Path("/dev/null"), told, None, devices)
status = Path("/proc/self/status")  # what getrusage tells begins with the memory of the process that started this one
found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
print(int(found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024, *shelf.arena.rows)
"""


@pytest.mark.slow
def test_ten_thousand_whole_models_are_kept_measured_and_written_in_bounded_memory():
    done = subprocess.run(
        [sys.executable, "-c", CROWD],
        capture_output=True,
        text=True,
        check=True,
    )
    mebibytes, young, old = done.stdout.split()
    assert int(young) + int(old) == 10_000
    assert float(mebibytes) < 1024  # of 2,354 in all
