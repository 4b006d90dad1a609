"""Conformance checks: run them on a model of your own; each raises AssertionError with a sentence, or passes.

They ask what the simulator relies on: shapes, finite numbers, the same bits from the same seed, no state or argument
changed in place, and the prefix law: more devices at the end change nothing for those before. Statistical checks
allow five standard errors, estimated over independent links, and use fixed seeds.
"""

import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from channel_models.large_scale.path_loss import (
    IN_SIGHT,
    INDOORS,
    OUT_OF_SIGHT,
    LargeScale,
    PathLoss,
)
from channel_models.large_scale.shadowing import Shadowing
from channel_models.layouts.geometry import Paths, paths_between
from channel_models.layouts.mobility import Mobility
from channel_models.layouts.placements import Placement
from channel_models.layouts.sites import Layout
from channel_models.rates.links import Link
from channel_models.small_scale.fading import Fading, Surroundings
from channel_models.units import ComplexArray, FloatArray

_MANY = 4000


def check_placement(model: Placement, devices: int = 16) -> None:
    """Check a placement; give the number of devices where it serves only one.

    >>> from channel_models.layouts.placements import Ring
    >>> check_placement(Ring())
    """
    positions = model.place(devices, _rng(0))
    _require_array(positions, (devices, 2), np.floating, "positions")
    _require_same(positions, model.place(devices, _rng(0)), "positions from the same seed")
    with suppress(ValueError):  # a list of positions serves one number of devices only
        _require_same(
            positions[:-3], model.place(devices - 3, _rng(0)), "positions of the first devices"
        )


def check_mobility(model: Mobility) -> None:
    """Check a rule of motion.

    >>> from channel_models.layouts.mobility import Static
    >>> check_mobility(Static())
    """
    placed_m = _rng(2).uniform(20.0, 80.0, (12, 2))
    asked = placed_m.copy()
    moved = _moved(model, asked)
    _require_same(placed_m, asked, "the positions handed in")
    _require_same(moved, _moved(model, placed_m), "positions from the same seed")
    _require_same(moved[:, :-3], _moved(model, placed_m[:-3]), "positions of the first devices")
    state, _ = model.init(placed_m, _rng(0))
    _require_pure(state, lambda: model.step(state, 1.0, _rng(1))[1], "positions")


def check_layout(model: Layout) -> None:
    """Check a layout.

    >>> from channel_models.layouts.sites import OneCell
    >>> check_layout(OneCell())
    """
    sites = model.sites()
    many, images = len(sites.site_m), len(sites.image_m)
    _require_array(sites.site_m, (many, 2), np.floating, "site_m")
    _require_array(sites.sector_rad, (len(sites.sector_rad),), np.floating, "sector_rad")
    _require_array(sites.image_m, (images, 2), np.floating, "image_m")
    _require(many >= 1 and len(sites.sector_rad) >= 1, "a layout needs a site and a sector.")
    _require(not sites.site_m[0].any(), "the first site must stand at the origin.")
    _require(images >= 1 and not sites.image_m[0].any(), "the first image must be the zero.")
    _require_same(sites.site_m, model.sites().site_m, "sites asked for twice")


def check_path_loss(model: PathLoss) -> None:
    """Check a path-loss model, from 20 m to 100 m indoors and out: pure, deterministic, growing with the distance.

    >>> from channel_models.large_scale.path_loss import LogDistance
    >>> check_path_loss(LogDistance())
    """
    ground_m = np.geomspace(20.0, 100.0, 12)
    paths = _paths(ground_m)
    asked = paths.position_m.copy()
    state = model.init(12, 2, _rng(0))
    links = _large_scale(model.large_scale(state, paths), (12, 2))
    _require_same(paths.position_m, asked, "the positions handed in")
    again = _large_scale(model.large_scale(model.init(12, 2, _rng(0)), paths), (12, 2))
    _require_same(links, again, "losses from the same seed")
    fewer = model.large_scale(model.init(9, 2, _rng(0)), _paths(ground_m[:-3]))
    _require_same(links[:, :-3], _large_scale(fewer, (9, 2)), "losses of the first devices")
    _require_pure(state, lambda: model.large_scale(state, paths).loss_db, "losses")
    _check_loss_grows(model, ground_m)


