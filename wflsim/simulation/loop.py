"""The round loop: one system in its world, a report a round."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from channel_models.channel import Links
from wflsim.contracts import Exchange, FloatArray, Updates
from wflsim.learning.cohort import Cohort
from wflsim.learning.engines import prepare
from wflsim.learning.evaluation import Scores, evaluate
from wflsim.learning.task import Task, make_task
from wflsim.network.round import play
from wflsim.network.timeline import NANOSECONDS
from wflsim.randomness import Streams
from wflsim.records.report import Played, Report
from wflsim.scenario.schema import System, World
from wflsim.simulation.posing import plan_of, pose
from wflsim.world.fleet import Devices, draw_devices


@dataclass(frozen=True)
class Stage:
    """A system in its world, ready to play.

    Attributes:
        world: The world.
        system: The system.
        streams: The random streams of the world's seed.
        devices: The fleet.
        task: What it learns.
    """

    world: World
    system: System
    streams: Streams
    devices: Devices
    task: Task

    def rounds(self) -> Iterator[Report]:
        """Play round after round; each yields its report."""
        channel = self.world.channel.init(self.devices.position_m, self.streams.at())
        state = self.system.algorithm.init(self.task)
        now_ns = sensed_ns = 0
        for round_ in range(self.system.rounds):
            elapsed_s = (now_ns - sensed_ns) / NANOSECONDS
            channel, links = self.world.channel.step(channel, elapsed_s, self.streams.at(round_))
            sensed_ns = now_ns
            exchanges = self.system.algorithm.plan(
                self.task.anatomy, self.task.holdings.samples, round_, state
            )
            games = []
            for exchange in exchanges:
                game = self._play(exchange, links, now_ns, round_)
                state = self._learn(game, state, round_)
                now_ns, elapsed_s = (
                    game.timeline.end_ns,
                    (game.timeline.end_ns - now_ns) / NANOSECONDS,
                )
                games.append(game)
            yield Report(round_, links, tuple(games), self._scores(state, round_), state)

    def _play(self, exchange: Exchange, links: Links, now_ns: int, round_: int) -> Played:
        posed = pose(exchange, links, self.devices, self.world.radio, self.system.deadline)
        rng = self.streams.stream("allocator", round_)
        allocation = self.system.allocator.allocate(posed.problem, rng)
        plan, keep = plan_of(exchange, posed, allocation, self.devices)
        timeline = play(now_ns, plan, self.system.policy)
        rate_bps = posed.problem.rate_bps(allocation.bandwidth_hz, allocation.power_w)
        return Played(exchange, posed.dense_s, allocation, rate_bps, keep, plan, timeline)

    def _learn(self, game: Played, state: Any, round_: int) -> Any:
        """Return the state after those who arrived were trained; nobody else costs host time."""
        arrived = game.timeline.arrived
        who, keep = game.exchange.participants[arrived], game.keep[arrived]
        if not len(who):
            return state
        cohort = Cohort(self.task, who, round_, self.streams, self.world.engine)
        updates = self.system.algorithm.train(state, cohort, keep)
        _assert_bits(updates, game.exchange.up_bits.at(game.keep)[arrived])
        return self.system.algorithm.fuse(state, updates)

    def _scores(self, state: Any, round_: int) -> Scores | None:
        due = (round_ + 1) % self.world.evaluate_every == 0 or round_ + 1 == self.system.rounds
        return evaluate(self.system.algorithm, state, self.task) if due else None


def stage(world: World, system: System) -> Stage:
    """Return a system in its world; devices, data and initial weights depend on the world alone."""
    streams = Streams(world.seed)
    prepare(world.engine)
    devices = draw_devices(world.fleet, streams)
    return Stage(
        world, system, streams, devices, make_task(world.task, world.fleet.devices, streams)
    )


def _assert_bits(updates: Updates, planned: FloatArray) -> None:
    """Raise when the messages are not the bits that the network carried."""
    sent = np.array([message.bits for message in updates.messages])
    if not np.array_equal(sent, planned):
        device = int(updates.devices[np.flatnonzero(sent != planned)[0]])
        raise AssertionError(
            f"device {device} sends {sent[sent != planned][0]} bits, but the network carried "
            f"{planned[sent != planned][0]}: the algorithm's plan and its messages disagree"
        )
