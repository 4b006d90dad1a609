"""One run of a sweep, played wherever an engine wants it: the same folder, the same bits."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from wflsim.errors import UserError
from wflsim.records.checkpoint import exists
from wflsim.records.folder import RunFolder
from wflsim.records.opening import BusyError, alone, opened, over
from wflsim.scenario.loading import parse
from wflsim.simulation.run import Run, same
from wflsim.simulation.setting import settle
from wflsim.sweep.plan import Item, digest
from wflsim.sweep.sharing import taken_over
from wflsim.trackers.following import following

Watch = Callable[[str, int], None]
"""Takes the key of a run, and how many of its rounds are played."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        key: The run.
        took_s: What it took on the host, in seconds; 0 where it was there.
        error: What went wrong; empty if nothing did.
        trace: Where in the code; empty if nothing went wrong, or if the sentence is for the user.
        busy: Whether somebody else plays it, so that it is to be asked for again.
    """

    key: str
    took_s: float = 0.0
    error: str = ""
    trace: str = ""
    busy: bool = False


Begin = Callable[[Item, Path, Watch], Outcome]
"""Plays a run into its folder below one for all, and tells the watch."""


def play(item: Item, runs: Path, watch: Watch, track: Sequence[str] = ()) -> Outcome:
    """Play a run into its folder, from where it was cut short; what goes wrong is an outcome, too.

    Args:
        item: The run.
        runs: Where all runs lie.
        watch: Hears of every round.
        track: Kinds of trackers that follow it.
    """
    began_s = time.perf_counter()
    try:
        watch(item.key, 0)  # whoever dies from here on has died of this run
        played = _played(item, runs / item.key, watch, track)
        return Outcome(item.key, time.perf_counter() - began_s if played else 0.0)
    except BusyError:
        return Outcome(item.key, busy=True)
    except UserError as error:
        # Somebody else may have ended it since it was looked for.
        return Outcome(item.key, error="" if done(item, runs) else str(error))
    except Exception as error:  # the other runs go on
        return Outcome(item.key, error=repr(error), trace=traceback.format_exc())


def done(item: Item, runs: Path) -> bool:
    """Return whether a run is there and over."""
    return RunFolder(runs / item.key).over


def _played(item: Item, path: Path, watch: Watch, track: Sequence[str]) -> bool:
    """Play a run unless it is over; return whether anything was played."""
    loaded = parse(item.text, f"run {item.key}")
    mark = same(loaded)
    if digest(mark) != item.key:
        raise UserError(
            f"run {item.key}: comes to another run here; see that versions, and files that the scenario names, are those of "
            "where and when the sweep was planned"
        )
    if over(path, mark):
        return False
    setting = settle(loaded.scenario.world, loaded.blaming)
    _clear(path)
    with opened(str(path), loaded.scenario.world.name, mark) as folder:
        played = 0

        def told(rounds: int) -> None:
            nonlocal played
            watch(item.key, played := played + rounds)

        run = Run(loaded, setting, folder, known=taken_over(item, path.parent, told))
        run.resume()
        told(sum(variant.rounds for variant in run.variants.values()))
        with following(run, track) as tell:

            def heard(*_: object) -> None:
                told(1)
                tell()

            run.play(heard)
    return True


def _clear(path: Path) -> None:
    """Empty the folder of a run that left no checkpoint and is not over: nothing can be resumed from it."""
    if not path.exists():
        return
    with alone(path):
        if exists(path) or RunFolder(path).over:
            return
        for each in path.iterdir():
            rmtree(each) if each.is_dir() else each.unlink()
