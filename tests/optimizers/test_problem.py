"""A round says what is wrong with it: the field, the device, the value."""

import numpy as np
import pytest

from optimizers import RoundProblem
from optimizers.problem import columns_of

GOOD = {
    "gain": [1e-9, 4e-9, 2e-9],
    "noise_w_per_hz": 2e-20,
    "bandwidth_hz": 3e6,
    "power_max_w": 0.1,
    "fixed_s": 0.1,
    "slope_s": 0.2,
    "fixed_bits": 1e5,
    "prunable_bits": 1e7,
    "deadline_s": 0.5,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": [1e-9, np.nan, 1e-9]}, r"gain: device 1 has nan"),
        ({"gain": [1e-9, 1e-9, -1e-9]}, r"gain: device 2 has -1e-09.*not negative"),
        ({"noise_w_per_hz": 0.0}, r"noise_w_per_hz: device 0 has 0.0.*above 0"),
        ({"power_max_w": np.inf}, r"power_max_w: device 0 has inf"),
        ({"slope_s": [0.1, -0.1, 0.1]}, r"slope_s: device 1 has -0.1"),
        ({"prunable_bits": -1.0}, r"prunable_bits: device 0"),
        ({"deadline_s": 0.0}, r"deadline_s: device 0 has 0.0"),
        ({"deadline_s": [0.5, np.inf, 0.5]}, r"deadline_s: device 1 has inf.*other devices"),
        ({"weight": np.nan}, r"weight: device 0 has nan"),
        ({"keep_min": 0.0}, r"keep_min: device 0 has 0.0.*above 0"),
        ({"keep_max": [1.0, 1.5, 1.0]}, r"keep_max: device 1 has 1.5"),
        ({"keep_min": 0.6, "keep_max": [1.0, 0.5, 1.0]}, r"keep_min: device 1 .*above keep_max"),
        ({"bandwidth_hz": -1.0}, r"bandwidth_hz: -1.0"),
        ({"bandwidth_hz": np.nan}, r"bandwidth_hz: nan"),
        ({"gain": []}, r"gain: empty"),
        ({"slope_s": [0.1, 0.2]}, r"slope_s: shape \(2,\) does not fit 3 devices"),
        ({"slope_s": np.ones((3, 1))}, r"slope_s: shape \(3, 1\)"),
    ],
)
def test_bad_input_names_field_device_and_value(changes, message):
    with pytest.raises(ValueError, match=message):
        RoundProblem(**(GOOD | changes))


def test_numbers_become_columns_that_cannot_be_written():
    given = np.array(GOOD["gain"])
    problem = RoundProblem(**(GOOD | {"gain": given}))
    given[0] = 7.0
    assert problem.devices == 3
    assert problem.gain[0] == 1e-9
    for column in columns_of(problem).values():
        assert column.shape == (3,)
        assert column.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0.0


def test_numbers_alone_are_one_device():
    assert RoundProblem(**(GOOD | {"gain": 1e-9})).devices == 1


def test_times_follow_the_formula():
    problem = RoundProblem(**GOOD)
    bands, keep = np.array([1e6, 5e5, 0.0]), 0.5
    rate = 1e6 * np.log2(1 + 1e-9 * 0.1 / (2e-20 * 1e6))
    assert problem.rate_bps(bands, 0.1)[0] == pytest.approx(rate, rel=1e-14)
    assert problem.rate_bps(bands)[2] == 0.0
    upload = problem.upload_s(keep, bands)
    assert upload[0] == pytest.approx((1e5 + 5e6) / rate, rel=1e-14)
    assert upload[2] == np.inf
    assert problem.finish_s(keep, bands)[0] == pytest.approx(0.2 + upload[0], rel=1e-14)


def test_nothing_to_send_takes_no_time():
    problem = RoundProblem(**(GOOD | {"fixed_bits": 0.0, "prunable_bits": 0.0}))
    np.testing.assert_array_equal(problem.upload_s(1.0, 0.0), np.zeros(3))


def test_changed_leaves_the_original():
    problem = RoundProblem(**GOOD)
    assert problem.changed(deadline_s=0.7).deadline_s[2] == 0.7
    assert problem.deadline_s[2] == 0.5
