"""What devices promise: computing, batteries, presence, stragglers; and how long a round may last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wflsim.contracts.exchange import BoolArray, FloatArray


class Compute(Protocol):
    """How fast a device computes, and at what power."""

    def seconds_per_mac(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the time of one multiply-accumulate operation, shape (K,)."""
        ...

    def power_w(self, cpu_hz: FloatArray) -> FloatArray:
        """Return the power while computing, shape (K,)."""
        ...

    @property
    def start_s(self) -> float:
        """Seconds before the first operation: loading, serialisation."""
        ...


class Slowness(Protocol):
    """How much slower than planned a device computes in a round."""

    def factors(self, devices: int, rng: np.random.Generator) -> FloatArray:
        """Return the factor on each device's computing time, of mean one, shape (K,)."""
        ...


class Electronics(Protocol):
    """What a device draws besides computing and the power that it radiates."""

    def phase_power_w(
        self, compute_w: FloatArray, transmit_w: FloatArray, airtime_share: FloatArray
    ) -> FloatArray:
        """Return the power in each phase, shape (K, 8): page, receive, compute, access, grant, queue, upload, wait.

        Args:
            compute_w: Power while computing, shape (K,).
            transmit_w: Radiated power while on the air, shape (K,).
            airtime_share: Share of the upload in which a device is on the air, shape (K,).
        """
        ...


@dataclass(frozen=True, eq=False)
class Charge:
    """What K batteries hold.

    Attributes:
        charge_j: Energy left, infinite for devices on mains, shape (K,).
        capacity_j: Energy of a full battery, shape (K,).
        least_j: Energy below which a device takes no part, shape (K,).
    """

    charge_j: FloatArray
    capacity_j: FloatArray
    least_j: FloatArray


class Battery(Protocol):
    """What devices live on."""

    def init(self, devices: int, rng: np.random.Generator) -> Charge:
        """Return the batteries before the first round."""
        ...

    def harvested_j(self, from_s: FloatArray, to_s: FloatArray) -> FloatArray:
        """Return the energy that each device gathers between two instants, shape (K,); a sum over disjoint intervals.

        Args:
            from_s: Beginning of each device's interval, in simulated seconds, shape (K,).
            to_s: Its end, not before, shape (K,).
        """
        ...


@dataclass(frozen=True, eq=False)
class Presence:
    """Who can be reached at an instant.

    Attributes:
        here: Whether a device can be reached, shape (K,).
        until_s: When that changes, in simulated seconds, infinite for never, shape (K,); always after the instant.
    """

    here: BoolArray
    until_s: FloatArray


class Availability(Protocol):
    """When devices can be reached: a function of simulated time alone, whatever a system makes of it."""

    def init(self, devices: int, draw: Callable[[int], np.random.Generator]) -> Any:
        """Return the state at time 0.

        Args:
            devices: Number of devices K.
            draw: From a number to a stream of its own; each gives device k its k-th value, and is always the same.
        """
        ...

    def at(
        self, state: Any, now_s: float, draw: Callable[[int], np.random.Generator]
    ) -> tuple[Any, Presence]:
        """Return the state at an instant that is not before the last, and who can be reached then."""
        ...


class Deadline(Protocol):
    """How long a round may last."""

    def seconds(self, dense_s: float, sparsest_s: float) -> float:
        """Return the deadline, given the least round times with nothing pruned and with all that may be pruned."""
        ...


class EnergyBudget(Protocol):
    """How much energy a device may spend."""

    @property
    def mean_j(self) -> float:
        """What a device may spend in the mean of rounds; infinite for no such limit."""
        ...

    @property
    def compares(self) -> bool:
        """Whether budgets follow from what a round without them would take."""
        ...

    def round_j(self, free_j: FloatArray) -> FloatArray:
        """Return what each device may spend in a round, infinite for no limit, shape (K,).

        Args:
            free_j: What it would spend without a budget, shape (K,); only meant where the budget compares.
        """
        ...
