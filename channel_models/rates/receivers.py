"""Receivers: what the antennas of the base station make of their gains, with one device or with many at once.

A device is a row everywhere: h_k is row k of H. With many devices on the same band H has shape (…, K, M), any leading
axes being groups or frequency blocks; of coefficients of shape (K, M, F) that is ``numpy.moveaxis(h, -1, 0)``.
"""

import numpy as np

from channel_models.refusals import refuse
from channel_models.units import ComplexArray, FloatArray

_INTERIOR_STEPS = 300


def mrc_gain(antenna_gain: ComplexArray) -> FloatArray:
    """Return the power gain of maximum ratio combining, ‖h‖², shape (K,); its mean over blocks where there are any.

    On a band of its own a device meets no interference, so this is the best linear receiver; its rate is
    b log2(1 + p ‖h‖² / (N0 b)).

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M) or (K, M, F).

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 3.3.1 [S].

    >>> mrc_gain(np.array([[3.0 + 0.0j, 4.0j]]))
    array([25.])
    """
    if antenna_gain.ndim == 2 and antenna_gain.T.flags.c_contiguous and len(antenna_gain) > 1:
        # Antenna by antenna, as some fading leaves its coefficients: copying them into rows would cost more.
        columns = np.asarray(antenna_gain.T, dtype=np.complex128).view(np.float64)
        squares = np.einsum("mk,mk->k", columns, columns)
        return np.asarray(squares[0::2] + squares[1::2])
    parts = np.ascontiguousarray(antenna_gain, dtype=np.complex128).view(np.float64)
    rows = parts.reshape(len(parts), -1)
    # A row times itself: no temporaries, and the bits of a device do not depend on how many follow it.
    power = (rows[:, None, :] @ rows[:, :, None])[:, 0, 0]
    return np.asarray(power / antenna_gain.shape[2] if antenna_gain.ndim == 3 else power)


def block_gain(antenna_gain: ComplexArray) -> FloatArray:
    """Return the power gain of maximum ratio combining on every frequency block, shape (K, F); F = 1 without blocks.

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M) or (K, M, F).

    >>> block_gain(np.array([[[3.0 + 0.0j, 1.0j], [4.0j, 0.0j]]]))
    array([[25.,  1.]])
    """
    if antenna_gain.ndim == 2:
        return mrc_gain(antenna_gain)[:, None]
    parts = np.ascontiguousarray(antenna_gain, dtype=np.complex128).view(np.float64)
    squares = np.einsum("kmf,kmf->kf", parts, parts)
    return np.asarray(squares[:, 0::2] + squares[:, 1::2])


def broadcast_gain(antenna_gain: ComplexArray) -> FloatArray:
    """Return the power gain of a broadcast from all antennas, ‖h‖² / M, shape (K,); its mean over blocks.

    One message for everyone cannot be beamed at each device, so the power is split evenly over the antennas with an
    orthogonal space–time code; the rate is b log2(1 + p ‖h‖² / (M N0 b)): diversity, but no array gain. Two antennas
    attain it with Alamouti's code. For more it is an ideal, the rate of isotropic Gaussian signals, because complex
    orthogonal codes of full rate end at two.

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M) or (K, M, F).

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, sections 3.3.2 and 5.4.3 [S].

    >>> broadcast_gain(np.array([[3.0 + 0.0j, 4.0j]]))
    array([12.5])
    """
    return np.asarray(mrc_gain(antenna_gain) / antenna_gain.shape[1])


