"""A scenario's parameters as papers list them: what, its symbol, its value with unit; what is off stays out."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, is_dataclass, replace
from typing import Any

from wflsim.catalog import family_of, fields_of, kind_of
from wflsim.scenario.loading import Loaded
from wflsim.tables.grid import Cell, Grid
from wflsim.tables.measures import words
from wflsim.tables.numbers import UNKNOWN, quantity

SECTIONS = ("fleet", "channel", "radio", "task")
SYSTEM = (
    "rounds",
    "algorithm",
    "allocator",
    "error_model",
    "deadline",
    "energy",
    "policy",
    "invited",
    "selection",
    "procedures",
    "learning",
)
OFF = frozenset({"none", "ideal", "always", "mains", "static", "isotropic", "perfect", "train"})
"""Kinds of components that do nothing, or what nobody needs to be told."""
LABELS: Mapping[str, str] = {
    "fleet.devices": "devices",
    "fleet.power_dbm": "largest transmit power",
    "fleet.cpu_hz": "clock rate",
    "radio.bandwidth_hz": "uplink bandwidth",
    "radio.downlink_dbm": "downlink power",
    "channel.antennas": "antennas of the base station",
    "task.data": "data set",
    "task.test_share": "share of data for tests",
    "task.validation_share": "share of data for validation",
    "energy": "energy budget",
    "invited": "devices at work at once",
}
SYMBOLS: Mapping[str, str] = {
    "fleet.devices": "$K$",
    "fleet.power_dbm": r"$p_k^{\max}$",
    "fleet.cpu_hz": "$f_k$",
    "radio.bandwidth_hz": "$B$",
    "deadline": "$T$",
    "energy": "$E_k$",
}
"""As in the derivation of how a round is solved."""


def parameters(loaded: Loaded) -> Grid:
    """Return the table of a scenario's parameters; what variants do not share is told of each."""
    world, systems = loaded.scenario.world, loaded.scenario.systems
    sections = {name: getattr(world, name) for name in SECTIONS}
    sections["channel"] = _heard(world.channel)
    rows = [row for name, section in sections.items() for row in _section(name, section)]
    told = {name: dict(_system(system)) for name, system in systems.items()}
    for key in dict.fromkeys(key for own in told.values() for key in own):
        rows += _shared(key, {name: own.get(key, UNKNOWN) for name, own in told.items()})
    body = [[Cell(name), Cell(SYMBOLS.get(key, "")), Cell(value)] for key, name, value in rows]
    return Grid(["parameter", "symbol", "value"], body, texts=3)


def _heard(channel: Any) -> Any:
    """Return the channel without a deviation of its path loss that its shadowing does not ask for."""
    asks = getattr(channel.shadowing, "sigma_db", 0.0) is None
    if asks or not hasattr(channel.path_loss, "sigma_db"):
        return channel
    return replace(channel, path_loss=replace(channel.path_loss, sigma_db=None))


def _section(name: str, section: Any) -> Iterator[tuple[str, str, str]]:
    """Yield key, label and value of what matters in a section of the world."""
    for key, value in _matters(section, name):
        yield key, _label(key), value


def _system(system: Any) -> Iterator[tuple[str, str]]:
    """Yield key and value of what matters in a system, in the order in which it is told."""
    found = dict(_matters(system, ""))
    procedures = dict(_matters(system.procedures, "procedures"))
    for key in SYSTEM:
        if key == "procedures":
            yield from procedures.items()
        elif key in found:
            yield key, found[key]


def _shared(key: str, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return a row where all variants agree, or else one of each value; variants in which it is off have none."""
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value, []).append(name)
    if len(names) == 1:
        return [(key, _label(key), next(iter(names)))]
    most = max(names, key=lambda value: len(names[value]))
    if len(names[most]) > 2:
        names = {**{value: own for value, own in names.items() if value != most}, most: ["others"]}
    return [
        (key, f"{_label(key)}, {', '.join(own)}", value)
        for value, own in names.items()
        if value != UNKNOWN
    ]


def _label(key: str) -> str:
    return LABELS.get(key) or words(key.rpartition(".")[2])


def _matters(section: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of every field that is not off."""
    for field in fields_of(type(section)):
        value = getattr(section, field.name)
        if _off(value, field) or (is_dataclass(value) and not family_of(field.hint)):
            continue
        yield f"{path}.{field.name}" if path else field.name, _told(value, field)


def _told(value: Any, field: Any) -> str:
    """Return a value in words: a component by its kind, with what it is made of in brackets."""
    if not is_dataclass(value):
        return quantity(field.name, value)
    inner = [
        f"{words(each.name)}{':' if is_dataclass(getattr(value, each.name)) else ''} "
        f"{_told(getattr(value, each.name), each)}"
        for each in fields_of(type(value))
        if not _off(getattr(value, each.name), each)
    ]
    kind = _kind(value, field).replace("_", " ")
    return f"{kind} ({', '.join(inner)})".strip() if inner else kind


def _kind(value: Any, field: Any) -> str:
    """Return a component's kind; nothing for what is only a part of one."""
    family = family_of(field.hint)
    return kind_of(family, value) if family else ""


def _off(value: Any, field: Any) -> bool:
    """Return whether a value says nothing: no value, a kind that does nothing, a word or a zero that is the default."""
    if is_dataclass(value):
        return _kind(value, field) in OFF
    if value is None or value is False:
        return True
    default = field.default is not MISSING and value == field.default
    return default and (isinstance(value, str) or value == 0)
