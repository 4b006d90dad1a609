"""What the readers of data sets share: images normalised at a stroke, and arrays that nobody may change."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from wflsim.contracts import FloatArray, Samples


def normalised(
    images: npt.NDArray[np.uint8], mean: Sequence[float], deviation: Sequence[float]
) -> npt.NDArray[np.float32]:
    """Return (v / 255 − mean) / deviation channel by channel, each value of a byte rounded once to float32.

    Args:
        images: Bytes, shape (N, C, H, W).
        mean: Mean of each channel on the scale of 0 to 1, shape (C,).
        deviation: Its standard deviation, shape (C,).

    >>> normalised(np.full((1, 1, 1, 1), 255, np.uint8), [0.5], [0.25]).item()
    2.0
    """
    values = np.arange(256) / 255.0
    table = ((values - np.asarray(mean)[:, None]) / np.asarray(deviation)[:, None]).astype(
        np.float32
    )
    found = np.empty(images.shape, np.float32)
    for channel, row in enumerate(table):
        found[:, channel] = row[images[:, channel]]
    return found


def standardised(values: FloatArray) -> npt.NDArray[np.float32]:
    """Return columns of mean 0 and deviation 1, shape (N, F); a missing value becomes its column's mean.

    A column without spread becomes 0.

    >>> standardised(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """
    centred = values - np.nanmean(values, axis=0)
    spread = np.nanstd(values, axis=0)
    scaled: FloatArray = np.nan_to_num(centred / np.where(spread > 0.0, spread, 1.0))
    return scaled.astype(np.float32)


def sealed(samples: Samples) -> Samples:
    """Return samples whose arrays can be read and not written: they are kept, and handed out again."""
    for each in fields(samples):
        value = getattr(samples, each.name)
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return samples
