"""The round loop: one system in its world, a report a round."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from wflsim.contracts import Exchange, FloatArray, Turn, Updates
from wflsim.errors import UserError
from wflsim.learning.cohort import Cohort
from wflsim.learning.engines import host_threads
from wflsim.learning.evaluation import Scores, evaluate
from wflsim.learning.task import Task, make_task
from wflsim.network.round import play
from wflsim.network.timeline import NANOSECONDS
from wflsim.records.report import Played, Report
from wflsim.scenario.schema import System
from wflsim.simulation.air import Sensed, sense
from wflsim.simulation.posing import answer, plan_of, pose
from wflsim.simulation.setting import Setting


@dataclass(frozen=True)
class Stage:
    """A system in its setting, ready to play.

    Attributes:
        setting: What surrounds it.
        system: The system.
        task: What it learns.
    """

    setting: Setting
    system: System
    task: Task

    def rounds(self) -> Iterator[Report]:
        """Play round after round; each yields its report.

        A round is one coherence block: its channel is drawn when it begins and holds for all its exchanges.
        """
        channel, streams = self.setting.channel, self.setting.streams
        state = self.system.algorithm.init(self.task)
        now_ns = sensed_ns = 0
        with host_threads(self.setting.world.engine):
            for round_ in range(self.system.rounds):
                elapsed_s = (now_ns - sensed_ns) / NANOSECONDS
                try:
                    channel, links = self.setting.world.channel.step(
                        channel, elapsed_s, streams.at(round_)
                    )
                except ValueError as error:
                    raise UserError(f"channel: round {round_}: {error}") from error
                sensed_ns = now_ns
                sensed = sense(links, self.setting.world.radio, streams.at(round_))
                games, state = self._round(round_, sensed, now_ns, state)
                now_ns = games[-1].timeline.end_ns
                yield Report(round_, links, games, self._scores(state, round_), state)

    def _round(
        self, round_: int, sensed: Sensed, now_ns: int, state: Any
    ) -> tuple[tuple[Played, ...], Any]:
        """Play the exchanges of a round, one after another; return them and the state after the last."""
        games: list[Played] = []
        for step in count():
            turn = Turn(round_, step, self.setting.streams)
            exchange = self.system.algorithm.plan(
                self.task.anatomy, self.task.holdings.samples, turn, state
            )
            if exchange is None:
                break
            game = self._play(exchange, sensed, now_ns, turn)
            now_ns, state = game.timeline.end_ns, self._learn(game, state, turn)
            games.append(game)
        if not games:
            raise UserError(f"round {round_}: the algorithm plans no exchange; plan at least one")
        return tuple(games), state

    def _play(self, exchange: Exchange, sensed: Sensed, now_ns: int, turn: Turn) -> Played:
        devices = self.setting.devices
        posed = pose(exchange, sensed, devices, self.setting.world.radio, self.system.deadline)
        posed, allocation = answer(posed, self.system.allocator, lambda: turn.draw("allocator"))
        plan, keep, rate_bps = plan_of(exchange, posed, allocation, devices)
        timeline = play(now_ns, plan, self.system.policy)
        return Played(exchange, posed.dense_s, allocation, rate_bps, keep, plan, timeline)

    def _learn(self, game: Played, state: Any, turn: Turn) -> Any:
        """Return the state after those who arrived were trained; nobody else costs host time."""
        arrived = game.timeline.arrived
        who, keep = game.exchange.participants[arrived], game.keep[arrived]
        if not len(who):
            return state
        cohort = Cohort(self.task, who, turn, self.setting.world.engine)
        updates = self.system.algorithm.train(state, cohort, keep)
        _examine(updates, game.up_bits[arrived])
        return self.system.algorithm.fuse(state, updates)

    def _scores(self, state: Any, round_: int) -> Scores | None:
        every, last = self.setting.world.evaluate_every, round_ + 1 == self.system.rounds
        return (
            evaluate(self.system.algorithm, state, self.task)
            if last or (round_ + 1) % every == 0
            else None
        )


def stage(setting: Setting, system: System) -> Stage:
    """Return a system in its setting; devices, data and initial weights depend on the world alone."""
    return Stage(setting, system, make_task(setting.world.task, setting.holdings, setting.streams))


def _examine(updates: Updates, planned: FloatArray) -> None:
    """Raise when the messages are not the bits that the network carried, or are no numbers."""
    for device, message, bits in zip(updates.devices, updates.messages, planned, strict=True):
        if message.bits != bits:
            raise AssertionError(
                f"device {device} sends {message.bits} bits, but the network carried {bits:.0f}: "
                "the algorithm's plan and its messages disagree"
            )
        if not message.finite:
            round_ = updates.turn.round_
            raise UserError(
                f"round {round_}: the weights of device {device} are no numbers; lower the learning rates"
            )
