"""Conformance checks for devices that live: run them on availability, batteries and stragglers of your own."""

from collections.abc import Callable

import numpy as np

from wflsim.contracts import Availability, Battery, Slowness
from wflsim.randomness import Streams

DEVICES = 6


def _draw(number: int) -> np.random.Generator:
    return Streams(1).stream("availability", number)


def check_availability(model: Availability) -> None:
    """Raise AssertionError unless presence is a function of time alone, and a device more changes nobody's."""
    instants_s = [0.0, 0.5, 2.0, 7.0, 7.0, 60.0, 3600.0, 40_000.0]
    many, fine = model.init(DEVICES + 1, _draw), model.init(DEVICES, _draw)
    for previous_s, now_s in zip([0.0, *instants_s], instants_s, strict=False):
        many, coarse = model.at(many, now_s, _draw)
        for between_s in np.linspace(previous_s, now_s, 5):
            fine, found = model.at(fine, float(between_s), _draw)
        assert found.here.shape == found.until_s.shape == (DEVICES,)
        assert (found.until_s > now_s).all(), "what changes changes later"
        assert (found.here == coarse.here[:DEVICES]).all(), "others, or instants between, matter"
        assert (found.until_s == coarse.until_s[:DEVICES]).all()


def check_battery(model: Battery) -> None:
    """Raise AssertionError unless charges are possible and what is gathered adds up over adjacent intervals."""
    charge = model.init(DEVICES, np.random.default_rng(1))
    more = model.init(DEVICES + 1, np.random.default_rng(1))
    assert (charge.charge_j == more.charge_j[:DEVICES]).all(), "a device more changes a draw"
    assert (charge.charge_j >= 0.0).all()
    assert (charge.charge_j <= charge.capacity_j).all()
    from_s = np.linspace(0.0, 1e5, DEVICES)
    first = model.harvested_j(from_s, from_s + 3e4)
    second = model.harvested_j(from_s + 3e4, from_s + 1e5)
    whole = model.harvested_j(from_s, from_s + 1e5)
    assert (first >= 0.0).all()
    np.testing.assert_allclose(first + second, whole, rtol=1e-9)


def check_slowness(model: Slowness) -> None:
    """Raise AssertionError unless factors are positive, of mean one, and each device's own."""
    factors = model.factors(20_000, np.random.default_rng(1))
    fewer = model.factors(DEVICES, np.random.default_rng(1))
    assert (factors > 0.0).all()
    assert (fewer == factors[:DEVICES]).all(), "a device more changes a draw"
    assert abs(factors.mean() - 1.0) <= 5.0 * factors.std() / np.sqrt(len(factors)) + 1e-12


CHECKS: dict[str, Callable[..., None]] = {
    "availability": check_availability,
    "battery": check_battery,
    "slowness": check_slowness,
}
"""Family → its check."""
