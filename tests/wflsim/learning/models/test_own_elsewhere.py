"""A network from a user's own file is trained by other processes as it is here."""

import numpy as np
import pytest

from wflsim.contracts import Samples, Turn
from wflsim.learning.algorithms.fedavg import FedAvg
from wflsim.learning.crews import Chunk, Job, crew, joined
from wflsim.learning.data.digits import Digits
from wflsim.learning.engines import Loop, Processes
from wflsim.learning.models import Own
from wflsim.learning.partitions.alike import Iid
from wflsim.learning.task import Holdings, make_task
from wflsim.learning.testing import STREAMS
from wflsim.scenario.schema import TaskSection

NETS = """
from torch import nn

class Net(nn.Module):
    def __init__(self, input_shape, classes):
        super().__init__()
        self.inner = nn.Linear(64, classes)
        self.unused = nn.Linear(2, 2)

    def forward(self, values):
        return self.inner(values.flatten(1)).tanh()
"""


@pytest.mark.slow
def test_processes_train_it_to_the_same_bits(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    model, rng = Own("nets.py:Net"), np.random.default_rng(0)
    blueprint = model.blueprint((1, 8, 8), 10)
    data = Samples(rng.standard_normal((40, 1, 8, 8)).astype(np.float32), rng.integers(10, size=40))
    parts = np.split(np.arange(40), 4)
    section = TaskSection(data=Digits(), partition=Iid(), model=model)
    task = make_task(section, Holdings(data, parts, [], parts, blueprint), STREAMS)
    algorithm, keep = FedAvg(steps=3, batch_size=4), np.ones(4)
    state, turn = algorithm.init(task), Turn(0, 0, STREAMS)
    found = []
    for engine in (Loop(workers=2), Processes(workers=2)):
        way = engine.way(task.anatomy, False)
        with crew(Job(algorithm, task, way.how, way.threads), way) as made:
            chunks = [Chunk(state, np.array([k]), turn, keep[[k]]) for k in range(4)]
            updates = joined(made.train(chunks), np.arange(4))
        found.append(
            [{n: t.numpy().tobytes() for n, t in m.tensors.items()} for m in updates.messages]
        )
    assert found[0] == found[1]
