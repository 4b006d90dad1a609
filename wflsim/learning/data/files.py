"""The door to data sets that are files: where they lie, whether they are whole, and what is in them."""

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile, ZipFile

from wflsim.errors import UserError

VARIABLE = "WFLSIM_DATA"
UNCHECKED = "no published checksum; its structure is checked when it is read"


@dataclass(frozen=True)
class File:
    """One file as its publisher gives it.

    Attributes:
        name: Path below the folder of the set.
        digest: Its checksum, "sha256:…" or "md5:…"; empty where none is known.
        size: Its size in bytes; 0 where that is not known.
        addresses: Where it can be fetched, the publisher's own address first.
    """

    name: str
    digest: str = ""
    size: int = 0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edition:
    """One form in which a set is handed out: single files, or an archive that is read as it is.

    Attributes:
        files: What it consists of.
        inside: Folder that the publisher's archive unpacks to.
    """

    files: tuple[File, ...]
    inside: str = ""

    @property
    def packed(self) -> bool:
        """Whether it is an archive."""
        return self.files[0].name.endswith((".tar.gz", ".zip"))


@dataclass(frozen=True)
class Published:
    """What a publisher says of a data set.

    Attributes:
        name: Its kind in a scenario.
        folder: Its folder below the data root.
        samples: Number of samples, those for testing included.
        classes: Number of classes.
        licence: What may be done with it.
        citation: What to cite.
        page: Where the publisher speaks of it.
        editions: Its forms; those with addresses are fetched in this order.
    """

    name: str
    folder: str
    samples: int
    classes: int
    licence: str
    citation: str
    page: str
    editions: tuple[Edition, ...]


@dataclass(frozen=True)
class Held:
    """A set that lies under the data root.

    Attributes:
        published: The set.
        edition: The form that was found.
        place: Folder of its files.
    """

    published: Published
    edition: Edition
    place: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its files."""
        return tuple(file.name for file in self.edition.files)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum((self.place / name).stat().st_size for name in self.names)

    @property
    def checked(self) -> bool:
        """Whether each of its files has a published checksum."""
        return all(file.digest for file in self.edition.files)

    def verify(self) -> None:
        """Refuse files whose size or checksum is not the publisher's."""
        for file in self.edition.files:
            self.verify_file(file)

    def verify_file(self, file: File) -> None:
        """Refuse a file whose size or checksum is not the publisher's, or an archive without one that breaks off."""
        path = self.place / file.name
        found = path.stat()
        if file.size and found.st_size != file.size:
            raise self.broken(file.name, f"it has {found.st_size} bytes and not {file.size}")
        algorithm, _, wanted = file.digest.partition(":")
        if wanted and _digest(path, algorithm, found.st_size, found.st_mtime_ns) != wanted:
            raise self.broken(file.name, f"its {algorithm} is not the publisher's")
        if not wanted and self.edition.packed:
            self.read()  # to its end, which is all that shows it to be whole

    def read(self, *names: str) -> list[bytes]:
        """Return what stands in some files, in order; archives are looked through once, and gzip is undone."""
        kept = self.edition.files[0].name
        with self._refusing(kept if self.edition.packed else self.edition.inside or "a file"):
            if not self.edition.packed:
                return [_plain(self.place / name) for name in names]
            unpack = _untar if kept.endswith(".tar.gz") else _unzip
            found = unpack((self.place / kept).read_bytes(), names)
            return [found[name] for name in names]

    def broken(self, name: str, why: str) -> UserError:
        """Return the refusal of a file."""
        path = self.place / name
        return UserError(
            f"{path} cannot be used, {why}; remove it and get it again: `wflsim data fetch {self.published.name}`"
        )

    @contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise self.broken(name, f"it holds no {error}") from error
        except (OSError, EOFError, zlib.error, tarfile.TarError, BadZipFile, RuntimeError) as error:
            raise self.broken(name, f"it cannot be read ({error})") from error


@dataclass(frozen=True)
class State:
    """How things stand with a set.

    Attributes:
        condition: Whether it can be used; unchecked where all files are there and some have no published checksum, so
            that only reading them will show whether they are what they should be.
        place: Where it lies, or belongs.
        size: Bytes on disk, 0 where it is missing.
        remark: What is the matter with it.
    """

    condition: Literal["complete", "unchecked", "missing", "corrupt"]
    place: Path
    size: int
    remark: str


def root() -> Path:
    """Return the data root: the folder that WFLSIM_DATA names, or else the user's cache."""
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache("wflsim")) / "data"


def set_root(folder: str | Path) -> None:
    """Make a folder the data root of this process and of those that it starts."""
    os.environ[VARIABLE] = str(Path(folder).expanduser().absolute())


def locate(published: Published) -> Held | None:
    """Return the first form of a set whose files are all there, unverified, or None."""
    for edition in published.editions:
        for place in _places(published, edition):
            if all(_there(place / file.name) for file in edition.files):
                return Held(published, edition, place)
    return None


def _there(path: Path) -> bool:
    """Return whether a file is at a path; it is not where nobody can look."""
    try:
        return path.is_file()
    except OSError:
        return False


def state(published: Published) -> State:
    """Return how things stand with a set; its files are read through, and nothing is fetched."""
    held = locate(published)
    if held is None:
        return State("missing", root() / published.folder, 0, wanted(published))
    try:
        held.verify()
    except UserError as error:
        return State("corrupt", held.place, held.size, str(error))
    if held.checked:
        return State("complete", held.place, held.size, "")
    return State("unchecked", held.place, held.size, UNCHECKED)


def wanted(published: Published) -> str:
    """Return in words which files to put where, and where they can be had."""
    edition = next(
        (found for found in published.editions if found.files[0].addresses), published.editions[0]
    )
    names = ", ".join(file.name for file in edition.files)
    return f"put {names} into {root() / published.folder}, from {published.page}"


def _places(published: Published, edition: Edition) -> list[Path]:
    """Return the folders in which a form may lie: the set's own, or that of the publisher's archive."""
    own = root() / published.folder
    return [own, own / edition.inside, root() / edition.inside] if edition.inside else [own]


@cache
def _digest(path: Path, algorithm: str, size: int, changed_ns: int) -> str:
    """Return the checksum of a file, read once in a process unless its size or its time changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _plain(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _untar(content: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the members of a tar archive by the ends of their paths."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            for name in names:
                file = archive.extractfile(member) if _ends(member.name, name) else None
                if file is not None:
                    found[name] = file.read()
    return found


def _unzip(content: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the members of a zip archive by the ends of their paths; an archive in the archive is opened."""
    with ZipFile(BytesIO(content)) as archive:
        listed = archive.namelist()
        inner = next((path for path in listed if path.endswith(".zip")), None)
        if inner is not None:
            return _unzip(archive.read(inner), names)
        paths = {name: path for name in names for path in listed if _ends(path, name)}
        return {name: archive.read(path) for name, path in paths.items()}


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith("/" + name)
