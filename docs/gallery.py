"""The gallery of figures: small runs that are kept, and what `wflsim plot` draws of them.

`python docs/gallery.py` plays the runs again and draws all figures anew; the tests hold what is drawn against what is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Kept:
    """Runs that are kept.

    Attributes:
        scenario: A shipped scenario, or a file of the gallery.
        over: What is laid over it.
        seeds: Its seeds; each has a folder of its own if there are several.
        tables: The tables that its figures need.
    """

    scenario: str
    over: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    tables: tuple[str, ...] = ("rounds", "clients", "groups")


RUNS = {
    "seeds": Kept("quickstart", ("rounds=24", "evaluate_every=2"), (1, 2, 3)),
    "grouped": Kept("grouped.yaml"),
    "protocol": Kept("protocol", ("rounds=6", "learning=none")),
    "city": Kept("city", ("rounds=1", "learning=none"), tables=()),
    "bounded": Kept("bounded.yaml", seeds=(1, 2, 3), tables=("rounds",)),
}
OF = {
    "overview": "seeds/1",
    "anatomy": "seeds/1",
    "groups": "grouped",
    "grid": "protocol",
    "fading": "seeds/1",
    "coverage": "city",
    "partition": "grouped",
    "waterfall": "protocol",
    "bound": "bounded",
}
"""Figure → the runs that it is drawn of, where these are not all of ``seeds``."""


def draw(folder: Path) -> Iterator[Path]:
    """Draw every figure of the catalogue from the runs that are kept; yield the files."""
    for name, drawing in FIGURES.items():
        path = folder / f"{name}.png"
        runs = HERE / "runs" / OF.get(name, "seeds")
        results = None if drawing.of == "nothing" else load(runs)
        wanted = Wanted(WIDTHS_IN["two"], style=str(STYLE))
        named = f"{runs.relative_to(HERE.parent.parent)} " if results else ""
        command = f"wflsim plot {named}--figure {name}"
        write(drawn(name, results, wanted), path, provenance(command, results), str(STYLE))
        yield path


def play(name: str) -> None:
    """Play some runs, and keep their tables."""
    kept, folder = RUNS[name], HERE / "runs" / name
    rmtree(folder, ignore_errors=True)
    own = HERE / kept.scenario
    for seed in kept.seeds:
        out = folder / str(seed) if len(kept.seeds) > 1 else folder
        _play(str(own) if own.is_file() else kept.scenario, out, kept, seed)


def _play(scenario: str, out: Path, kept: Kept, seed: int) -> None:
    loaded = read(scenario, kept.over, seed)
    with TemporaryDirectory() as folder:
        aside = new_folder(f"{folder}/run", "")
        Run(loaded, settle(loaded.scenario.world, loaded.blaming), aside, every=0).play(
            lambda *_: None
        )
        out.mkdir(parents=True)
        for name in ("manifest.json", *(f"{table}.parquet" for table in kept.tables)):
            if (aside.path / name).exists():
                (aside.path / name).replace(out / name)


if __name__ == "__main__":
    for each in RUNS:
        play(each)
    list(draw(HERE))