def check_shadowing(model: Shadowing) -> None:
    """Check a shadowing model.

    >>> from channel_models.large_scale.shadowing import LogNormal
    >>> check_shadowing(LogNormal())
    """
    paths = _paths(_rng(3).uniform(20.0, 500.0, _MANY))
    large = _any_large_scale(_MANY)
    loss_db = _shadowed(model, large, paths)
    _require_array(loss_db, (_MANY, 2), np.floating, "shadowing")
    _require_same(loss_db, _shadowed(model, large, paths), "shadowing from the same seed")
    fewer = _shadowed(model, _any_large_scale(_MANY - 3), _paths(paths.ground_m[:-3, 0]))
    _require_same(loss_db[:-3], fewer, "shadowing of the first devices")
    state = model.init(_MANY, 2, _rng(0))
    _require_pure(state, lambda: model.step(state, large, paths, _rng(1))[1], "shadowing")
    # One value a draw: neighbours may shadow together, so that they are no independent samples.
    few_paths, few = _paths(paths.ground_m[:2, 0]), _any_large_scale(2)
    drawn = [_shadowed(model, few, few_paths, seed)[0, 0] for seed in range(200)]
    _require_mean(np.array(drawn), 0.0, "shadowing in dB")


def check_fading(model: Fading) -> None:
    """Check a fading model.

    >>> from channel_models.small_scale.fading import Rayleigh
    >>> check_fading(Rayleigh())
    """
    for antennas in (1, 4):
        h = _coefficients(model, 6, antennas)
        _require_same(h, _coefficients(model, 6, antennas), "coefficients from the same seed")
        _require_same(
            h[:, :-2], _coefficients(model, 4, antennas), "coefficients of the first devices"
        )
    state = model.init(6, 4, _rng(0))
    _require_pure(
        state, lambda: model.step(state, _any_surroundings(6), 1.0, _rng(1))[1], "coefficients"
    )
    power = np.abs(_coefficients(model, _MANY, 4)) ** 2
    _require_mean(
        power.reshape(len(power), _MANY, -1).mean(axis=(0, 2)), 1.0, "power of the coefficients"
    )


def check_link(model: Link) -> None:
    """Check a link.

    >>> from channel_models.rates.links import Gap
    >>> check_link(Gap())
    """
    gap = model.snr_gap
    _require(
        bool(np.isfinite(gap)) and gap >= 1.0, f"snr_gap must be finite and at least 1, got {gap}."
    )
    _require(gap == model.snr_gap, "snr_gap must not change between two readings.")


def _check_loss_grows(model: PathLoss, ground_m: FloatArray) -> None:
    paths = _paths(np.repeat(ground_m, _MANY))
    links = model.large_scale(model.init(len(paths.ground_m), 2, _rng(1)), paths)
    loss_db = links.loss_db[:, 0].reshape(len(ground_m), _MANY)
    mean_db, error_db = loss_db.mean(axis=1), _standard_error(loss_db)
    slack_db = 5.0 * np.hypot(error_db[1:], error_db[:-1]) + 1e-9
    _require(
        bool(np.all(np.diff(mean_db) >= -slack_db)),
        f"The mean loss must not fall as the distance grows, got {mean_db.round(2)} dB.",
    )


def _coefficients(model: Fading, links: int, antennas: int, steps: int = 3) -> ComplexArray:
    """Return the coefficients of some steps, shape (steps, K, M, …), each step with a stream of its own."""
    state = model.init(links, antennas, _rng(0))
    played = []
    for step in range(steps):
        state, h = model.step(state, _any_surroundings(links), 0.5, _rng(1, step))
        wide = h.shape[2:] if h.ndim == 3 else ()
        _require_array(h, (links, antennas, *wide), np.complexfloating, "coefficients")
        played.append(h)
    return np.stack(played)


