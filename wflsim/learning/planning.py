"""What an exchange weighs: bits and operations of dense and of pruned messages, before anything is trained."""

import numpy as np

from wflsim.contracts import Exchange, IntArray, Load
from wflsim.learning.anatomy import BITS_PER_VALUE, Anatomy, bitmap_bits


def dense_exchange(samples: IntArray, shared: Anatomy, macs: float) -> Exchange:
    """Return the exchange in which every device receives and sends the shared part as it is.

    Args:
        samples: Number of training samples of each device, shape (K,).
        shared: The part that travels.
        macs: Operations of each device.
    """
    return pruned_exchange(samples, shared, (macs, 0.0), keep_min=1.0, mask=False)


def pruned_exchange(
    samples: IntArray,
    shared: Anatomy,
    macs: tuple[float, float],
    *,
    keep_min: float,
    mask: bool = True,
) -> Exchange:
    """Return the exchange in which every device receives the shared part and sends what it keeps of it.

    Args:
        samples: Number of training samples of each device, shape (K,).
        shared: The part that travels; its weights may be pruned, its biases not.
        macs: Operations of each device that pruning leaves, and those that it scales.
        keep_min: Least share of weights that a device keeps.
        mask: Whether the message carries a bitmap of what was kept.
    """
    devices = len(samples)
    every, none = np.ones(devices), np.zeros(devices)
    mask_bits = float(bitmap_bits(shared.weights)) if mask else 0.0
    return Exchange(
        participants=np.arange(devices),
        down_bits=Load(every * shared.bits, none),
        macs=Load(every * macs[0], every * macs[1]),
        up_bits=Load(
            every * (BITS_PER_VALUE * shared.biases + mask_bits),
            every * float(BITS_PER_VALUE * shared.weights),
        ),
        mask_bits=every * mask_bits,
        keep_min=every * keep_min,
        keep_max=every,
        weight=every,
        units=shared.weights,
    )
