"""What bounds the gradient of a model of which devices share a pruned part: our theorem, term by term.

What is minimised is F(u, V) = (1/K) Σ_k F_k(u, v_k) over the shared part u and the personal parts v_k; it is never below
F_*. In round n every device makes τ_v steps on v_k, masks u by m_k and makes τ steps on what it keeps; the server takes for
each coordinate the plain mean of those who kept it, and leaves it where nobody did. N_j are the devices that kept
coordinate j, Γ is the least number of them where there are any, and π_k = ‖u ⊙ (1 − m_k)‖². Assumed is that

(i)   ∇_u F_k(·, v) is L_u-Lipschitz and ∇_v F_k(u, ·) is L_v-Lipschitz;
(ii)  stochastic gradients are unbiased and independent, with variances of at most s_k² in u and s_v² in v;
(iii) the gradients that a device steps by in u have a second moment of at most G²;
(iv)  ‖u‖² ≤ D², which is needed only where π_k is not measured: ranked by magnitude, π_k ≤ ρ_k ‖u‖² ≤ ρ_k D²;
(v)   Σ_j (mean of ∂_j F_k over N_j − ∂_j F)² ≤ ζ² at (u, V) after the personal steps, with (∂_j F)² where N_j is empty;
(vi)  η_v ≤ 1/L_v and η_u τ L_u ≤ 1/2;
(vii) masks do not depend on the noise of the gradients that are averaged.

Then the mean over n of E‖∇_u F(uⁿ, Vⁿ⁺¹)‖² is at most the sum of the terms. docs/bound.md says why.

Reference:
    Our own theorem [X]; that of arXiv 2309.01816 could not be read. ``tests/wflsim/learning/test_convergence.py`` holds it
    against problems whose constants are known.
"""

from dataclasses import dataclass

import numpy as np

from channel_models.units import FloatArray


@dataclass(frozen=True)
class Constants:
    """What is known of the losses, and how devices step.

    Attributes:
        gap: F(u⁰, V⁰) − F_*. The loss after the first personal steps, F(u⁰, V¹), may stand for the first of the two.
        smoothness: L_u, for every device.
        personal_smoothness: L_v, for every device.
        second_moment: G², for every device.
        variance: Mean of s_k² over the devices.
        personal_variance: s_v², in the mean over the devices.
        coverage_bias: ζ², the effect of partial coverage where devices differ.
        rate: Step size η_u.
        personal_rate: Step size η_v.
        steps: Steps τ on the shared part, dense ones among them where the masked ones go on from there.
        personal_steps: Steps τ_v on a personal part.
    """

    gap: float
    smoothness: float
    personal_smoothness: float
    second_moment: float
    variance: float
    personal_variance: float
    coverage_bias: float
    rate: float
    personal_rate: float
    steps: int
    personal_steps: int

    @property
    def broken(self) -> tuple[str, ...]:
        """What of condition (vi) does not hold, in words; nothing is proven unless this is empty."""
        found = []
        shared = self.rate * self.steps * self.smoothness
        if not shared <= 0.5:
            found.append(f"η_u τ L_u must be at most 0.5 and is {shared:.3g}")
        personal = self.personal_rate * self.personal_smoothness
        if self.personal_steps and not personal <= 1.0:
            found.append(f"η_v L_v must be at most 1 and is {personal:.3g}")
        return tuple(found)


def terms(
    known: Constants, pruned: FloatArray, coverage: FloatArray, devices: FloatArray
) -> dict[str, float]:
    """Return the terms whose sum bounds the mean over N rounds of E‖∇_u F‖².

    Every round counts with its own coverage, which makes the bound no larger than with the smallest of all. The drift
    has Σ_t t²/τ = (τ − 1)(2τ − 1)/6 instead of the larger τ²/3, so that it vanishes with one step.

    Args:
        known: The constants.
        pruned: Σ_k π_k of every round, shape (N,).
        coverage: Γ of every round, at least 1, shape (N,); any where nobody's update was fused.
        devices: Number K of devices whose updates were fused, shape (N,).
    """
    eta, tau, smooth = known.rate, known.steps, known.smoothness
    drift = (eta * smooth) ** 2 * known.second_moment * (tau - 1) * (2 * tau - 1) / 3.0
    noise = 2.0 * smooth * eta * known.variance * float(np.mean(devices / coverage**2))
    step = known.personal_steps * known.personal_smoothness * known.personal_rate**2
    return {
        "optimisation": 2.0 * known.gap / (eta * tau * len(pruned)),
        "pruning": 2.0 * smooth**2 * float(np.mean(pruned / coverage)),
        "drift": drift * float(np.mean(devices / coverage)),
        "noise": noise + step * known.personal_variance / (eta * tau),
        "coverage": 2.0 * known.coverage_bias,
    }
