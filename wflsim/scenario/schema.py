"""The typed scenario: the world that all variants share, and the systems that are compared in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from channel_models.channel import Channel
from channel_models.layouts.placements import Placement, Ring
from channel_models.rates.estimation import Estimation, Perfect
from channel_models.rates.links import Link, Shannon
from channel_models.units import Count, Decibel, Positive, noise_w_per_hz
from optimizers.allocator import Allocator
from wflsim.catalog import component
from wflsim.contracts import Algorithm, Compute, Data, Deadline, Engine, Model, Partition, Policy

NAME = r"[^\W_][\w .-]{0,79}"
NAME_SAYS = (
    " of letters, digits, spaces, dots, dashes and underscores, beginning with a letter or digit"
)
Name = Annotated[str, ("pattern", f"^{NAME}$"), ("saying", NAME_SAYS)]
Range = Annotated[tuple[Positive, Positive], ("order", "rising")]
PowerRange = Annotated[tuple[Decibel, Decibel], ("order", "rising")]


def chosen(family: str, kind: str) -> Any:
    """Return a dataclass field whose default is a kind with its own defaults, loaded when it is needed."""
    return field(default_factory=partial(_default, family, kind))


def _default(family: str, kind: str) -> Any:
    return component(family, kind)()


@dataclass(frozen=True)
class Fleet:
    """The devices: how many, where, how strong.

    Attributes:
        devices: Number of devices K.
        placement: Where the devices stand.
        power_dbm: Least and largest limit of transmit power; each device draws its own between them.
        cpu_hz: Least and largest clock rate; each device draws its own between them.
        compute: Time and power of an operation.
    """

    devices: Count
    placement: Placement = field(default_factory=Ring)
    power_dbm: PowerRange = (15.0, 23.0)
    cpu_hz: Range = (0.5e9, 2e9)
    compute: Compute = chosen("compute", "kappa")


@dataclass(frozen=True)
class Radio:
    """The spectrum and the base station.

    Attributes:
        bandwidth_hz: Uplink bandwidth that the participants of a round share.
        noise_figure_db: Noise figure of the receivers.
        downlink_dbm: Power of the base station.
        downlink_bandwidth_hz: Bandwidth of the broadcast.
        link: What a gain carries.
        estimation: How the base station comes to know its channels.
    """

    bandwidth_hz: Positive
    noise_figure_db: Decibel = 7.0
    downlink_dbm: Decibel = 43.0
    downlink_bandwidth_hz: Positive = 10e6
    link: Link = field(default_factory=Shannon)
    estimation: Estimation = field(default_factory=Perfect)

    @property
    def noise_w_per_hz(self) -> float:
        """Noise power density at the receivers, W/Hz."""
        return noise_w_per_hz(self.noise_figure_db)


@dataclass(frozen=True)
class TaskSection:
    """What is learned, from which data, split how.

    Attributes:
        data: The data set.
        partition: Which sample lies on which device.
        model: The network that is trained.
        test_share: Share of each device's samples that it keeps for testing and never trains on.
    """

    data: Data
    partition: Partition
    model: Model
    test_share: Annotated[float, ("above", 0.0), ("below", 1.0)] = 0.2


@dataclass(frozen=True)
class System:
    """What a variant may change: the method, and how the round is run.

    Attributes:
        rounds: Number of rounds.
        algorithm: The method of federated learning.
        allocator: What answers a round's problem with ratios, bandwidths and powers.
        deadline: How long a round may last.
        policy: How the server ends a round.
    """

    rounds: Count
    algorithm: Algorithm
    allocator: Allocator = chosen("allocator", "kkt")
    deadline: Deadline = chosen("deadline", "none")
    policy: Policy = chosen("policy", "deadline")


@dataclass(frozen=True)
class World:
    """What all variants of a scenario share: devices, channels, data, initial weights.

    Attributes:
        name: Name of the scenario; the run folder is called after it.
        fleet: The devices.
        channel: The radio channel.
        radio: The spectrum and the base station.
        task: What is learned.
        about: What the scenario shows, in a sentence.
        seed: Seed of every random draw.
        engine: How devices are trained on the host.
        evaluate_every: Number of rounds between two evaluations; the last round is always evaluated.
    """

    name: Name
    fleet: Fleet
    radio: Radio
    task: TaskSection
    channel: Channel = field(default_factory=Channel)
    about: str = ""
    seed: Annotated[int, ("least", 0)] = 0
    engine: Engine = chosen("engine", "batched")
    evaluate_every: Count = 1


@dataclass(frozen=True)
class Scenario:
    """A scenario: one world, and the systems that play in it by name.

    Attributes:
        world: What all variants share.
        systems: Variant → system, in the order of the file.
    """

    world: World
    systems: Mapping[str, System]
