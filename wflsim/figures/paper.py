"""How figures look and are written: the style for papers, one laid over it, and files that tell what they show."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from shutil import which
from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.style import context, library

from wflsim.errors import UserError
from wflsim.records.folder import RunFolder
from wflsim.scenario.remedies import did_you_mean

WIDTHS_IN = {"one": 3.5, "two": 7.16}
"""Columns of a page → how wide they are together."""
ENDINGS = (".pdf", ".svg", ".pgf", ".png")
_OWN = {"svg.hashsalt": "wflsim"}


@contextmanager
def styled(over: str = "") -> Iterator[None]:
    """Let figures look as in papers.

    Args:
        over: A file or the name of a style that is laid over; empty for none.
    """
    if over and over not in library and not Path(over).is_file():
        remedy = did_you_mean(over, sorted(library), "styles")
        raise UserError(f"--style {over}: is no file and no style of matplotlib; {remedy}")
    with as_file(files("wflsim.figures") / "paper.mplstyle") as style:
        layers: list[Any] = [style, _OWN, *([over] if over else [])]
        with context(layers):
            yield


def writable(path: Path) -> None:
    """Refuse a name whose ending is of no format that can be written here."""
    if path.suffix not in ENDINGS:
        remedy = f"let it end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise UserError(f"--out {path}: the ending '{path.suffix}' tells no format; {remedy}")
    system = rcParams["pgf.texsystem"]
    if path.suffix == ".pgf" and which(system) is None:
        raise UserError(
            f"--out {path}: PGF needs TeX, and there is no {system} here; write .pdf or .svg, which need none"
        )


def write(
    figure: Figure, path: Path, told: Mapping[str, str] | None = None, style: str = ""
) -> None:
    """Write a figure; the ending chooses the format, and the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: Its file.
        told: Subject and Keywords: what the figure shows, and from what it came.
        style: The style that was laid over.
    """
    with styled(style):
        RunFolder(path.parent).write(
            path.name,
            lambda aside: _save(figure, aside, told or {}, path.stem),
        )


def _save(figure: Figure, path: Path, told: Mapping[str, str], stem: str) -> None:
    """Save a figure with what its file tells; PGF, which has no place for that, in comments, and with its images beside it."""
    if path.suffix != ".pgf":
        figure.savefig(path, metadata=_metadata(path.suffix, told))
        return
    figure.savefig(path)
    text = path.read_text(encoding="utf-8")
    for image in path.parent.glob(f"{path.stem}-img*.png"):  # named after a file that is moved
        own = image.with_name(image.name.replace(path.stem, stem, 1))
        text = text.replace(image.name, own.name)
        image.replace(own)
    said = "".join(f"% {key}: {' '.join(value.split())}\n" for key, value in told.items())
    path.write_text(said + text, encoding="utf-8")


def _metadata(ending: str, told: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file of a format tells; no dates."""
    by_format: dict[str, dict[str, Any]] = {
        ".pdf": {**told, "CreationDate": None},
        ".png": {**told, "Software": None},
        ".svg": {
            "Description": told.get("Subject"),
            "Keywords": told.get("Keywords"),
            "Date": None,
        },
    }
    return {
        key: value for key, value in by_format.get(ending, {}).items() if value or key not in told
    }
