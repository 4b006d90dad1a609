"""What a device's electronics draw in each phase of its round."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import NonNegative
from wflsim.contracts import FloatArray


@dataclass(frozen=True)
class Ideal:
    """A perfect amplifier, and nothing for circuits, reception and waiting: what most of the literature counts.

    >>> Ideal().phase_power_w(np.array([2.0]), np.array([0.2]), np.array([0.5]))
    array([[0. , 0. , 2. , 0. , 0. , 0. , 0.1, 0. ]])
    """

    def phase_power_w(
        self, compute_w: FloatArray, transmit_w: FloatArray, airtime_share: FloatArray
    ) -> FloatArray:
        """Return the power in each phase, shape (K, 8), as `Handset` does."""
        return Handset(1.0, 0.0, 0.0, 0.0, 0.0).phase_power_w(compute_w, transmit_w, airtime_share)


@dataclass(frozen=True)
class Handset:
    """A real amplifier, and power for circuits, reception, waiting and access: p/η on the air, and constants.

    An amplifier efficiency of about 0.3 is usual [S]; the other defaults are choices of ours that no measurement
    backs [X], for a phone or a module.

    Attributes:
        amplifier_efficiency: Radiated power over the power that the amplifier draws, η.
        circuit_w: Power of the circuits while sending.
        receive_w: Power while receiving.
        idle_w: Power while waiting for anything.
        access_w: Power during random access, the mean over listening and preambles.

    >>> phone = Handset(amplifier_efficiency=0.25, circuit_w=1.0, receive_w=0.5, idle_w=0.1, access_w=0.25)
    >>> phone.phase_power_w(np.array([2.0]), np.array([0.2]), np.array([0.5]))
    array([[0.1 , 0.5 , 2.  , 0.25, 0.1 , 0.1 , 1.4 , 0.1 ]])
    """

    amplifier_efficiency: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.3
    circuit_w: NonNegative = 1.0
    receive_w: NonNegative = 1.0
    idle_w: NonNegative = 0.05
    access_w: NonNegative = 0.6

    def phase_power_w(
        self, compute_w: FloatArray, transmit_w: FloatArray, airtime_share: FloatArray
    ) -> FloatArray:
        """Return the power in each phase, shape (K, 8): page, receive, compute, access, grant, queue, upload, wait.

        Args:
            compute_w: Power while computing, shape (K,).
            transmit_w: Radiated power while on the air, shape (K,).
            airtime_share: Share of the upload in which a device is on the air, shape (K,).
        """
        upload_w = transmit_w / self.amplifier_efficiency * airtime_share + self.circuit_w
        idle, receive, access = (
            np.full(len(compute_w), power) for power in (self.idle_w, self.receive_w, self.access_w)
        )
        return np.stack([idle, receive, compute_w, access, idle, idle, upload_w, idle], axis=1)
