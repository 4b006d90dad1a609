"""What the time line shows: some rounds of some runs, device by device and phase by phase, few enough for one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wflsim.comparison.causes import exchange_of
from wflsim.contracts import IntArray
from wflsim.figures.anatomy import critical, shown, told, typical
from wflsim.figures.lines import apart
from wflsim.figures.phases import LOOKS, happened
from wflsim.records.recorder import Columns
from wflsim.reporting.systems import even, rounded, short
from wflsim.results import Played, Results

PARTS = 6000
"""Devices' parts in exchanges that are kept at most, in all rounds together."""
DEVICES, ROUNDS, EXCHANGES = 40, 6, 12
"""Devices of an exchange, rounds of a variant and exchanges of a round that are kept at most."""


@dataclass(frozen=True, eq=False)
class Story:
    """What a variant of a run did.

    Attributes:
        run: Name of the run.
        variant: The variant.
        rounds: Its rows of the table of rounds.
        clients: Its rows of the table of clients.
        place: The row of the rounds to which each row of the clients belongs, shape (rows,).
    """

    run: str
    variant: str
    rounds: Columns
    clients: Columns
    place: IntArray


def timeline(results: Results, variants: Sequence[str]) -> dict[str, Any]:
    """Return the rounds to show, as plain data.

    Args:
        results: What was played.
        variants: Those to show.
    """
    pairs = [
        (one, variant)
        for one in results.played
        for variant in variants
        if variant in one.told["variants"] and (one.folder.path / "clients.parquet").is_file()
    ]
    kept = _kept(pairs)
    stories = [
        story for one, variant in kept if len((story := _story(one, variant)).clients["round"])
    ]
    phases = happened({str(place): story.clients for place, story in enumerate(stories)})
    each = max(1, min(ROUNDS, PARTS // max(sum(_width(story) for story in stories), 1)))
    return {
        "phases": [{"name": name, "label": LOOKS[name].label} for name in phases],
        "runs": called(results),
        "left_out": len(pairs) - len(kept),
        "untold": not pairs,
        "rounds": [
            _round(story, number, phases, typical=place == 0)
            for story in stories
            for place, number in enumerate(selection(story, each))
        ],
    }


def called(results: Results) -> dict[str, str]:
    """Return run → what it is called where one is chosen: the point of the sweep and the seed; its own name where these do not tell it."""
    points = apart(results.runs, results.axes)
    told = {
        one.name: ", ".join(
            [*filter(None, [points[one.name]]), f"seed {one.told.get('seed', '?')}"]
        )
        for one in results.played
    }
    return told if len(set(told.values())) == len(told) else {name: name for name in told}


def _kept(pairs: Sequence[tuple[Played, str]]) -> list[tuple[Played, str]]:
    """Return the variants of runs that have room: an even choice of the runs."""
    runs = list(dict.fromkeys(one.name for one, _ in pairs))
    each = DEVICES * max(len(pairs), 1) / max(len(runs), 1)
    chosen = {runs[place] for place in even(len(runs), max(1, int(PARTS // each)))}
    return [(one, variant) for one, variant in pairs if one.name in chosen]


def _story(one: Played, variant: str) -> Story:
    rounds, clients = (one.folder.read(name, variant=variant) for name in ("rounds", "clients"))
    return Story(one.name, variant, rounds, clients, exchange_of(rounds, clients))


def _width(story: Story) -> int:
    """Return how many parts a round of a story may have."""
    rounds, count = np.unique(story.clients["round"], return_counts=True)
    return min(int(count.max()), DEVICES * EXCHANGES) if len(rounds) else 1


def selection(story: Story, most: int) -> list[int]:
    """Return the rounds to show: the typical one, then an even choice of those in which someone took part."""
    about, _ = typical(story.rounds, story.clients)
    first = int(about["round"])
    there = np.unique(story.clients["round"])
    others = [int(there[place]) for place in even(len(there), most - 1)] if most > 1 else []
    return [first, *(number for number in others if number != first)]


def _round(story: Story, number: int, phases: Sequence[str], *, typical: bool) -> dict[str, Any]:
    """Return a round: its exchanges, and every device's part in them, from the first one's begin on."""
    here = np.flatnonzero(story.rounds["round"] == number).tolist()
    parts = [_of(story, row) for row in here]
    rows = [row for row, own in zip(here, parts, strict=True) if len(own["device"])]
    places = [rows[place] for place in even(len(rows), EXCHANGES)]
    start_s = float(story.rounds["start_s"][here].min())
    return {
        "run": story.run,
        "variant": story.variant,
        "round": number,
        "typical": typical,
        "length": short(float(story.rounds["end_s"][here].max()) - start_s),
        "exchanges_left_out": len(rows) - len(places),
        "exchanges": [_exchange(story, row, start_s, phases) for row in places],
    }


def _of(story: Story, row: int) -> Columns:
    """Return the devices' parts in an exchange."""
    here = story.place == row
    return {name: of[here] for name, of in story.clients.items()}


def _exchange(story: Story, row: int, start_s: float, phases: Sequence[str]) -> dict[str, Any]:
    """Return an exchange: when it was, who set its length, and the parts of its devices."""
    about = {name: of[row] for name, of in story.rounds.items()}
    clients = _of(story, row)
    chosen = shown(clients, DEVICES)
    limit_s = float(about["deadline_s"])
    return {
        "name": str(about["exchange"]),
        "start": short(float(about["start_s"]) - start_s),
        "end": short(float(about["end_s"]) - start_s),
        "deadline": short(float(about["start_s"]) - start_s + limit_s)
        if np.isfinite(limit_s)
        else None,
        "critical": critical(clients)[0],
        "said": told(about, clients),
        "devices": len(clients["device"]),
        "parts": _parts(clients, chosen, start_s, phases),
    }


def _parts(
    clients: Columns, chosen: IntArray, start_s: float, phases: Sequence[str]
) -> list[list[Any]]:
    """Return parts as lists: device, begin, outcome, seconds of each phase, joules of each phase."""
    order = chosen[np.argsort(clients["device"][chosen], kind="stable")]
    return [
        [
            int(clients["device"][row]),
            short(float(clients["began_s"][row]) - start_s),
            str(clients["outcome"][row]),
            rounded(np.array([clients[f"{phase}_s"][row] for phase in phases])),
            rounded(np.array([clients[f"{phase}_j"][row] for phase in phases])),
        ]
        for row in order
    ]
