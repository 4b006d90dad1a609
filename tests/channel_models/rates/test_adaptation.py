"""The outer loop: errors settle at the target, whatever the bias of the estimate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from channel_models.rates.adaptation import OuterLoop
from channel_models.rates.block_errors import Curve
from channel_models.rates.modulation import schemes
from channel_models.units import db_to_linear

BITS = 1000.0


def lost_share(loop, bias_db, blocks, seed=1):
    """The share of blocks that devices lose who pick a scheme by a biased estimate and its offset."""
    rng, known = np.random.default_rng(seed), schemes(1)
    true_db = np.linspace(4.0, 16.0, len(bias_db))
    offset_db, lost = loop.init(len(bias_db)), np.zeros(len(bias_db))
    for block in range(blocks):
        seen = db_to_linear(true_db + bias_db + offset_db)[:, None]
        fits = Curve().error_probability(seen, known, BITS) <= loop.target_error
        sent = np.where(fits, known.index, 0).max(axis=1)
        error = Curve().error_probability(db_to_linear(true_db), known.at(sent), BITS)
        arrived = rng.random(len(bias_db)) >= error
        offset_db = loop.step(offset_db, arrived)
        lost += ~arrived * (block >= blocks // 4)
    return lost / (blocks - blocks // 4)


@pytest.mark.parametrize("target", [0.1, 0.3])
def test_errors_settle_at_the_target_whatever_the_bias(target):
    bias_db = np.array([-3.0, -1.0, 0.0, 1.0, 3.0] * 4)
    share = lost_share(OuterLoop(target_error=target), bias_db, blocks=3000)
    np.testing.assert_allclose(share, target, atol=0.005)


def test_a_round_of_successes_for_each_failure_stays_in_place():
    loop = OuterLoop(target_error=0.1, down_db=0.9)
    offset_db = np.array([1.5])
    for arrived in [False] + 9 * [True]:
        offset_db = loop.step(offset_db, np.array([arrived]))
    assert offset_db == pytest.approx(1.5)
    assert loop.up_db == pytest.approx(0.1)


@given(
    arrays(np.float64, 5, elements=st.floats(-20.0, 20.0)),
    arrays(np.bool_, 5),
    st.floats(0.01, 0.9),
)
def test_a_step_moves_the_right_way_and_stays_within_the_limit(offset_db, arrived, target):
    loop = OuterLoop(target_error=target)
    before = offset_db.copy()
    moved_db = loop.step(offset_db, arrived)
    np.testing.assert_array_equal(offset_db, before)
    assert np.all(np.abs(moved_db) <= loop.limit_db)
    assert np.all((moved_db >= offset_db) == (arrived | (offset_db == -loop.limit_db)))