def mrc_sinr(h: ComplexArray, power_w: FloatArray | float, noise_w: float) -> FloatArray:
    """Return the SINRs of maximum ratio combining on one band, p_k ‖h_k‖⁴ / (Σ_{i≠k} p_i |h_kᴴ h_i|² + N0 ‖h_k‖²).

    Args:
        h: Complex amplitude gains, shape (…, K, M).
        power_w: Transmit powers p, shape (…, K) or one for all.
        noise_w: Noise power N0 at an antenna over the band.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 8.3.1 [S].

    >>> mrc_sinr(np.array([[1.0 + 0j, 1.0], [1.0, 0.0]]), 2.0, 1.0).round(4)
    array([2.    , 0.6667])
    """
    gram = _gram(h)
    strength = np.diagonal(gram, axis1=-2, axis2=-1).real[..., None]
    return _over_others(np.abs(gram) ** 2 / strength * _powers(power_w, h)[..., None, :], noise_w)


def zf_sinr(h: ComplexArray, power_w: FloatArray | float, noise_w: float) -> FloatArray:
    """Return the SINRs of zero forcing, p_k / (N0 [(H* Hᵀ)⁻¹]_kk), shape (…, K).

    No device hears another, at the price of M − K antennas of diversity: with h ~ CN(0, I) the SINR is p_k / N0 times a
    Gamma(M − K + 1) variable. There must be as many antennas as devices, and no h_k may be a mixture of the others.

    Args:
        h: Complex amplitude gains, shape (…, K, M) with M ≥ K.
        power_w: Transmit powers p, shape (…, K) or one for all.
        noise_w: Noise power N0 at an antenna over the band.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 8.3.1 [S].

    >>> zf_sinr(np.array([[1.0 + 0j, 1.0], [1.0, 0.0]]), 2.0, 1.0).round(4)
    array([2., 1.])
    """
    devices, antennas = h.shape[-2:]
    if antennas < devices:
        raise ValueError(
            f"h must have at least as many antennas as devices for zero forcing, got {antennas} for {devices}"
        )
    inverse = np.diagonal(np.linalg.inv(_gram(h)), axis1=-2, axis2=-1).real
    return np.asarray(_powers(power_w, h) / (noise_w * inverse))


def mmse_sinr(h: ComplexArray, power_w: FloatArray | float, noise_w: float) -> FloatArray:
    """Return the SINRs of the linear receiver of least mean square error, shape (…, K); none linear does better.

    1 / [(I + B)⁻¹]_kk − 1 with B = P^½ H* Hᵀ P^½ / N0, written [(I + B)⁻¹ B]_kk / [(I + B)⁻¹]_kk so that a weak
    device loses no digits.

    Args:
        h: Complex amplitude gains, shape (…, K, M).
        power_w: Transmit powers p, shape (…, K) or one for all.
        noise_w: Noise power N0 at an antenna over the band.

    Reference:
        Tse and Viswanath, Fundamentals of Wireless Communication, section 8.3.3 [S].

    >>> mmse_sinr(np.array([[1.0 + 0j, 1.0], [1.0, 0.0]]), 2.0, 1.0).round(4)
    array([2.6667, 1.2   ])
    """
    scaled = h * np.sqrt(_powers(power_w, h) / noise_w)[..., None]
    gram = _gram(scaled)
    inverse = np.linalg.inv(gram + np.eye(h.shape[-2]))
    # The diagonal of (I + B)⁻¹ B; the transpose of a Hermitian matrix is its conjugate.
    signal = np.sum(inverse.real * gram.real + inverse.imag * gram.imag, axis=-1)
    return np.asarray(signal / np.diagonal(inverse, axis1=-2, axis2=-1).real)


def conjugate_sinr(h: ComplexArray, power_w: FloatArray | float, noise_w: float) -> FloatArray:
    """Return the downlink SINRs of conjugate beams w_k = h_k* / ‖h_k‖, shape (…, K).

    p_k ‖h_k‖² / (Σ_{i≠k} p_i |h_kᵀ w_i|² + N0).

    Args:
        h: Complex amplitude gains, shape (…, K, M).
        power_w: Power p of each device's beam, shape (…, K) or one for all.
        noise_w: Noise power N0 at a device over the band.

    Reference:
        Marzetta, Larsson, Yang and Ngo, Fundamentals of Massive MIMO, section 3.3 [S].

    >>> conjugate_sinr(np.array([[1.0 + 0j, 1.0], [1.0, 0.0]]), 2.0, 1.0).round(4)
    array([1.3333, 1.    ])
    """
    gram = _gram(h)
    strength = np.diagonal(gram, axis1=-2, axis2=-1).real[..., None, :]
    return _over_others(np.abs(gram) ** 2 / strength * _powers(power_w, h)[..., None, :], noise_w)


