"""Devices that live: what their batteries hold and when they can be reached, from one exchange to the next."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wflsim.clock import NANOSECONDS
from wflsim.contracts import BoolArray, Charge, FloatArray, IntArray, Presence
from wflsim.randomness import Streams
from wflsim.scenario.schema import Fleet

_LOOK_S = 60.0  # how often a server looks whether a battery has been charged


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

    def ready(self) -> BoolArray:
        """Return which devices can be reached and have enough in their batteries, shape (N,)."""
        enough = (self.charge.charge_j >= self.charge.least_j) & (self.charge.charge_j > 0.0)
        return self.presence.here & enough

    def next_look_ns(self, now_ns: int) -> int | None:
        """Return when somebody may be ready who is not, None for never."""
        waits = ~self.presence.here
        comes_s = self.presence.until_s[waits & np.isfinite(self.presence.until_s)]
        looks = [int(np.rint(comes_s.min() * NANOSECONDS))] if len(comes_s) else []
        if self._gathers(now_ns):
            looks.append(now_ns + int(_LOOK_S * NANOSECONDS))
        return max(min(looks), now_ns + 1) if looks else None

    def _gathers(self, now_ns: int) -> bool:
        """Return whether anything is gathered in the ten days to come."""
        now_s = np.array([now_ns / NANOSECONDS])
        return bool(self.fleet.battery.harvested_j(now_s, now_s + 864e3)[0] > 0.0)

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
