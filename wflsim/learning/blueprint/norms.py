"""Parts that normalise, and what each of them asks of pruning."""

from dataclasses import dataclass
from math import lcm
from typing import Literal

from wflsim.learning.anatomy import Layer, Space
from wflsim.learning.blueprint.flow import Flow, Passage, tensor

Statistic = Literal["batch", "group", "none"]


@dataclass(frozen=True)
class BatchNorm:
    """Each channel normalised over the batch; when it is evaluated, by running statistics (arXiv 1502.03167).

    A channel that is pruned leaves the others as they are.

    Attributes:
        name: Its name.
    """

    name: str

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        made = (flow.width, flow.units)
        roles = {
            "weight": "scale",
            "bias": "shift",
            "running_mean": "statistic",
            "running_var": "statistic",
        }
        tensors = tuple(tensor(path, name, role, made) for name, role in roles.items())
        return Passage(flow, (Layer(path, tensors, 0, norm=True),))


@dataclass(frozen=True)
class GroupNorm:
    """Groups of channels normalised together in each sample (arXiv 1803.08494).

    Only whole groups can be pruned: what is left of a group would be normalised otherwise.

    Attributes:
        name: Its name.
        size: Channels of a group.
    """

    name: str
    size: int

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        if flow.width % self.size:
            raise ValueError(
                f"{path}: {flow.width} channels are no whole number of groups of {self.size}; choose another width"
            )
        made = (flow.width, flow.units)
        tensors = (tensor(path, "weight", "scale", made), tensor(path, "bias", "shift", made))
        group = (
            lcm(self.size, flow.after) // flow.after
        )  # a unit that was flattened has several entries
        return Passage(
            flow,
            (Layer(path, tensors, 0, norm=True),),
            (Space(flow.space, flow.count, group, free=flow.before == 1),),
        )


@dataclass(frozen=True)
class LayerNorm:
    """All features of a token normalised together (arXiv 1607.06450); none of them can be pruned.

    Attributes:
        name: Its name.
    """

    name: str

    def through(self, flow: Flow, path: str) -> Passage:
        """Return the flow as it is."""
        made = (flow.width, flow.units)
        tensors = (tensor(path, "weight", "scale", made), tensor(path, "bias", "shift", made))
        return Passage(
            flow,
            (Layer(path, tensors, 0, norm=True),),
            (Space(flow.space, flow.count, free=False),),
        )
