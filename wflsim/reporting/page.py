"""The report as one HTML file: all that is told and drawn, with its styles and scripts, and a policy that lets in nothing else."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from wflsim import __version__
from wflsim.errors import UserError
from wflsim.figures.lines import shown
from wflsim.records.folder import finite
from wflsim.reporting.drawings import Gallery, gallery
from wflsim.reporting.pairs import Pair, pairs
from wflsim.reporting.played import Head, head
from wflsim.reporting.settings import Setting, formula, settings
from wflsim.reporting.sheets import Sheet, outcome_sheet
from wflsim.reporting.systems import as_data, systems
from wflsim.reporting.timeline import timeline
from wflsim.results import Results
from wflsim.scenario.remedies import did_you_mean

SCRIPTS = (
    "making.js",
    "tip.js",
    "walking.js",
    "theme.js",
    "sorting.js",
    "chart.js",
    "legend.js",
    "tradeoff.js",
    "progress.js",
    "bars.js",
    "timeline.js",
    "main.js",
)
"""In the order in which they are joined."""
STYLES = ("page.css", "charts.css")
USUAL = "accuracy_personal"


@dataclass(frozen=True)
class Asked:
    """What a report shall show.

    Attributes:
        runs: Folders as they were named.
        variants: Those to show, in this order; none for all.
        measure: How good a model is; empty for the usual accuracy, or the first that is known.
        title: What it shall be called; empty for the names of the scenarios.
        command: The command that writes it; empty for the shortest that does.
        mixed: Whether runs of several versions stand side by side.
    """

    runs: Sequence[str]
    variants: Sequence[str] = ()
    measure: str = ""
    title: str = ""
    command: str = ""
    mixed: bool = False


@dataclass(frozen=True)
class Report:
    """All that a report tells.

    Attributes:
        head: What was played.
        outcomes: What every system came to; None where that cannot be told.
        gallery: The figures.
        pairs: The first variant beside the others.
        apart: Variant → why it is not compared.
        settings: The scenarios.
        unset: Scenarios that are left out of these.
        drawn: What scripts draw, as plain data.
        missing: Section → why it is empty.
    """

    head: Head
    outcomes: Sheet | None
    gallery: Gallery
    pairs: Sequence[Pair]
    apart: Mapping[str, str]
    settings: Sequence[Setting]
    unset: Sequence[str]
    drawn: Mapping[str, Any]
    missing: Mapping[str, str]


def report(results: Results, asked: Asked) -> Report:
    """Return what a report of some runs tells."""
    variants = shown(results, asked.variants)
    missing = dict[str, str]()
    drawn = dict(as_data(systems(results, variants, asked.measure)))
    measures = drawn["progress"]["measures"]
    _refuse(asked.measure, measures)
    measure = asked.measure or (USUAL if USUAL in measures or not measures else measures[0])
    found, apart = pairs(results, variants, measure if measure.startswith("accuracy_") else USUAL)
    told_settings, left_out = settings(results)
    return Report(
        head(results, asked.runs, variants, asked.title, asked.command),
        _outcomes(results, variants, asked.measure, missing),
        gallery(
            results,
            asked.runs,
            asked.variants,
            "" if measure == USUAL else measure,
            mixed=asked.mixed,
        ),
        found,
        apart,
        told_settings,
        left_out,
        {**drawn, "measure": measure, "timeline": timeline(results, variants)},
        missing,
    )


def _refuse(measure: str, measures: Sequence[str]) -> None:
    """Refuse a measure of progress that the runs do not tell."""
    if measure and not measures:
        raise UserError(
            f"--measure {measure}: the runs tell no accuracy: nothing was trained in them; leave it out"
        )
    if measure and measure not in measures:
        remedy = did_you_mean(measure, list(measures), "measures of progress")
        raise UserError(f"--measure {measure}: the runs do not tell it as progress; {remedy}")


def _outcomes(
    results: Results, variants: Sequence[str], measure: str, missing: dict[str, str]
) -> Sheet | None:
    try:
        return outcome_sheet(results, variants, measure)
    except UserError as error:
        missing["outcomes"] = str(error)
        return None


def rendered(told: Report) -> str:
    """Return a report as the text of an HTML file; the same report gives the same text."""
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.filters["formula"] = formula
    figures = "".join(each.drawing.styles for each in told.gallery.shown)
    styles = "".join(_read(name) for name in STYLES) + figures
    script = script_of(SCRIPTS)
    return page.from_string(_read("report.html")).render(
        told=told,
        version=__version__,
        styles=styles,
        script=script,
        data=embedded(told.drawn),
        policy=policy(styles, script),
    )


def script_of(names: Sequence[str]) -> str:
    """Return scripts as one, which leaves no name behind."""
    return '(() => {\n"use strict";\n' + "".join(_read(name) for name in names) + "})();\n"


def policy(styles: str, script: str) -> str:
    """Return the policy of a page that loads nothing, and runs nothing but its own script."""
    return (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def embedded(data: Mapping[str, Any]) -> str:
    r"""Return plain data as JSON that no parser of HTML takes for anything else; what is not finite is null.

    >>> embedded({"a": "</script>", "b": float("nan")})
    '{"a":"\\u003c/script\\u003e","b":null}'
    """
    text = json.dumps(finite(data), ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return (files("wflsim.reporting.web") / name).read_text(encoding="utf-8")
