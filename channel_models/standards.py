"""Standards: the door to the tables that are data files."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """Return a table by the name of its file without the ending; read once, to be left unchanged."""
    found: dict[str, Any] = json.loads(
        files("channel_models.tables").joinpath(f"{name}.json").read_text("utf-8")
    )
    return found
