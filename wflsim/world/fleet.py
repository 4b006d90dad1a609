"""The devices as columns: positions, clock rates, power limits."""

from dataclasses import dataclass

from channel_models.units import dbm_to_watt
from wflsim.contracts import Compute, FloatArray
from wflsim.randomness import Streams
from wflsim.scenario.schema import Fleet


@dataclass(frozen=True)
class Devices:
    """A fleet, one row a device.

    Attributes:
        position_m: Position around the base station, shape (K, 2).
        power_max_w: Limit of transmit power, shape (K,).
        cpu_hz: Clock rate, shape (K,).
        compute: Time and power of an operation.
        paging_offset: Place in the paging cycle, between 0 and 1, shape (K,).
        grant_offset: Place in the cycle of scheduling requests, between 0 and 1, shape (K,).
    """

    position_m: FloatArray
    power_max_w: FloatArray
    cpu_hz: FloatArray
    compute: Compute
    paging_offset: FloatArray
    grant_offset: FloatArray

    @property
    def seconds_per_mac(self) -> FloatArray:
        """Time of one operation, shape (K,)."""
        return self.compute.seconds_per_mac(self.cpu_hz)

    @property
    def compute_w(self) -> FloatArray:
        """Power while computing, shape (K,)."""
        return self.compute.power_w(self.cpu_hz)


def draw_devices(fleet: Fleet, streams: Streams) -> Devices:
    """Return the devices of a fleet; each property has its own stream with the device as the row."""
    count = fleet.devices
    return Devices(
        position_m=fleet.placement.place(count, streams.stream("placement")),
        power_max_w=dbm_to_watt(streams.stream("power").uniform(*fleet.power_dbm, count)),
        cpu_hz=streams.stream("cpu").uniform(*fleet.cpu_hz, count),
        compute=fleet.compute,
        paging_offset=streams.stream("paging").random(count),
        grant_offset=streams.stream("grant").random(count),
    )
