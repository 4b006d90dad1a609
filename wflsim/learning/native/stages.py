"""What a stage of a compiled network is: a kind, shapes, and where its tensors and values lie; no compiler is needed to say so."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LINEAR, CONV, RELU, HALVE, FLATTEN = range(5)

# Shapes of what comes in (a vector has its entries as channels) and of what goes out, the kernel and the zeros at its
# borders; where tensors begin (-1 where there is none) and whether they move; where values come from and go to and
# what else is kept, in numbers a sample; whether anybody wants the slope of what comes in; whether it is the samples.
_FIELDS = """
    kind channels height width units rows columns tall wide above beside
    weight bias moves_weight moves_bias before after aside back first
"""
STAGE = np.dtype([(name, np.int64) for name in _FIELDS.split()])
