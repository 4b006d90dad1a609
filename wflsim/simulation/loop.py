"""The round loop: one system in its world, a report a round."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from math import isinf
from typing import Any

import numpy as np

from channel_models.channel import ChannelState, Links
from optimizers import lyapunov
from optimizers.selection.rules import Random
from wflsim.clock import NANOSECONDS
from wflsim.contracts import Exchange, FloatArray, IntArray, Priced, Scores, Turn
from wflsim.errors import UserError
from wflsim.interrupts import held_back
from wflsim.network.launch import Network
from wflsim.network.round import stop
from wflsim.network.timeline import Flights
from wflsim.records.report import STOP, Played, Report
from wflsim.scenario.schema import System
from wflsim.simulation.air import Sensed, sense
from wflsim.simulation.arrivals import Beginning, Learner, Onlookers, Passage, arrivals, worth
from wflsim.simulation.exchange import Ground, Instant, played
from wflsim.simulation.inviting import Past
from wflsim.simulation.setting import Setting
from wflsim.world.life import Life

_LOOKS = 100_000  # how often a server looks for somebody before it gives up


class HaltError(Exception):
    """Nobody will ever take part again; the sentence says why."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that evolves from round to round.

    Attributes:
        now_ns: The instant.
        sensed_ns: When the channel was sensed last.
        channel: The channel then.
        life: The devices.
        flights: Updates under way.
        began: Round → the moment at which updates of it began, for those under way.
        state: What has been learnt.
        past: What is remembered of the rounds before, for rules who is invited.
        overdrawn_j: What every device has spent beyond its mean allowance, shape (N,); None where there is none.
    """

    now_ns: int
    sensed_ns: int
    channel: ChannelState
    life: Life
    flights: Flights
    state: Any
    past: Past
    began: Mapping[int, Beginning] = field(default_factory=dict)
    overdrawn_j: FloatArray | None = None


@dataclass(frozen=True)
class Stage:
    """A system in its setting, ready to play.

    Attributes:
        setting: What surrounds it.
        system: The system.
        learner: What becomes of the updates that arrive.
    """

    setting: Setting
    system: System
    learner: Learner

    def rounds(self) -> Iterator[Report]:
        """Play round after round; each yields its report."""
        return (report for report, _ in self.onward(self.begin()))

    def begin(self) -> Scene:
        """Return the scene before the first round."""
        setting, nobody = self.setting, self._network(0).nobody()
        fleet, state = setting.world.fleet.devices, self.learner.begin()
        none_j = None if isinf(self.system.energy.mean_j) else np.zeros(fleet)
        past, life = Past.none(fleet), setting.life
        return Scene(0, 0, setting.channel, life, nobody, state, past, overdrawn_j=none_j)

    def onward(self, scene: Scene, first: int = 0) -> Iterator[tuple[Report, Scene]]:
        """Play from a round on; each yields its report and the scene after it, from which all that follows follows.

        A round is one coherence block: its channel is drawn when it begins and holds for all its exchanges.
        """
        setting, system = self.setting, self.system
        with self.learner.at_work():
            for round_ in range(first, system.rounds):
                scene, links = self._sensed(self._awaited(scene), round_)
                sensed = sense(links, setting.world.radio, setting.streams.at(round_))
                before = scene.state
                scene, games = self._round(round_, scene, sensed)
                passage = Passage(before, scene.state, _came(games))
                scene = self._counted(self._remembered(scene, sensed, games), games)
                if round_ + 1 == system.rounds and len(scene.flights):
                    games = (*games, self._stopped(scene))
                scores = self._scores(scene.state, round_)
                told = self.learner.told_of(passage, evaluated=scores is not None)
                yield Report(round_, links, games, scores, scene.state, told), scene

    def _awaited(self, scene: Scene) -> Scene:
        """Return the scene at the first instant at which anybody is there to take part."""
        for _ in range(_LOOKS):
            life = scene.life.at(scene.now_ns, scene.flights.plan.device)
            scene = replace(scene, life=life)
            if len(scene.flights) or life.ready().any():
                return scene
            look_ns = life.next_look_ns(scene.now_ns)
            if look_ns is None:
                break
            scene = replace(scene, now_ns=look_ns)
        away = int((~scene.life.presence.here).sum())
        raise HaltError(
            f"after {scene.now_ns / NANOSECONDS:.6g} s nobody will take part any more: {away} devices are gone, "
            f"the batteries of {len(scene.life.presence.here) - away} others are too empty"
        )

    def _sensed(self, scene: Scene, round_: int) -> tuple[Scene, Links]:
        """Return the scene with the channel of a round; who has changed its cell has lost its grant."""
        elapsed_s = (scene.now_ns - scene.sensed_ns) / NANOSECONDS
        try:
            channel, links = self.setting.world.channel.step(
                scene.channel, elapsed_s, self.setting.streams.at(round_)
            )
        except ValueError as error:
            raise UserError(f"channel: round {round_}: {error}") from error
        flights = scene.flights
        moved = channel.serving[flights.plan.device] != flights.plan.cell
        flights = flights.leaving(moved & (flights.final_ns > scene.now_ns), scene.now_ns)
        return replace(scene, channel=channel, sensed_ns=scene.now_ns, flights=flights), links

    def _round(self, round_: int, scene: Scene, sensed: Sensed) -> tuple[Scene, tuple[Played, ...]]:
        """Play the exchanges of a round, one after another."""
        games: list[Played] = []
        holdings, learns = self.setting.holdings, self.system.learning.trains
        for step in count():
            turn = Turn(round_, step, self.setting.streams, scene.channel.serving)
            exchange = self.system.algorithm.plan(
                holdings.anatomy, holdings.samples, turn, scene.state if learns else None
            )
            if exchange is None:
                break
            scene, waves = self._waves(exchange, scene, sensed, turn)
            games += waves
        if not games:
            raise UserError(f"round {round_}: the algorithm plans no exchange; plan at least one")
        return scene, tuple(games)

    def _waves(
        self, exchange: Exchange, scene: Scene, sensed: Sensed, turn: Turn
    ) -> tuple[Scene, list[Played]]:
        """Play an exchange; one that asks everybody goes on, wave after wave, with those for whom there was no room."""
        games: list[Played] = []
        while True:
            if turn.step + len(games) and len(scene.flights):
                raise UserError(
                    "policy: the algorithm exchanges several times a round, so that no update can go on beyond one; "
                    "choose a policy with late: dropped, and no tiers"
                )
            network = self._network(turn.step, len(games))
            scene, game = self._exchange(exchange, scene, sensed, turn, network)
            purpose = f"{game.purpose} {len(games) + 1}" if games else game.purpose
            games.append(replace(game, purpose=purpose))
            waiting = () if game.agreement is None else game.agreement.waiting
            if not (exchange.open and len(waiting)):
                return scene, games
            exchange = exchange.only(np.isin(exchange.participants, waiting))

    def _exchange(
        self, exchange: Exchange, scene: Scene, sensed: Sensed, turn: Turn, network: Network
    ) -> tuple[Scene, Played]:
        """Play an exchange and learn from what arrives; nobody else costs host time."""
        ground = Ground(self.setting, self.system, network, self.learner, scene.channel.serving)
        if isinstance(self.system.algorithm, Priced):
            turn = replace(
                turn, prices=ground.site(exchange).prices(exchange, sensed, scene.now_ns)
            )
        life = scene.life.at(scene.now_ns, scene.flights.plan.device)
        if exchange.listeners is not None:
            idle = ~np.isin(np.arange(len(scene.channel.serving)), scene.flights.plan.device)
            turn = replace(turn, heard=life.ready() & idle)
        before = Instant(scene.now_ns, scene.flights, life, scene.past, scene.overdrawn_j)
        game, after, beginning = played(
            ground, exchange, sensed, Beginning(turn, scene.state), before
        )
        began = {**scene.began, turn.round_: beginning}
        policy, samples = self.system.policy, self.setting.holdings.samples
        found = arrivals(
            game.timeline, after.flights, turn.round_, began, policy=policy, samples=samples
        )
        state = self.learner.learn(scene.state, found)
        game = replace(game, progress=worth(found, samples))
        under_way = set(after.flights.round_.tolist())
        scene = replace(
            scene,
            now_ns=after.now_ns,
            life=after.life,
            flights=after.flights,
            began={first: moment for first, moment in began.items() if first in under_way},
            state=state,
        )
        return scene, game

    def _remembered(self, scene: Scene, sensed: Sensed, games: Sequence[Played]) -> Scene:
        """Return the scene that remembers the round, where somebody is chosen by what was."""
        if isinstance(self.system.selection, Random):
            return scene
        gain = sensed.uplink(self.setting.world.radio, np.arange(len(scene.past.taken))).gain
        return replace(scene, past=scene.past.and_then(gain, _came(games)))

    def _counted(self, scene: Scene, games: Sequence[Played]) -> Scene:
        """Return the scene after what the round took beyond its allowance was added to what had been overdrawn."""
        if scene.overdrawn_j is None:
            return scene
        used_j = np.zeros_like(scene.overdrawn_j)
        for game in games:
            np.add.at(used_j, game.timeline.device, game.timeline.phase_j.sum(axis=1))
            if game.listened is not None:
                np.add.at(used_j, *game.listened)
        queues = lyapunov.step(
            lyapunov.Queues(scene.overdrawn_j), used_j, self.system.energy.mean_j
        )
        return replace(scene, overdrawn_j=queues.energy_j)

    def _stopped(self, scene: Scene) -> Played:
        """Return what was under way when the last round was over."""
        timeline = stop(scene.now_ns, scene.flights, self._network(0))
        charge_j = scene.life.charge.charge_j[timeline.device] - timeline.phase_j.sum(axis=1)
        return Played(STOP, self.system.rounds - 1, np.inf, None, timeline, charge_j, 0)

    def _network(self, step: int, wave: int = 0) -> Network:
        streams, devices = self.setting.streams, self.setting.devices
        later = (wave,) if wave else ()
        return Network(
            self.system.procedures,
            self.setting.world.fleet.electronics,
            devices.paging_offset,
            devices.grant_offset,
            lambda purpose, round_: streams.stream(purpose, round_, step, *later),
        )

    def _scores(self, state: Any, round_: int) -> Scores | None:
        every, last = self.setting.world.evaluate_every, round_ + 1 == self.system.rounds
        return self.learner.scores(state) if last or (round_ + 1) % every == 0 else None


def _came(games: Sequence[Played]) -> IntArray:
    """Return the devices whose updates were taken in, exchange by exchange."""
    return np.concatenate([game.timeline.device[game.timeline.taken] for game in games])


def stage(setting: Setting, system: System) -> Stage:
    """Return a system in its setting; torch is loaded where devices train."""
    if system.learning.trains:
        with held_back():
            from wflsim.simulation.learners import trainees

        return Stage(setting, system, trainees(setting, system))
    return Stage(setting, system, Onlookers(system.learning, setting.holdings.samples))
