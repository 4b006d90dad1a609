"""Which kinds every family of components has: ours by a table, those of others by entry points."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from inspect import getdoc
from typing import Any, get_args, get_origin, get_type_hints

from channel_models.large_scale.path_loss import PathLoss
from channel_models.large_scale.shadowing import Shadowing
from channel_models.layouts.mobility import Mobility
from channel_models.layouts.placements import Placement
from channel_models.layouts.sites import Layout
from channel_models.rates.block_errors import BlockErrors
from channel_models.rates.estimation import Estimation
from channel_models.rates.interference import Interference
from channel_models.rates.links import Link
from channel_models.small_scale.correlation import Correlation
from channel_models.small_scale.doppler import Doppler
from channel_models.small_scale.elements import Element
from channel_models.small_scale.fading import Fading
from optimizers.allocator import Allocator
from optimizers.selection.candidates import Selection
from wflsim.contracts import (
    Access,
    Algorithm,
    Availability,
    Axis,
    Background,
    Backhaul,
    Battery,
    Claim,
    Clustering,
    Compute,
    Data,
    Deadline,
    Electronics,
    EnergyBudget,
    Engine,
    Grant,
    Lateness,
    Learning,
    Model,
    Paging,
    Partition,
    Policy,
    Slowness,
    Tracker,
    Uplink,
)
from wflsim.errors import UserError
from wflsim.kinds import KINDS

FAMILY_OF: Mapping[type, str] = {
    Access: "access",
    Algorithm: "algorithm",
    Allocator: "allocator",
    Availability: "availability",
    Axis: "axis",
    Background: "background",
    Backhaul: "backhaul",
    Battery: "battery",
    BlockErrors: "block_errors",
    Claim: "claim",
    Clustering: "clustering",
    Compute: "compute",
    Correlation: "correlation",
    Data: "data",
    Deadline: "deadline",
    Doppler: "doppler",
    Electronics: "electronics",
    Element: "element",
    EnergyBudget: "energy_budget",
    Engine: "engine",
    Estimation: "estimation",
    Fading: "fading",
    Grant: "grant",
    Interference: "interference",
    Lateness: "lateness",
    Layout: "layout",
    Learning: "learning",
    Link: "link",
    Mobility: "mobility",
    Model: "model",
    Paging: "paging",
    Partition: "partition",
    PathLoss: "path_loss",
    Placement: "placement",
    Policy: "policy",
    Selection: "selection",
    Shadowing: "shadowing",
    Slowness: "slowness",
    Tracker: "tracker",
    Uplink: "uplink",
}


class PluginError(UserError):
    """A third-party component that cannot be used; the sentence names the package and the remedy."""


@dataclass(frozen=True)
class Field:
    """One field of a component, as help and as documentation.

    Attributes:
        name: Key in the scenario.
        hint: Its type, with bounds.
        default: Its default, or ``dataclasses.MISSING``.
        meaning: The sentence of the class docstring that speaks of it.
    """

    name: str
    hint: Any
    default: Any
    meaning: str


@cache
def kinds(family: str) -> Mapping[str, str]:
    """Return kind → "module:Class" of a family, those of installed plug-ins included.

    A plug-in adds a name and never replaces one.
    """
    table = dict(KINDS[family])
    for point in (point for point in _plugins() if point.group == f"wflsim.{family}"):
        if point.name in table and table[point.name] != point.value:
            package = point.dist.name if point.dist else point.value
            raise PluginError(
                f"plug-in {package} adds {family} '{point.name}', a name that is taken by {table[point.name]}; "
                "rename it in the plug-in's entry points"
            )
        table[point.name] = point.value
    return dict(sorted(table.items()))


@cache
def _plugins() -> tuple[EntryPoint, ...]:
    """Return the entry points of all installed packages that are ours; the packages are gone through once."""
    return tuple(
        point
        for found in distributions()
        for point in found.entry_points
        if point.group.startswith("wflsim.")
    )


@cache
def component(family: str, kind: str) -> type:
    """Return the class of a kind."""
    target = kinds(family)[kind]
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{family} '{kind}' ({target}) cannot be loaded: {error}; reinstall its package"
        ) from error
    if not (isinstance(found, type) and is_dataclass(found)):
        raise PluginError(
            f"{family} '{kind}' ({target}) is not a dataclass; decorate it with @dataclass(frozen=True)"
        )
    return found


def family_of(hint: Any) -> str | None:
    """Return the family that a field's type stands for, if it is one of our protocols."""
    return FAMILY_OF.get(hint) if isinstance(hint, type) else None


def items_of(hint: Any) -> str | None:
    """Return the family that the items of a field belong to, if it is a tuple of components."""
    return family_of(get_args(hint)[0]) if get_origin(hint) is tuple else None


def kind_of(family: str, value: object) -> str:
    """Return the kind whose class made a value."""
    target = f"{type(value).__module__}:{type(value).__qualname__}"
    named = {found: kind for kind, found in kinds(family).items()}
    if target in named:
        return named[target]
    return next(kind for kind in kinds(family) if component(family, kind) is type(value))


def fields_of(cls: type) -> list[Field]:
    """Return the fields of a component or section, in order, with the meaning from the class docstring."""
    hints = get_type_hints(cls, include_extras=True)
    meanings = _meanings(getdoc(cls) or "")
    return [
        Field(f.name, hints[f.name], _default(f), meanings.get(f.name, ""))
        for f in fields(cls)
        if f.init
    ]


def summary(cls: type) -> str:
    """Return the first sentence of a class's docstring."""
    return (getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")


def _default(found: Any) -> Any:
    return found.default_factory() if found.default_factory is not MISSING else found.default


def _meanings(doc: str) -> dict[str, str]:
    """Return field → sentence from the "Attributes:" section of a Google-style docstring."""
    _, _, section = doc.partition("Attributes:\n")
    entries = re.findall(
        r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {6,}.*)*)", section.split("\n\n")[0], re.MULTILINE
    )
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in entries}
