"""Checks of path loss and shadowing."""

import numpy as np

from channel_models.large_scale.path_loss import (
    IN_SIGHT,
    INDOORS,
    OUT_OF_SIGHT,
    LargeScale,
    PathLoss,
)
from channel_models.large_scale.shadowing import Shadowing
from channel_models.layouts.geometry import Paths, paths_between
from channel_models.testing.laws import (
    MANY,
    require,
    require_array,
    require_mean,
    require_pure,
    require_same,
    rng,
    standard_error,
)
from channel_models.units import FloatArray

_TOGETHER = 20  # devices at one place


def check_path_loss(model: PathLoss) -> None:
    """Check a path-loss model, from 20 m to 100 m indoors and out: pure, deterministic, growing with the distance.

    >>> from channel_models.large_scale.path_loss import LogDistance
    >>> check_path_loss(LogDistance())
    """
    ground_m = np.geomspace(20.0, 100.0, 12)
    paths = paths_east(ground_m)
    asked = paths.position_m.copy()
    state = model.init(12, 2, rng(0))
    links = _large_scale(model.large_scale(state, paths), (12, 2))
    require_same(paths.position_m, asked, "the positions handed in")
    again = _large_scale(model.large_scale(model.init(12, 2, rng(0)), paths), (12, 2))
    require_same(links, again, "losses from the same seed")
    fewer = model.large_scale(model.init(9, 2, rng(0)), paths_east(ground_m[:-3]))
    require_same(links[:, :-3], _large_scale(fewer, (9, 2)), "losses of the first devices")
    require_pure(state, lambda: model.large_scale(state, paths).loss_db, "losses")
    _check_loss_grows(model, ground_m)


def check_shadowing(model: Shadowing) -> None:
    """Check a shadowing model.

    >>> from channel_models.large_scale.shadowing import LogNormal
    >>> check_shadowing(LogNormal())
    """
    paths = paths_east(rng(3).uniform(20.0, 500.0, MANY))
    large = _any_large_scale(MANY)
    loss_db = _shadowed(model, large, paths)
    require_array(loss_db, (MANY, 2), np.floating, "shadowing")
    require_same(loss_db, _shadowed(model, large, paths), "shadowing from the same seed")
    fewer = _shadowed(model, _any_large_scale(MANY - 3), paths_east(paths.ground_m[:-3, 0]))
    require_same(loss_db[:-3], fewer, "shadowing of the first devices")
    state = model.init(MANY, 2, rng(0))
    require_pure(state, lambda: model.step(state, large, paths, rng(1))[1], "shadowing")
    # One value a draw: neighbours may shadow together, so that they are no independent samples.
    few_paths, few = paths_east(paths.ground_m[:2, 0]), _any_large_scale(2)
    drawn = [_shadowed(model, few, few_paths, seed)[0, 0] for seed in range(100)]
    require_mean(np.array(drawn), 0.0, "shadowing in dB")


def _check_loss_grows(model: PathLoss, ground_m: FloatArray) -> None:
    # Devices at one place may share their sight, so the means of draws are the samples, not the devices.
    paths = paths_east(np.repeat(ground_m, _TOGETHER))
    drawn = [
        model.large_scale(model.init(len(paths.ground_m), 2, rng(1, seed)), paths).loss_db[:, 0]
        for seed in range(MANY // _TOGETHER)
    ]
    loss_db = np.stack(drawn, axis=1).reshape(len(ground_m), _TOGETHER, -1).mean(axis=1)
    mean_db, error_db = loss_db.mean(axis=1), standard_error(loss_db)
    slack_db = 5.0 * np.hypot(error_db[1:], error_db[:-1]) + 1e-9
    require(
        bool(np.all(np.diff(mean_db) >= -slack_db)),
        f"The mean loss must not fall as the distance grows, got {mean_db.round(2)} dB.",
    )


def _shadowed(model: Shadowing, large: LargeScale, paths: Paths, seed: int = 0) -> FloatArray:
    devices, sites = paths.ground_m.shape
    state = model.init(devices, sites, rng(seed))
    return model.step(state, large, paths, rng(seed, 1))[1]


def paths_east(ground_m: FloatArray) -> Paths:
    """Return devices at these distances to the east of two sites that stand together."""
    return paths_between(np.stack([ground_m, 0.0 * ground_m], axis=1), np.zeros((2, 2)))


def _any_large_scale(devices: int) -> LargeScale:
    deviation_db = np.tile(np.linspace(4.0, 8.0, 7), devices)[: 2 * devices].reshape(devices, 2)
    condition = np.arange(2 * devices).reshape(devices, 2) % 3
    return LargeScale(
        loss_db=np.full((devices, 2), 100.0),
        sigma_db=deviation_db,
        condition=condition.astype(np.uint8),
        correlation_m=np.array([60.0, 90.0, 120.0])[condition],
    )


def _large_scale(links: LargeScale, shape: tuple[int, int]) -> FloatArray:
    """Return the columns that every path loss fills as rows of one array, shape (3, K, S), each checked."""
    require_array(links.loss_db, shape, np.floating, "loss_db")
    require_array(links.sigma_db, shape, np.floating, "sigma_db")
    require_array(links.condition, shape, np.integer, "condition")
    require(bool(np.all(links.sigma_db >= 0.0)), "sigma_db must not be negative.")
    require(
        bool(np.isin(links.condition, (IN_SIGHT, OUT_OF_SIGHT, INDOORS)).all()),
        "condition must be IN_SIGHT, OUT_OF_SIGHT or INDOORS.",
    )
    for name in ("correlation_m", "zenith_rad", "delay_spread_s"):
        column = getattr(links, name)
        if column is not None:
            require_array(column, shape, np.floating, name)
    return np.stack([links.loss_db, links.sigma_db, links.condition])
