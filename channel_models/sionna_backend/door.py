"""Door: the only place that calls Sionna and torch, both imported late; numbers go in, numpy arrays come out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from channel_models.large_scale.validity import Release
from channel_models.units import BoolArray, FloatArray

ProfileName = Literal["A", "B", "C", "D", "E"]
Scene = Literal["umi", "uma", "rma"]

_CPU = "cpu"
_SPECIFICATION: dict[Release, str] = {16: "16.1", 19: "19.2"}


class SionnaMissingError(ImportError, ValueError):
    """Sionna is not installed; a ValueError too, so that a scenario can be told which of its lines asks for it."""

    def __init__(self) -> None:
        super().__init__(
            "Sionna is not installed, which this kind needs; pip install 'wflsim[sionna]'"
        )


@dataclass(frozen=True, eq=False)
class Echoes:
    """The paths between B devices and M antennas, P of them for each device.

    Attributes:
        gain: Complex amplitudes, their mean power one over all paths, shape (B, M, P).
        delay: Delays, shape (B, P).
    """

    gain: npt.NDArray[np.complex64]
    delay: FloatArray


@dataclass(frozen=True)
class Look:
    """How all devices of a draw are looked at.

    Attributes:
        antennas: Number M of antennas of the base station.
        carrier_hz: Carrier frequency.
        upright: Whether the antennas stand in a column instead of a row.
        speed_m_s: Speed of the devices.
        sinusoids: Number of waves that add up to a Rayleigh tap of a tapped delay line.
        time_s: Time of the look, counted from the first moment.
    """

    antennas: int
    carrier_hz: float = 1e9
    upright: bool = False
    speed_m_s: float = 0.0
    sinusoids: int = 20
    time_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Stand:
    """Where B devices stand, seen from the base station.

    Attributes:
        base_height_m: Height of the base station's antennas.
        device_height_m: Height of the devices.
        ground_m: Distances along the ground, shape (B,).
        bearing_rad: Directions from the broadside of the array, shape (B,).
        in_sight: Whether nothing stands in between, shape (B,).
    """

    base_height_m: float
    device_height_m: float
    ground_m: FloatArray
    bearing_rad: FloatArray
    in_sight: BoolArray


def require() -> None:
    """Raise SionnaMissingError unless Sionna is installed; imports neither it nor torch."""
    _folder()


def version() -> str:
    """Return the version of Sionna, without importing torch."""
    require()
    import sionna

    return str(sionna.__version__)


def bler_file(name: str) -> Path:
    """Return where Sionna keeps a table of block errors."""
    return _folder() / "sys" / "bler_tables" / f"{name}.json"


def tdl(profile: ProfileName, look: Look, devices: int, seed: int) -> Echoes:
    """Return the paths of a tapped delay line, their delays in units of the delay spread; antennas fade independently.

    Args:
        profile: Letter of the profile.
        look: How the devices are looked at.
        devices: Number B of devices.
        seed: Seed of the draw, from 0 to 2⁶⁴ − 1.
    """
    with _drawing(seed):
        model = _library().models.TDL(
            profile,
            1.0,
            look.carrier_hz,
            num_sinusoids=look.sinusoids,
            min_speed=look.speed_m_s,
            num_rx_ant=look.antennas,
            precision="double",
            device=_CPU,
        )
        return _echoes(*model(devices, *_sampling(look)))


def cdl(profile: ProfileName, look: Look, bearing_rad: FloatArray, seed: int) -> Echoes:
    """Return the paths of a clustered delay line, their delays in units of the delay spread.

    Args:
        profile: Letter of the profile.
        look: How the devices are looked at.
        bearing_rad: Directions that take the place of the profile's azimuth zero, shape (B,).
        seed: Seed of the draw, from 0 to 2⁶⁴ − 1.
    """
    turned = np.zeros((len(bearing_rad), 3), dtype=np.float32)
    turned[:, 0] = -bearing_rad
    with _drawing(seed):
        model = _library().models.CDL(
            profile,
            1.0,
            look.carrier_hz,
            ut_array=_array(look, 1),
            bs_array=_array(look, look.antennas),
            direction="uplink",
            bs_orientation=turned,
            min_speed=look.speed_m_s,
            max_speed=look.speed_m_s,
            device=_CPU,
        )
        return _echoes(*model(len(bearing_rad), *_sampling(look)))


def clusters(
    scene: Scene, release: Release, look: Look, stand: Stand, seeds: tuple[int, int]
) -> Echoes:
    """Return the paths of the full cluster model without path loss and shadowing, their delays in s.

    Args:
        scene: Urban micro, urban macro or rural macro cell.
        release: Release of TR 38.901.
        look: How the devices are looked at.
        stand: Where they stand.
        seeds: Seeds of the spreads and of the paths, each from 0 to 2⁶⁴ − 1.
    """
    of_spreads, of_paths = seeds
    with _drawing(of_spreads) as generator:
        model, tensor = _scene(scene, release, look), _library().torch.as_tensor
        model.set_topology(**{name: tensor(each) for name, each in _topology(look, stand).items()})
        generator.manual_seed(of_paths)
        return _echoes(*model(*_sampling(look)))


def _scene(scene: Scene, release: Release, look: Look) -> Any:
    """Return Sionna's model of a kind of cell."""
    shared: dict[str, Any] = {
        "carrier_frequency": look.carrier_hz,
        "ut_array": _array(look, 1),
        "bs_array": _array(look, look.antennas),
        "direction": "uplink",
        "enable_pathloss": False,
        "enable_shadow_fading": False,
        "device": _CPU,
        "spec_version": _SPECIFICATION[release],
    }
    if scene == "rma":
        return _library().models.RMa(**shared)
    cell = _library().models.UMi if scene == "umi" else _library().models.UMa
    return cell(o2i_model="low", **shared)


