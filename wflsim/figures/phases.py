"""How the phases of a round look in every figure, and how long they take on average."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wflsim.network.timeline import PHASES
from wflsim.records.recorder import Columns


@dataclass(frozen=True)
class Look:
    """How a phase is drawn: colours that all eyes tell apart, hatches that remain in grey print.

    Attributes:
        label: What the device does meanwhile.
        colour: Colour of the area.
        hatch: Hatch on it.
    """

    label: str
    colour: str
    hatch: str


LOOKS: Mapping[str, Look] = {
    "page": Look("being called", "#CC79A7", "xxxxx"),
    "receive": Look("receiving", "0.85", "+++++"),
    "compute": Look("computing", "#0072B2", "/////"),
    "access": Look("gaining access", "#D55E00", "\\\\\\\\\\"),
    "grant": Look("asking to send", "#F0E442", "|||||"),
    "queue": Look("queueing", "#009E73", "-----"),
    "upload": Look("sending", "#E69F00", ""),
    "wait": Look("waiting", "0.96", "...."),
}


def happened(clients: Mapping[str, Columns]) -> list[str]:
    """Return the phases that took time or energy in any of the tables, in order; all of them if none did."""
    found = [
        phase
        for phase in PHASES
        if any(table[f"{phase}_{unit}"].any() for table in clients.values() for unit in "sj")
    ]
    return found or list(PHASES)


def rounds_of_devices(clients: Columns) -> int:
    """Return how many different pairs of a round and a device there are, at least 1."""
    if not len(clients["device"]):
        return 1
    pairs = clients["round"] * (int(clients["device"].max()) + 1) + clients["device"]
    return len(np.unique(pairs))


def mean(clients: Columns, unit: str) -> dict[str, float]:
    """Return phase → mean over devices and rounds, in "s" or "j"; several exchanges of a round add up."""
    pairs = rounds_of_devices(clients)
    return {phase: float(clients[f"{phase}_{unit}"].sum()) / pairs for phase in PHASES}
