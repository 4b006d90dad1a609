"""What is told of a system in a table: its name, its unit, and which direction is better."""

from collections.abc import Mapping
from dataclasses import dataclass

from wflsim.scenario.quantities import unit_of


@dataclass(frozen=True)
class Measure:
    """A column of the frame of finals, as it is told.

    Attributes:
        name: The column.
        label: What a header calls it.
        unit: Its unit; % for a share.
        better: 1 if more is better, -1 if less is, 0 if neither.
    """

    name: str
    label: str
    unit: str
    better: int = 0

    @property
    def factor(self) -> float:
        """By what to multiply a value for this unit."""
        return 100.0 if self.unit == "%" else 1.0


DEFAULT = ("accuracy_personal", "simulated_s", "energy_j", "up_bits")
MEASURES: Mapping[str, Measure] = {
    told.name: told
    for told in (
        Measure("accuracy_personal", "accuracy, own models", "%", 1),
        Measure("accuracy_global", "accuracy, global model", "%", 1),
        Measure("accuracy_decile", "accuracy, worst tenth", "%", 1),
        Measure("accuracy_worst", "accuracy, worst device", "%", 1),
        Measure("accuracy_std", "deviation of accuracies", "%", -1),
        Measure("accuracy_jain", "Jain's index", "", 1),
        Measure("simulated_s", "time", "s", -1),
        Measure("target_s", "time to target", "s", -1),
        Measure("energy_j", "energy", "J", -1),
        Measure("lost_j", "energy of updates not taken", "J", -1),
        Measure("listening_j", "energy of listening only", "J", -1),
        Measure("up_bits", "uplink", "bit", -1),
        Measure("missed_deadlines", "missed deadlines", "", -1),
    )
}


def measure(name: str) -> Measure:
    """Return how a column is told; of one that nobody has described, neither direction is better.

    >>> measure("time_to_s"), measure("keep_mean").label
    (Measure(name='time_to_s', label='time to', unit='s', better=0), 'keep mean')
    """
    return MEASURES.get(name) or Measure(name, words(name), unit(name))


def words(name: str) -> str:
    """Return a name in words, without the unit at its end.

    >>> words("downlink_bandwidth_hz"), words("log_distance")
    ('downlink bandwidth', 'log distance')
    """
    bare = name.rpartition("_")[0] if unit(name) else name
    bare = bare.rpartition("_")[0] if unit(name) == "m/s" else bare
    return (bare or name).replace("_", " ")


def unit(name: str) -> str:
    """Return the unit that a name ends with, of columns and of a scenario's fields.

    >>> unit("up_bits"), unit("bandwidth_hz"), unit("rounds")
    ('bit', 'Hz', '')
    """
    return "bit" if name.endswith("_bits") else unit_of(name)
