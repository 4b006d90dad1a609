"""Devices that train the first units of every layer, each as wide a model as it can bear: in groups of one width."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from wflsim.contracts import FloatArray, Message, Updates
from wflsim.errors import UserError
from wflsim.learning.anatomy import Anatomy, Layer, Space
from wflsim.learning.cohort import Cohort, Params
from wflsim.learning.lessons import Batches, Descent
from wflsim.learning.payload import UNITS, units_of, with_units
from wflsim.learning.pruning.counting import free_spaces, makers, thinned
from wflsim.learning.pruning.masks import Masks, at_dim, packed, unpacked
from wflsim.learning.pruning.prefixes import prefix_widths
from wflsim.learning.pruning.thinning import Thinning
from wflsim.learning.views import Glance, train_through

CLASSES = "classes"


@dataclass(frozen=True, eq=False)
class Group:
    """Devices of a cohort whose models are equally wide.

    Attributes:
        cohort: The devices.
        share: The share r of the hidden units that they have.
        anatomy: What is left of the model.
        widths: Number of units of each space that is narrower.
        batches: Their batches.
    """

    cohort: Cohort
    share: float
    anatomy: Anatomy
    widths: Mapping[str, int]
    batches: Batches


Teach = Callable[[Group, dict[str, torch.Tensor]], Params]


def taught_thin(
    cohort: Cohort, start: Params, shares: FloatArray, batches: Batches, teach: Teach
) -> Updates:
    """Return what devices send that train the first units of a model alone; whose they are is common knowledge.

    Args:
        cohort: The devices.
        start: The whole model, shapes (K, …).
        shares: Share of the hidden units that each device has, shape (K,).
        batches: Samples of each step.
        teach: From a group and its thin tensors to what they are after its lesson.
    """
    anatomy, sent = cohort.task.anatomy, [dict[str, torch.Tensor]()] * len(shares)
    for share in np.unique(shares).tolist():
        (rows,) = np.nonzero(shares == share)
        some, widths = torch.from_numpy(rows), prefix_widths(anatomy, share)
        units = {
            space.name: first_units(space.units, np.full(len(rows), widths[space.name]))
            for space in free_spaces(anatomy)
        }
        thinning = Thinning.of(anatomy, Masks.structured(anatomy, units))
        part = replace(cohort, devices=cohort.devices[rows])
        group = Group(part, share, thinned(anatomy, widths), widths, batches.only(some))
        small = teach(group, thinning.thin({name: each[some] for name, each in start.items()}))
        told = {name: kept[0] for name, kept in units.items()}
        for row, thin in zip(rows.tolist(), thinning.rows(small, anatomy.tensors), strict=True):
            sent[row] = with_units(anatomy, thin, told)
    return cohort.updates(sent, {}, unpaid=(UNITS,))


def first_units(units: int, counts: np.ndarray) -> torch.Tensor:
    """Return which of some units are the first so many, booleans, shape (K, units)."""
    return torch.arange(units) < torch.from_numpy(counts)[:, None]


def descended(
    group: Group, start: Params, descent: Descent, *, scaled: bool, kept: Params
) -> dict[str, torch.Tensor]:
    """Return thin models after a lesson, shapes (K, …).

    Args:
        group: The devices.
        start: What they start with.
        descent: The rule of descent.
        scaled: Whether what layers with fewer units give is divided by the share of units that there are.
        kept: For some tensors, which entries count; the others are zero meanwhile, and then what they were.
    """
    begun = kept_of(start, kept)
    if scaled and group.share < 1.0:
        found = train_through(
            group.cohort, begun, _scaler(group, kept), group.batches, descent, widths=group.widths
        )
    else:
        found = group.cohort.train(
            begun, group.anatomy.tensors, group.batches, descent, kept, widths=group.widths
        )
    return put_back(found, start, kept)


def kept_of(params: Params, kept: Params) -> dict[str, torch.Tensor]:
    """Return tensors with zero in place of what is not kept."""
    return {name: each * kept[name] if name in kept else each for name, each in params.items()}


def put_back(params: Params, before: Params, kept: Params) -> dict[str, torch.Tensor]:
    """Return tensors of which what is not kept is as it was before."""
    return {
        name: torch.where(kept[name], each, before[name]) if name in kept else each
        for name, each in params.items()
    }


def known_classes(cohort: Cohort) -> torch.Tensor:
    """Return which classes devices have samples of, booleans, shape (K, C)."""
    task, there = cohort.task, []
    for device in cohort.devices.tolist():
        labels = task.labels[torch.from_numpy(task.holdings.train[device])].cpu()
        there.append(torch.zeros(_output(task.anatomy)[1].units).bool().index_fill(0, labels, True))
    return torch.stack(there)


def rows_of_known_classes(group: Group) -> dict[str, torch.Tensor]:
    """Return which entries of the output layer belong to classes that a device has samples of, shapes (K, …).

    Where the others are zero, so are the scores of the classes that are absent.
    """
    layer, there = _output(group.anatomy)[0], known_classes(group.cohort)
    return {
        tensor.name: at_dim(there, 0, len(tensor.shape)).expand(-1, *tensor.shape)
        for tensor in layer.tensors
    }


def telling_classes(updates: Updates, cohort: Cohort) -> Updates:
    """Return updates that also say which classes devices have samples of, which is told once and not paid for again."""
    messages = [
        Message({**message.tensors, CLASSES: row}, (*message.unpaid, CLASSES))
        for message, row in zip(updates.messages, packed(known_classes(cohort)), strict=True)
    ]
    return replace(updates, messages=messages)


def of_known_classes(updates: Updates, part: Anatomy) -> tuple[Updates, Anatomy]:
    """Return updates without the rows of classes that are absent, and the layers of which such rows may be missing.

    Args:
        updates: Updates that tell classes.
        part: The layers that were sent.
    """
    layer, space = _output(part)
    spaces = {**part.spaces, space.name: replace(space, free=True)}
    opened, messages = Anatomy(part.layers, spaces), []
    for message in updates.messages:
        classes = unpacked(message.tensors[CLASSES][None], (space.units,))
        thin = dict(message.tensors)
        for tensor in layer.tensors:
            thin[tensor.name] = thin[tensor.name][classes[0]]
        units = (
            {name: each[0] for name, each in units_of([message], part).items()}
            if free_spaces(part)
            else {}
        )
        messages.append(Message(with_units(opened, thin, {**units, space.name: classes[0]})))
    return replace(updates, messages=messages), opened


def _output(anatomy: Anatomy) -> tuple[Layer, Space]:
    """Return the layer that gives scores, and the classes as its units."""
    layer = [each for each in anatomy.layers if each.weights][-1]
    axis = layer.tensors[0].axes[0] if layer.tensors[0].axes else None
    if axis is None:
        raise UserError(
            "algorithm.masked: of this model it is not known which weights give a class's score; write masked: false"
        )
    return layer, anatomy.spaces[axis.space]


def _scaler(group: Group, kept: Params) -> Callable[[Params, Glance], Params]:
    """Return the view in which layers that make units which may be missing give 1/r of what they would give."""
    names = _makers(group.anatomy, group.widths)

    def view(variables: Params, glance: Glance) -> Params:
        return {
            name: each / group.share if name in names else each
            for name, each in kept_of(variables, kept).items()
        }

    return view


def _makers(anatomy: Anatomy, spaces: Collection[str]) -> set[str]:
    """Return the names of weights and biases that make the units of some spaces."""
    return {
        tensor.name
        for space in spaces
        for layer in makers(anatomy, space)
        for tensor in layer.tensors
        if tensor.role in {"weight", "bias"}
    }
