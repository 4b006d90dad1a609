"""Calibration: coupling gain and geometry of a whole network, beside the curves that 3GPP's companies agreed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np

from channel_models.channel import Channel
from channel_models.large_scale.indoor import IndoorOffice
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro
from channel_models.layouts.placements import HallFloor, HexagonalCell, Placement
from channel_models.layouts.sites import Hall, Hexagonal
from channel_models.small_scale.elements import Column
from channel_models.standards import table
from channel_models.units import FloatArray, linear_to_db

Case = Literal["umi", "uma", "inh"]
CASES: tuple[Case, ...] = ("umi", "uma", "inh")
PERCENT = (5.0, 25.0, 50.0, 75.0, 95.0)
GATED_PERCENT = (5.0, 50.0, 95.0)


@dataclass(frozen=True)
class Deployment:
    """A network of many cells and the devices in it.

    Attributes:
        channel: Layout, path loss, shadowing and antennas.
        placement: Where the devices stand.
    """

    channel: Channel
    placement: Placement


@dataclass(frozen=True, eq=False)
class Curves:
    """What the devices of a drop see, in dB, shape (K,) each.

    Attributes:
        coupling_db: Power gain to the best cell, from antenna to antenna.
        geometry_db: Power from the best cell over the power from all others, without noise.
    """

    coupling_db: FloatArray
    geometry_db: FloatArray


@dataclass(frozen=True)
class Comparison:
    """One percentile of one curve beside the companies'.

    Attributes:
        curve: Which curve, "coupling" or "geometry".
        percent: Percentile.
        ours_db: Ours, in dB.
        theirs_db: The companies' median, in dB; None where none was published.
        tolerance_db: By how much the two may differ; None where no gate stands.
    """

    curve: str
    percent: float
    ours_db: float
    theirs_db: float | None
    tolerance_db: float | None

    @property
    def gated(self) -> bool:
        """Whether the two are judged."""
        return self.theirs_db is not None and self.tolerance_db is not None

    @property
    def drifted(self) -> bool:
        """Whether the two differ by more than they may."""
        if self.theirs_db is None or self.tolerance_db is None:
            return False
        return not abs(self.ours_db - self.theirs_db) <= self.tolerance_db


def deployment(case: Case, carrier_ghz: float) -> Deployment:
    """Return a deployment of TR 38.900's first calibration phase.

    Outdoors 19 sites of three sectors, wrapped around; four devices in five indoors, behind walls of low and high loss
    in equal parts. Indoors twelve ceiling sites of three sectors in an open office. Every antenna is a column of ten.

    Args:
        case: Street canyon, urban macro, or indoor office.
        carrier_ghz: Carrier frequency.

    Reference:
        3GPP TR 38.901, Table 7.8-1 [S]; antennas and wrap-around as in R1-165974.
    """
    if case == "inh":
        office = IndoorOffice(carrier_ghz=carrier_ghz, office="open")
        return Deployment(
            Channel(path_loss=office, layout=Hall(), element=Column(tilt_deg=110.0)), HallFloor()
        )
    intersite_m, least_m = (200.0, 10.0) if case == "umi" else (500.0, 35.0)
    urban = UrbanMicro if case == "umi" else UrbanMacro
    return Deployment(
        Channel(
            path_loss=urban(carrier_ghz=carrier_ghz, indoor_share=0.8, release=16),
            layout=Hexagonal(intersite_m=intersite_m, rings=2),
            element=Column(tilt_deg=102.0),
        ),
        HexagonalCell(intersite_m=intersite_m, cells="all", rings=2, distance_min_m=least_m),
    )


def drop(deployed: Deployment, devices: int, seed: int) -> Curves:
    """Return the curves of devices dropped once.

    Args:
        deployed: The network.
        devices: Number of devices K.
        seed: Seed of every draw.
    """

    def draw(purpose: str) -> np.random.Generator:
        return np.random.default_rng(
            np.random.SeedSequence(seed, spawn_key=(crc32(purpose.encode()),))
        )

    placed_m = deployed.placement.place(devices, draw("placement"))
    gain = deployed.channel.init(placed_m, draw).coupling
    best = gain.max(axis=1)
    return Curves(linear_to_db(best), linear_to_db(best / (gain.sum(axis=1) - best)))


def drops(deployed: Deployment, devices: int, seeds: int) -> Curves:
    """Return the curves of several drops together."""
    found = [drop(deployed, devices, seed) for seed in range(1, seeds + 1)]
    return Curves(
        np.concatenate([one.coupling_db for one in found]),
        np.concatenate([one.geometry_db for one in found]),
    )


def published(case: Case, carrier_ghz: float) -> Mapping[str, Mapping[str, float]]:
    """Return the companies' medians, curve → percentile → dB; empty where none are kept."""
    known: dict[str, dict[str, dict[str, float]]] = table("calibration_3gpp").get(
        f"{carrier_ghz:g}", {}
    )
    return known.get(case, {})


def compare(case: Case, carrier_ghz: float, curves: Curves) -> tuple[Comparison, ...]:
    """Return our percentiles beside the companies'."""
    theirs, tolerance_db = (
        published(case, carrier_ghz),
        table("calibration_3gpp")["tolerance_db"][case],
    )
    return tuple(
        Comparison(
            curve,
            percent,
            float(np.percentile(values_db, percent)),
            theirs.get(curve, {}).get(f"{percent:g}"),
            tolerance_db[curve] if percent in GATED_PERCENT else None,
        )
        for curve, values_db in (("coupling", curves.coupling_db), ("geometry", curves.geometry_db))
        for percent in PERCENT
    )
