"""The gallery of figures: small runs that are kept, and what `wflsim plot` draws of them.

`python docs/gallery.py` plays the runs again and draws all figures anew; the tests hold what is drawn against what is kept.
"""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from wflsim.figures.catalogue import FIGURES
from wflsim.figures.drawing import drawn, provenance
from wflsim.figures.layout import Wanted
from wflsim.figures.paper import WIDTHS_IN, write
from wflsim.records.folder import new_folder
from wflsim.results import load
from wflsim.scenario.loading import load as read
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle

HERE = Path(__file__).parent / "gallery"
STYLE = HERE / "screen.mplstyle"
SEEDS = (1, 2, 3)
ALONE = ("overview", "anatomy")  # of one run
KEPT = ("manifest.json", "rounds.parquet", "clients.parquet", "groups.parquet")


def draw(folder: Path) -> Iterator[Path]:
    """Draw every figure of the catalogue from the runs that are kept; yield the files."""
    for name in FIGURES:
        path = folder / f"{name}.png"
        runs = (
            HERE
            / "runs"
            / {"groups": "grouped", **dict.fromkeys(ALONE, "seeds/1")}.get(name, "seeds")
        )
        results = load(runs)
        wanted = Wanted(WIDTHS_IN["two"], style=str(STYLE))
        command = f"wflsim plot {runs.relative_to(HERE.parent.parent)} --figure {name}"
        write(drawn(name, results, wanted), path, provenance(command, results), str(STYLE))
        yield path


def play() -> None:
    """Play the runs, and keep their tables."""
    rmtree(HERE / "runs", ignore_errors=True)
    for seed in SEEDS:
        _play(
            "quickstart",
            HERE / "runs" / "seeds" / str(seed),
            ["rounds=24", "evaluate_every=2"],
            seed,
        )
    _play(str(HERE / "grouped.yaml"), HERE / "runs" / "grouped", [], 1)


def _play(scenario: str, out: Path, assignments: list[str], seed: int) -> None:
    loaded = read(scenario, assignments, seed)
    with TemporaryDirectory() as folder:
        aside = new_folder(f"{folder}/run", "")
        Run(loaded, settle(loaded.scenario.world, loaded.blaming), aside, every=0).play(
            lambda *_: None
        )
        out.mkdir(parents=True)
        for name in KEPT:
            if (aside.path / name).exists():
                (aside.path / name).replace(out / name)


if __name__ == "__main__":
    play()
    list(draw(HERE))
