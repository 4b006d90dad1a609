"""Power control: the formula of the standard, and water that stands level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from channel_models.rates.power_control import open_loop_dbm, water_filling

gains = arrays(np.float64, st.integers(1, 12), elements=st.floats(1e-6, 1e6))


class TestOpenLoop:
    @pytest.mark.parametrize(
        ("loss_db", "alpha", "blocks", "numerology", "power_dbm"),
        [
            (100.0, 1.0, 1, 0, 10.0),
            (100.0, 0.8, 1, 0, -10.0),
            (100.0, 0.8, 100, 0, 10.0),
            (100.0, 0.8, 100, 1, 10.0 + 3.010299957),
            (100.0, 0.8, 100, 3, 10.0 + 3.0 * 3.010299957),
            (100.0, 0.0, 1, 0, -90.0),
            (140.0, 1.0, 1, 0, 23.0),
        ],
    )
    def test_the_formula(self, loss_db, alpha, blocks, numerology, power_dbm):
        found = open_loop_dbm(
            loss_db, 23.0, -90.0, alpha=alpha, blocks=blocks, numerology=numerology
        )
        assert found == pytest.approx(power_dbm, abs=1e-8)

    @given(st.floats(60.0, 110.0), st.integers(1, 20))
    def test_full_compensation_arrives_at_the_target(self, loss_db, blocks):
        power_dbm = open_loop_dbm(loss_db, 100.0, -90.0, alpha=1.0, blocks=blocks)
        assert power_dbm - loss_db - 10.0 * np.log10(blocks) == pytest.approx(-90.0)

    def test_shapes_broadcast(self):
        found = open_loop_dbm(np.full((3, 1), 100.0), np.array([5.0, 23.0]), -90.0)
        np.testing.assert_allclose(found, [[5.0, 10.0]] * 3)


class TestWaterFilling:
    # Eight channels of a lecture, darcamo/pyphysim tests/comm_package_test.py.
    amplitude = np.array([1.90, 1.76, 1.76, 1.35, 1.35, 0.733, 0.733, 0.100])
    expected = np.array(
        [1.24120211, 1.23290828, 1.23290828, 1.19202648, 1.19202648, 0.95446418, 0.95446418, 0.0]
    )

    def test_the_lecture(self):
        power, level = water_filling(self.amplitude**2, 8.0, 0.181)
        np.testing.assert_allclose(power, self.expected, atol=1e-8)
        assert float(level) == pytest.approx(1.29134061296, abs=1e-8)

    def test_order_and_leading_axes_do_not_matter(self):
        order = np.array([3, 7, 0, 5, 1, 6, 2, 4])
        gain = np.stack([self.amplitude**2, self.amplitude[order] ** 2])
        power, level = water_filling(gain, np.array([8.0, 8.0]), 0.181)
        np.testing.assert_allclose(power, [self.expected, self.expected[order]], atol=1e-8)
        assert level.shape == (2,)
        np.testing.assert_array_equal(level[0], level[1])

    @given(gains, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
    def test_the_conditions_of_the_optimum(self, gain, total, noise):
        power, level = water_filling(gain, total, noise)
        slope = gain / (noise + power * gain)  # of the sum of ln(1 + p g / N0)
        active = power > 1e-9 * float(level)
        assert np.all(power >= 0.0)
        assert power.sum() == pytest.approx(total, rel=1e-9)
        np.testing.assert_allclose(slope[active] * level, 1.0, rtol=1e-6)
        assert np.all(slope[~active] * level <= 1.0 + 1e-6)

    def test_no_other_split_carries_more(self):
        rng = np.random.default_rng(1)
        gain = rng.exponential(size=6)
        best = np.sum(np.log2(1.0 + water_filling(gain, 2.0, 0.5)[0] * gain / 0.5))
        others = 2.0 * rng.dirichlet(np.ones(6), size=2000)
        assert np.max(np.sum(np.log2(1.0 + others * gain / 0.5), axis=1)) <= best

    def test_a_dead_channel_gets_nothing(self):
        power, level = water_filling(np.array([0.0, 2.0, 0.0]), 3.0, 1.0)
        np.testing.assert_array_equal(power, [0.0, 3.0, 0.0])
        assert level == 3.5

    def test_every_channel_may_have_a_noise_of_its_own(self):
        noise = np.array([1.0, 2.0, 8.0])
        np.testing.assert_allclose(
            water_filling(np.ones(3), 3.0, noise)[0], water_filling(1.0 / noise, 3.0, 1.0)[0]
        )

    @pytest.mark.parametrize(
        ("gain", "power_w", "noise_w", "sentence"),
        [
            ([1.0, -1.0], 1.0, 1.0, "gain must be finite and at least 0, got -1.0 for device 1"),
            ([0.0, 0.0], 1.0, 1.0, "gain must be finite and above 0 on some channel, got 0.0"),
            ([1.0], 0.0, 1.0, "power_w must be finite and above 0, got 0.0"),
            ([1.0], 1.0, np.nan, "noise_w must be finite and above 0, got nan"),
        ],
    )
    def test_what_can_not_be_filled_is_refused(self, gain, power_w, noise_w, sentence):
        with pytest.raises(ValueError, match=sentence):
            water_filling(np.array(gain), power_w, noise_w)
