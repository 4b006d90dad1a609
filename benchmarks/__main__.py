"""`python -m benchmarks [NAME] [--full]`: run a benchmark, or list them all."""

from importlib import import_module
from pathlib import Path

import click

NAMES = {
    "quickstart": "The claims of the quickstart scenario: deadlines, accuracy, time to accuracy.",
    "startup": "How long the command line takes to answer, beside bare Python.",
    "channels": "A refresh of the radio beside its floor, bytes a device, a calibration drop.",
    "calibration": "Coupling gain and geometry of whole networks beside the medians of 3GPP's companies.",
    "sionna": "A step of fading by Sionna, drawn and read again, beside ours; needs the extra.",
    "agreement": "The dual algorithm beside its conic twin on random rounds.",
    "allocators": "Times and memory of the dual algorithm beside a re-solve of its conic twin.",
    "network": "A crowd of devices without training beside bare SimPy, events, memory.",
    "cohort": "A round of local training beside the usual loop and beside centralised training.",
    "accuracy": "Accuracy on real data beside what the literature reports; needs MNIST and Fashion-MNIST.",
    "sweep": "A trade-off sweep by two processes beside one, killed and gone on; on a Ray cluster that loses a node.",
    "together": "What training the points of a sweep as one cohort would spare, by how many devices a round has.",
    "loading": "A thousand runs as frames: seconds and memory.",
    "population": "Ten thousand devices that keep a personal part: the memory that a run takes.",
}


@click.command()
@click.argument("name", required=False, type=click.Choice(list(NAMES)))
@click.option("--full", is_flag=True, help="More seeds and repetitions.")
@click.option("--save", is_flag=True, help="Write the output to benchmarks/results as well.")
def main(name: str | None, full: bool, save: bool) -> None:
    """Run a benchmark: a table, and last one JSON line. Without a NAME, list them."""
    if name is None:
        for known, about in NAMES.items():
            print(f"{known:12} {about}")
        return
    outcome = import_module(f"benchmarks.{name}").run(full)
    text = f"{outcome.table()}\n{outcome.line()}\n"
    print(text, end="")
    if save:
        (Path(__file__).parent / "results" / f"{name}.txt").write_text(text, encoding="utf-8")


main()
