from hypothesis import given
from hypothesis import strategies as st

from wflsim.randomness import Streams

indices = st.lists(st.integers(0, 1000), max_size=3)


@given(st.integers(0, 2**32), st.sampled_from(["fading", "batches"]), indices)
def test_a_stream_depends_on_its_key_alone(seed, purpose, where):
    first = Streams(seed).stream(purpose, *where).random(4)
    Streams(seed).stream("other").random(100)
    assert (first == Streams(seed).stream(purpose, *where).random(4)).all()


@given(st.integers(0, 2**32), indices, indices)
def test_different_keys_give_different_streams(seed, one, other):
    same = (
        Streams(seed).stream("fading", *one).random()
        == Streams(seed).stream("fading", *other).random()
    )
    assert same == (one == other)


def test_no_index_differs_from_index_zero():
    assert Streams(7).stream("fading").random() != Streams(7).stream("fading", 0).random()


def test_purposes_and_seeds_differ():
    assert len({Streams(s).stream(p).random() for s in range(5) for p in ("a", "b", "c")}) == 15
