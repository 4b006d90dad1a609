"""Frames for other programs: CSV, Parquet, MATLAB's MAT, and plain columns for LaTeX's pgfplots."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_numeric_dtype
from scipy.io import savemat
from scipy.io.matlab import MatWriteError

from wflsim.errors import UserError
from wflsim.records.columns import EVERY_TABLE
from wflsim.records.folder import RunFolder
from wflsim.results import Results
from wflsim.scenario.quantities import unit_of
from wflsim.scenario.remedies import did_you_mean

TABLES = ("rounds", "clients", "finals", "runs", "groups")
LONGEST = 63
"""Characters of a name in MATLAB."""
_RESERVED = frozenset({
    "break", "case", "catch", "classdef", "continue", "else", "elseif", "end", "for", "function", "global", "if", "otherwise",
    "parfor", "persistent", "return", "spmd", "switch", "try", "while",
})  # fmt: skip


def chosen(results: Results, table: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a frame of results, or some of its columns beside those that tell a row's run.

    Args:
        results: The results.
        table: One of ``TABLES``.
        columns: Columns to keep; all where none is named.
    """
    wanted = [name for name in columns if name not in results.runs]
    if table in EVERY_TABLE:
        return results.table(table, wanted or None)
    frame: pd.DataFrame = results.runs if table == "runs" else results.finals
    for name in wanted:
        if name not in frame:
            remedy = did_you_mean(name, _names(frame), "columns")
            raise UserError(f"{results.path}: no column '{name}' in the table '{table}'; {remedy}")
    own = [name for name in results.runs if name in frame and name not in wanted]
    return frame[[*own, *wanted]] if wanted else frame


def write(frame: pd.DataFrame, path: Path, name: str = "data") -> Path:
    """Write a frame; the ending of the path chooses the format.

    Args:
        frame: The frame; ``attrs`` may hold ``units`` and ``meanings`` of its columns.
        path: Where to.
        name: What the frame is called where a file has names.
    """
    if path.suffix not in WRITERS:
        endings = ", ".join(WRITERS)
        raise UserError(
            f"{path}: no format ends with '{path.suffix}'; end it with one of {endings}"
        )
    save = partial(WRITERS[path.suffix], flattened(frame), name)
    try:
        return RunFolder(path.parent).write(path.name, save)
    except (MatWriteError, OverflowError) as error:
        raise UserError(f"{path}: too large for MAT: {error}; write .parquet instead") from error


def flattened(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of numbers and texts alone: no categories, nothing empty but NaN and ""."""
    found = pd.DataFrame({name: _plain(frame[name]) for name in _names(frame)}, index=frame.index)
    units = {name: unit_of(name) for name in _names(found) if unit_of(name)}
    found.attrs = {**frame.attrs, "units": {**units, **frame.attrs.get("units", {})}}
    return found


def valid_names(names: Iterable[str]) -> dict[str, str]:
    """Return name → a name that MATLAB takes, each different from the others.

    >>> valid_names(["radio.bandwidth_hz", "radio_bandwidth_hz", "end"])
    {'radio.bandwidth_hz': 'radio_bandwidth_hz', 'radio_bandwidth_hz': 'radio_bandwidth_hz_2', 'end': 'x_end'}
    """
    found: dict[str, str] = {}
    for name in names:
        whole = re.sub(r"\W", "_", name, flags=re.ASCII)
        whole = whole if re.match(r"[A-Za-z]", whole) and whole not in _RESERVED else f"x_{whole}"
        made, number = whole[:LONGEST], 1
        while made in found.values():
            number += 1
            made = f"{whole[: LONGEST - len(str(number)) - 1]}_{number}"
        found[name] = made
    return found


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns]


def _plain(column: "pd.Series[Any]") -> np.ndarray[Any, Any]:
    """Return a column as numbers, or as texts."""
    values = np.asarray(column)
    if values.dtype.kind in "iufb":
        return values
    known = [value for value in values if value is not None]
    if known and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    ):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(["" if value is None else str(value) for value in values], dtype=object)


def _csv(frame: pd.DataFrame, name: str, path: Path) -> None:
    frame.to_csv(path, index=False, na_rep="nan", lineterminator="\n")


def _parquet(frame: pd.DataFrame, name: str, path: Path) -> None:
    bare = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    fields = [
        field.with_metadata(
            {
                "unit": frame.attrs["units"].get(field.name, ""),
                "meaning": frame.attrs.get("meanings", {}).get(field.name, ""),
            }
        )
        for field in bare.schema
    ]
    pq.write_table(bare.cast(pa.schema(fields)), path)


def _mat(frame: pd.DataFrame, name: str, path: Path) -> None:
    """Write a struct of column vectors, one of their units, and one of their names as they were."""
    valid = valid_names(_names(frame))
    content = {
        name: {valid[column]: frame[column].to_numpy()[:, None] for column in _names(frame)},
        "units": {valid[column]: frame.attrs["units"].get(column, "") for column in _names(frame)},
        "names": {made: column for column, made in valid.items()},
    }
    savemat(path, content, long_field_names=True, do_compression=True, oned_as="column")


def _dat(frame: pd.DataFrame, name: str, path: Path) -> None:
    """Write columns apart by spaces, with a line of names; a text has no space, and is never empty."""
    texts = [column for column in _names(frame) if not is_numeric_dtype(frame[column])]
    solid = frame.assign(**{column: frame[column].map(_solid) for column in texts})
    solid.columns = pd.Index([_solid(column) for column in _names(frame)])
    solid.to_csv(path, sep=" ", index=False, na_rep="nan", lineterminator="\n", quoting=3)


def _solid(text: str) -> str:
    return re.sub(r"[\s\"]+", "_", text) or "-"


WRITERS: Mapping[str, Callable[[pd.DataFrame, str, Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".mat": _mat,
    ".dat": _dat,
}
"""Ending → how it is written."""
