"""The final weights as a file: safetensors, which carries no code."""

from typing import Any

import safetensors.torch
import torch

from wflsim.contracts import Algorithm


def final_weights(algorithm: Algorithm, state: Any, devices: int) -> bytes:
    """Return the global model's weights, and of each device those that differ from them, as a safetensors file."""
    whole = algorithm.model_for(state, None)
    found = {f"global.{name}": tensor.contiguous() for name, tensor in whole.items()}
    for device in range(devices):
        own = algorithm.model_for(state, device)
        found |= {
            f"device{device}.{name}": tensor.contiguous()
            for name, tensor in own.items()
            if not torch.equal(tensor, whole[name])
        }
    data: bytes = safetensors.torch.save(found)
    return data
