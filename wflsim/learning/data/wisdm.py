"""WISDM v1.1: a phone's acceleration in six activities by 36 users, as features and as windows of the raw signal."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from channel_models.units import Count
from wflsim.contracts import FloatArray, IntArray, Samples
from wflsim.learning.data.arrays import sealed, standardised
from wflsim.learning.data.fetching import obtain
from wflsim.learning.data.files import Edition, File, Held, Published, root

ACTIVITIES = ("Walking", "Jogging", "Upstairs", "Downstairs", "Sitting", "Standing")
FEATURES = 43
TABLE = "WISDM_ar_v1.1_transformed.arff"
RAW = "WISDM_ar_v1.1_raw.txt"

# Records of the raw file that are no record: far fewer than this share; more, and it is another file.
BROKEN_SHARE = 0.01

_ARCHIVE = Edition(
    (
        File(
            "WISDM_ar_latest.tar.gz",
            addresses=(
                "https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
            ),
        ),
    )
)
_CITATION = (
    "Kwapisz, Weiss, Moore, Activity Recognition using Cell Phone Accelerometers, SensorKDD 2010"
)
_LICENCE = "citation asked for; readme.txt travels with the data"
_PAGE = "https://www.cis.fordham.edu/wisdm/dataset.php"

WISDM = Published(
    name="wisdm",
    folder="wisdm",
    samples=5_418,
    classes=6,
    licence=_LICENCE,
    citation=_CITATION,
    page=_PAGE,
    editions=(Edition((File(TABLE),), inside="WISDM_ar_v1.1"), _ARCHIVE),
)

WISDM_RAW = Published(
    name="wisdm_raw",
    folder="wisdm",
    samples=1_098_207,
    classes=6,
    licence=_LICENCE,
    citation=_CITATION,
    page=_PAGE,
    editions=(Edition((File(RAW),), inside="WISDM_ar_v1.1"), _ARCHIVE),
)


@dataclass(frozen=True)
class Wisdm:
    """Motion of a phone in the trouser pocket in six activities: 5,418 rows of 43 features from 36 users.

    A row tells of 10 s. Its number is left out. Each feature is brought to mean 0 and deviation 1 over all rows, since
    the publisher keeps none for testing; a missing value (only in XPEAK, YPEAK and ZPEAK) becomes the mean, which is
    0, and XAVG, which is 0 in every row, stays 0. Classes in order: Walking, Jogging, Upstairs, Downstairs, Sitting,
    Standing. There is no published checksum: the number of rows is what shows that the file is whole.

    Reference:
        Kwapisz, Weiss, Moore, SensorKDD 2010.

    >>> Wisdm().input_shape
    (43,)
    """

    @property
    def input_shape(self) -> tuple[int, ...]:
        """43 features."""
        return (FEATURES,)

    @property
    def classes(self) -> int:
        """Six activities."""
        return WISDM.classes

    def load(self) -> Samples:
        """Return the rows, shape (5418, 43), activities, and users 1 … 36."""
        return _load_table(root())


@dataclass(frozen=True)
class WisdmRaw:
    """Acceleration of a phone in the trouser pocket in six activities, at 20 Hz in x, y and z: windows from 36 users.

    A window lies in one stretch of records, in the order of the file, of one user in one activity. Acceleration is
    told in g: the publisher's number is divided by 10, which it says is 1 g. Records that are broken, or that have a
    time of 0, are left out; more than 1 % of broken ones are refused. Classes are those of `wisdm`. There is no
    published checksum.

    Attributes:
        window: Number of records in a window; 200 are 10 s, as in the publisher's features.
        step: Number of records from the beginning of a window to that of the next; fewer than in a window let them
            overlap.

    Reference:
        Kwapisz, Weiss, Moore, SensorKDD 2010.

    >>> WisdmRaw(window=100).input_shape
    (3, 100)
    """

    window: Count = 200
    step: Count = 200

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Three axes of a window."""
        return (3, self.window)

    @property
    def classes(self) -> int:
        """Six activities."""
        return WISDM_RAW.classes

    def load(self) -> Samples:
        """Return the windows, shape (N, 3, window), activities, and users 1 … 36."""
        return _load_windows(root(), self.window, self.step)


