"""The scenario that a run has played, as its manifest tells it."""

import json

from wflsim.errors import ScenarioError, UserError
from wflsim.records.folder import MANIFEST
from wflsim.results import Played
from wflsim.scenario.loading import Loaded, parse


def scene(one: Played) -> Loaded:
    """Return the scenario of a run; a mistake if this version cannot read it."""
    try:
        return parse(json.dumps(one.told["resolved"]), MANIFEST)
    except (KeyError, ScenarioError) as error:
        version = one.told.get("versions", {}).get("wflsim", "another version")
        raise UserError(
            f"{one.folder.path}: its scenario, played by wflsim {version}, cannot be read: {error}; play it again"
        ) from error
