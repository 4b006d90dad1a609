"""Small worlds for tests, plans with lengths as given; and conformance checks for policies and uplinks of your own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wflsim.clock import NANOSECONDS, Instants
from wflsim.contracts import Electronics, Policy, Sent, Uplink
from wflsim.network.launch import Network
from wflsim.network.round import play
from wflsim.network.timeline import Plan
from wflsim.randomness import Streams
from wflsim.scenario.schema import Procedures
from wflsim.world.electronics import Handset, Ideal

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
        budget_j=endless,
        macs=zeros,
        called_s=zeros,
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


def check_policy(policy: Policy) -> None:
    """Raise AssertionError unless rounds end, every update is settled once, and nothing is lost of seconds and joules."""
    assert policy.late.weight(np.zeros(3, dtype=np.int64)).tolist() == [1.0] * 3
    assert policy.limit_s(0.2) > 0.0
    rules, rng, now_ns = network(electronics=Handset()), np.random.default_rng(1), 0
    flights, began, settled = rules.nobody(), 0, 0
    for round_ in range(10):
        idle = np.setdiff1d(np.arange(8), flights.plan.device)
        lengths_s = rng.uniform(0.01, 0.1, (2, len(idle)))
        plan = plan_of(*lengths_s, device=idle, deadline_s=0.12)
        flights, began = flights.and_also(rules.launch(plan, round_, now_ns)), began + len(idle)
        limit_s = policy.limit_s(0.12)
        timeline, flights = play(now_ns, flights, rules, policy, round_=round_, limit_s=limit_s)
        assert timeline.end_ns >= timeline.close_ns >= now_ns
        lengths_ns = timeline.end_ns - timeline.settled.start_ns
        assert (timeline.phase_ns.sum(axis=1) == lengths_ns).all(), "seconds are missing"
        spent_j = rules.power_w(timeline.settled) * timeline.phase_ns / NANOSECONDS
        np.testing.assert_allclose(timeline.phase_j, spent_j, rtol=1e-9)
        now_ns, settled = timeline.end_ns, settled + len(timeline.settled)
    assert began == settled + len(flights), "updates are missing"
    assert settled > 0, "nothing is ever settled"


def check_uplink(uplink: Uplink) -> None:
    """Raise AssertionError unless messages take their time, more for more, and chance is each device's own."""
    assert 0.0 < uplink.share <= 1.0
    many = 6
    granted = Instants(np.full(many, 10**9), np.linspace(0.0, 0.01, many))
    bits, rate_bps = np.linspace(0.0, 1e5, many), np.full(many, 1e6)
    errors = np.tile([0.2, 0.1, 0.01], (many, 1))

    def sent(rows: slice, scale: float = 1.0) -> Sent:
        return uplink.send(
            Instants(granted.start_ns[rows], granted.after_s[rows]),
            scale * bits[rows],
            rate_bps[rows],
            errors[rows],
            device=np.arange(many)[rows],
            rng=np.random.default_rng(1),
        )

    whole, fewer, more = sent(slice(None)), sent(slice(1, 4)), sent(slice(None), 2.0)
    assert whole.done.after_s[0] == granted.after_s[0], "nothing to send takes no time"
    assert (whole.done.after_s >= granted.after_s).all()
    assert (fewer.done.ns == whole.done.ns[1:4]).all(), "who else sends matters"
    assert (more.done.ns[1:] > whole.done.ns[1:]).all(), "more is not longer"
    assert (whole.attempts >= whole.blocks).all()
    assert (whole.airtime_s <= whole.done.after_s - granted.after_s + 1e-9).all()
