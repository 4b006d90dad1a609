"""Axes: every listed point once, drawn ones within their ranges and spread as they say, mistakes told with their line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflsim.errors import ScenarioError
from wflsim.scenario.loading import parse
from wflsim.sweep.axes import Grid, Listed, Random, Zip

KEYS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)


@given(st.data(), KEYS)
def test_a_grid_meets_every_combination_once(data, keys):
    over = {key: tuple(data.draw(st.sets(st.integers(0, 5), min_size=1))) for key in keys}
    points = Grid(over).points(None)
    assert len(points) == np.prod([len(values) for values in over.values()])
    assert len({tuple(point.items()) for point in points}) == len(points)
    assert all(value in over[key] for point in points for key, value in point.items())


@given(KEYS, st.integers(1, 5))
def test_a_zip_pairs_the_values_in_order(keys, count):
    over = {key: tuple(range(place, place + count)) for place, key in enumerate(keys)}
    points = Zip(over).points(None)
    assert [list(point.values()) for point in points] == [
        list(row) for row in zip(*over.values(), strict=True)
    ]


def test_a_list_gives_its_points():
    at = ({"rounds": 1, "seed": 2}, {"rounds": 3, "seed": 4})
    assert Listed(at).points(None) == at


RANGES = st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)).map(lambda pair: tuple(sorted(pair)))


@given(RANGES, st.integers(1, 40), st.booleans(), st.integers(0, 9))
@pytest.mark.parametrize("design", ["independent", "latin_hypercube"])
def test_what_is_drawn_lies_within_its_range_and_comes_again_by_the_same_stream(
    design, ends, draws, log, seed
):
    axis = Random({"a": ends, "b": (1, 6)}, draws, design, log=("a",) if log else (), whole=("b",))
    points = axis.points(np.random.default_rng(seed))
    assert points == axis.points(np.random.default_rng(seed))
    assert len(points) == draws
    slack = 1e-9 * ends[1]
    assert all(ends[0] - slack <= point["a"] <= ends[1] + slack for point in points)
    assert all(type(point["b"]) is int and 1 <= point["b"] <= 6 for point in points)


@given(st.integers(1, 30), st.integers(0, 9), st.booleans())
def test_a_latin_hypercube_has_one_draw_in_each_equal_part(draws, seed, log):
    axis = Random(
        {"a": (1.0, 100.0), "b": (0.0, 1.0)}, draws, "latin_hypercube", log=("a",) if log else ()
    )
    points = axis.points(np.random.default_rng(seed))
    a = np.array([point["a"] for point in points])
    share = np.log(a) / np.log(100.0) if log else (a - 1) / 99
    for values in (share, np.array([point["b"] for point in points])):
        assert sorted(np.floor(values * draws + 1e-9).astype(int).tolist()) == list(range(draws))


@pytest.mark.parametrize(
    ("axis", "sentence"),
    [
        ("{kind: grid, over: {}}", "over must not be empty"),
        ("{kind: grid, over: {rounds: []}}", "rounds has no values"),
        ("{kind: grid, over: {rounds: 3}}", "expected keys with a list of a value each"),
        ("{kind: zip, over: {rounds: [1, 2], seed: [1]}}", "rounds has 2, seed has 1"),
        ("{kind: list, at: []}", "at must not be empty"),
        ("{kind: list, at: [{rounds: 1}, {seed: 1}]}", "must have the same keys"),
        ("{kind: random, over: {seed: [2, 1]}, draws: 2}", "ends before it begins; turn it round"),
        ("{kind: random, over: {seed: [0, 1]}, draws: 2, log: [seed]}", "must lie above 0"),
        (
            "{kind: random, over: {seed: [0, 1]}, draws: 2, log: [sed]}",
            "sed is not varied; take one of seed",
        ),
        ("{kind: random, over: {seed: [0, 1.5]}, draws: 2, whole: [seed]}", "is of whole numbers"),
        ("{kind: random, over: {seed: [1, 2]}, draws: 0}", "a whole number at least 1"),
        ("{kind: random, over: {seed: [1, 2]}, draw: 2}", "did you mean 'draws'"),
        (
            "{kind: random, over: {seed: [1, 2]}, draws: 2, design: sobol}",
            "one of independent, latin_hypercube",
        ),
        ("{kind: gird, over: {seed: [1, 2]}}", "did you mean 'grid'"),
    ],
)
def test_a_mistake_in_an_axis_is_told_with_its_line(tiny, axis, sentence):
    with pytest.raises(ScenarioError) as found:
        parse(f"{tiny}sweep:\n  axes:\n    - {axis}\n", "tiny.yaml")
    line = tiny.count("\n") + 3
    assert sentence in str(found.value)
    assert f"tiny.yaml:{line}" in str(found.value)
