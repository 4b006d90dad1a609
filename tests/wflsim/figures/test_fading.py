"""Gains over rounds and devices: what was recorded stands where it was, and blanks stay blank."""

import numpy as np
import pytest

from wflsim import results
from wflsim.figures.drawing import drawn
from wflsim.figures.fading import gains, over_rounds, together
from wflsim.figures.layout import Wanted


def test_gains_stand_in_the_round_in_which_an_update_began():
    table = {
        "round": np.array([0, 2, 2]),
        "age": np.array([0, 0, 1]),
        "device": np.array([0, 0, 2]),
        "gain_db": np.array([-70.0, -71.0, -80.0]),
    }
    found = over_rounds(table, (3, 3))
    assert found[0].tolist()[::2] == [-70.0, -71.0]
    assert found[2, 1] == -80.0
    assert np.isnan(found).sum() == 6


def test_variants_fill_each_others_blanks_unless_they_disagree():
    blank = np.nan
    one, two = (
        np.array([[1.0, blank], [2.0, 3.0]]),
        np.array([[1.0, 9.0, 8.0], [blank, 3.0, blank]]),
    )
    other = np.array([[1.0, 5.0], [2.0, 3.1]])
    whole, alike = together([one, two, other])
    assert alike == [True, True, False]
    np.testing.assert_array_equal(whole, [[1.0, 9.0, 8.0], [2.0, 3.0, blank]])
    np.testing.assert_array_equal(together([other, one])[0], other)


@pytest.mark.parametrize("width_in", [3.5, 7.16])
def test_shades_means_and_distributions_are_of_what_was_recorded(little, width_in):
    one = results.load(little / "seed-1")
    heat, levels, scales, _ = drawn("fading", one, Wanted(width_in)).axes
    expected = gains(one.played[0], "fedavg")
    order = np.argsort(-expected.mean(axis=1))
    np.testing.assert_allclose(heat.images[0].get_array(), expected[order])
    assert [tick.get_text() for tick in levels.get_yticklabels()] == [str(k) for k in order]
    means = levels.lines[0].get_xdata()
    np.testing.assert_allclose(means, expected.mean(axis=1)[order])
    assert (np.diff(means) <= 0).all()
    large, small = (line.get_xdata() for line in scales.lines)
    np.testing.assert_allclose(np.unique(large), np.sort(means - means.mean()))
    about = expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(np.unique(small), np.unique(about))


def test_who_saw_another_channel_is_named_by_who_is_shown(play, tmp_path, little):
    moving = ("channel.fading.doppler.kind=jakes", "channel.fading.doppler.speed_m_s=30")
    play(tmp_path / "run", little / "little.yaml", "learning=none", *moving)
    figure = drawn("fading", results.load(tmp_path / "run"), Wanted())
    assert figure.axes[0].get_title(loc="left") == "pruned"
    alike = drawn("fading", results.load(little / "seed-1"), Wanted())
    assert alike.axes[0].get_title(loc="left") == ""
