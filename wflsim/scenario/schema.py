"""The typed scenario: the world that all variants share, and the systems that are compared in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

from channel_models.channel import Channel
from channel_models.layouts.placements import Placement, Ring
from channel_models.rates.estimation import Estimation, Perfect
from channel_models.rates.links import Link, Shannon
from channel_models.units import Count, Decibel, Positive, noise_w_per_hz
from optimizers.allocator import Allocator
from optimizers.selection.candidates import Selection
from wflsim.catalog import component
from wflsim.contracts import (
    Access,
    Algorithm,
    Availability,
    Background,
    Battery,
    Compute,
    Data,
    Deadline,
    Electronics,
    EnergyBudget,
    Engine,
    Grant,
    Learning,
    Model,
    Paging,
    Partition,
    Policy,
    Slowness,
    Uplink,
)
from wflsim.scenario.paper import Paper

NAME = r"[^\W_][\w .-]{0,79}"
NAME_SAYS = (
    " of letters, digits, spaces, dots, dashes and underscores, beginning with a letter or digit"
)
Name = Annotated[str, ("pattern", f"^{NAME}$"), ("saying", NAME_SAYS)]
Range = Annotated[tuple[Positive, Positive], ("order", "rising")]
Pause = Annotated[float, ("least", 0.0), ("most", 1e7)]
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
        slowness: How much slower than planned a device computes in a round.
        electronics: What its radio draws.
        battery: What it lives on.
        availability: When it can be reached.
    """

    devices: Count
    placement: Placement = field(default_factory=Ring)
    power_dbm: PowerRange = (15.0, 23.0)
    cpu_hz: Range = (0.5e9, 2e9)
    compute: Compute = chosen("compute", "kappa")
    slowness: Slowness = chosen("slowness", "none")
    electronics: Electronics = chosen("electronics", "ideal")
    battery: Battery = chosen("battery", "mains")
    availability: Availability = chosen("availability", "always")


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
        test_share: Share of each device's samples that it keeps for testing and never trains on; 0 where the publisher's
            test samples are enough, which then no device's own model is measured on.
        validation_share: Share of each device's samples that it sets aside for choosing, and never trains on.
    """

    data: Data
    partition: Partition
    model: Model
    test_share: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.2
    validation_share: Annotated[float, ("least", 0.0), ("below", 1.0)] = 0.0

    def __post_init__(self) -> None:
        if self.test_share + self.validation_share >= 1.0:
            raise ValueError(
                f"test_share and validation_share must leave something to train on, got {self.test_share:g} and "
                f"{self.validation_share:g}; take smaller shares"
            )


@dataclass(frozen=True)
class Procedures:
    """What an update goes through besides computing and the air itself; each may be ideal, which costs nothing.

    Attributes:
        paging: How long the server takes to wake the devices that it invites.
        downlink: Whether one broadcast serves all, at the rate of the weakest, or each gets a message of its own on an
            equal share of the band and of the power, with the antennas steered at it.
        access: How a device without a connection wins one.
        grant: How long a connected device takes from asking for the uplink to its grant.
        background: What else a device has to send, before which its update waits.
        uplink: How a granted band carries a message.
        aggregation_s: Seconds that the server takes after the last update.
        margin_s: Seconds of the deadline that a plan leaves for what it cannot know: collisions, repeats, queues.
    """

    paging: Paging = chosen("paging", "ideal")
    downlink: Literal["multicast", "unicast"] = "multicast"
    access: Access = chosen("access", "ideal")
    grant: Grant = chosen("grant", "ideal")
    background: Background = chosen("background", "none")
    uplink: Uplink = chosen("uplink", "ideal")
    aggregation_s: Pause = 0.0
    margin_s: Pause = 0.0


@dataclass(frozen=True)
class System:
    """What a variant may change: the method, and how the round is run.

    Attributes:
        rounds: Number of rounds.
        algorithm: The method of federated learning.
        allocator: What answers a round's problem with ratios, bandwidths and powers.
        error_model: What the allocator takes pruning a share ρ to cost the learning: ρ (linear), ρ² (quadratic), −ln(1 − ρ)
            (neglog), or what every device has measured of its own model (lorenz).
        deadline: How long a round may last.
        energy: How much energy a device may spend on it.
        policy: How the server ends a round.
        invited: Most devices that are at work at once, of those that can be reached; null for all of them.
        selection: Who of them is invited.
        procedures: What an update goes through besides computing and the air itself.
        learning: Whether devices train, or only the network is studied.
    """

    rounds: Count
    algorithm: Algorithm
    allocator: Allocator = chosen("allocator", "kkt")
    error_model: Literal["linear", "quadratic", "neglog", "lorenz"] = "linear"
    deadline: Deadline = chosen("deadline", "none")
    energy: EnergyBudget = chosen("energy_budget", "none")
    policy: Policy = chosen("policy", "deadline")
    invited: Count | None = None
    selection: Selection = chosen("selection", "random")
    procedures: Procedures = field(default_factory=Procedures)
    learning: Learning = chosen("learning", "train")


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
        device: Where tensors are computed: on the cpu, on a GPU (cuda), or on a GPU where there is one (auto). Each gives
            results of its own, alike but not the same bits.
        precision: Numbers of the training steps; weights and messages are float32 always. bfloat16 is faster on a GPU and
            changes what is learnt.
        evaluate_every: Number of rounds between two evaluations; the last round is always evaluated.
        evaluate_devices: Devices whose own models are evaluated, drawn once from the seed; null for all of them.
        gradient_samples: Training samples of every device on which each evaluation also measures the slopes of the losses,
            drawn once from the seed, for the bound on convergence; null for no such measurement.
        paper: What a paper says of it, which `reproduce` judges and a run ignores.
    """

    name: Name
    fleet: Fleet
    radio: Radio
    task: TaskSection
    channel: Channel = field(default_factory=Channel)
    about: str = ""
    seed: Annotated[int, ("least", 0)] = 0
    engine: Engine = chosen("engine", "auto")
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    evaluate_every: Count = 1
    evaluate_devices: Count | None = None
    gradient_samples: Annotated[int, ("least", 2), ("most", 100_000_000)] | None = None
    paper: Paper = field(default_factory=Paper)


@dataclass(frozen=True)
class Scenario:
    """A scenario: one world, and the systems that play in it by name.

    Attributes:
        world: What all variants share.
        systems: Variant → system, in the order of the file.
    """

    world: World
    systems: Mapping[str, System]
