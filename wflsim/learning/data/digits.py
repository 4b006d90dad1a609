"""The digits data that ship with scikit-learn: 1,797 images of 8 × 8, ten classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wflsim.contracts import IntArray


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

    def load(self) -> tuple[npt.NDArray[np.float32], IntArray]:
        """Return the images, shape (1797, 1, 8, 8), and their digits, shape (1797,)."""
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        images = (pixels / 8.0 - 1.0).astype(np.float32).reshape(-1, *self.input_shape)
        return images, labels.astype(np.int64)
