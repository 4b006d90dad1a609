"""`wflsim fit`: the accuracy curve of a run, ready to stand in for its training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflsim.cli.options import form_option
from wflsim.errors import UserError

if TYPE_CHECKING:
    from wflsim.learning.surrogate import Fit

PREFIX = "accuracy_"


@click.command("fit")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--variant", "variants", multiple=True, help="Only this one; repeatable.")
@click.option(
    "--column",
    default="accuracy_personal",
    show_default=True,
    help="Which accuracy of the table of rounds.",
)
@form_option
def command(run: Path, variants: tuple[str, ...], column: str, form: str) -> None:
    """Fit a curve to the accuracies of RUN, a run folder, and print it as a scenario's `learning`.

    With it the same scenario is played without training; accuracy is then a function of how many rounds' worth of updates have come.
    """
    found, failed = {}, []
    for name, (rounds, accuracy) in _accuracies(run, variants, column).items():
        try:
            found[name] = _as_data(_fitted(name, rounds, accuracy), accuracy)
        except UserError as error:
            failed.append(str(error))
    if failed and (variants or not found):
        raise UserError("\n".join(failed))
    for told in failed:
        click.echo(told, err=True)
    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, data in found.items():
        numbers = ", ".join(f"{key}: {value}" for key, value in data["learning"].items())
        click.echo(
            f"# {name}: {column} of {data['evaluated']} rounds, root-mean-square error {data['rmse']:.2g}\n"
            f"learning: {{{numbers}}}"
        )


def _accuracies(run: Path, variants: tuple[str, ...], column: str) -> dict[str, tuple[Any, Any]]:
    """Return variant → rounds' worth of updates so far, and accuracy after them, of those that were asked for."""
    from wflsim.records.folder import RunFolder
    from wflsim.scenario.remedies import did_you_mean

    table = RunFolder(run).read("rounds")
    known = [name for name in table if name.startswith(PREFIX)]
    if column not in known:
        raise UserError(
            f"{run}: no accuracy '{column}'; {did_you_mean(column, known, 'accuracies')}"
        )
    names = list(dict.fromkeys(table["variant"].tolist()))
    for name in variants:
        if name not in names:
            raise UserError(f"{run}: no variant '{name}'; {did_you_mean(name, names, 'variants')}")
    rows = {name: table["variant"] == name for name in variants or names}
    return {
        name: (table["progress"][here].cumsum(), table[column][here]) for name, here in rows.items()
    }


def _fitted(name: str, rounds: Any, accuracy: Any) -> "Fit":
    from wflsim.learning.surrogate import fit

    try:
        return fit(rounds, accuracy)
    except ValueError as error:
        raise UserError(f"{name}: {error}, or choose others by --variant") from error


def _as_data(found: "Fit", accuracy: Any) -> dict[str, Any]:
    """Return the scenario's `learning`, to six digits or decimals, with its error and the number of evaluations."""
    from dataclasses import asdict

    import numpy as np

    exact = asdict(found.surrogate)
    shares = {key: round(exact.pop(key), 6) for key in ("floor", "ceiling")}
    numbers = shares | {key: float(f"{value:.6g}") for key, value in exact.items()}
    return {
        "learning": {"kind": "surrogate", **numbers},
        "rmse": found.rmse,
        "evaluated": int(np.isfinite(accuracy).sum()),
    }
