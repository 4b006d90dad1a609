"""`wflsim partition`: which data lie on which device, before anything is trained on them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflsim.cli.options import form_option, scenario_options
from wflsim.errors import UserError

if TYPE_CHECKING:
    from wflsim.learning.partitions.skew import Census

FORMATS = (".png", ".pdf", ".svg")


@click.command("partition")
@scenario_options
@click.option(
    "--out",
    "figure",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where a picture goes; the ending chooses the format.",
)
@form_option
def command(
    scenario: str, assignments: tuple[str, ...], seed: int | None, figure: Path | None, form: str
) -> None:
    """Print which samples lie on which device of SCENARIO, and how unlike the devices' mixes of classes are.

    A mix is that of all samples of a device. Its distance from the mix of all devices is the total variation; its
    effective number of classes is that of equally frequent ones with the same entropy.
    """
    from wflsim.learning.partitions.skew import census
    from wflsim.scenario.loading import load
    from wflsim.simulation.setting import settle

    if figure is not None and figure.suffix not in FORMATS:
        raise UserError(f"--out: end it in {', '.join(FORMATS)}, got '{figure}'")
    loaded = load(scenario, assignments, seed)
    world = loaded.scenario.world
    setting = settle(world, loaded.blaming)
    held = setting.holdings
    kept = (held.train, held.validation, held.test)
    found = census(held.data.labels, kept, world.task.data.classes, held.clusters)
    if figure is not None:
        _draw(world.name, found, setting.devices.position_m, figure)
    if form == "json":
        click.echo(json.dumps(_as_json(world.name, found, figure), ensure_ascii=False))
    else:
        _print(world.name, found, figure)


def _draw(name: str, found: "Census", position_m: Any, figure: Path) -> None:
    from wflsim.figures.paper import write
    from wflsim.figures.partition import draw

    try:
        figure.parent.mkdir(parents=True, exist_ok=True)
        write(draw(f"{name}: {_said(found)}", found, position_m), figure)
    except OSError as error:
        raise UserError(f"--out: choose a file that can be written, got '{figure}'") from error


def _summary(found: "Census") -> dict[str, float]:
    from wflsim.learning.partitions.skew import effective_classes, total_variation

    return {
        "total_variation": float(total_variation(found.counts).mean()),
        "effective_classes": float(effective_classes(found.counts).mean()),
    }


def _said(found: "Census") -> str:
    """Return in words how unlike the devices' mixes are."""
    devices, samples, seen = len(found.counts), int(found.counts.sum()), _summary(found)
    return (
        f"{devices} devices, {samples} samples, mean distance of mixes {seen['total_variation']:.3f}, "
        f"effective number of classes {seen['effective_classes']:.2f} of {found.counts.shape[1]}"
    )


def _as_json(name: str, found: "Census", figure: Path | None) -> dict[str, Any]:
    clusters = [None] * len(found.counts) if found.clusters is None else found.clusters.tolist()
    rows = zip(found.sizes.tolist(), found.counts.tolist(), found.held.tolist(), found.largest.tolist(), clusters, strict=True)  # fmt: skip
    return {
        "scenario": name,
        "summary": _summary(found),
        "figure": None if figure is None else str(figure),
        "devices": [
            {
                "device": device,
                **dict(zip(("train", "validation", "test"), sizes, strict=True)),
                "counts": counts,
                "classes": classes,
                "largest_share": largest,
                "cluster": cluster,
            }
            for device, (sizes, counts, classes, largest, cluster) in enumerate(rows)
        ],
    }


def _print(name: str, found: "Census", figure: Path | None) -> None:
    from wflsim.cli.tables import UNKNOWN, show, table

    made = table(
        f"what lies on the devices of {name}",
        "device", "training", "validation", "test", "classes", "largest class", "cluster",
    )  # fmt: skip
    for device, sizes in enumerate(found.sizes):
        cluster = UNKNOWN if found.clusters is None else str(found.clusters[device])
        row = (*map(str, sizes), str(found.held[device]), f"{found.largest[device]:.1%}", cluster)
        made.add_row(str(device), *row)
    show(made)
    click.echo(_said(found))
    if figure is not None:
        click.echo(f"figure: {figure}")
