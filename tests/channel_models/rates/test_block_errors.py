"""Errors of code blocks: Sionna's simulations met, laws kept."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_models.rates.block_errors import Curve, transport_error_probability
from channel_models.rates.modulation import Schemes, schemes
from channel_models.units import db_to_linear

# Simulated points of Sionna 2.2 (Apache-2.0), sionna/sys/bler_tables/PDSCH_table2.json: MCS index of table 2,
# bits of a code block, signal-to-noise ratio in dB, block error rate. All points of 1000 and 2000 bits whose error
# lies between 0.02 and 0.98.
SIMULATED = [
    (2, 1000, -1.8421, 0.3571), (2, 2000, -1.8421, 0.39), (3, 1000, -0.2632, 0.96),
    (5, 1000, 4.4737, 0.0267), (6, 1000, 4.4737, 0.89), (6, 2000, 4.4737, 0.9633),
    (7, 1000, 6.0526, 0.1403), (7, 2000, 6.0526, 0.1), (9, 1000, 7.6316, 0.635),
    (9, 2000, 7.6316, 0.685), (11, 1000, 9.2105, 0.6725), (11, 2000, 9.2105, 0.8129),
    (12, 1000, 10.7895, 0.1113), (12, 2000, 10.7895, 0.066), (13, 1000, 10.7895, 0.9533),
    (14, 1000, 12.3684, 0.4167), (14, 2000, 12.3684, 0.4718), (15, 1000, 13.9474, 0.043),
    (16, 1000, 13.9474, 0.74), (16, 2000, 13.9474, 0.86), (17, 1000, 15.5263, 0.1473),
    (17, 2000, 15.5263, 0.1023), (18, 1000, 15.5263, 0.97), (19, 1000, 17.1053, 0.5611),
    (19, 2000, 17.1053, 0.6525), (20, 1000, 18.6842, 0.1177), (20, 2000, 18.6842, 0.0753),
    (21, 1000, 18.6842, 0.4185), (21, 2000, 18.6842, 0.4791), (22, 1000, 20.2632, 0.091),
    (22, 2000, 20.2632, 0.038), (23, 1000, 20.2632, 0.8483), (23, 2000, 20.2632, 0.945),
    (24, 1000, 21.8421, 0.336), (24, 2000, 21.8421, 0.348), (25, 1000, 23.4211, 0.089),
    (25, 2000, 23.4211, 0.037), (26, 1000, 23.4211, 0.7329), (26, 2000, 23.4211, 0.8014),
    (27, 1000, 25.0, 0.1587), (27, 2000, 25.0, 0.1503),
]  # fmt: skip

# Signal-to-noise ratio in dB at 10 % errors of 1000 bits that Sionna 2.2 reads from its PUSCH table 1. Its points lie
# 25/14 dB apart, so a straight line between two of them is up to 1 dB above the curve; and its indices are those of
# TS 38.214 Table 6.1.4.1-1, which from 17 on are one behind Table 5.1.3.1-1.
READ_OFF = {
    3: -1.64, 6: 1.36, 9: 3.75, 10: 3.77, 13: 7.14, 16: 9.11, 17: 10.76, 20: 12.78, 24: 17.33, 27: 19.85,
}  # fmt: skip
GRID_DB = -5.0 + 25.0 / 14.0 * np.arange(15)

snrs_db = st.floats(-30.0, 40.0)
lengths = st.floats(100.0, 8448.0)


def error(snr_db, known, bits):
    return Curve().error_probability(db_to_linear(np.asarray(snr_db)), known, np.asarray(bits))


def snr_db_at(probability, known, bits):
    """Where the curve has this error, by bisection."""
    shape = np.broadcast_shapes(np.shape(probability), known.code_rate.shape, np.shape(bits))
    low, high = np.full(shape, -40.0), np.full(shape, 60.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        worse = error(middle, known, bits) > probability
        low, high = np.where(worse, middle, low), np.where(worse, high, middle)
    return high


def test_simulated_points_lie_on_the_curves():
    index, bits, snr_db, found = np.array(SIMULATED).T
    off_db = snr_db - snr_db_at(found, schemes(2).at(index.astype(int)), bits)
    assert off_db.shape == (41,)
    assert np.abs(off_db).max() < 0.12
    assert off_db.std() < 0.05


def test_points_that_were_read_off_a_coarse_grid_are_found_on_it():
    index = np.array([index + (index >= 17) for index in READ_OFF])
    on_grid = error(GRID_DB[:, None], schemes(1).at(index), 1000.0)
    read_db = [np.interp(-0.1, -column, GRID_DB) for column in on_grid.T]
    np.testing.assert_allclose(read_db, list(READ_OFF.values()), atol=0.18)
    assert len(read_db) == 10
    true_db = snr_db_at(0.1, schemes(1).at(index), 1000.0)
    assert np.all(true_db < np.array(list(READ_OFF.values())) + 0.02)


@pytest.mark.parametrize(
    ("bits_per_symbol", "rate_x1024", "loss_db"),
    [(2, 251, 1.05), (2, 679, 1.34), (4, 490, 1.36), (6, 616, 1.92), (8, 948, 2.47)],
)
def test_a_curve_is_its_formula(bits_per_symbol, rate_x1024, loss_db):
    one = Schemes(1, np.array(0), np.array(bits_per_symbol), np.array(rate_x1024 / 1024.0))
    efficiency, bits = bits_per_symbol * rate_x1024 / 1024.0, 1700.0
    symbols = 2.0 / 3.0 * bits / efficiency
    for snr_db in snr_db_at(np.array([0.9, 0.5, 0.1, 1e-4]), one, bits):
        decoded = 10.0 ** ((snr_db - loss_db) / 10.0)
        ahead = math.log2(1.0 + decoded) - efficiency + math.log2(symbols) / (2.0 * symbols)
        spread = math.sqrt((1.0 - (1.0 + decoded) ** -2) / symbols) * math.log2(math.e)
        formula = 0.5 * math.erfc(ahead / spread / math.sqrt(2.0))
        assert error(snr_db, one, bits) == pytest.approx(formula, rel=1e-9)


def test_losses_between_the_rates_fitted_are_interpolated_and_beyond_them_constant():
    losses_db = Curve().loss_db(schemes(1))
    assert losses_db[0] == losses_db[1] == losses_db[2] == losses_db[3] == 1.05
    assert losses_db[7] == pytest.approx(1.01 + (1.13 - 1.01) * (526 - 449) / (602 - 449))
    np.testing.assert_allclose(Curve(extra_loss_db=2.5).loss_db(schemes(2))[-1], 2.47 + 2.5)


def test_an_extra_loss_moves_the_curve():
    known, snr_db = schemes(1).at(np.array(20)), np.linspace(9.0, 14.0, 11)
    moved = Curve(extra_loss_db=2.0).error_probability(db_to_linear(snr_db + 2.0), known, 2000.0)
    np.testing.assert_allclose(moved, error(snr_db, known, 2000.0), rtol=1e-9)


@given(snrs_db, st.floats(0.0, 5.0), lengths, st.sampled_from([1, 2]))
def test_more_signal_never_hurts(snr_db, more_db, bits, number):
    known = schemes(number)
    assert np.all(error(snr_db + more_db, known, bits) <= error(snr_db, known, bits))


@given(snrs_db, lengths, st.sampled_from([1, 2]))
def test_a_higher_scheme_fails_more_often(snr_db, bits, number):
    found = error(snr_db, schemes(number), bits)
    # Below a millionth two tails may cross.
    assert np.all(np.diff(found)[found[:-1] > 1e-6] >= -1e-9)


@pytest.mark.parametrize("number", [1, 2])
def test_curves_stay_a_decibel_behind_shannon_and_steepen_with_the_block(number):
    known = schemes(number)
    shannon_db = 10.0 * np.log10(np.exp2(known.efficiency) - 1.0)
    behind_db = np.array([snr_db_at(0.1, known, bits) for bits in (1000.0, 2000.0, 8448.0)])
    behind_db -= shannon_db
    assert behind_db[1].min() > 1.15
    assert behind_db[1].max() < 2.85
    assert behind_db[2].min() > 1.0
    assert behind_db[2].max() < 2.7
    steps_db = behind_db[1] - behind_db[2]
    assert np.all((steps_db > 0.0) & (steps_db < 0.2))


def test_nothing_arrives_without_signal_and_all_with_very_much():
    for number in (1, 2):
        lost = Curve().error_probability(
            np.array([[0.0], [1e30], [1e300]]), schemes(number), np.array(1000.0)
        )
        np.testing.assert_array_equal(lost[0], 1.0)
        np.testing.assert_array_equal(lost[1:], 0.0)


def test_shapes_broadcast():
    found = error(np.zeros((5, 1, 1)), schemes(1), np.full((4, 1), 1000.0))
    assert found.shape == (5, 4, 29)


@given(st.floats(0.0, 1.0), st.integers(1, 200))
def test_a_transport_block_needs_all_its_code_blocks(lost, count):
    found = transport_error_probability(np.array(lost), np.array(count))
    assert found == pytest.approx(1.0 - (1.0 - lost) ** count, abs=1e-12)
    assert lost * (1.0 - 1e-12) <= found <= 1.0


def test_small_errors_of_many_code_blocks_add_up():
    found = transport_error_probability(np.array(1e-18), np.array(144))
    assert found == pytest.approx(1.44e-16, rel=1e-12)
