"""Small worlds for tests: plans with lengths as given, and rules that cost nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.contracts import Electronics
from wflsim.network.launch import Network
from wflsim.network.timeline import Plan
from wflsim.randomness import Streams
from wflsim.scenario.schema import Procedures
from wflsim.world.electronics import Ideal

BIT_S = 1e-3
"""The time of a bit at the rate of `plan_of`: an upload of 0.04 s is a message of 40 bits."""


def plan_of(
    compute_s: Sequence[float],
    upload_s: Sequence[float],
    *,
    receive_s: float = 0.010,
    deadline_s: float = np.inf,
    **columns: Any,
) -> Plan:
    """Return what devices 0, 1, … are going to do that compute and send for some seconds each.

    Device k computes at k + 1 watts and sends at ten times that.

    Args:
        compute_s: Time of computing, shape (K,).
        upload_s: Time of sending over an uplink that is there all the time, infinite for a grant without bandwidth.
        receive_s: Time of receiving.
        deadline_s: Time until which updates are on time.
        columns: Other columns of the plan.
    """
    sends = np.isfinite(np.asarray(upload_s, dtype=np.float64))
    watts = 1.0 + np.asarray(columns.get("device", np.arange(len(compute_s))), dtype=np.float64)
    plan = _nothing(len(compute_s))
    others: dict[str, Any] = {name: _column(value) for name, value in columns.items()}
    made = replace(
        plan,
        receive_s=plan.receive_s + receive_s,
        compute_s=plan.compute_s + np.asarray(compute_s),
        bits=np.where(sends, upload_s, 1.0) / BIT_S,
        rate_bps=np.where(sends, 1.0 / BIT_S, 0.0),
        bandwidth_hz=np.where(sends, 1.0, 0.0),
        compute_w=watts,
        transmit_w=10.0 * watts,
        deadline_s=plan.deadline_s + deadline_s,
    )
    return replace(made, **others)


def _nothing(devices: int) -> Plan:
    """Return a plan of devices that do nothing."""
    zeros, endless = np.zeros(devices), np.full(devices, np.inf)
    return Plan(
        device=np.arange(devices),
        cell=np.zeros(devices, dtype=np.int64),
        receive_s=zeros,
        compute_s=zeros,
        bits=zeros,
        rate_bps=zeros,
        errors=None,
        keep=np.ones(devices),
        bandwidth_hz=zeros,
        compute_w=zeros,
        transmit_w=zeros,
        deadline_s=zeros,
        rounds=np.ones(devices, dtype=np.int64),
        charge_j=endless,
        leaves_s=endless,
        gain=np.ones(devices),
        held=np.full(devices, "slack"),
    )


def network(
    procedures: Procedures | None = None,
    electronics: Electronics | None = None,
    *,
    seed: int = 1,
    devices: int = 4096,
) -> Network:
    """Return the rules by which updates travel, ideal where nothing else is said."""
    streams = Streams(seed)
    return Network(
        procedures or Procedures(),
        electronics or Ideal(),
        streams.stream("paging").random(devices),
        streams.stream("grant").random(devices),
        streams.stream,
    )


def ideal() -> Network:
    """Return rules that cost nothing."""
    return network()


def _column(value: Any) -> npt.NDArray[Any] | bool | None:
    return value if value is None or isinstance(value, bool) else np.asarray(value)
