"""Devices, edges and a cloud, with pruning on the devices (arXiv 2305.09042), as far as it is known.

That devices prune under a latency threshold in a hierarchy of devices, edges and a cloud is the paper's [V]; its body could
not be read, and what is written here is a reconstruction [X], with the steps of a device as in ``japp``.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from channel_models.units import Count, Positive
from wflsim.contracts import Exchange, FloatArray, IntArray, Turn, Updates
from wflsim.learning.algorithms.japp import Importance, Japp, Steps
from wflsim.learning.anatomy import Anatomy

if TYPE_CHECKING:
    from wflsim.learning.cohort import Cohort, Params
    from wflsim.learning.edges import EdgeState
    from wflsim.learning.task import Task


@dataclass(frozen=True)
class HierarchicalPruning:
    """A round of the cloud is several rounds of its edges; each device prunes by the ratio that the allocator chose.

    A device's edge is the cell that serves it. In an edge round every device starts from its edge's model, trains it
    densely to score its weights, then what it keeps, and sends that; the edge takes the mean over those of its own devices
    that kept a weight, by their samples. When the last edge round is over, the cloud takes the mean of its edges' models,
    by the samples of the devices that each serves, and all go on from there. There is no personal part. A deadline is that of an
    edge round, T_e = (T_th − t_ec)/κ₂ for a threshold T_th of the cloud's round. Under the policy ``hierarchical`` an edge
    hands on its whole model after the last edge round, and nothing before.

    Attributes:
        edge_rounds: Rounds κ₂ of the edges in a round of the cloud.
        scoring_steps: Dense steps of an edge round, after which weights are scored.
        steps: Steps κ₁ of an edge round on what is kept.
        batch_size: Samples of a step.
        learning_rate: Step size.
        importance: Score of a weight, as in `japp`.
        keep_min: Least share of the weights that a device keeps.
    """

    paper_verified: ClassVar[bool] = False

    edge_rounds: Count = 2
    scoring_steps: Count = 1
    steps: Steps = 3
    batch_size: Count = 32
    learning_rate: Positive = 0.05
    importance: Importance = "delta"
    keep_min: Annotated[float, ("above", 0.0), ("most", 1.0)] = 0.1

    def plan(
        self, anatomy: Anatomy, samples: IntArray, turn: Turn, state: "EdgeState | None"
    ) -> Exchange | None:
        """Return the exchange of the next edge round; after the last one cells hand on to the cloud."""
        left = self.edge_rounds - turn.step
        if not left:
            return None
        exchange = self._device.plan(anatomy, samples, replace(turn, step=0), None)
        assert exchange is not None, "a device has something to do"
        relayed_bits = float(anatomy.bits) if left == 1 else 0.0
        return replace(exchange, purpose=f"edge {turn.step + 1}", relayed_bits=relayed_bits)

    def init(self, task: "Task") -> "EdgeState":
        """Return the initial weights, which cloud and edges have in common."""
        from wflsim.learning.edges import EdgeState

        return EdgeState(self._device.init(task))

    def train(self, state: "EdgeState", cohort: "Cohort", keep: FloatArray) -> Updates:
        """Return what every device keeps of its edge's model after its steps."""
        return self._device.train(state, cohort, keep)

    def fuse(self, state: "EdgeState", updates: Updates) -> "EdgeState":
        """Return the masked mean of every edge over its own devices."""
        return state.fused(updates)

    def model_for(self, state: "EdgeState", device: int | None) -> "Params":
        """Return the cloud's model, which everybody uses."""
        return state.model_for(device)

    @property
    def _device(self) -> Japp:
        """What a device does in an edge round."""
        return Japp(
            personal="none",
            personal_steps=0,
            scoring_steps=self.scoring_steps,
            masked_steps=self.steps,
            batch_size=self.batch_size,
            shared_rate=self.learning_rate,
            importance=self.importance,
            keep_min=self.keep_min,
        )
