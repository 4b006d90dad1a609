"""Devices that live: what their batteries hold and when they can be reached, from one exchange to the next."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wflsim.clock import NANOSECONDS
from wflsim.contracts import BoolArray, Charge, FloatArray, IntArray, Presence
from wflsim.randomness import Streams
from wflsim.scenario.schema import Fleet

_PATIENCE_S = 3e7  # a year: a battery that takes longer to charge is empty for good


@dataclass(frozen=True, eq=False)
class Life:
    """The devices of a fleet as they live.

    Attributes:
        fleet: What they are.
        streams: The random streams of the scenario.
        charge: What their batteries hold.
        credited_ns: Until when what they gathered is in the battery, shape (N,).
        availability: State of the availability.
        presence: Who can be reached.
    """

    fleet: Fleet
    streams: Streams
    charge: Charge
    credited_ns: IntArray
    availability: Any
    presence: Presence

    def at(self, now_ns: int, busy: IntArray) -> "Life":
        """Return the devices at a later instant; those that are busy gather on their own account.

        Args:
            now_ns: The instant.
            busy: Indices of devices that have an update under way.
        """
        idle = np.ones(len(self.credited_ns), dtype=np.bool_)
        idle[busy] = False
        credited = self.gathered(np.flatnonzero(idle), np.zeros(int(idle.sum())), now_ns)
        availability, presence = self.fleet.availability.at(
            self.availability, now_ns / NANOSECONDS, self._sojourn
        )
        return replace(credited, availability=availability, presence=presence)

    def gathered(self, device: IntArray, spent_j: FloatArray, now_ns: int) -> "Life":
        """Return the devices after some have spent energy, and gathered it since they were looked at last.

        Nothing fits into a full battery.
        """
        from_s = self.credited_ns[device] / NANOSECONDS
        harvest_j = self.fleet.battery.harvested_j(
            from_s, np.full(len(device), now_ns / NANOSECONDS)
        )
        left_j = np.maximum(self.charge.charge_j[device] - spent_j, 0.0)
        charge_j, credited_ns = self.charge.charge_j.copy(), self.credited_ns.copy()
        charge_j[device] = np.minimum(left_j + harvest_j, self.charge.capacity_j[device])
        credited_ns[device] = now_ns
        return replace(
            self, charge=replace(self.charge, charge_j=charge_j), credited_ns=credited_ns
        )

    @property
    def charged(self) -> BoolArray:
        """Which devices have enough in their batteries to take part, shape (N,)."""
        return (self.charge.charge_j >= self.charge.least_j) & (self.charge.charge_j > 0.0)

    def ready(self) -> BoolArray:
        """Return which devices can be reached and have enough in their batteries, shape (N,)."""
        return self.presence.here & self.charged

    def next_look_ns(self, now_ns: int) -> int | None:
        """Return when somebody may be ready who is not, None for never."""
        comes_s = self.presence.until_s[self.charged & ~self.presence.here]
        looks = [int(np.rint(one * NANOSECONDS)) for one in comes_s[np.isfinite(comes_s)]]
        looks += self._charged_ns(np.flatnonzero(~self.charged), now_ns)
        return max(min(looks), now_ns + 1) if looks else None

    def _charged_ns(self, device: IntArray, now_ns: int) -> list[int]:
        """Return when the first of some batteries will have been charged, to a second; nothing for never."""

        def charged(at_s: float) -> bool:
            to_s = np.full(len(device), at_s)
            gathered_j = self.fleet.battery.harvested_j(to_s * 0.0 + now_ns / NANOSECONDS, to_s)
            full_j = np.minimum(
                self.charge.charge_j[device] + gathered_j, self.charge.capacity_j[device]
            )
            return bool(((full_j >= self.charge.least_j[device]) & (full_j > 0.0)).any())

        early_s, step_s = now_ns / NANOSECONDS, 1.0
        while not charged(early_s + step_s):
            step_s *= 2.0
            if step_s > _PATIENCE_S:
                return []
        late_s = early_s + step_s
        while late_s - early_s > 1.0:
            middle_s = (early_s + late_s) / 2.0
            early_s, late_s = (early_s, middle_s) if charged(middle_s) else (middle_s, late_s)
        return [int(np.ceil(late_s)) * NANOSECONDS]

    def _sojourn(self, number: int) -> np.random.Generator:
        return self.streams.stream("availability", number)


def born(fleet: Fleet, streams: Streams) -> Life:
    """Return the devices before the first round."""
    many = fleet.devices
    availability = fleet.availability.init(many, lambda n: streams.stream("availability", n))
    nobody = Presence(np.zeros(many, dtype=np.bool_), np.zeros(many))
    charge = fleet.battery.init(many, streams.stream("battery"))
    life = Life(fleet, streams, charge, np.zeros(many, dtype=np.int64), availability, nobody)
    return life.at(0, np.zeros(0, dtype=np.int64))