def _moved(model: Mobility, placed_m: FloatArray) -> FloatArray:
    """Return positions before and after some steps, shape (steps, K, 2)."""
    state, position_m = model.init(placed_m, _rng(0))
    played = [position_m]
    for step in range(3):
        state, position_m = model.step(state, 7.0, _rng(1, step))
        played.append(position_m)
    for position_m in played:
        _require_array(position_m, placed_m.shape, np.floating, "positions")
    return np.stack(played)


def _shadowed(model: Shadowing, large: LargeScale, paths: Paths, seed: int = 0) -> FloatArray:
    devices, sites = paths.ground_m.shape
    state = model.init(devices, sites, _rng(seed))
    return model.step(state, large, paths, _rng(seed, 1))[1]


def _paths(ground_m: FloatArray) -> Paths:
    """Return devices at these distances to the east of two sites that stand together."""
    return paths_between(np.stack([ground_m, 0.0 * ground_m], axis=1), np.zeros((2, 2)))


def _any_large_scale(devices: int) -> LargeScale:
    deviation_db = np.tile(np.linspace(4.0, 8.0, 7), devices)[: 2 * devices].reshape(devices, 2)
    return LargeScale(
        loss_db=np.full((devices, 2), 100.0),
        sigma_db=deviation_db,
        condition=(np.arange(2 * devices).reshape(devices, 2) % 3).astype(np.uint8),
        correlation_m=10.0 * deviation_db,
    )


def _any_surroundings(links: int) -> Surroundings:
    return Surroundings(
        bearing_rad=np.linspace(-1.0, 1.0, _MANY)[:links],
        k_factor_db=np.where(np.arange(links) % 2, 9.0, -np.inf),
        delay_spread_s=np.full(links, 100e-9),
    )


def _large_scale(links: LargeScale, shape: tuple[int, int]) -> FloatArray:
    """Return the columns that every path loss fills as rows of one array, shape (3, K, S), each checked."""
    _require_array(links.loss_db, shape, np.floating, "loss_db")
    _require_array(links.sigma_db, shape, np.floating, "sigma_db")
    _require_array(links.condition, shape, np.integer, "condition")
    _require(bool(np.all(links.sigma_db >= 0.0)), "sigma_db must not be negative.")
    _require(
        bool(np.isin(links.condition, (IN_SIGHT, OUT_OF_SIGHT, INDOORS)).all()),
        "condition must be IN_SIGHT, OUT_OF_SIGHT or INDOORS.",
    )
    for name in ("correlation_m", "zenith_rad", "delay_spread_s"):
        column = getattr(links, name)
        if column is not None:
            _require_array(column, shape, np.floating, name)
    return np.stack([links.loss_db, links.sigma_db, links.condition])


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(38901, spawn_key=key))


def _standard_error(samples: FloatArray) -> FloatArray:
    return np.asarray(samples.std(axis=-1) / np.sqrt(samples.shape[-1]))


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _require_array(
    array: npt.NDArray[np.generic], shape: tuple[int, ...], kind: type, name: str
) -> None:
    _require(array.shape == shape, f"{name} must have shape {shape}, got {array.shape}.")
    _require(
        np.issubdtype(array.dtype, kind), f"{name} must be {kind.__name__}, got {array.dtype}."
    )
    _require(bool(np.isfinite(array).all()), f"{name} must be finite.")


def _require_same(one: npt.NDArray[np.generic], two: npt.NDArray[np.generic], name: str) -> None:
    _require(np.array_equal(one, two), f"{name} must be the same bits, and they differ.")


def _require_pure(state: Any, ask: Callable[[], npt.NDArray[Any]], name: str) -> None:
    """Require that asking twice gives the same bits and leaves the state as it was."""
    before = pickle.dumps(state)
    first, second = ask(), ask()
    _require(
        pickle.dumps(state) == before,
        "step must return a new state and leave the old one as it was.",
    )
    _require_same(first, second, f"{name} from the same state and seed")


def _require_mean(samples: FloatArray, mean: float, name: str) -> None:
    found, error = float(samples.mean()), float(_standard_error(samples))
    _require(
        abs(found - mean) <= 5.0 * error + 1e-9, f"{name} must have mean {mean}, got {found:.4f}."
    )
