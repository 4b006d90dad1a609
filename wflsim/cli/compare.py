"""`wflsim compare`: how two systems differ, by how much, and why."""

import json

import click

from wflsim.cli.options import form_option


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--measure",
    default="accuracy_personal",
    show_default=True,
    help="Which accuracy of the table of rounds.",
)
@click.option(
    "--target",
    type=click.FloatRange(0.0, 1.0),
    help="Accuracy to which times and joules are taken; else the lower of both final ones, less a hundredth.",
)
@form_option
def command(a: str, b: str, measure: str, target: float | None, form: str) -> None:
    """Say how A differs from B, each PATH or PATH:VARIANT, of a run folder or a folder of them.

    Runs are paired by seed, and by the point of a sweep. The difference of the simulated seconds is told by what the device
    was doing that set the length of each round, that of the joules by what devices did; the parts sum to the whole.
    """
    from wflsim.comparison.compared import compare
    from wflsim.comparison.sides import side
    from wflsim.comparison.telling import as_data, in_words

    found = compare(side(a), side(b), measure, target)
    if form == "json":
        from wflsim.records.folder import finite

        click.echo(json.dumps(finite(as_data(found)), ensure_ascii=False))
    else:
        click.echo(in_words(found), nl=False)
