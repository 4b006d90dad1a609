"""From the words of a command line to what is varied: `--vary key=a,b,c` and `--seeds 5`."""

from collections.abc import Sequence
from dataclasses import replace

from wflsim.errors import Mistake, ScenarioError, UserError
from wflsim.scenario.document import assigned
from wflsim.scenario.sweep import Sweep
from wflsim.sweep.axes import Grid

VARY = "--vary"


def varied(sweep: Sweep, vary: Sequence[str], seeds: str | None, independent: bool) -> Sweep:
    """Return a scenario's sweep with what a command line says laid over it.

    Args:
        sweep: What the scenario says.
        vary: ``key.path=a,b,c`` each, crossed with each other and with the scenario's axes.
        seeds: A number of seeds, 1 and the following, or a list of them.
        independent: Whether every point has seeds of its own.
    """
    sweep = replace(sweep, axes=(*sweep.axes, *map(_grid, vary)))
    if seeds is not None:
        sweep = replace(sweep, seeds=_seeds(seeds))
    return replace(sweep, paired=False) if independent else sweep


def _grid(text: str) -> Grid:
    """Return the axis of one option."""
    key, equals, values = text.partition("=")
    source = f"{VARY} {text}"
    if not equals or not key.strip() or not values.strip():
        remedy = f"write {VARY} radio.bandwidth_hz=1e6,2e6"
        raise ScenarioError([Mistake(VARY, 0, text, "not of the form key.path=a,b,c", remedy)])
    found = assigned("values", f"[{values}]", source).value["values"].plain
    return Grid({key.strip(): tuple(found)})


def _seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a number or a list."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    found = tuple(range(1, found[0] + 1)) if len(found) == 1 else found
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise UserError(
            f"--seeds {text}: expected how many, or seeds that differ; write --seeds 5 or --seeds 3,4,9"
        )
    return found
