"""Differences in words: the largest part first, what is against it apart, and nothing that is not worth a word."""

from wflsim.comparison.causes import REST, ROUNDS, Causes, Part
from wflsim.comparison.compared import Comparison, Difference
from wflsim.comparison.telling import as_data, in_words, sentence

NAN = float("nan")


def causes(a, b, unit="s", **parts):
    return Causes(unit, a, b, tuple(Part(name, 0.0, 0.0, apart) for name, apart in parts.items()))


def test_the_largest_part_comes_first_and_small_ones_are_left_out():
    found = causes(4.6, 7.8, compute=-2.9, upload=-0.25, page=-0.05)
    told = "A is 3.20 s shorter (41 %): 2.90 s of it in computing, 250 ms of it in sending."
    assert sentence(found) == told


def test_parts_against_the_difference_stand_apart():
    found = causes(6.0, 4.0, compute=3.0, upload=-1.0)
    told = (
        "A is 2.00 s longer (50 %): 3.00 s in computing; against that shorter by 1.00 s in sending."
    )
    assert sentence(found) == told


def test_energy_rounds_and_what_nothing_explains_have_words_of_their_own():
    energy = causes(3000.0, 1000.0, "J", upload=2000.0)
    assert sentence(energy) == "A spends 2.00 kJ more (200 %): 2.00 kJ of it in sending."
    parts = (Part(ROUNDS, 10, 20, -8.0), Part(REST, 0.0, 0.0, -2.0))
    told = sentence(Causes("s", 10.0, 20.0, parts))
    assert told.endswith("8.00 s of it by 10 fewer rounds, 2.00 s of it in what no phase explains.")


def test_what_is_the_same_is_told_so():
    assert sentence(causes(2.0, 2.0, compute=0.0)) == "A and B take the same time: 2.00 s."
    assert sentence(causes(0.0, 0.0, "J")) == "A and B spend the same energy: 0 J."
    balanced = causes(2.0, 2.0, compute=1.0, upload=-1.0)
    assert "1.00 s in computing" in sentence(balanced)
    assert "1.00 s in sending" in sentence(balanced)


def comparison(*differences, seeds=(1, 2)):
    return Comparison("a", "b", seeds, differences, causes(1.0, 1.0), causes(1.0, 1.0, "J"), {})


def test_what_nobody_measured_is_left_out_and_what_one_never_reached_is_told():
    told = in_words(
        comparison(
            Difference("accuracy_personal", (NAN, NAN), (NAN, NAN), (1, 2)),
            Difference("lost_j", (0.0, 0.0), (0.0, 0.0), (1, 2)),
            Difference("target_accuracy", (0.8, 0.8), (0.8, 0.8), (1, 2)),
            Difference("target_s", (2.0, NAN), (3.0, 4.0), (1, 2)),
        )
    )
    assert "accuracy, own models" not in told
    assert "not taken" not in told
    (line,) = (line for line in told.splitlines() if line.startswith("time to target"))
    assert line.split()[-5:] == ["2.000", "3.500", "-1.000", "–", "–"]
    assert "its pair is left out" in told
    assert "The systems have the same settings." in told


def test_plain_data_hold_every_number():
    found = as_data(comparison(Difference("energy_j", (1.0, 2.0), (0.5, 1.0), (1, 2))))
    assert found["measures"]["energy_j"]["a"] == [1.0, 2.0]
    assert found["measures"]["energy_j"]["difference"] == 0.75
    assert found["seconds"]["sentence"] == "A and B take the same time: 1.00 s."
