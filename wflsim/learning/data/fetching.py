"""How a data set comes under the data root: found there, or fetched whole from its publisher."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from wflsim.errors import UserError
from wflsim.learning.data.files import File, Held, Published, locate, root, wanted

if TYPE_CHECKING:
    from rich.progress import Progress

TIMEOUT_S = 30.0


def obtain(published: Published) -> Held:
    """Return a set whose files are whole, fetched first where it is missing; or refuse with the remedy."""
    held = locate(published)
    if held is None:
        return fetch(published)
    held.verify()
    return held


def fetch(published: Published) -> Held:
    """Return a set after what was missing or broken of it has been fetched, each file whole or not at all."""
    held = locate(published)
    if held is not None and _whole(held):
        return held
    place, reasons = root() / published.folder, list[str]()
    _refuse_place(place)
    for edition in published.editions:
        if not edition.files[0].addresses:
            continue
        try:
            _retrieve_all(Held(published, edition, place))
        except UserError as error:
            reasons.append(str(error))
        else:
            return obtain(published)
    tried = "; ".join(reasons)
    raise UserError(
        f"data set '{published.name}' is not under {root()} and cannot be fetched; {wanted(published)} (tried {tried})"
    )


def _refuse_place(place: Path) -> None:
    """Refuse a data root in which a set cannot be put down, before anything is asked of a publisher."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(
            f"--data {root()}: is not a folder that can be written; name another"
        ) from error


def _whole(held: Held) -> bool:
    """Return whether a set passes its checks."""
    try:
        held.verify()
    except UserError:
        return False
    return True


def _retrieve_all(wished: Held) -> None:
    """Put the files of a form into its folder; those that are there and whole stay, those that are broken go."""
    for file in wished.edition.files:
        path, reasons = wished.place / file.name, list[str]()
        if not file.digest:
            path.unlink(missing_ok=True)  # nothing would show whether it is the publisher's
        if not any(_retrieved(file, each, wished.place, reasons) for each in file.addresses):
            raise UserError(", ".join(reasons))
        try:
            wished.verify_file(file)
        except UserError:
            path.unlink()
            raise


def _retrieved(file: File, address: str, place: Path, reasons: list[str]) -> bool:
    """Return whether a file now lies in a folder; a reason is noted if not.

    The file is written aside and moved to its place when its checksum is right.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    bar: Any = Bar(file.name)
    loader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT_S)
    try:
        pooch.retrieve(address, file.digest or None, fname=file.name, path=place, downloader=loader)
    except (OSError, ValueError) as error:
        reasons.append(f"{address}: {type(error).__name__}")
        return False
    finally:
        bar.close()
    return True


@dataclass
class Bar:
    """A bar of progress on the terminal, as the one who fetches moves it.

    Attributes:
        name: What is fetched.
        total: Number of bytes.
    """

    name: str
    total: int = 0
    _shown: "Progress | None" = field(default=None, init=False)

    def update(self, amount: int) -> None:
        """Move the bar on by some bytes."""
        if self._shown is None:
            from rich.console import Console
            from rich.progress import DownloadColumn, Progress

            columns = (*Progress.get_default_columns(), DownloadColumn())
            self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
            self._shown.add_task(self.name, total=self.total or None)
            self._shown.start()
        self._shown.advance(self._shown.task_ids[0], amount)

    def reset(self) -> None:
        """Set the bar back to nothing."""
        if self._shown is not None:
            self._shown.reset(self._shown.task_ids[0])

    def close(self) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown.stop()
