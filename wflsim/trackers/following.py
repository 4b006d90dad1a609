"""A run before the eyes of trackers: every round once, those that were played before it was resumed first."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.catalog import component, kinds
from wflsim.contracts import Followed, Note, Tracker
from wflsim.errors import UserError
from wflsim.records.columns import ROUNDS
from wflsim.records.recorder import Columns
from wflsim.scenario.describe import ABOUT, PAPER, origins
from wflsim.scenario.remedies import did_you_mean
from wflsim.simulation.run import Run
from wflsim.trackers.missing import not_installed

ADDED = frozenset(
    {
        "length_s", "energy_j", "lost_j", "lost_s", "listening_j", "offered_bits", "up_bits", "lost_bits", "macs", "participants",
        "on_time", "late", "dropped", "lost", "empty", "left", "unfinished", "stale", "iterations", "events", "paper_bits", "paper_macs",
    }
)  # fmt: skip
"""Quantities that add up over the exchanges of a round; of others the last that is known counts."""
_NUMBERS = tuple(c.name for c in ROUNDS if c.type != "str" and c.name != "round")


def refuse_unable(names: Sequence[str]) -> None:
    """Raise unless there are trackers of these names, and what they need is installed."""
    for name in names:
        if name not in kinds("tracker"):
            raise UserError(
                f"--track {name}: {did_you_mean(name, list(kinds('tracker')), 'trackers')}"
            )
        needs = getattr(component("tracker", name), "library", "")
        if needs and find_spec(needs) is None:
            raise not_installed(name, needs)


@contextmanager
def following(run: Run, names: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Give what tells trackers all that they have not heard yet.

    Args:
        run: The run; what it has played before is told at once.
        names: Kinds of trackers.
    """
    refuse_unable(names)
    heard: dict[str, int] = {}
    with ExitStack() as stack:
        notes = [_begun(stack, name, _followed(run)) for name in names]

        def catch_up() -> None:
            for variant, known in run.variants.items() if notes else ():
                blocks = known.recorder.blocks
                for block in blocks[heard.get(variant, 0) :]:
                    for round_, values in rounds(block.tables["rounds"]):
                        for note in notes:
                            note(variant, round_, values)
                heard[variant] = len(blocks)

        catch_up()
        yield catch_up
        catch_up()


def _followed(run: Run) -> Followed:
    """Return what trackers know of a run."""
    scenario, folder = run.loaded.scenario.world.name, run.folder.path
    name = folder.name if scenario in folder.name else f"{scenario}-{folder.name}"
    told = {path: value for path, value, _ in origins(run.loaded)}
    settings = {path: told[path] for path in told if path.partition(".")[0] not in {PAPER, ABOUT}}
    return Followed(name, folder, scenario, settings)


def _begun(stack: ExitStack, name: str, run: Followed) -> Note:
    """Return what notes rounds, to be closed with the stack; a tracker that fails later is left out, and the run goes on."""
    tracker: Tracker = component("tracker", name)()
    context = tracker.follow(run)
    try:
        note = context.__enter__()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"--track {name}: cannot be begun: {error}; mend it, or leave it out"
        ) from error
    failed = False

    def safely(variant: str, round_: int, values: Mapping[str, float]) -> None:
        nonlocal failed
        if not failed:
            try:
                note(variant, round_, values)
            except Exception as error:  # hours of playing are worth more than a curve
                failed = True
                _warn(name, error)

    def leave(*why: Any) -> bool:
        try:
            context.__exit__(*why)
        except Exception as error:
            _warn(name, error)
        return False

    stack.push(leave)
    return safely


def _warn(name: str, error: Exception) -> None:
    warnings.warn(f"--track {name}: the run is no longer followed: {error}", stacklevel=2)


def rounds(table: Columns) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield each round of a table with its quantities; what is not known, or not finite, is left out."""
    for round_ in np.unique(table["round"]):
        rows = table["round"] == round_
        found = {name: _told(name, table[name][rows]) for name in _NUMBERS}
        yield int(round_), {name: value for name, value in found.items() if value is not None}


def _told(name: str, values: npt.NDArray[Any]) -> float | None:
    """Return what the exchanges of a round come to in one quantity; None if nothing is known of it."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    return float(known.sum() if name in ADDED else known[-1])
