"""The JSON Schema of a scenario, plug-ins included, for completion and checking in editors."""

from dataclasses import MISSING, is_dataclass
from typing import Any

from pydantic import TypeAdapter

from wflsim.catalog import FAMILY_OF, Field, component, family_of, fields_of, kinds, summary
from wflsim.scenario.describe import plain
from wflsim.scenario.quantities import constrained, unit_of
from wflsim.scenario.schema import System, World

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a scenario file."""
    world, system = _properties(World), _properties(System)
    variant = {"type": ["object", "null"], "properties": system, "additionalProperties": False}
    variants = {
        "type": "object",
        "additionalProperties": variant,
        "minProperties": 1,
        "description": "Name → what that system overrides; all play in the same world.",
    }
    required = [found.name for found in fields_of(World) if found.default is MISSING]
    return {
        "$schema": DIALECT,
        "title": "wflsim scenario",
        "type": "object",
        "properties": {**world, **system, "variants": variants},
        "required": required,
        "additionalProperties": False,
        "$defs": {family: _family(family) for family in sorted(FAMILY_OF.values())},
    }


def _properties(cls: type) -> dict[str, Any]:
    return {found.name: _property(found) for found in fields_of(cls)}


def _property(found: Field) -> dict[str, Any]:
    family = family_of(found.hint)
    if family:
        body: dict[str, Any] = {"$ref": f"#/$defs/{family}"}
    elif isinstance(found.hint, type) and is_dataclass(found.hint):
        body = _object(found.hint)
    else:
        body = TypeAdapter(constrained(found.hint)).json_schema()
        body |= {} if found.default is MISSING else {"default": plain(found.default)}
    unit = unit_of(found.name)
    text = f"{found.meaning} [{unit}]" if unit else found.meaning
    return {**body, "description": text} if text else body


def _object(cls: type, **kind: Any) -> dict[str, Any]:
    required = [*kind, *(found.name for found in fields_of(cls) if found.default is MISSING)]
    return {
        "type": "object",
        "description": summary(cls),
        "properties": {**kind, **_properties(cls)},
        "required": required,
        "additionalProperties": False,
    }


def _family(family: str) -> dict[str, Any]:
    """Return what a family accepts: the name of a kind without required fields, or a kind with its fields."""
    classes = {kind: component(family, kind) for kind in kinds(family)}
    short = [
        kind
        for kind, cls in classes.items()
        if all(found.default is not MISSING for found in fields_of(cls))
    ]
    whole = [_object(cls, kind={"const": kind}) for kind, cls in classes.items()]
    return {"anyOf": [{"enum": short}, *whole]}
