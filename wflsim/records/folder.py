"""The run folder: every file is written aside and then moved, so that none is ever half there."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from wflsim.errors import UserError
from wflsim.records.columns import EVERY_TABLE
from wflsim.records.recorder import Columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

MANIFEST = "manifest.json"
ASIDE = ".part"
INTERRUPTED, HALTED, SUCCEEDED = "interrupted", "halted", "succeeded"


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    Attributes:
        path: The folder.
    """

    path: Path

    def write(self, name: str, save: Callable[[Path], object]) -> Path:
        """Let ``save`` write a file under another name, then move it to its own."""
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(target, error) from error
        aside = target.with_name(f".{target.stem}{ASIDE}{target.suffix}")
        try:
            save(aside)
            with aside.open("rb+") as file:  # a power cut after the move leaves no empty file
                os.fsync(file.fileno())
            aside.replace(target)
        except (OSError, SafetensorError) as error:
            raise unwritable(target, error) from error
        finally:
            aside.unlink(missing_ok=True)
        return target

    def told(self) -> dict[str, Any]:
        """Return what the manifest says; nothing where there is none."""
        try:
            found = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def over(self) -> bool:
        """Whether it holds a run of which nothing is left to play."""
        return self.told().get("status") not in (None, INTERRUPTED)

    def holdings(self) -> set[str]:
        """Return the names of what is in the folder, files left aside by a killed process excepted."""
        names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        return {name for name in names if not (name.startswith(".") and ASIDE in name)}

    def manifest(self, content: Mapping[str, Any]) -> Path:
        """Write the manifest."""
        text = json.dumps(finite(content), indent=2, ensure_ascii=False) + "\n"
        return self.write(MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))

    def table(self, name: str, columns: Columns) -> Path:
        """Write a table as Parquet; units and meanings travel in the fields' metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
        fields = [
            pa.field(
                column.name,
                types[column.type],
                metadata={"unit": column.unit, "meaning": column.meaning},
            )
            for column in EVERY_TABLE[name]
        ]
        data = pa.table(
            [pa.array(columns[f.name], f.type) for f in fields], schema=pa.schema(fields)
        )
        return self.write(f"{name}.parquet", lambda path: pq.write_table(data, path))

    def read(self, name: str, columns: Sequence[str] | None = None, variant: str = "") -> Columns:
        """Return a table, or some of its columns, or the rows of one variant."""
        found = self.arrow(name, columns, variant)
        return {name: found[name].to_numpy(zero_copy_only=False) for name in found.column_names}

    def shape(self, name: str) -> tuple[int, frozenset[str]]:
        """Return the number of rows of a table, and the names of its columns."""
        with self._stored(name) as file:
            return file.metadata.num_rows, frozenset(file.schema_arrow.names)

    def arrow(
        self, name: str, columns: Sequence[str] | None = None, variant: str = ""
    ) -> "pa.Table":
        """Return as ``read`` does, but as it lies in the file."""
        with self._stored(name) as file:
            wanted = file.schema_arrow.names if columns is None else list(columns)
            if not variant:
                return file.read(wanted, use_threads=False)
            found = file.read([*dict.fromkeys([*wanted, "variant"])], use_threads=False)
            rows = found["variant"].to_numpy() == variant
            return found.filter(rows).select(wanted)

    @contextmanager
    def _stored(self, name: str) -> Iterator["ParquetFile"]:
        """Open a table; as a file of its own, which takes a quarter of what a file of a data set takes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise UserError(
                f"{self.path}: holds no {path.name}; name a folder that `wflsim run` has written"
            )
        try:
            with pq.ParquetFile(path) as file:
                yield file
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: cannot be read: {error}; play the run again") from error


def unwritable(path: Path, error: Exception) -> UserError:
    """Return what to tell when a file cannot be written."""
    return UserError(
        f"{path}: cannot be written: {error}; make room, or name another --out, and play the same again"
    )


def new_folder(out: str | None, name: str) -> RunFolder:
    """Return a folder for a new run; nothing that exists is ever written over."""
    try:
        return RunFolder(_numbered(Path("runs"), name) if out is None else _empty(out))
    except (OSError, ValueError) as error:
        where = "runs" if out is None else f"--out {out}"
        raise UserError(
            f"{where}: cannot be made: {error}; name a folder you may write to"
        ) from error


def _numbered(root: Path, name: str) -> Path:
    """Make and return the first of NAME-1, NAME-2, … that does not exist, also when another run does the same."""
    for number in count(1):
        path = root / f"{name}-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise AssertionError("numbers do not end")


def _empty(out: str) -> Path:
    """Make and return a folder that the user named; it may exist when it is empty."""
    path = Path(out)
    if not out or (path.exists() and (not path.is_dir() or RunFolder(path).holdings())):
        raise UserError(
            f"--out {out}: exists and is not an empty folder; name another, or remove it first"
        )
    path.mkdir(parents=True, exist_ok=True)
    return path


def finite(value: Any) -> Any:
    """Return a value that JSON can hold: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