def regularised_sinr(h: ComplexArray, power_w: FloatArray | float, noise_w: float) -> FloatArray:
    """Return the downlink SINRs of regularised zero forcing, shape (…, K).

    The beams are the columns of Hᴴ (H Hᴴ + α I)⁻¹ at unit norm, with α = K N0 / Σ p: conjugate beams where noise rules,
    zero forcing where other devices do.

    Args:
        h: Complex amplitude gains, shape (…, K, M).
        power_w: Power p of each device's beam, shape (…, K) or one for all.
        noise_w: Noise power N0 at a device over the band.

    Reference:
        Peel, Hochwald and Swindlehurst, A vector-perturbation technique for near-capacity multiantenna multiuser
        communication, part I, IEEE Trans. Commun., 2005 [S].

    >>> regularised_sinr(np.array([[1.0 + 0j, 0.0], [0.0, 2.0]]), 2.0, 1.0)
    array([2., 8.])
    """
    power = _powers(power_w, h)
    devices = h.shape[-2]
    ridge = devices * noise_w / np.sum(power, axis=-1)[..., None, None] * np.eye(devices)
    adjoint = np.conj(np.swapaxes(h, -2, -1))
    beams = adjoint @ np.linalg.inv(h @ adjoint + ridge)
    beams = beams / np.linalg.norm(beams, axis=-2, keepdims=True)
    return _over_others(np.abs(h @ beams) ** 2 * power[..., None, :], noise_w)


def multicast_gain(antenna_gain: ComplexArray, covariance: ComplexArray | None = None) -> float:
    """Return the power gain of one message for all K devices: that of the weakest, min_k h_kᵀ Q h_k*.

    Args:
        antenna_gain: Complex amplitude gain of each antenna, shape (K, M).
        covariance: Covariance Q of what the antennas send, of trace 1, shape (M, M); None is the broadcast's, I / M.

    >>> multicast_gain(np.array([[3.0 + 0.0j, 4.0j], [1.0, 1.0]]))
    1.0
    """
    if covariance is None:
        return float(np.min(broadcast_gain(antenna_gain)))
    received = np.sum((antenna_gain @ covariance) * antenna_gain.conj(), axis=1)
    return float(np.min(received.real))


def multicast_covariance(antenna_gain: ComplexArray, tolerance: float = 1e-3) -> ComplexArray:
    """Return the covariance Q of trace 1 that serves the weakest of K devices best, shape (M, M).

    max_Q min_k h_kᵀ Q h_k*, whose logarithm is the capacity of one message for all. That is the semidefinite programme
    min tr Q subject to h_kᵀ Q h_k* ≥ 1 up to scale; with it goes its dual, max Σ y subject to
    S = I − Σ y_k h_k* h_kᵀ ⪰ 0 and y ≥ 0, so that 1 / Σ y proves how much no covariance can exceed. Q may have any
    rank, so it takes Gaussian signals as the broadcast's does.

    Args:
        antenna_gain: Complex amplitude gain of each antenna, no row zero, shape (K, M).
        tolerance: Share of the best gain that may be missing at most, from 1e-6.

    Reference:
        Jindal and Luo, Capacity limits of multiple antenna multicast, IEEE ISIT, 2006 [S].

    >>> np.diag(multicast_covariance(np.array([[1.0 + 0.0j, 0.0], [0.0, 2.0]]), 1e-6)).real.round(3)
    array([0.8, 0.2])
    """
    refuse("tolerance", tolerance, np.asarray(1e-6 <= tolerance < 1.0), "from 1e-6 to below 1")
    devices, antennas = antenna_gain.shape
    h = antenna_gain / np.sqrt(np.min(mrc_gain(antenna_gain)))
    covariance = 2.0 * np.eye(antennas, dtype=np.complex128)
    price = 0.5 / (devices * mrc_gain(h))
    for _ in range(_INTERIOR_STEPS):
        found = covariance / np.trace(covariance).real
        if multicast_gain(h, found) * np.sum(price) >= 1.0 - tolerance:
            return np.asarray(found)
        covariance, price = _interior_step(h, covariance, price)
    raise ArithmeticError(
        f"no covariance within {tolerance} of the best in {_INTERIOR_STEPS} steps"
    )


