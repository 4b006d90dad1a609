"""What models' answers are worth: how many are right, how sure they are, and how far the two are apart."""

from dataclasses import dataclass
from math import nan

import numpy as np
import torch

from wflsim.contracts import BoolArray, FloatArray

BINS = 15
"""Bins of confidence, of equal width, as in the experiments of arXiv 1706.04599 [R]."""


def right(logits: torch.Tensor, labels: torch.Tensor) -> BoolArray:
    """Return whether the largest logit is the label's, shape (n,); logits that are no numbers answer nothing.

    >>> right(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]), torch.tensor([1, 0])).tolist()
    [True, False]
    """
    found: BoolArray = ((logits.argmax(-1) == labels) & ~logits.isnan().any(-1)).numpy()
    return found


@dataclass(frozen=True, eq=False)
class Reliability:
    """Sums over samples, by bins of confidence: all that is kept of answers, however many there were.

    The confidence of an answer is the probability that the model gives to it; bin m holds those in ((m − 1)/M, m/M].

    Attributes:
        count: Number of samples in each bin, shape (M,).
        right: Number of right answers, shape (M,).
        confidence: Sum of confidences, shape (M,).
        loss: Sum over all samples of −ln(probability of the truth).

    >>> even = Reliability.of(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]))
    >>> even.accuracy, round(even.mean_loss, 6), even.calibration_error
    (0.5, 0.693147, 0.0)
    """

    count: FloatArray
    right: FloatArray
    confidence: FloatArray
    loss: float

    @classmethod
    def none(cls) -> "Reliability":
        """Return the sums over no samples."""
        return cls(np.zeros(BINS), np.zeros(BINS), np.zeros(BINS), 0.0)

    @classmethod
    def of(cls, logits: torch.Tensor, labels: torch.Tensor) -> "Reliability":
        """Return the sums over samples whose logits, shape (n, classes), and labels, shape (n,), are known.

        A label that is none of the classes is never answered rightly, and its loss is infinite; so are the losses of
        logits that are no numbers, which are answers of confidence zero.
        """
        likely = logits.double().log_softmax(-1)
        confidence = likely.amax(-1).exp().nan_to_num(0.0).numpy()
        place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        known = (labels >= 0) & (labels < logits.shape[-1])
        truth = likely.gather(-1, (labels * known)[:, None])[:, 0]
        truth = truth.masked_fill(~known | truth.isnan(), -torch.inf)
        return cls(
            np.bincount(place, minlength=BINS).astype(np.float64),
            np.bincount(place, right(logits, labels), BINS).astype(np.float64),
            np.bincount(place, confidence, BINS).astype(np.float64),
            float(-truth.sum()),
        )

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(
            self.count + other.count,
            self.right + other.right,
            self.confidence + other.confidence,
            self.loss + other.loss,
        )

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.count.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers; not a number where there are none."""
        return float(self.right.sum()) / self.samples if self.samples else nan

    @property
    def mean_loss(self) -> float:
        """Mean negative log-likelihood in nats, which is the cross-entropy; not a number where there are no samples."""
        return self.loss / self.samples if self.samples else nan

    @property
    def calibration_error(self) -> float:
        """Expected calibration error Σ_m n_m/n · |accuracy_m − mean confidence_m| (arXiv 1706.04599 [R])."""
        apart = float(np.abs(self.right - self.confidence).sum())
        return apart / self.samples if self.samples else nan
