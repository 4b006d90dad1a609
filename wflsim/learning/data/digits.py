"""The digits data that ship with scikit-learn: 1,797 images of 8 × 8, ten classes."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wflsim.contracts import Samples


@dataclass(frozen=True)
class Digits:
    """Handwritten digits, 8 × 8 pixels, scaled to [-1, 1]."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One channel of 8 × 8 pixels."""
        return (1, 8, 8)

    @property
    def classes(self) -> int:
        """Ten digits."""
        return 10

    def load(self) -> Samples:
        """Return the images, shape (1797, 1, 8, 8), and their digits, shape (1797,)."""
        table = _table()
        images = (table[:, :-1] / 8.0 - 1.0).astype(np.float32).reshape(-1, *self.input_shape)
        return Samples(images, table[:, -1].astype(np.int64))


def _table() -> npt.NDArray[np.float64]:
    """Return the table of 64 pixels and a digit, shape (1797, 65).

    Its file is read where scikit-learn keeps it: importing the whole library for one table takes longer than a small
    run. Should a release keep it elsewhere, the library is asked.
    """
    package = find_spec("sklearn")
    places = [
        Path(root) / "datasets" / "data" / "digits.csv.gz"
        for root in (package and package.submodule_search_locations) or ()
    ]
    kept = next((path for path in places if path.is_file()), None)
    if kept is not None:
        return np.loadtxt(kept, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    return np.column_stack([pixels, digits])