def _interior_step(
    h: ComplexArray, q: ComplexArray, y: FloatArray
) -> tuple[ComplexArray, FloatArray]:
    """Return a covariance and prices closer to the best ones, feasible as the ones before.

    The step of Helmberg, Rendl, Vanderbei and Wolkowicz, An interior-point method for semidefinite programming, SIAM J.
    Optim., 1996 [S]: towards Q S = μ I and y_k (h_kᵀ Q h_k* − 1) = μ, with μ a fifth of what they are now on average.
    """
    devices, antennas = h.shape
    adjoint = h.conj().T
    slack = np.eye(antennas) - (adjoint * y) @ h
    inverse = np.linalg.inv(slack)
    by_q, by_inverse = h @ q @ adjoint, h @ inverse @ adjoint
    spare = np.diagonal(by_q).real - 1.0
    target = 0.2 * (np.sum(q * slack.conj()).real + y @ spare) / (devices + antennas)
    dy = np.linalg.solve(
        (by_q * by_inverse.conj()).real + np.diag(spare / y),
        1.0 + target * (1.0 / y - np.diagonal(by_inverse).real),
    )
    d_slack = -(adjoint * dy) @ h
    half = 0.5 * (target * inverse - q - q @ d_slack @ inverse)
    dq = half + half.conj().T
    d_spare = np.diagonal(h @ dq @ adjoint).real
    q_share = min(_share(_relative(q, dq)), _share(d_spare / spare))
    y_share = min(_share(_relative(slack, d_slack)), _share(dy / y))
    return q + q_share * dq, y + y_share * dy


def _relative(matrix: ComplexArray, change: ComplexArray) -> FloatArray:
    """Return by which shares a change moves a positive definite matrix, the eigenvalues of L⁻¹ Δ L⁻ᴴ, shape (M,)."""
    root = np.linalg.inv(np.linalg.cholesky(matrix))
    return np.asarray(np.linalg.eigvalsh(root @ change @ root.conj().T))


def _share(relative: FloatArray) -> float:
    """Return how much of a change to take: all of it, or nine tenths of the way to where something reaches 0."""
    return min(1.0, 0.9 / max(float(-np.min(relative)), 1e-300))


def _gram(h: ComplexArray) -> ComplexArray:
    """Return the products h_kᴴ h_i, shape (…, K, K)."""
    return np.asarray(h.conj() @ np.swapaxes(h, -2, -1))


def _powers(power_w: FloatArray | float, h: ComplexArray) -> FloatArray:
    """Return one power for each row of h, shape (…, K)."""
    return np.broadcast_to(np.asarray(power_w, dtype=np.float64), h.shape[:-1])


def _over_others(received: FloatArray, noise_w: float) -> FloatArray:
    """Return each stream's power over all others' and noise; received by row k of stream i, shape (…, K, K)."""
    own = np.eye(received.shape[-1], dtype=bool)
    others = np.sum(np.where(own, 0.0, received), axis=-1)
    return np.asarray(np.diagonal(received, axis1=-2, axis2=-1) / (others + noise_w))
