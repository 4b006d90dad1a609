"""What devices live on: the mains, or batteries that a source may fill; and when a charge is used up."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import NonNegative, Positive, Share
from wflsim.contracts import Charge, FloatArray

ShareRange = Annotated[tuple[Share, Share], ("order", "rising")]


@dataclass(frozen=True)
class Mains:
    """Energy without end.

    >>> Mains().init(2, np.random.default_rng(1)).charge_j
    array([inf, inf])
    """

    def init(self, devices: int, rng: np.random.Generator) -> Charge:
        """Return infinite charges; nothing is drawn."""
        return Charge(np.full(devices, np.inf), np.full(devices, np.inf), np.zeros(devices))

    def harvested_j(self, from_s: FloatArray, to_s: FloatArray) -> FloatArray:
        """Return zeros, shape (K,): what is infinite gains nothing."""
        return np.zeros(len(from_s))


@dataclass(frozen=True)
class Rechargeable:
    """A battery, and a source that fills it: steady, or the light of a day, π P max(0, sin 2π t / T).

    Both sources give P on average. A day begins at sunrise, is light for its first half, and is the same for all
    devices.

    Attributes:
        capacity_j: Energy of a full battery; the default is 4 Ah at 3.85 V, as in a phone.
        charge: Least and largest share of the capacity at the start; each device draws its own between them.
        least_share: Share of the capacity below which a device takes no part.
        harvest_w: Power P that each device gathers on average.
        harvest_period_s: Length T of a day; 0 is a steady source.

    Reference:
        The half sine is the usual stand-in for sunlight; all values are our own choices [X].

    >>> half_day_j = Rechargeable(harvest_w=1.0, harvest_period_s=100.0).harvested_j
    >>> half_day_j(np.array([0.0, 50.0]), np.array([50.0, 100.0])).round(9)
    array([100.,   0.])
    """

    capacity_j: Positive = 55_440.0
    charge: ShareRange = (0.2, 1.0)
    least_share: Share = 0.2
    harvest_w: NonNegative = 0.0
    harvest_period_s: NonNegative = 0.0

    def init(self, devices: int, rng: np.random.Generator) -> Charge:
        """Return batteries of which each device has drawn its charge."""
        capacity_j = np.full(devices, self.capacity_j)
        return Charge(
            charge_j=capacity_j * rng.uniform(*self.charge, devices),
            capacity_j=capacity_j,
            least_j=capacity_j * self.least_share,
        )

    def harvested_j(self, from_s: FloatArray, to_s: FloatArray) -> FloatArray:
        """Return the energy that each device gathers between two instants, shape (K,), full batteries or not.

        With s the seconds of light that a day has had, it has brought P T sin²(π s / T). Within a day the difference is
        written as a product, over midnight as a sum of what is positive: nothing cancels.

        Args:
            from_s: Beginning of each device's interval, in simulated seconds, shape (K,).
            to_s: Its end, not before, shape (K,).
        """
        if not self.harvest_period_s:
            return np.asarray(self.harvest_w * (to_s - from_s))
        first, begin_s = self._light(from_s)
        last, end_s = self._light(to_s)
        turn = np.pi / self.harvest_period_s
        within = np.sin(turn * (begin_s + end_s)) * np.sin(turn * (end_s - begin_s))
        across = np.cos(turn * begin_s) ** 2 + (last - first - 1.0) + np.sin(turn * end_s) ** 2
        days = np.where(last == first, within, across)
        return np.asarray(self.harvest_w * self.harvest_period_s * np.maximum(days, 0.0))

    def _light(self, at_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the number of the day, and the seconds of light that it has had, shapes (K,)."""
        day, since_s = np.divmod(at_s, self.harvest_period_s)
        return day, np.minimum(since_s, self.harvest_period_s / 2.0)


def spent_j(ends_s: FloatArray, power_w: FloatArray) -> FloatArray:
    """Return the energy that each of P consecutive phases takes, shape (K, P).

    A phase at no power takes nothing, however long; one at some power that never ends takes infinitely much; what would
    come after a phase that never ends is not reached and takes nothing.

    Args:
        ends_s: When each phase ends, in seconds after the device's start, falling nowhere along P, shape (K, P).
        power_w: Power in each phase, shape (K, P).

    >>> spent_j(np.array([[1.0, 3.0, np.inf, np.inf]]), np.array([[5.0, 2.0, 0.0, 7.0]]))
    array([[5., 4., 0., 0.]])
    """
    begins_s = _before(ends_s)
    draws = np.isfinite(begins_s) & (power_w > 0.0)
    length_s = np.subtract(ends_s, begins_s, out=np.zeros(ends_s.shape), where=draws)
    return np.multiply(length_s, power_w, out=length_s, where=draws)


def exhausted_s(ends_s: FloatArray, power_w: FloatArray, charge_j: FloatArray) -> FloatArray:
    """Return when each device first needs energy that it has not, in seconds after its start, shape (K,).

    It is infinity where the charge suffices. A charge that is used up exactly suffices for as long as no power is drawn
    afterwards.

    Args:
        ends_s: When each of P consecutive phases ends, in seconds after the device's start, falling nowhere along P;
            infinite from a phase on that never ends, shape (K, P).
        power_w: Power in each phase, shape (K, P).
        charge_j: Energy at the start, infinite for the mains, shape (K,).

    >>> ends, power = np.array([[1.0, 3.0]] * 3), np.array([[5.0, 2.0]] * 3)
    >>> exhausted_s(ends, power, np.array([2.5, 7.0, 9.0]))
    array([0.5, 2. , inf])
    """
    charge = np.maximum(charge_j, 0.0)
    used_j = np.cumsum(spent_j(ends_s, power_w), axis=1)
    short = used_j > charge[:, None]
    ends_early = short.any(axis=1)
    fatal = np.argmax(short, axis=1)[:, None]

    def there(column: FloatArray) -> FloatArray:
        return np.take_along_axis(column, fatal, axis=1)[:, 0]

    left_j = np.subtract(
        charge, there(_before(used_j)), out=np.zeros(len(charge)), where=ends_early
    )
    lasts_s = np.divide(left_j, there(power_w), out=left_j, where=ends_early)
    instant_s = np.minimum(there(_before(ends_s)) + lasts_s, there(ends_s))
    return np.where(ends_early, instant_s, np.inf)


def _before(column: FloatArray) -> FloatArray:
    """Return what stood at the end of the phase before, 0 for the first, shape (K, P)."""
    return np.concatenate([np.zeros((len(column), 1)), column[:, :-1]], axis=1)
