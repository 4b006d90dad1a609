"""What surrounds every system of a scenario: devices, channel, data; drawn from the seed, without torch."""

from contextlib import nullcontext
from dataclasses import dataclass

from channel_models.channel import ChannelState
from wflsim.learning.blueprint import Blueprint
from wflsim.learning.engines import Way
from wflsim.learning.task import Blaming, Holdings, hold
from wflsim.randomness import Streams
from wflsim.scenario.schema import World
from wflsim.world.fleet import Devices, draw_devices
from wflsim.world.life import Life, born


@dataclass(frozen=True)
class Setting:
    """A world as its seed made it.

    Attributes:
        world: The world.
        streams: The random streams of its seed.
        devices: The fleet.
        life: The devices before the first round.
        channel: The channel before the first round.
        holdings: Which sample lies where, and the model's layers.
    """

    world: World
    streams: Streams
    devices: Devices
    life: Life
    channel: ChannelState
    holdings: Holdings

    def way(self, device: str = "cpu") -> Way:
        """Return how devices are trained there."""
        known = isinstance(self.holdings.blueprint, Blueprint)
        plain = self.world.precision == "float32" and self.holdings.plan() is not None
        anatomy = self.holdings.anatomy
        found: Way = self.world.engine.way(anatomy, known, device != "cpu", plain)
        return found


def settle(world: World, blaming: Blaming = lambda *_: nullcontext()) -> Setting:
    """Return a world's setting.

    Args:
        world: The world.
        blaming: From a key and a remedy to a context that tells an impossible value as a mistake at that key.
    """
    streams = Streams(world.seed)
    with blaming("fleet.placement", "change the placement or the number of devices"):
        devices = draw_devices(world.fleet, streams)
    with blaming("fleet.availability", "change the file, or the number of devices"):
        life = born(world.fleet, streams)
    with blaming("channel", "change the placement or the channel"):
        channel = world.channel.init(devices.position_m, streams.at())
        world.channel.step(channel, 0.0, streams.at(0))  # what a step would refuse is refused now
    holdings = hold(world.task, devices.position_m, streams, blaming)
    return Setting(world, streams, devices, life, channel, holdings)
