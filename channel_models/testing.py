"""Conformance checks: run them on a model of your own; each raises AssertionError with a sentence, or passes.

They ask what the simulator relies on: shapes, finite numbers, the same bits from the same seed, no state or argument
changed in place, and the prefix law: more devices at the end change nothing for those before. Statistical checks
allow five standard errors, estimated over independent links, and use fixed seeds.
"""

import pickle
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from channel_models.fading import Fading
from channel_models.geometry import Placement
from channel_models.links import Link
from channel_models.path_loss import LargeScale, PathLoss
from channel_models.shadowing import Shadowing
from channel_models.units import ComplexArray, FloatArray

_MANY = 4000


def check_placement(model: Placement, devices: int = 16) -> None:
    """Check a placement; give the number of devices where it serves only one.

    >>> from channel_models.geometry import Ring
    >>> check_placement(Ring())
    """
    positions = model.place(devices, _rng(0))
    _require_array(positions, (devices, 2), np.floating, "positions")
    _require_same(positions, model.place(devices, _rng(0)), "positions from the same seed")
    with suppress(ValueError):  # a list of positions serves one number of devices only
        _require_same(
            positions[:-3], model.place(devices - 3, _rng(0)), "positions of the first devices"
        )


def check_path_loss(model: PathLoss) -> None:
    """Check a path-loss model, from 20 m to 5 km.

    >>> from channel_models.path_loss import LogDistance
    >>> check_path_loss(LogDistance())
    """
    distances = np.geomspace(20.0, 5000.0, 12)
    asked = distances.copy()
    links = _large_scale(model.draw(asked, _rng(0)), len(distances))
    _require_same(distances, asked, "the distances handed in")
    _require_same(
        links, _large_scale(model.draw(distances, _rng(0)), 12), "losses from the same seed"
    )
    fewer = _large_scale(model.draw(distances[:-3], _rng(0)), 9)
    _require_same(links[:, :-3], fewer, "losses of the first devices")
    _check_loss_grows(model, distances)


def check_shadowing(model: Shadowing) -> None:
    """Check a shadowing model.

    >>> from channel_models.shadowing import LogNormal
    >>> check_shadowing(LogNormal())
    """
    sigma_db = np.linspace(4.0, 8.0, _MANY)
    asked = sigma_db.copy()
    loss_db = model.draw(asked, _rng(0))
    _require_array(loss_db, (_MANY,), np.floating, "shadowing")
    _require_same(sigma_db, asked, "the deviations handed in")
    _require_same(loss_db, model.draw(sigma_db, _rng(0)), "shadowing from the same seed")
    _require_same(
        loss_db[:-3], model.draw(sigma_db[:-3], _rng(0)), "shadowing of the first devices"
    )
    _require_mean(loss_db, 0.0, "shadowing in dB")


def check_fading(model: Fading) -> None:
    """Check a fading model.

    >>> from channel_models.fading import Rayleigh
    >>> check_fading(Rayleigh())
    """
    for antennas in (1, 4):
        h = _coefficients(model, 6, antennas)
        _require_same(h, _coefficients(model, 6, antennas), "coefficients from the same seed")
        _require_same(
            h[:, :-2], _coefficients(model, 4, antennas), "coefficients of the first devices"
        )
    _check_step_is_pure(model)
    power = np.abs(_coefficients(model, _MANY, 4)) ** 2
    _require_mean(power.mean(axis=(0, 2)), 1.0, "power of the coefficients")


def check_link(model: Link) -> None:
    """Check a link.

    >>> from channel_models.links import Gap
    >>> check_link(Gap())
    """
    gap = model.snr_gap
    _require(
        bool(np.isfinite(gap)) and gap >= 1.0, f"snr_gap must be finite and at least 1, got {gap}."
    )
    _require(gap == model.snr_gap, "snr_gap must not change between two readings.")


def _check_loss_grows(model: PathLoss, distances: FloatArray) -> None:
    links = _large_scale(model.draw(np.repeat(distances, _MANY), _rng(1)), len(distances) * _MANY)
    loss_db = links[0].reshape(len(distances), _MANY)
    mean_db, error_db = loss_db.mean(axis=1), _standard_error(loss_db)
    slack_db = 5.0 * np.hypot(error_db[1:], error_db[:-1]) + 1e-9
    _require(
        bool(np.all(np.diff(mean_db) >= -slack_db)),
        f"The mean loss must not fall as the distance grows, got {mean_db.round(2)} dB.",
    )


def _check_step_is_pure(model: Fading) -> None:
    state = model.init(6, 4, _rng(0))
    before = pickle.dumps(state)
    _, first = model.step(state, 1.0, _rng(1))
    _, second = model.step(state, 1.0, _rng(1))
    _require(
        pickle.dumps(state) == before,
        "step must return a new state and leave the old one as it was.",
    )
    _require_same(first, second, "coefficients from the same state and seed")


def _coefficients(model: Fading, links: int, antennas: int, steps: int = 3) -> ComplexArray:
    """Return the coefficients of some steps, shape (steps, K, M), each step with a stream of its own."""
    state = model.init(links, antennas, _rng(0))
    played = []
    for step in range(steps):
        state, h = model.step(state, 0.5, _rng(1, step))
        _require_array(h, (links, antennas), np.complexfloating, "coefficients")
        played.append(h)
    return np.stack(played)


def _large_scale(links: LargeScale, devices: int) -> FloatArray:
    """Return the three columns of a path loss as rows of one array, shape (3, K), each checked."""
    _require_array(links.loss_db, (devices,), np.floating, "loss_db")
    _require_array(links.sigma_db, (devices,), np.floating, "sigma_db")
    _require_array(links.line_of_sight, (devices,), np.bool_, "line_of_sight")
    _require(bool(np.all(links.sigma_db >= 0.0)), "sigma_db must not be negative.")
    return np.stack([links.loss_db, links.sigma_db, links.line_of_sight])


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


def _require_mean(samples: FloatArray, mean: float, name: str) -> None:
    found, error = float(samples.mean()), float(_standard_error(samples))
    _require(
        abs(found - mean) <= 5.0 * error + 1e-9, f"{name} must have mean {mean}, got {found:.4f}."
    )
