"""What was played in the report: the parameters of each scenario as papers list them, and the resolved scenario in full."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO

from markupsafe import Markup, escape
from ruamel.yaml import YAML

from wflsim.errors import UserError
from wflsim.figures.scenes import scene
from wflsim.reporting.played import varied
from wflsim.reporting.sheets import Sheet, sheet
from wflsim.results import Played, Results
from wflsim.tables import grid
from wflsim.tables.parameters import parameters

SCENARIOS = 4
"""Scenarios that are told at most."""
_FORMULA = re.compile(r"(?P<letter>[A-Za-z])|_(?P<sub>\w)|\^\{\\?(?P<sup>\w+)\}")


@dataclass(frozen=True)
class Setting:
    """A scenario that was played.

    Attributes:
        name: Its name.
        run: The run that it is of.
        parameters: Its parameters; None where this version does not understand it.
        resolved: All of it, as YAML.
    """

    name: str
    run: str
    parameters: Sheet | None
    resolved: str


def settings(results: Results) -> tuple[list[Setting], list[str]]:
    """Return the scenarios, each as its first run was told, and the names of those for which there is no room."""
    firsts = {str(one.told.get("scenario", one.name)): one for one in reversed(results.played)}
    names = list(dict.fromkeys(str(one.told.get("scenario", one.name)) for one in results.played))
    found = [
        Setting(
            name,
            firsts[name].name,
            _parameters(firsts[name], name, _varied(results, name)),
            plain(firsts[name].told["resolved"]),
        )
        for name in names[:SCENARIOS]
    ]
    return found, names[SCENARIOS:]


def _varied(results: Results, name: str) -> list[str]:
    """Return a note about the keys in which runs of a scenario differ; the table has the values of the first run alone."""
    runs = results.runs[results.runs["scenario"] == name]
    keys = [key for key in results.axes if runs[key].map(repr).nunique() > 1]
    first = runs["run"].iloc[0]
    return [f"Varied: {varied(runs, keys)}. The table is that of {first}."] if keys else []


def _parameters(first: Played, name: str, notes: Sequence[str]) -> Sheet | None:
    try:
        found = parameters(scene(first))
    except UserError:
        return None
    return replace(sheet(found, f"Parameters of {name}", sortable=False), notes=notes)


def plain(resolved: object) -> str:
    """Return a resolved scenario as YAML."""
    yaml, told = YAML(), StringIO()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(resolved, told)
    return told.getvalue()


def formula(text: str) -> Markup:
    r"""Return a symbol of the table of parameters for a page; another text as it is, escaped.

    >>> str(formula(r"$p_k^{\max}$")), str(formula("a < b"))
    ('<var>p</var><sub>k</sub><sup>max</sup>', 'a &lt; b')
    """
    if not grid.formula(text):
        return escape(text)
    parts: Sequence[re.Match[str]] = list(_FORMULA.finditer(text[1:-1]))
    return Markup("").join(
        Markup("<{0}>{1}</{0}>").format(_TAGS[str(part.lastgroup)], part[str(part.lastgroup)])
        for part in parts
    )


_TAGS = {"letter": "var", "sub": "sub", "sup": "sup"}
