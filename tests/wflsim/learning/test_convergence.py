"""The bound on the gradient: its lemma, the theorem on problems whose constants are known, and that no term is idle."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.learning.convergence import Constants, terms
from wflsim.learning.pruning.choosing import keep_largest
from wflsim.learning.pruning.importance import magnitude

NOTHING = Constants(
    gap=0.0,
    smoothness=1.0,
    personal_smoothness=1.0,
    second_moment=0.0,
    variance=0.0,
    personal_variance=0.0,
    coverage_bias=0.0,
    rate=0.1,
    personal_rate=0.1,
    steps=1,
    personal_steps=0,
)
EVERMORE = 10**9
"""As many rounds as make what was gained at the start count for nothing."""


def bounded(known, pruned=0.0, coverage=1.0, devices=1.0, rounds=1):
    """Return the terms of rounds that are all alike."""
    one = [np.array([float(value)]) for value in (pruned, coverage, devices)]
    found = terms(known, *one)
    return {**found, "optimisation": found["optimisation"] / rounds}


def without(term, found):
    assert found[term] > 0.0
    return sum(found.values()) - found[term]


# The lemma


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    st.floats(0.0, 1.0),
    st.sampled_from(["global", "per_layer"]),
    st.integers(1, 4),
)
def test_the_smallest_weights_hold_no_more_than_their_share(values, keep, scope, layers):
    flat = torch.tensor(values)[None]
    weights = {f"layer{index}": part for index, part in enumerate(flat.tensor_split(layers, 1))}
    masks = keep_largest(magnitude(weights), np.array([keep]), scope)
    for chosen in weights if scope == "per_layer" else [None]:
        names = [chosen] if chosen else list(weights)
        u = torch.cat([weights[name][0] for name in names]).double()
        m = torch.cat([masks[name][0] for name in names])
        share = float((~m).double().mean()) if len(m) else 0.0
        pruned, whole = float(u[~m].square().sum()), float(u.square().sum())
        assert pruned <= share * whole * (1 + 1e-12)


def test_another_ranking_may_take_more_than_its_share():
    weights = {"layer": torch.tensor([[3.0, 1.0, 1.0, 1.0]])}
    change = {"layer": torch.tensor([[0.0, 1.0, 1.0, 1.0]])}
    mask = keep_largest(change, np.array([0.75]))["layer"]
    assert float(weights["layer"][~mask].square().sum()) == 9.0 > 0.25 * 12.0


# The theorem


@dataclass(frozen=True)
class Quadratics:
    """F_k(u, v) = ½ xᵀ H_k x − b_kᵀ x with x = (u, v), convex, so that everything about it is known.

    Attributes:
        hessian: H_k, shape (K, W + V, W + V).
        slope: b_k, shape (K, W + V).
        shared: Number W of shared weights.
    """

    hessian: np.ndarray
    slope: np.ndarray
    shared: int

    @classmethod
    def drawn(cls, rng, devices=5, shared=8, personal=3):
        root = rng.standard_normal((devices, shared + personal, shared + personal + 2))
        hessian = root @ root.swapaxes(1, 2) / root.shape[2]
        return cls(hessian, 2.0 * rng.standard_normal(hessian.shape[:2]), shared)

    @property
    def devices(self):
        return len(self.slope)

    def norm(self, part):
        return max(np.linalg.norm(block[part, part], 2) for block in self.hessian)

    def gradient(self, u, v):
        """Return the gradients of devices at their own points, shapes (K, W) and (K, V)."""
        x = np.concatenate([np.broadcast_to(u, (self.devices, self.shared)), v], axis=1)
        both = np.einsum("kij,kj->ki", self.hessian, x) - self.slope
        return both[:, : self.shared], both[:, self.shared :]

    def loss(self, u, v):
        x = np.concatenate([np.broadcast_to(u, (self.devices, self.shared)), v], axis=1)
        return np.mean(
            0.5 * np.einsum("ki,kij,kj->k", x, self.hessian, x) - (x * self.slope).sum(1)
        )

    @cached_property
    def least(self):
        """The least loss, from the one linear system of u and all personal parts."""
        k, w = self.devices, self.shared
        own = self.slope.shape[1] - w
        h, b = np.zeros((w + k * own,) * 2), np.zeros(w + k * own)
        for device in range(k):
            at = np.r_[0:w, w + device * own : w + (device + 1) * own]
            h[np.ix_(at, at)] += self.hessian[device]
            b[at] += self.slope[device]
        x = np.linalg.solve(h, b)
        return self.loss(x[:w], x[w:].reshape(k, own))


def smallest_pruned(u, keep):
    """Return masks that keep the largest weights, shape (K, W)."""
    rank = np.argsort(np.argsort(-np.abs(u)))
    return rank < np.rint(keep[:, None] * len(u))


def masked(rng, u, keep, ranking, change):
    """Return what every device keeps, of a common ranking, of its own, or by chance."""
    if ranking == "magnitude":
        return smallest_pruned(u, keep)
    if ranking == "delta":
        return np.stack([smallest_pruned(d, k[None])[0] for d, k in zip(change, keep, strict=True)])
    return rng.random((len(keep), len(u))) < keep[:, None]


def played(rng, problem, ranking, *, restart, scoring, rounds=40, tau=3, tau_v=4):
    """Return the mean squared gradient, the exact constants, and what pruning did in each round.

    Devices step by exact gradients; some stay away, and some weights are kept by nobody.
    """
    w, k = problem.shared, problem.devices
    smooth, personal = problem.norm(slice(0, w)), problem.norm(slice(w, None))
    steps = tau if restart else scoring + tau
    eta, eta_v = rng.uniform(0.1, 0.5) / (steps * smooth), rng.uniform(0.2, 1.0) / personal
    u, v = rng.standard_normal(w), rng.standard_normal((k, problem.slope.shape[1] - w))
    begin, told = problem.loss(u, v), []
    for _ in range(rounds):
        here = rng.random(k) < 0.8
        for _ in range(tau_v):
            v = v - eta_v * here[:, None] * problem.gradient(u, v)[1]
        start, second = np.tile(u, (k, 1)), 0.0
        for _ in range(scoring):
            slope = problem.gradient(start, v)[0]
            second = max(second, (slope**2).sum(1).max())
            start = start - eta * slope
        m = masked(rng, u, rng.uniform(0.1, 1.0, k), ranking, start - u)
        local = m * (u if restart else start)
        for _ in range(tau):
            slope = m * problem.gradient(local, v)[0]
            second = max(second, (slope**2).sum(1).max())
            local = local - eta * slope
        m &= here[:, None]
        count, each = m.sum(0), problem.gradient(u, v)[0]
        mean = np.divide((m * each).sum(0), count, out=np.zeros(w), where=count > 0)
        pruned = (((u * ~m) ** 2).sum(1) * here).sum()
        covered = count[count > 0].min(initial=k)
        bias, norm = ((mean - each.mean(0)) ** 2).sum(), (each.mean(0) ** 2).sum()
        told.append((norm, bias, pruned, covered, here.sum(), second, (count == 0).sum()))
        u = np.divide((m * local).sum(0), count, out=u.copy(), where=count > 0)
    norm, bias, pruned, covered, came, second, uncovered = np.array(told).T
    known = Constants(
        gap=begin - problem.least,
        smoothness=smooth,
        personal_smoothness=personal,
        second_moment=second.max(),
        variance=0.0,
        personal_variance=0.0,
        coverage_bias=bias.max(),
        rate=eta,
        personal_rate=eta_v,
        steps=steps,
        personal_steps=tau_v,
    )
    return norm.mean(), known, (pruned, covered, came), uncovered.sum()


@pytest.mark.parametrize("ranking", ["magnitude", "delta", "random"])
@pytest.mark.parametrize(("restart", "scoring"), [(True, 1), (False, 0), (False, 2)])
def test_the_gradient_stays_below_the_bound(ranking, restart, scoring):
    left_out = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        problem = Quadratics.drawn(rng)
        measured, known, rounds, uncovered = played(
            rng, problem, ranking, restart=restart, scoring=scoring
        )
        found = terms(known, *rounds)
        assert known.broken == ()
        assert known.gap > 0.0
        assert min(found[name] for name in ("pruning", "drift", "coverage")) > 0.0
        assert 0.0 < measured <= sum(found.values())
        left_out += uncovered
    assert left_out > 0


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["magnitude", "random"]), st.integers(1, 5))
def test_it_does_so_whatever_the_problem(seed, ranking, tau):
    rng = np.random.default_rng(seed)
    problem = Quadratics.drawn(rng, devices=rng.integers(1, 7), shared=rng.integers(1, 9))
    measured, known, rounds, _ = played(
        rng, problem, ranking, restart=True, scoring=1, rounds=10, tau=tau
    )
    assert measured <= sum(terms(known, *rounds).values())


def test_every_round_counts_with_its_own_coverage():
    known = replace(NOTHING, smoothness=3.0)
    found = terms(known, np.array([5.0, 1.0]), np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    assert found["pruning"] == pytest.approx(2 * 9 * (5.0 / 1.0 + 1.0 / 2.0) / 2)


def test_condition_vi_is_told():
    assert NOTHING.broken == ()
    assert replace(NOTHING, rate=0.5).broken == ()
    (shared,) = replace(NOTHING, rate=0.5, steps=2).broken
    assert "τ" in shared
    assert "1" in shared
    (personal,) = replace(NOTHING, personal_rate=1.5, personal_steps=1).broken
    assert "1.5" in personal
    assert replace(NOTHING, personal_rate=1.5, personal_steps=0).broken == ()
    assert replace(NOTHING, smoothness=np.nan).broken != ()


# Known bounds are special cases of it


@given(st.floats(1e-3, 10.0), st.floats(1e-3, 0.5), st.integers(1, 100), st.floats(0.0, 5.0))
def test_one_dense_device_has_the_classical_bound(gap, rate, rounds, variance):
    known = replace(NOTHING, gap=gap, rate=rate, variance=variance, second_moment=7.0)
    found = terms(known, np.zeros(rounds), np.ones(rounds), np.ones(rounds))
    # Gradient descent: 2 (F − F_*)/(η N); its noise is that of ½‖a + b‖² ≤ ‖a‖² + ‖b‖², L η s², twice.
    assert sum(found.values()) == pytest.approx(2 * gap / (rate * rounds) + 2 * rate * variance)


def test_devices_that_all_keep_everything_share_their_noise():
    one, ten = (
        bounded(replace(NOTHING, variance=3.0), coverage=k, devices=k)["noise"] for k in (1, 10)
    )
    assert ten == pytest.approx(one / 10)


@given(st.integers(1, 50))
def test_drift_is_no_more_than_its_simple_form(tau):
    known = replace(NOTHING, second_moment=2.0, steps=tau, smoothness=3.0)
    drift = bounded(known, coverage=2.0, devices=4.0)["drift"]
    simple = 2 * 9 * 0.1**2 * tau**2 * 2.0 / 3 * 2
    assert drift <= simple
    mean = np.mean(np.arange(tau) ** 2.0)
    assert drift == pytest.approx(2 * 9 * 0.1**2 * mean * 2.0 * 2)


# No term is idle: what exceeds the bound without it


def test_without_its_first_term_the_bound_fails_before_anything_is_learnt():
    # F = ½ u², from u = 1, one round of one step; the gradient is 1.
    found = bounded(replace(NOTHING, gap=0.5, second_moment=1.0))
    assert without("optimisation", found) < 1.0 <= sum(found.values())


def test_without_pruning_the_bound_fails_where_devices_prune_what_the_others_need():
    # F = ½ uᵀ H u − bᵀ u for both devices, of which each keeps one weight, and steps as if the other were zero.
    h, b, eta = np.array([[1.0, 0.8], [0.8, 1.0]]), np.array([1.0, 2.0]), 0.2
    u, m = b.copy(), np.eye(2)  # where the rounds stay for ever
    for device in range(2):
        local = m[device] * u
        slope = m[device] * (h @ local - b)
        assert np.allclose(local - eta * slope, m[device] * u)  # they do
    measured = ((h @ u - b) ** 2).sum()
    gap = 0.5 * u @ h @ u - b @ u + 0.5 * b @ np.linalg.solve(h, b)
    known = replace(NOTHING, gap=gap, rate=eta, smoothness=np.linalg.norm(h, 2))
    pruned = sum(((1 - m[device]) * u) @ u for device in range(2))
    found = bounded(known, pruned, coverage=1, devices=2, rounds=EVERMORE)
    assert known.broken == ()
    assert without("pruning", found) < measured <= sum(found.values())


def test_without_drift_the_bound_fails_where_devices_differ_and_step_often():
    # F_k = ½ h_k (u − a_k)²: after τ steps a device has gone a share c_k of its way, and the means come to rest elsewhere.
    h, a, eta, tau = np.array([1.0, 0.1]), np.array([0.0, 1.0]), 0.1, 5
    share = 1 - (1 - eta * h) ** tau
    u = (share * a).sum() / share.sum()
    assert np.mean(u + share * (a - u)) == pytest.approx(u)
    slopes = (h * (u - a))[:, None] * (1 - eta * h[:, None]) ** np.arange(tau)
    known = replace(NOTHING, gap=1.0, rate=eta, steps=tau, second_moment=(slopes**2).max())
    found = bounded(known, coverage=2, devices=2, rounds=EVERMORE)
    measured = np.mean(h * (u - a)) ** 2
    assert known.broken == ()
    assert without("drift", found) < measured <= sum(found.values())


def test_without_noise_the_bound_fails_where_gradients_have_some():
    # F = ½ u² by steps of η with noise of variance s²: at rest u has the variance η s²/(2 − η).
    eta, variance, rng = 0.2, 4.0, np.random.default_rng(1)
    rest = eta * variance / (2 - eta)
    u = np.sqrt(rest) * rng.standard_normal(200_000)
    after = u - eta * (u + np.sqrt(variance) * rng.standard_normal(len(u)))
    assert np.var(after) == pytest.approx(rest, rel=0.02)
    known = replace(
        NOTHING, gap=rest / 2, rate=eta, variance=variance, second_moment=rest + variance
    )
    found = bounded(known, rounds=EVERMORE)
    assert without("noise", found) < rest <= sum(found.values())


def test_without_noise_the_bound_fails_where_gradients_of_personal_parts_have_some():
    # F = ½ (u − v)²: noise of v is what u runs after; with the difference at rest every round adds what it takes away.
    eta, own, variance = 0.2, 0.3, 4.0
    before = own**2 * variance / (1 - ((1 - own) * (1 - eta)) ** 2)
    after = (1 - eta) ** 2 * before
    assert (1 - own) ** 2 * after + own**2 * variance == pytest.approx(before)
    known = replace(NOTHING, gap=before / 2, rate=eta, second_moment=before)
    known = replace(known, personal_rate=own, personal_steps=1, personal_variance=variance)
    found = bounded(known, rounds=EVERMORE)
    assert without("noise", found) < before <= sum(found.values())


def test_without_coverage_the_bound_fails_where_nobody_keeps_a_weight():
    # F = ½ (u − 1)²: a weight of zero that everybody prunes costs nothing to prune, and stays where it is.
    known = replace(NOTHING, gap=0.5, coverage_bias=1.0)
    found = bounded(known, pruned=0.0, rounds=EVERMORE)
    assert without("coverage", found) < 1.0 <= sum(found.values())