def _topology(look: Look, stand: Stand) -> dict[str, npt.NDArray[Any]]:
    """Return a network for each device, an element of Sionna's batch each, so that no device depends on another."""
    devices = len(stand.ground_m)
    zeros = np.zeros((devices, 1, 3), dtype=np.float32)
    device_m, base_m, velocity_m_s = zeros.copy(), zeros.copy(), zeros.copy()
    device_m[:, 0, 0] = stand.ground_m * np.cos(stand.bearing_rad)
    device_m[:, 0, 1] = stand.ground_m * np.sin(stand.bearing_rad)
    device_m[:, 0, 2] = stand.device_height_m
    base_m[:, 0, 2] = stand.base_height_m
    velocity_m_s[:, 0, 0] = look.speed_m_s
    return {
        "ut_loc": device_m,
        "bs_loc": base_m,
        "ut_orientations": zeros,
        "bs_orientations": zeros,
        "ut_velocities": velocity_m_s,
        "in_state": np.zeros((devices, 1), dtype=np.bool_),
        "los": stand.in_sight[:, None, None],
    }


def _array(look: Look, elements: int) -> Any:
    """Return a row or a column of vertical, isotropic antennas at half a wavelength."""
    return _library().models.PanelArray(
        num_rows_per_panel=elements if look.upright else 1,
        num_cols_per_panel=1 if look.upright else elements,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=look.carrier_hz,
        device=_CPU,
    )


def _sampling(look: Look) -> tuple[int, float]:
    """Return how many samples Sionna shall take from its first moment on, and how often, for the last to be ours."""
    return (2, 1.0 / look.time_s) if look.time_s > 0.0 else (1, 1.0)


def _echoes(gain: Any, delay: Any) -> Echoes:
    """Return the last sample of what a model of Sionna gives: gains (B, 1, M, 1, 1, P, T), delays (B, 1, 1, P)."""
    last = gain[:, 0, :, 0, 0, :, -1].numpy()
    return Echoes(last.astype(np.complex64), delay[:, 0, 0].numpy().astype(np.float64))


@contextmanager
def _drawing(seed: int) -> Iterator[Any]:
    """Lend Sionna's generator for the processor, seeded; generator and threads stand afterwards as they stood.

    One thread is as quick as two for tensors of this size, and the bits do not depend on how many there are.
    """
    torch, configuration, _ = _library()
    generator, threads = configuration.torch_rng(_CPU), torch.get_num_threads()
    before = generator.get_state()
    generator.manual_seed(seed)
    torch.set_num_threads(1)
    try:
        yield generator
    finally:
        torch.set_num_threads(threads)
        generator.set_state(before)


class _Library(NamedTuple):
    """What is used of torch and Sionna, which have no types.

    Attributes:
        torch: The package.
        configuration: Sionna's own, with its random generators.
        models: Sionna's models of TR 38.901.
    """

    torch: Any
    configuration: Any
    models: Any


@cache
def _library() -> _Library:
    """Import torch and Sionna; Sionna's import seeds torch's own generators anew, which is undone."""
    require()
    import torch

    with torch.random.fork_rng(range(torch.cuda.device_count())):
        from sionna.phy import config
        from sionna.phy.channel import tr38901

    return _Library(torch, config, tr38901)


def _folder() -> Path:
    """Return where Sionna's package lies, or raise SionnaMissingError; none of its modules is read."""
    found = find_spec("sionna")
    places = found.submodule_search_locations if found else None
    for place in places or ():
        if (Path(place) / "phy").is_dir():
            return Path(place)
    raise SionnaMissingError
