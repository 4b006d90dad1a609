"""`wflsim calibrate`: our radio beside the curves that 3GPP's companies agreed on; it fails when they part."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflsim.errors import UserError
from wflsim.figures.networks import NETWORKS

if TYPE_CHECKING:
    from channel_models.calibration import Comparison

FORMATS = (".png", ".pdf", ".svg")


@click.command("calibrate")
@click.option(
    "--case",
    "cases",
    type=click.Choice(list(NETWORKS)),
    multiple=True,
    help="Only this one; repeatable.",
)
@click.option(
    "--carrier-ghz",
    type=click.FloatRange(min=0.5, max=100.0),
    default=6.0,
    show_default=True,
    help="Carrier frequency; 3GPP's curves are kept for 6 GHz.",
)
@click.option("--devices", type=click.IntRange(min=100), default=6000, show_default=True)
@click.option("--drops", "seeds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("calibration.png"),
    show_default=True,
    help="Where the figure goes; the ending chooses the format.",
)
@click.pass_context
def command(
    ctx: click.Context,
    cases: tuple[str, ...],
    carrier_ghz: float,
    devices: int,
    seeds: int,
    figure: Path,
) -> None:
    """Drop devices into 3GPP's calibration networks; compare coupling gain and geometry with the companies' medians.

    Exits with 1 when a gated percentile drifts from its reference.
    """
    from channel_models.calibration import CASES, compare, deployment, drops
    from wflsim.cli.tables import show
    from wflsim.figures.calibration import of
    from wflsim.figures.paper import write

    _refuse(carrier_ghz, figure)
    chosen = [case for case in CASES if case in cases or not cases]
    curves = {case: drops(deployment(case, carrier_ghz), devices, seeds) for case in chosen}
    rows = {case: compare(case, carrier_ghz, found) for case, found in curves.items()}
    show(_table(rows, carrier_ghz))
    write(of({NETWORKS[case]: (curves[case], rows[case]) for case in chosen}), figure)
    click.echo(f"figure: {figure}")
    drifted = sum(row.drifted for found in rows.values() for row in found)
    gated = sum(row.gated for found in rows.values() for row in found)
    click.echo(_verdict(drifted, gated, carrier_ghz))
    ctx.exit(1 if drifted else 0)


def _refuse(carrier_ghz: float, figure: Path) -> None:
    """Refuse what would only fail at the end."""
    if not isfinite(carrier_ghz):
        raise UserError(f"--carrier-ghz: give a finite number, got {carrier_ghz}")
    if figure.suffix not in FORMATS:
        raise UserError(f"--figure: end it in {', '.join(FORMATS)}, got '{figure}'")
    try:
        figure.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--figure: choose a folder that can be written, got '{figure}'") from error


def _verdict(drifted: int, gated: int, carrier_ghz: float) -> str:
    if not gated:
        return f"no published curve is kept for {carrier_ghz:g} GHz, so nothing was judged"
    return f"{gated - drifted} of {gated} gated percentiles hold" + (
        ", the others drifted" if drifted else ""
    )


def _table(rows: "dict[Any, tuple[Comparison, ...]]", carrier_ghz: float) -> Any:
    from wflsim.cli.tables import table

    made = table(
        f"coupling gain and geometry at {carrier_ghz:g} GHz",
        "network", "curve", "percentile", "ours [dB]", "3GPP [dB]", "difference [dB]", "may differ by [dB]", "",
    )  # fmt: skip
    for case, found in rows.items():
        for row in found:
            theirs, apart = "–", "–"
            if row.theirs_db is not None:
                theirs, apart = f"{row.theirs_db:.1f}", f"{row.ours_db - row.theirs_db:+.2f}"
            made.add_row(
                NETWORKS[case], row.curve, f"{row.percent:g} %", f"{row.ours_db:.2f}", theirs, apart,
                f"{row.tolerance_db:.1f}" if row.gated else "–", "drifted" if row.drifted else "",
            )  # fmt: skip
    return made
