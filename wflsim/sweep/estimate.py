"""How long a run may take: as long as others of its sweep, or as its first rounds say."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from wflsim.errors import UserError
from wflsim.scenario.loading import parse
from wflsim.sweep.plan import Item, item_of
from wflsim.sweep.playing import play

_FEW, _MORE = 1, 3  # rounds a variant that are tried


def estimate_s(item: Item, took_s: Sequence[float]) -> float:
    """Return the seconds that a run may take on this host.

    Args:
        item: The run.
        took_s: What others of its sweep took; where there are none, its first rounds are played and measured.
    """
    if took_s:
        return median(took_s)
    _tried(item, _FEW)  # libraries are loaded once
    (few, few_s), (more, more_s) = _tried(item, _FEW), _tried(item, _MORE)
    return few_s + (item.rounds - few) * max(more_s - few_s, 0.0) / (more - few)


def _tried(item: Item, rounds: int) -> tuple[int, float]:
    """Return how many rounds all variants play of a shorter run, and the seconds that it takes."""
    short = item_of(parse(item.text, "the first rounds", (f"rounds={rounds}",)), item.values)
    with TemporaryDirectory(prefix="wflsim-") as folder:
        outcome = play(short, Path(folder), lambda key, played: None)
    if outcome.error:
        raise UserError(f"{item.label}: {outcome.error}")
    return short.rounds, outcome.took_s
