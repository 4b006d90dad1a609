"""The JSON Schema of a scenario, plug-ins included, for completion and checking in editors."""

from dataclasses import MISSING, is_dataclass
from typing import Any

from pydantic import TypeAdapter

from wflsim.catalog import (
    FAMILY_OF,
    Field,
    component,
    family_of,
    fields_of,
    items_of,
    kinds,
    summary,
)
from wflsim.scenario.describe import plain
from wflsim.scenario.quantities import constrained, unit_of
from wflsim.scenario.schema import NAME, System, World
from wflsim.scenario.sweep import Sweep

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_EXTENDS = {
    "type": ["string", "array"],
    "items": {"type": "string"},
    "minItems": 1,
    "description": "A shipped scenario, a file beside this one, or some of them in a list, over which everything here is laid.",
}


def json_schema() -> dict[str, Any]:
    """Return the schema of a scenario file."""
    world, system = _properties(World), _properties(System)
    part = {name: _part(body) for name, body in system.items()}
    variants = {
        "type": "object",
        "additionalProperties": {
            "type": ["object", "null"],
            "properties": part,
            "additionalProperties": False,
        },
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME}$"},
        "description": "Name → what that system overrides; all play in the same world.",
    }
    families = sorted(FAMILY_OF.values())
    parts = {f"{family}_part": _family(family, whole=False) for family in families}
    sweep = _object(Sweep, whole=False)
    return {
        "$schema": DIALECT,
        "title": "wflsim scenario",
        "type": "object",
        "properties": {
            **world,
            **system,
            "variants": variants,
            "extends": _EXTENDS,
            "sweep": sweep,
        },
        "anyOf": [
            {**_whole(World), "required": [*_required(World), "variants"]},
            {**_whole(World), "required": [*_required(World), *_required(System)]},
            {"required": ["extends"]},
        ],
        "additionalProperties": False,
        "$defs": {family: _family(family) for family in families} | parts,
    }


def _part(body: dict[str, Any]) -> dict[str, Any]:
    """Return a property of a system as a variant may give it: a component may leave its kind to the base."""
    return (
        {**body, "$ref": f"{body['$ref'].removesuffix('_part')}_part"} if "$ref" in body else body
    )


def _required(cls: type) -> list[str]:
    return [found.name for found in fields_of(cls) if found.default is MISSING]


def _whole(cls: type) -> dict[str, Any]:
    """Return what the sections of a scenario must have that extends no other."""
    sections = {f.name: f.hint for f in fields_of(cls) if _is_section(f.hint)}
    needed = {name: {"required": _required(hint)} for name, hint in sections.items()}
    return {"properties": {name: body for name, body in needed.items() if body["required"]}}


def _is_section(hint: Any) -> bool:
    return family_of(hint) is None and isinstance(hint, type) and is_dataclass(hint)


def _properties(cls: type) -> dict[str, Any]:
    return {found.name: _property(found) for found in fields_of(cls)}


def _property(found: Field) -> dict[str, Any]:
    family = family_of(found.hint)
    if family:
        usual = found.default is not MISSING  # then the kind may be left out
        body: dict[str, Any] = {"$ref": f"#/$defs/{family}_part" if usual else f"#/$defs/{family}"}
    elif items_of(found.hint):
        body = {"type": "array", "items": {"$ref": f"#/$defs/{items_of(found.hint)}"}}
    elif _is_section(found.hint):
        body = _object(found.hint, whole=False)
    else:
        body = TypeAdapter(constrained(found.hint)).json_schema()
        body |= {} if found.default is MISSING else {"default": plain(found.default)}
    unit = unit_of(found.name)
    text = f"{found.meaning} [{unit}]" if unit else found.meaning
    return {**body, "description": text} if text else body


def _object(cls: type, *, whole: bool = True, **kind: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": summary(cls),
        "properties": {**kind, **_properties(cls)},
        "required": [*kind, *_required(cls)] if whole else [],
        "additionalProperties": False,
    }


def _family(family: str, *, whole: bool = True) -> dict[str, Any]:
    """Return what a family accepts: the name of a kind without required fields, or a kind with its fields."""
    classes = {kind: component(family, kind) for kind in kinds(family)}
    short = [kind for kind, cls in classes.items() if not (whole and _required(cls))]
    return {
        "anyOf": [
            {"enum": short},
            *(_object(cls, whole=whole, kind={"const": k}) for k, cls in classes.items()),
        ]
    }
