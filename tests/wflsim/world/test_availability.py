"""Availability: a function of simulated time alone, device by device, with the shares and sojourns that it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wflsim.randomness import Streams
from wflsim.world.availability.grid import cycle_at, on_grid_s
from wflsim.world.availability.markov import Markov
from wflsim.world.availability.schedules import Always, Churn, Diurnal
from wflsim.world.availability.traces import Trace


def numbered(seed):
    return lambda number: Streams(seed).stream("availability", number)


def trace(tmp_path_factory):
    rng = np.random.default_rng(4)
    edges = np.sort(rng.integers(0, 50_000, size=(7, 10)) / 1e3, axis=1).reshape(-1, 2)
    rows = [f"{n // 5},{a},{b}" for n, (a, b) in enumerate(edges) if a < b]
    path = tmp_path_factory.mktemp("traces") / "some.csv"
    path.write_text("\n".join(["device,from_s,to_s", *rows]))
    return str(path)


KINDS = {
    "always": lambda file: Always(),
    "markov": lambda file: Markov(3.0, 7.0),
    "slow": lambda file: Markov(1e5, 1e5),
    "diurnal": lambda file: Diurnal(10.0, 0.3, 1.0),
    "together": lambda file: Diurnal(0.7, 0.1, 0.0),
    "whole_day": lambda file: Diurnal(10.0, 1.0),
    "churn": lambda file: Churn(20.0, 15.0),
    "trace": Trace,
    "again": lambda file: Trace(file, period_s=50.0),
    "literal": lambda file: Trace(file, wrap=False),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return trace(tmp_path_factory)


@pytest.fixture(params=KINDS)
def model(request, file):
    return KINDS[request.param](file)


def seen(model, instants_s, *, devices=12, seed=1):
    """Return what is seen at each instant, one after the other: shapes (T, K)."""
    draw = numbered(seed)
    state = model.init(devices, draw)
    here, until_s = [], []
    for now_s in instants_s:
        state, presence = model.at(state, float(now_s), draw)
        here.append(presence.here)
        until_s.append(presence.until_s)
    return np.array(here), np.array(until_s)


def changes(model, device, end_s, *, devices=12, seed=1):
    """Follow ``until_s`` of one device to the end: its changes, and its state from each on."""
    draw = numbered(seed)
    state = model.init(devices, draw)
    now_s, times, states = 0.0, [], []
    while now_s < end_s:
        state, presence = model.at(state, now_s, draw)
        times.append(now_s)
        states.append(bool(presence.here[device]))
        now_s = float(presence.until_s[device])
    return np.array(times), np.array(states)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=40), st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_skipping_instants_changes_nothing(kind, file, instants_s, data):
    model, often = KINDS[kind](file), sorted(instants_s)
    picked = data.draw(st.lists(st.sampled_from(range(len(often))), min_size=1, unique=True))
    fine, coarse = seen(model, often), seen(model, np.array(often)[sorted(picked)])
    for of_fine, of_coarse in zip(fine, coarse, strict=True):
        assert (of_fine[sorted(picked)] == of_coarse).all()


def test_an_instant_may_be_asked_for_twice(model):
    here, until_s = seen(model, [31.4, 31.4])
    assert (here[0] == here[1]).all()
    assert (until_s[0] == until_s[1]).all()


def test_the_state_of_an_instant_is_left_as_it_was(model):
    draw = numbered(1)
    early = model.init(12, draw)
    first = model.at(early, 1.0, draw)[1]
    model.at(early, 200.0, draw)
    again = model.at(early, 1.0, draw)[1]
    assert (first.here == again.here).all()
    assert (first.until_s == again.until_s).all()


@pytest.mark.parametrize("begin_s", [0.0, 12_345.678, 3e7])
def test_until_is_after_now_and_the_next_change(model, begin_s):
    if isinstance(model, Markov) and model.mean_on_s < 0.001 * begin_s:
        begin_s = 1000.0 * model.mean_on_s  # a chain draws all that it has passed
    for device in (0, 5):
        draw = numbered(1)
        state, now_s = model.init(12, draw), begin_s
        for _ in range(20):
            state, before = model.at(state, now_s, draw)
            until_s = before.until_s[device]
            assert until_s > now_s
            if np.isinf(until_s):
                break
            for between_s in np.linspace(now_s, np.nextafter(until_s, 0.0), 4):
                _, presence = model.at(state, float(between_s), draw)
                assert presence.here[device] == before.here[device]
                assert presence.until_s[device] == until_s
            state, after = model.at(state, float(until_s), draw)
            assert after.here[device] != before.here[device]
            now_s = float(until_s)


def test_a_clock_of_whole_nanoseconds_meets_every_change(model):
    _, until_s = seen(model, np.linspace(0.0, 300.0, 50))
    ends_s = until_s[np.isfinite(until_s)]
    assert (np.rint(ends_s * 1e9) / 1e9 == ends_s).all()


def test_a_device_more_changes_nobody(model):
    instants_s = np.linspace(0.0, 200.0, 60)
    few = seen(model, instants_s, devices=7)
    many = seen(model, instants_s, devices=21)
    for of_few, of_many in zip(few, many, strict=True):
        assert (of_few == of_many[:, :7]).all()


def test_the_state_does_not_grow(model):
    def size(state):
        arrays = [state] if isinstance(state, np.ndarray) else vars(state).values()
        return [np.asarray(array).size for array in arrays]

    if isinstance(model, Always):
        return
    draw = numbered(1)
    state = model.init(12, draw)
    later = model.at(state, 500.0, draw)[0]
    assert size(later) == size(state)


def test_everybody_can_always_be_reached():
    here, until_s = seen(Always(), [0.0, 1e9])
    assert here.all()
    assert np.isinf(until_s).all()


@pytest.mark.parametrize(("on_s", "off_s"), [(3.0, 7.0), (600.0, 60.0)])
@pytest.mark.parametrize("at", [0.0, 0.3, 20.0])
def test_the_chain_is_stationary_from_the_start(on_s, off_s, at):
    devices, share = 20_000, on_s / (on_s + off_s)
    here, _ = seen(Markov(on_s, off_s), [at * on_s], devices=devices)
    assert abs(here.mean() - share) < 3.0 * np.sqrt(share * (1.0 - share) / devices)


def test_the_sojourns_are_exponential_and_alternate():
    on_s, off_s = [], []
    for device in range(5):
        times, states = changes(Markov(3.0, 7.0), device, 2000.0, devices=5)
        assert (states[1:] != states[:-1]).all()
        lengths = np.diff(times)[1:]  # the first change is at the start, within a sojourn
        on_s.extend(lengths[states[1:-1]])
        off_s.extend(lengths[~states[1:-1]])
    assert len(on_s) > 800
    assert stats.kstest(on_s, stats.expon(scale=3.0).cdf).pvalue > 0.01
    assert stats.kstest(off_s, stats.expon(scale=7.0).cdf).pvalue > 0.01


def test_the_rest_of_the_first_sojourn_is_exponential_too():
    here, until_s = seen(Markov(3.0, 7.0), [0.0], devices=20_000)
    for there, mean_s in ((here[0], 3.0), (~here[0], 7.0)):
        assert stats.kstest(until_s[0][there], stats.expon(scale=mean_s).cdf).pvalue > 0.01


def test_the_sojourns_of_a_device_and_of_devices_are_independent():
    times, _ = changes(Markov(5.0, 5.0), 1, 5000.0, devices=2)
    lengths = np.diff(times)
    ranks = stats.spearmanr(lengths[1:], lengths[:-1])
    assert ranks.pvalue > 0.01
    here, _ = seen(Markov(5.0, 5.0), np.arange(0.0, 5000.0, 20.0))
    apart = np.corrcoef(here.T)[np.triu_indices(12, 1)]
    assert np.abs(apart).max() < 4.0 / np.sqrt(250)


def test_each_draw_of_a_chain_is_asked_for_once_a_look():
    asked = []

    def draw(number):
        asked.append(number)
        return numbered(1)(number)

    model = Markov(1.0, 1.0)
    state = model.init(50, draw)
    asked.clear()
    model.at(state, 100.0, draw)
    assert len(asked) == len(set(asked))
    assert asked == sorted(asked)


def test_a_day_has_its_window_at_each_devices_own_time():
    model = Diurnal(100.0, 0.3, 0.5)
    draw = numbered(1)
    begin_s = model.init(2000, draw)
    assert begin_s.min() >= 0.0
    assert begin_s.max() < 50.0
    instants_s = np.linspace(0.0, 400.0, 801)
    here, _ = seen(model, instants_s, devices=2000)
    since_s = (instants_s[:, None] - begin_s) % 100.0
    clear = np.minimum(np.abs(since_s - 30.0), np.minimum(since_s, 100.0 - since_s)) > 1e-6
    assert ((since_s < 30.0) == here)[clear].all()


def test_phases_spread_over_the_day_leave_the_same_share_at_any_time():
    here, _ = seen(Diurnal(100.0, 0.3), [0.0, 17.0, 1234.5], devices=20_000)
    assert (np.abs(here.mean(axis=1) - 0.3) < 3.0 * np.sqrt(0.21 / 20_000)).all()


def test_a_day_without_an_end_never_changes():
    here, until_s = seen(Diurnal(10.0, 1.0), [0.0, 5.0, 1e6])
    assert here.all()
    assert np.isinf(until_s).all()


def test_churn_is_one_stay_of_exponential_length_that_begins_uniformly():
    stays = Churn(20.0, 15.0).init(20_000, numbered(1))
    assert stats.kstest(stays.from_s, stats.uniform(0.0, 20.0).cdf).pvalue > 0.01
    assert stats.kstest(stays.to_s - stays.from_s, stats.expon(scale=15.0).cdf).pvalue > 0.01
    here, _ = seen(Churn(20.0, 15.0), np.linspace(0.0, 300.0, 3001), devices=200)
    turns = np.diff(here.astype(int), axis=0, prepend=0)
    assert (np.count_nonzero(turns > 0, axis=0) <= 1).all()
    assert not here[-1].any()


def test_who_joins_late_stays_no_longer_nor_shorter():
    runs = [Churn(20.0, 15.0).init(30, numbered(seed)) for seed in range(60)]
    from_s = np.concatenate([stays.from_s for stays in runs])
    life_s = np.concatenate([stays.to_s - stays.from_s for stays in runs])
    assert stats.spearmanr(from_s, life_s).pvalue > 0.01


def test_without_a_time_to_join_all_are_there_at_once():
    here, until_s = seen(Churn(0.0, 15.0), [0.0], devices=100)
    assert here.all()
    assert np.isfinite(until_s).all()


def test_a_seed_of_its_own_is_another_run():
    for model in (Markov(3.0, 7.0), Diurnal(10.0, 0.3), Churn(20.0, 15.0)):
        assert (seen(model, [1.0])[1] != seen(model, [1.0], seed=2)[1]).all()


@given(st.integers(0, 10**6), st.floats(0.0, 1e3), st.floats(1e-3, 1e5))
def test_a_cycle_begins_at_its_beginning_and_not_a_hair_before(cycle, phase_s, period_s):
    begin_s = float(on_grid_s(phase_s + cycle * period_s))
    assert cycle_at(begin_s, phase_s, period_s) == cycle
    assert cycle_at(float(np.nextafter(begin_s, -1.0)), phase_s, period_s) == cycle - 1
