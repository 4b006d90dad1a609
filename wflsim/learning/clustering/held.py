"""Groups among devices whose last models the server holds: every group's mean, and who belongs together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from wflsim.contracts import Clustering, Turn, Updates
from wflsim.learning.clustering.likeness import cosines
from wflsim.learning.clustering.owned import Owned
from wflsim.learning.cohort import Params


def brought(state: Owned, came: Sequence[Updates]) -> Owned:
    """Return the state that holds what devices sent, whole models, the last of each, and every group's mean of them."""
    own = state.own
    for updates in came:
        models = {
            name: torch.stack([message.tensors[name] for message in updates.messages])
            for name in own.names
        }
        own = own.replaced(updates.devices, models)
    return centred(replace(state, own=own))


def centred(state: Owned) -> Owned:
    """Return the state in which every group's model is the mean, all alike, of its members' models that are held."""
    groups, who, found = state.groups, state.own.touched, dict[int, Params]()
    belongs = groups.belongs[who]
    for group in np.unique(belongs).tolist():
        rows = state.own.rows(who[belongs == group])
        found[group] = {name: each.mean(0) for name, each in rows.items()}
    return replace(state, groups=groups.with_models(found))


def parted(state: Owned, rule: Clustering, turn: Turn) -> Owned:
    """Return the state in which devices whose models are held are grouped by how these differ from the first [X].

    Args:
        state: What is held.
        rule: Who belongs together.
        turn: When it happens.
    """
    who, part = state.own.touched, state.groups.part
    names = [name for name in part.tensors if name not in part.statistics]
    models = [state.own.row(int(device)) for device in who]
    cosine = cosines(models, state.own.layout.default, names)
    labels = rule.labels(cosine, turn.draw("clustering"))
    groups = state.groups.parted_as(Updates(turn, who, ()), labels, cosine)
    return centred(replace(state, groups=groups))
