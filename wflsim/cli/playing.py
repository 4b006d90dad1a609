"""How a run is played before the user's eyes: resumed, with a live line, and told when it is cut short."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import click


def play(run: Any, quiet: bool, remedy: str, label: str = "", track: Sequence[str] = ()) -> None:
    """Play a run, from where it is if it was cut short.

    Args:
        run: The run.
        quiet: Whether to say nothing.
        remedy: What to do after Ctrl-C to go on.
        label: What the live line begins with.
        track: Kinds of trackers that follow it.
    """
    from wflsim.cli.progress import progress
    from wflsim.trackers.following import following

    if run.resume() and not quiet:
        at = run.resumed[-1]
        click.echo(f"{label}resumed after round {at['round']} of {at['variant']}", err=True)
    played = sum(variant.rounds for variant in run.variants.values())
    line = nullcontext(lambda *_: None) if quiet else progress(run.loaded, played, label)
    try:
        with following(run, track) as tell, line as watch:

            def heard(*told: Any) -> None:
                watch(*told)
                tell()

            run.play(heard)
    except KeyboardInterrupt:
        said = f"; {remedy}" if run.every else ""
        raise click.ClickException(
            f"interrupted; what was played so far is in {run.folder.path}{said}"
        ) from None
