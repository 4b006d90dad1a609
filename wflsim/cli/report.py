"""`wflsim report`: one HTML file of finished runs, to read, to mail, to attach."""

import shlex
from pathlib import Path

import click

from wflsim.cli.options import runs_argument
from wflsim.errors import UserError

ENDINGS = (".html", ".htm")


@click.command("report")
@runs_argument
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to; report.html in the first RUN by default.",
)
@click.option("--title", default="", help="What it is called; the scenario's name by default.")
@click.option(
    "--measure",
    default="",
    metavar="COLUMN",
    help="What is progress; accuracy_personal by default.",
)
@click.option("--variant", "variants", multiple=True, metavar="NAME", help="Show it; repeatable.")
@click.option("--mixed", is_flag=True, help="Let runs of several versions stand side by side.")
def command(
    runs: tuple[str, ...],
    out: Path | None,
    title: str,
    measure: str,
    variants: tuple[str, ...],
    mixed: bool,
) -> None:
    """Write one HTML file of RUNs: folders of runs, of sweeps, or of any number of them.

    It holds outcomes, an interactive trade-off, progress and a time line of rounds, comparisons, all figures and the
    scenario, and needs nothing beside itself. The same runs give the same bytes.
    """
    path = out or Path(runs[0], "report.html")
    _refuse(path)
    from wflsim.records.folder import RunFolder
    from wflsim.reporting.page import Asked, rendered, report
    from wflsim.results import load

    given = {"title": title, "measure": measure}
    words = [word for name, value in given.items() if value for word in (f"--{name}", value)]
    words += [word for name in variants for word in ("--variant", name)]
    said = shlex.join(["wflsim", "report", *runs, *words, *(["--mixed"] if mixed else [])])
    results = load(*runs, mixed=mixed)
    text = rendered(report(results, Asked(runs, variants, measure, title, said, mixed)))
    RunFolder(path.parent).write(path.name, lambda aside: aside.write_text(text, encoding="utf-8"))
    click.echo(f"report: {path}")


def _refuse(path: Path) -> None:
    """Refuse what would only fail at the end."""
    if path.is_dir():
        raise UserError(f"--out {path}: is a folder; name a file in it, as {path / 'report.html'}")
    if path.suffix not in ENDINGS:
        raise UserError(
            f"--out {path}: a report is a page; let it end in .html, as {path.with_suffix('.html')}"
        )
