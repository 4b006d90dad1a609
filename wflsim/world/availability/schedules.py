"""Availability that is settled at the start: always, windows of a day, a stay that begins and ends."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from channel_models.units import NonNegative, Share
from wflsim.contracts import FloatArray, Presence
from wflsim.world.availability.grid import Draws, Lasting, cycle_at, later_s, on_grid_s


@dataclass(frozen=True)
class Always:
    """Every device can be reached at any time.

    >>> Always().at(2, 0.0, np.random.default_rng)[1].here
    array([ True,  True])
    """

    def init(self, devices: int, draw: Draws) -> int:
        """Return the number of devices; nothing is drawn."""
        return devices

    def at(self, state: int, now_s: float, draw: Draws) -> tuple[int, Presence]:
        """Return the state as it was, and that everybody can be reached for ever."""
        return state, Presence(np.ones(state, dtype=np.bool_), np.full(state, np.inf))


@dataclass(frozen=True)
class Diurnal:
    """A window of each day in which a device can be reached, at its own time of the day.

    Device k can be reached from s + jT to s + (j + q) T in every day j, with T the day, q its share and s drawn
    uniformly between 0 and a share of T. What went on before the start of the run counts: with phases spread over the
    whole day, a share q can be reached at any time.

    Attributes:
        period_s: Length T of a day.
        on_share: Share q of the day in which a device can be reached.
        spread_share: Share of the day over which the devices' windows begin; 0 lets all begin together.

    Reference:
        A deterministic stand-in for phones that charge at night; the values are our own choices [X].

    >>> alike = Diurnal(period_s=100.0, on_share=0.3, spread_share=0.0)
    >>> alike.at(alike.init(1, np.random.default_rng), 130.0, np.random.default_rng)[1]
    Presence(here=array([False]), until_s=array([200.]))
    """

    period_s: Lasting = 86400.0
    on_share: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.5
    spread_share: Share = 1.0

    def init(self, devices: int, draw: Draws) -> FloatArray:
        """Return when each device's window begins in the day, shape (K,)."""
        return self.spread_share * self.period_s * draw(0).random(devices)

    def at(self, state: FloatArray, now_s: float, draw: Draws) -> tuple[FloatArray, Presence]:
        """Return the state as it was, and who can be reached; nothing is drawn."""
        cycle = cycle_at(now_s, state, self.period_s)
        off_s = on_grid_s(state + (cycle + self.on_share) * self.period_s)
        on_s = on_grid_s(state + (cycle + 1.0) * self.period_s)
        here = now_s < off_s
        until_s = (
            np.where(here, off_s, on_s) if self.on_share < 1.0 else np.full(len(state), np.inf)
        )
        return state, Presence(here, until_s)


@dataclass(frozen=True, eq=False)
class Stays:
    """When each device comes, and when it goes for good.

    Attributes:
        from_s: When it joins, shape (K,).
        to_s: When it leaves, later, shape (K,).
    """

    from_s: FloatArray
    to_s: FloatArray


@dataclass(frozen=True)
class Churn:
    """Devices that join at some time, stay for a while, and never return.

    A device joins at an instant drawn uniformly from the first seconds of the run, and stays for a time drawn from an
    exponential distribution.

    Attributes:
        join_s: Length of the time at the start in which the devices join; 0 lets all be there at once.
        life_s: Mean time that a device stays.

    Reference:
        Our choice of the simplest churn with two parameters [X].

    >>> churn = Churn(join_s=0.0)
    >>> churn.at(churn.init(2, np.random.default_rng), 0.0, np.random.default_rng)[1].here
    array([ True,  True])
    """

    join_s: NonNegative = 0.0
    life_s: Lasting = 3600.0

    def init(self, devices: int, draw: Draws) -> Stays:
        """Return when each device joins and leaves."""
        from_s = on_grid_s(self.join_s * draw(0).random(devices))
        return Stays(from_s, later_s(from_s, self.life_s * draw(1).standard_exponential(devices)))

    def at(self, state: Stays, now_s: float, draw: Draws) -> tuple[Stays, Presence]:
        """Return the state as it was, and who can be reached; nothing is drawn."""
        joined, left = state.from_s <= now_s, state.to_s <= now_s
        until_s = np.where(left, np.inf, np.where(joined, state.to_s, state.from_s))
        return state, Presence(joined & ~left, until_s)
