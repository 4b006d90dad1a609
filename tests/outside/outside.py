"""A package of somebody else's: a fading, an allocator, an algorithm and a policy for wflsim, which it does not import."""

from dataclasses import dataclass
from math import gamma
from typing import Annotated

import numpy as np


@dataclass(frozen=True)
class Weibull:
    """Weibull block fading: the power of every coefficient is Weibull with mean one.

    Attributes:
        shape: Shape of the power; 1 is Rayleigh.
    """

    shape: Annotated[float, ("least", 0.5)] = 2.0

    def init(self, links, antennas, rng):
        return (links, antennas)

    def step(self, state, around, elapsed_s, rng):
        power = rng.weibull(self.shape, state) / gamma(1 + 1 / self.shape)
        return state, np.sqrt(power) * np.exp(2j * np.pi * rng.random(state))


@dataclass(frozen=True)
class StrongestFirst:
    """Bandwidth in proportion to gain to a power.

    Attributes:
        exponent: The power; 0 is an equal share.
    """

    exponent: float = 0.1

    def allocate(self, problem, rng):
        share = problem.gain**self.exponent
        bandwidth_hz = problem.bandwidth_hz * share / share.sum()
        return problem.allocation(keep=problem.keep_max, bandwidth_hz=bandwidth_hz)


@dataclass(frozen=True)
class HeadOnly:
    """Everybody trains and sends the last layer; the first layers stay as they were drawn.

    Attributes:
        steps: Local steps.
    """

    steps: Annotated[int, ("least", 1)] = 2

    def plan(self, anatomy, samples, turn, state):
        if turn.step:
            return None
        _, head = anatomy.split("output")
        return head.dense_exchange(samples, macs=1e4 * self.steps)

    def init(self, task):
        return dict(task.initial)

    def train(self, state, cohort, keep):
        (batches,) = cohort.phases((self.steps,), 16)
        _, head = cohort.task.anatomy.split("output")
        trained = cohort.train(cohort.stack(state), head.tensors, batches, 0.1)
        return cohort.updates(cohort.rows(trained, head.tensors))

    def fuse(self, state, updates):
        share = 1 / len(updates.messages)
        mean = {
            name: sum(share * m.tensors[name] for m in updates.messages)
            for name in updates.messages[0].tensors
        }
        return {**state, **mean}

    def model_for(self, state, device):
        return state


@dataclass(frozen=True)
class Quorum:
    """The server closes when a share of those who can still arrive has arrived; the others are told to stop.

    Attributes:
        share: The share.
    """

    share: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.75

    @property
    def late(self):
        return Stopped()

    def closes(self, tally):
        return tally.arrived >= self.share * (tally.arrived + tally.awaited)

    def limit_s(self, deadline_s):
        return deadline_s


class Stopped:
    """What becomes of the others."""

    goes_on = False

    def weight(self, age):
        return np.ones(len(age))