@cache
def _load_table(under: Path) -> Samples:
    """Return the features under a data root, read once."""
    held = obtain(WISDM)
    features, labels, users = _table(held, held.read(TABLE)[0].decode("utf-8", "replace"))
    return sealed(Samples(standardised(features), labels, users))


def _table(held: Held, text: str) -> tuple[FloatArray, IntArray, IntArray]:
    """Return features with NaN where one is missing, shape (N, 43), activities and users, shape (N,)."""
    header, _, body = text.partition("@data")
    names = re.findall(r'^@attribute\s+"?(\w+)"?', header, re.MULTILINE)
    if names[:2] + names[-1:] != ["UNIQUE_ID", "user", "class"] or len(names) != FEATURES + 3:
        raise held.broken(TABLE, f"its header names {len(names)} columns and not {FEATURES + 3}")
    rows = [line.split(",") for line in body.split("\n") if line.strip()]
    if len(rows) != WISDM.samples:
        raise held.broken(TABLE, f"it has {len(rows)} rows and not {WISDM.samples}")
    try:
        values = [[np.nan if v.strip() == "?" else float(v) for v in row[2:-1]] for row in rows]
        features = np.array(values).reshape(len(rows), FEATURES)
        labels = np.array([ACTIVITIES.index(row[-1].strip()) for row in rows])
        users = np.array([int(row[1]) for row in rows])
    except ValueError as error:
        raise held.broken(TABLE, f"one of its rows is none ({error})") from error
    return features, labels, users


@cache
def _load_windows(under: Path, window: int, step: int) -> Samples:
    """Return the windows of the raw signal under a data root, read once for each cut."""
    held = obtain(WISDM_RAW)
    found = _records(held, held.read(RAW)[0].decode("utf-8", "replace"))
    starts, first = [], 0
    for _, stretch in groupby(zip(found.users.tolist(), found.labels.tolist(), strict=True)):
        length = sum(1 for _ in stretch)
        starts.append(np.arange(first, first + length - window + 1, step))
        first += length
    begin = np.concatenate(starts)
    if not len(begin):
        raise held.broken(RAW, f"no user keeps to an activity for {window} records")
    cut = found.signal[begin[:, None] + np.arange(window)]  # (N, window, 3)
    inputs = np.ascontiguousarray(cut.transpose(0, 2, 1) / 10.0, dtype=np.float32)
    return sealed(Samples(inputs, found.labels[begin], found.users[begin]))


class _Raw(NamedTuple):
    """Records of the raw file: acceleration, shape (N, 3), activities and users, shape (N,)."""

    signal: FloatArray
    labels: IntArray
    users: IntArray


def _records(held: Held, text: str) -> _Raw:
    """Return the records of the raw file: user, activity, time, x, y, z, and a semicolon.

    Some lines lack the semicolon, have two of them or a comma before it, hold two records, or lack a number.
    """
    pieces = [piece.strip().rstrip(",") for piece in re.split(r"[;\n]", text)]
    found = [_record(piece) for piece in pieces if piece]
    kept = [record for record in found if record is not None]
    if not kept or len(kept) < (1.0 - BROKEN_SHARE) * len(found):
        raise held.broken(RAW, f"{len(found) - len(kept)} of its {len(found)} records are none")
    if len(found) < (1.0 - BROKEN_SHARE) * WISDM_RAW.samples:
        raise held.broken(RAW, f"it has {len(found)} records and not {WISDM_RAW.samples}")
    users, labels, times, signal = zip(*kept, strict=True)
    timed = np.array(times) != 0.0
    return _Raw(np.array(signal)[timed], np.array(labels)[timed], np.array(users)[timed])


def _record(piece: str) -> tuple[int, int, float, tuple[float, float, float]] | None:
    """Return user, activity, time and acceleration of a record, or None if it is broken."""
    try:
        user, activity, time, x, y, z = piece.split(",")
        record = int(user), ACTIVITIES.index(activity), float(time), (float(x), float(y), float(z))
    except ValueError:
        return None
    return record if np.isfinite(record[3]).all() else None
