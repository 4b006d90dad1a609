"""Whoever trains the chunks of a cohort, and however many do: the same bits."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from wflsim.contracts import Turn
from wflsim.errors import UserError
from wflsim.learning import crews
from wflsim.learning.algorithms.fedalt import FedAlt
from wflsim.learning.algorithms.japp import Japp
from wflsim.learning.crews import Chunk, Job, crew, joined
from wflsim.learning.engines import Auto, Batched, Loop, Native, Processes, Ray
from wflsim.learning.models import Mlp
from wflsim.learning.testing import STREAMS, small_task

KEEP = np.array([0.5, 0.3, 0.9, 0.3, 1.0])
WHO = np.arange(5)


def way_of(engine):
    return engine.way(Mlp().blueprint((1, 8, 8), 10).anatomy, True, plain=True)


def trained(algorithm, way):
    task = small_task()
    state, turn = algorithm.init(task), Turn(0, 0, STREAMS)
    parts = [WHO[start : start + way.chunk] for start in range(0, 5, way.chunk)]
    with crew(Job(algorithm, task, way.how, way.threads), way) as made:
        return joined(made.train([Chunk(state, part, turn, KEEP[part]) for part in parts]), WHO)


def bits(updates):
    sent = [{n: t.numpy().tobytes() for n, t in m.tensors.items()} for m in updates.messages]
    return sent, {name: tensor.numpy().tobytes() for name, tensor in updates.private.items()}


@pytest.mark.parametrize("algorithm", [Japp(), FedAlt()], ids=["japp", "fedalt"])
@pytest.mark.parametrize(
    "engine", [Batched(chunk=2), Loop(), Native()], ids=["batched", "loop", "native"]
)
def test_any_number_of_threads_gives_the_same_bits(algorithm, engine):
    found = [bits(trained(algorithm, way_of(replace(engine, workers=n)))) for n in (1, 2, 3)]
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
@pytest.mark.parametrize("train", ["batched", "loop", "native"])
def test_other_processes_give_the_same_bits(train):
    chunk = {"batched": 2, "loop": 1, "native": 1}[train]
    engines = {"batched": Batched(chunk=2), "loop": Loop(), "native": Native()}
    here = replace(engines[train], workers=1)
    expected = bits(trained(Japp(), way_of(here)))
    for workers in (1, 2):
        engine = Processes(train=train, chunk=chunk, workers=workers)
        assert bits(trained(Japp(), way_of(engine))) == expected


@pytest.mark.slow
def test_workers_of_ray_give_the_same_bits():
    pytest.importorskip("ray", reason="Ray is an extra")
    expected = bits(trained(Japp(), way_of(Batched(chunk=2, workers=1))))
    assert bits(trained(Japp(), way_of(Ray(train="batched", chunk=2, workers=2)))) == expected


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'wflsim\[ray\]'"):
        trained(Japp(), way_of(Ray()))


def test_the_devices_come_back_in_the_order_that_was_asked_for():
    whole = trained(Japp(), way_of(Batched(chunk=5, workers=1)))
    order = np.array([3, 0, 4, 1, 2])
    mixed = joined([whole.only(np.array([4, 1])), whole.only(np.array([0, 3, 2]))], order)
    assert bits(mixed) == bits(whole.only(order))
    assert mixed.devices.tolist() == order.tolist()


def test_a_view_travels_without_the_memory_behind_it():
    wide = torch.arange(100_000.0)
    sent = crews._dumps({"row": wide[:3]})
    assert len(sent) < 1000
    assert torch.equal(crews._loads(sent)["row"], wide[:3])


@pytest.mark.parametrize(
    ("hidden", "known", "plain", "how", "why"),
    [
        ((20,), True, True, "batched", "are few"),
        ((200,), True, True, "native", "worth compiling"),
        ((2000,), True, True, "native", "worth compiling"),
        ((200,), True, False, "batched", "are few"),
        ((2000,), True, False, "loop", "parameters are more than"),
        ((200,), False, False, "loop", "not made of standard layers"),
    ],
)
def test_auto_follows_a_rule_and_says_which(hidden, known, plain, how, why):
    way = Auto().way(Mlp(hidden=hidden).blueprint((1, 28, 28), 10).anatomy, known, plain=plain)
    assert (way.how, why in way.told) == (how, True)
    assert way.chunk == {"batched": 10, "native": 5, "loop": 1}[how]
