"""Small networks of every sort, and masks of their units."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wflsim.learning.blueprint import (
    Act,
    Attention,
    BatchNorm,
    Blueprint,
    Chain,
    Conv,
    Flatten,
    GlobalMean,
    GroupNorm,
    LayerNorm,
    Linear,
    Lstm,
    MaxPool,
    MeanPool,
    MeanTokens,
    Positions,
    Residual,
    Steps,
    Tokens,
)
from wflsim.learning.pruning.counting import free_spaces
from wflsim.learning.pruning.masks import Masks


def residual(norm):
    """A stem, a block whose shortcut is nothing, and one whose shortcut is a convolution."""

    def block(name, out, stride, shortcut):
        body = (
            Conv("conv0", out, 3, stride, 1, bias=False),
            norm("norm0"),
            Act(),
            Conv("conv1", out, 3, padding=1, bias=False),
            norm("norm1"),
        )
        return (Residual(name, body, shortcut), Act())

    stem = (Conv("stem", 6, 3, padding=1, bias=False), norm("norm"), Act())
    down = (Conv("conv", 8, 1, 2, bias=False), norm("norm"))
    blocks = (*block("one", 6, 1, ()), *block("two", 8, 2, down))
    return (*stem, *blocks, GlobalMean(), Linear("head", 3))


NETWORKS = {
    "mlp": (
        (1, 4, 4),
        (
            Flatten(),
            Linear("a", 9),
            Act(),
            Linear("b", 7, bias=False),
            Act("tanh"),
            Linear("c", 3),
        ),
    ),
    "lenet": (
        (2, 10, 10),
        (
            Conv("a", 6, 3),
            Act(),
            MaxPool(),
            Conv("b", 7, 3, padding=1),
            Act("gelu"),
            MeanPool(),
            Flatten(),
            Linear("c", 10),
            Act(),
            Linear("d", 3),
        ),
    ),
    "batch_norm": ((1, 6, 6), residual(BatchNorm)),
    "group_norm": ((1, 6, 6), residual(lambda name: GroupNorm(name, 2))),
    "series": (
        (3, 12),
        (
            Conv("a", 6, 3),
            BatchNorm("n"),
            Act(),
            MaxPool(),
            Flatten(),
            BatchNorm("m"),
            Linear("b", 5),
            Act(),
            Linear("c", 3),
        ),
    ),
    "lstm": (
        (3, 5),
        (Steps(), Lstm("a", 6), Linear("b", 5), Act("tanh"), Linear("c", 3)),
    ),
    "vit": (
        (1, 6, 6),
        (
            Conv("patch", 8, 2, 2),
            Tokens(),
            Positions("place"),
            Residual("mix", (LayerNorm("norm"), Attention("attention", 2))),
            Residual(
                "think", (LayerNorm("norm"), Linear("up", 10), Act("gelu"), Linear("down", 8))
            ),
            LayerNorm("norm"),
            MeanTokens(),
            Linear("head", 3),
        ),
    ),
}


def blueprint_of(name):
    """Return a network by name."""
    shape, parts = NETWORKS[name]
    return Blueprint(Chain(parts), shape)


def units_of(anatomy, widths, seed=0):
    """Return units drawn at random, so many of each free space for each device, whole groups."""
    rng = np.random.default_rng(seed)
    found = {}
    for space in free_spaces(anatomy):
        kept = np.zeros((len(widths[space.name]), space.units // space.group), dtype=bool)
        for row, width in zip(kept, widths[space.name], strict=True):
            row[rng.permutation(kept.shape[1])[: width // space.group]] = True
        found[space.name] = torch.from_numpy(kept).repeat_interleave(space.group, 1)
    return found


def some_widths(anatomy, devices, seed=0, *, same=False):
    """Return how many units of each free space devices keep, shapes (K,)."""
    rng = np.random.default_rng(seed)
    return {
        space.name: space.group
        * rng.integers(1, space.units // space.group + 1, 1 if same else devices).repeat(
            devices if same else 1
        )
        for space in free_spaces(anatomy)
    }


def masks_of(anatomy, devices=3, seed=0, *, same=False):
    """Return masks of units drawn at random."""
    widths = some_widths(anatomy, devices, seed, same=same)
    return Masks.structured(anatomy, units_of(anatomy, widths, seed))


def params_of(anatomy, devices=3, seed=0, dtype=torch.float64):
    """Return stacked tensors drawn at random; variances are positive."""
    rng = torch.Generator().manual_seed(seed)
    drawn = {
        tensor.name: torch.randn(devices, *tensor.shape, generator=rng, dtype=dtype)
        for tensor in anatomy.every()
    }
    return {
        name: tensor.abs() + 0.5 if name.endswith("running_var") else tensor
        for name, tensor in drawn.items()
    }


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny operations on one thread: many threads wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=NETWORKS)
def network(request):
    """A network of every sort in turn."""
    return blueprint_of(request.param)


@pytest.fixture
def small():
    """What makes networks, masks and tensors."""
    return SimpleNamespace(
        names=tuple(NETWORKS),
        blueprint=blueprint_of,
        units=units_of,
        widths=some_widths,
        masks=masks_of,
        params=params_of,
    )
