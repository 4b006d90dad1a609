"""Partitions in which devices see the same things differently."""

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from wflsim.contracts import Division, FloatArray, Partition, Samples
from wflsim.learning.partitions.alike import Iid


@dataclass(frozen=True)
class FeatureShift:
    """Device k of K sees its samples x as (1 + gain·k/K)·x + noise, noise ~ N(0, variance·k/K), k = 1 … K.

    Each number of a sample has noise of its own, drawn once. The publisher's test samples stay clean.

    Attributes:
        variance: Variance of the last device's noise, in the units of the normalised samples.
        gain: How much more strongly the last device sees its samples; 0 for all alike, −0.5 for half as strongly.
        base: Who holds what before samples are changed.

    Reference:
        Li, Diao, Chen and He, arXiv 2102.02079: noise-based feature imbalance, Gau(σ·i/N) for party i of N, with
        σ·i/N a variance [S]. The gain is ours [X].

    >>> samples = Samples(np.ones((6, 1), np.float32), np.arange(6) % 2)
    >>> shift = FeatureShift(variance=0.0, gain=1.0)
    >>> found = shift.split(samples, np.zeros((2, 2)), np.random.default_rng(1))
    >>> [found.samples.inputs[part].ravel().tolist() for part in found.parts]
    [[1.5, 1.5, 1.5], [2.0, 2.0, 2.0]]
    """

    variance: Annotated[float, ("least", 0.0), ("most", 1e6)] = 0.1
    gain: Annotated[float, ("above", -1.0), ("most", 1e3)] = 0.0
    base: Partition = field(default_factory=Iid)

    def split(self, samples: Samples, position_m: FloatArray, rng: np.random.Generator) -> Division:
        """Return the base's division with changed samples."""
        base = self.base.split(samples, position_m, rng)
        devices, inputs = len(base.parts), np.array(base.samples.inputs)
        for device, lots in enumerate(rng.spawn(devices)):
            part, level = base.parts[device], (device + 1) / devices
            noise = lots.standard_normal((len(part), *inputs.shape[1:]), dtype=np.float32)
            seen = np.float32(1.0 + self.gain * level) * inputs[part]
            inputs[part] = seen + np.float32(np.sqrt(self.variance * level)) * noise
        return replace(base, samples=replace(base.samples, inputs=inputs))
