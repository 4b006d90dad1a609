"""What the architectures have in common: parts fitted to an input, and a choice of normalisation."""

from collections.abc import Sequence
from typing import Annotated, Literal

from wflsim.errors import UserError
from wflsim.learning.blueprint import BatchNorm, Blueprint, Chain, Dropout, GroupNorm, Part

Drop = Annotated[float, ("least", 0.0), ("below", 1.0)]
Width = Annotated[int, ("least", 0), ("most", 100_000_000)]
Norm = Literal["batch", "group", "none"]

SAMPLES = {2: "series of shape (channels, steps)", 3: "images of shape (channels, height, width)"}


def fitted(parts: Sequence[Part], input_shape: tuple[int, ...], dims: int) -> Blueprint:
    """Return the network of some parts; a UserError if samples are no such inputs, or too small.

    Args:
        parts: The parts in a row.
        input_shape: Shape of a sample.
        dims: Number of dimensions that a sample must have.
    """
    if len(input_shape) != dims:
        raise UserError(
            f"task.model: takes {SAMPLES[dims]}, got samples of shape {input_shape}; take other data, or model: mlp"
        )
    blueprint = Blueprint(Chain(tuple(parts)), input_shape)
    try:
        blueprint.anatomy  # noqa: B018  # reading it is the check
    except ValueError as error:
        raise UserError(f"task.model: {error}") from error
    return blueprint


def norm(kind: Norm, name: str, group: int) -> tuple[Part, ...]:
    """Return the part that normalises, or none.

    Args:
        kind: Over what it normalises.
        name: Its name.
        group: Channels of a group, where groups of channels are normalised.
    """
    if kind == "none":
        return ()
    return (BatchNorm(name) if kind == "batch" else GroupNorm(name, group),)


def drop(share: float) -> tuple[Part, ...]:
    """Return the part that drops a share of the values, or none.

    >>> drop(0.0), drop(0.5)
    ((), (Dropout(share=0.5, name=''),))
    """
    return (Dropout(share),) if share else ()
