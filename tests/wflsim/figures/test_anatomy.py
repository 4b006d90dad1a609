import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wflsim.figures.anatomy import MOST_BARS, VARIANTS, critical, draw, shown, told, typical
from wflsim.figures.phases import LOOKS, happened, mean, rounds_of_devices
from wflsim.network.timeline import PHASES


def clients_of(lengths_s, outcome, *, device=None, began_s=0.0, round_=0, exchange="train"):
    """Return rows from lengths of all phases but the last, shape (K, 7); who is done waits for the last."""
    lengths_s, count = np.asarray(lengths_s, dtype=float), len(outcome)
    began_s = np.broadcast_to(np.asarray(began_s, dtype=float), count)
    finish_s = began_s + lengths_s.sum(axis=1)
    table = {
        "round": np.full(count, round_),
        "exchange": np.full(count, exchange, dtype=object),
        "device": np.arange(count) if device is None else np.asarray(device),
        "began_s": began_s,
        "outcome": np.array(outcome, dtype=object),
    }
    end_s = finish_s.max(initial=0.0)
    for place, phase in enumerate(PHASES):
        seconds = end_s - finish_s if phase == "wait" else lengths_s[:, place]
        table |= {f"{phase}_s": seconds, f"{phase}_j": (place + 1) * seconds}
    return table


def round_of(clients, *, round_=0, exchange="train", start_s=0.0, deadline_s=np.inf):
    total = sum(clients[f"{phase}_s"] for phase in PHASES) + clients["began_s"]
    return {
        "round": np.array([round_]), "exchange": np.array([exchange], dtype=object),
        "start_s": np.array([start_s]), "length_s": np.array([total.max(initial=start_s) - start_s]),
        "deadline_s": np.array([deadline_s]),
    }  # fmt: skip


def stacked(*tables):
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def run(devices, *, rounds=3, exchanges=("train",), outcome="on_time", joules=1.0, seed=0):
    rng, now, made = np.random.default_rng(seed), 0.0, []
    for round_ in range(rounds):
        for exchange in exchanges:
            key = {"round_": round_, "exchange": exchange}
            clients = clients_of(
                rng.gamma(2.0, 0.2, (devices, 7)), [outcome] * devices, began_s=now, **key
            )
            clients |= {f"{phase}_j": joules * clients[f"{phase}_j"] for phase in PHASES}
            about = round_of(clients, start_s=now, **key)
            now += about["length_s"][0]
            made.append((about, clients))
    return {
        "rounds": stacked(*(about for about, _ in made)),
        "clients": stacked(*(clients for _, clients in made)),
    }


def lengths(**seconds):
    return [seconds.get(phase, 0.0) for phase in PHASES[:-1]]


def test_the_critical_device_is_the_last_that_delivers():
    rows = [
        lengths(compute=1.0, upload=3.0),
        lengths(compute=3.0, upload=2.0),
        lengths(compute=9.0),
    ]
    assert critical(clients_of(rows, ["on_time", "on_time", "lost"])) == (1, "compute")
    assert critical(clients_of(rows, ["on_time", "dropped", "lost"])) == (0, "upload")
    assert critical(clients_of(rows, ["late", "left", "lost"], device=[7, 8, 9])) == (7, "upload")


def test_without_deliveries_it_is_who_was_at_it_longest():
    rows = [lengths(access=4.0), lengths(compute=1.0), lengths(page=1.0, compute=2.0)]
    began_s = [0.0, 5.0, 1.0]
    assert critical(clients_of(rows, ["lost", "left", "empty"], began_s=began_s)) == (0, "access")
    assert critical(clients_of(rows[1:], ["lost", "left"], began_s=began_s[1:])) == (1, "compute")


def test_who_began_earlier_counts_by_when_it_ends():
    rows = [lengths(compute=5.0, upload=1.0), lengths(compute=0.5, upload=3.0)]
    late = clients_of(rows, ["late", "on_time"], began_s=[-4.0, 0.0])
    assert critical(late) == (1, "upload")


def test_waiting_is_never_what_sets_the_length():
    assert critical(clients_of([lengths()], ["on_time"])) == (0, "page")


def test_words_say_who_and_what():
    rows = [lengths(compute=1.0, upload=3.0), lengths(compute=1.0, upload=1.0)]
    clients = clients_of(rows, ["on_time", "on_time"])
    about = {name: column[0] for name, column in round_of(clients).items()}
    assert told(about, clients) == "device 0 sets the length: 75 % sending"
    equal = clients_of([rows[0], rows[0][::-1], rows[1]], ["on_time", "late", "on_time"])
    assert told(about, equal) == "device 0 sets the length with 1 other: 75 % sending"
    dropped = clients | {"outcome": np.array(["dropped", "on_time"], dtype=object)}
    assert told(about, dropped) == "device 1 is the last to deliver: 50 % computing"
    cut = equal | {"outcome": np.array(["dropped", "on_time", "on_time"], dtype=object)}
    assert told(about, cut) == "device 1 sets the length: 75 % being called"
    limited = about | {"deadline_s": about["length_s"]}
    assert told(limited, cut) == "device 1 is the last to deliver: 75 % being called"
    assert told(limited, clients) == "device 0 sets the length: 75 % sending"
    lost = clients | {"outcome": np.array(["lost", "lost"], dtype=object)}
    assert told(about, lost).startswith("nothing is delivered, device 0 is at it longest")
    assert (
        told({}, {name: column[:0] for name, column in clients.items()}) == "no device takes part"
    )


def test_the_typical_round_is_of_median_length_and_its_longest_exchange():
    tables, now = [], 0.0
    for round_, (score, train) in enumerate(
        [(1.0, 9.0), (3.0, 1.0), (2.0, 4.0), (9.0, 9.0), (0.5, 1.0)]
    ):
        for exchange, seconds in (("score", score), ("train", train)):
            key = {"round_": round_, "exchange": exchange}
            clients = clients_of([lengths(compute=seconds)], ["on_time"], began_s=now, **key)
            tables.append((round_of(clients, start_s=now, **key), clients))
            now += seconds
    rounds, clients = (stacked(*parts) for parts in zip(*tables, strict=True))
    about, here = typical(rounds, clients)
    assert (about["round"], about["exchange"], about["length_s"]) == (2, "train", 4.0)
    assert here["compute_s"].tolist() == [4.0]


def test_a_round_without_updates_is_not_typical_and_none_at_all_is_no_error():
    tables = run(3, rounds=5)
    only = tables["clients"]["round"] == 4
    about, here = typical(
        tables["rounds"], {name: column[only] for name, column in tables["clients"].items()}
    )
    assert about["round"] == 4
    assert len(here["device"]) == 3
    nothing = {name: column[:0] for name, column in tables["clients"].items()}
    assert typical(tables["rounds"], nothing)[0]["round"] in range(5)
    assert typical({name: column[:0] for name, column in tables["rounds"].items()}, nothing) == (
        {},
        nothing,
    )


@pytest.mark.parametrize("devices", [1, 7, 20, 21, 1000])
def test_bars_are_sorted_by_finish_and_hold_the_last_the_first_and_the_critical(devices):
    rng = np.random.default_rng(devices)
    outcome = np.where(rng.random(devices) < 0.9, "dropped", "on_time")
    clients = clients_of(rng.random((devices, 7)), outcome)
    rows = shown(clients, 20)
    finish_s = sum(clients[f"{phase}_s"] for phase in PHASES[:-1])
    assert len(rows) == len(set(rows.tolist())) == min(devices, 20)
    assert (np.diff(finish_s[rows]) <= 0).all()
    assert {finish_s.argmax(), finish_s.argmin()} <= set(rows.tolist())
    assert critical(clients)[0] in clients["device"][rows]


def test_means_add_up_to_a_round():
    tables = run(5, exchanges=("score", "train"))
    assert rounds_of_devices(tables["clients"]) == 15
    total = sum(mean(tables["clients"], "s").values())
    assert total == pytest.approx(tables["rounds"]["length_s"].sum() / 3)
    joules = mean(tables["clients"], "j")
    assert joules["upload"] == pytest.approx(tables["clients"]["upload_j"].sum() / 15)


def test_phases_that_never_happen_are_left_out():
    clients = clients_of([lengths(receive=1.0, upload=2.0), lengths(upload=1.0)], ["on_time"] * 2)
    assert happened({"x": clients}) == ["receive", "upload", "wait"]
    nothing = {name: column[:0] for name, column in clients.items()}
    assert happened({"x": nothing, "y": clients}) == ["receive", "upload", "wait"]
    assert happened({"x": nothing}) == list(PHASES)


def test_every_phase_has_a_look_of_its_own_also_without_colour():
    assert list(LOOKS) == list(PHASES)
    assert len({look.colour for look in LOOKS.values()}) == len(PHASES)
    assert len({look.hatch for look in LOOKS.values()}) == len(PHASES)


CASES = {
    "one device": {"a": run(1)},
    "a thousand": {"a": run(1000, rounds=1)},
    "too many variants": {name: run(9, seed=seed) for seed, name in enumerate("abcdef")},
    "all failed": {"a": run(4, outcome="lost")},
    "no energy": {"a": run(4, joules=0.0)},
    "two exchanges": {"a": run(4, exchanges=("score", "train"))},
    "nobody": {
        "a": {
            table: {name: column[:0] for name, column in columns.items()}
            for table, columns in run(2).items()
        }
    },
}


@pytest.fixture(scope="module", params=CASES)
def drawn(request):
    tables = CASES[request.param]
    figure = draw("title", tables)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return tables, figure


def test_there_is_a_row_of_panels_for_each_of_the_first_variants(drawn):
    tables, figure = drawn
    assert len(figure.axes) == 3 * min(len(tables), VARIANTS)
    said = figure.get_suptitle()
    assert said.startswith("title")
    assert ("2 more variants" in said) == (len(tables) == 6)
    for axes, name in zip(figure.axes[::3], tables, strict=False):
        assert axes.get_title(loc="left").startswith(f"{name} – ")


def test_bars_of_the_time_line_are_the_phases_of_the_round(drawn):
    tables, figure = drawn
    for axes, found in zip(figure.axes[::3], tables.values(), strict=False):
        about, clients = typical(found["rounds"], found["clients"])
        if len(clients["device"]):
            widths = np.array([[bar.get_width() for bar in phase] for phase in axes.containers])
            scale = 1e3 if "[ms]" in axes.get_xlabel() else 1.0
            assert widths.shape[1] <= MOST_BARS
            assert widths.sum(axis=0) == pytest.approx(scale * about["length_s"])
            left = np.array([[bar.get_x() for bar in phase] for phase in axes.containers])
            assert left[0] == pytest.approx(0.0)
            assert left[1:] == pytest.approx((left + widths)[:-1])
            failed = [text.get_text() for text in axes.texts]
            assert len(failed) == (widths.shape[1] if "lost" in clients["outcome"] else 0)


def test_texts_do_not_overlap_and_lie_within_the_figure(drawn):
    _, figure = drawn
    canvas = figure.canvas
    texts = [text for axes in figure.axes for text in _seen(axes) if text.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    for index, (one, here) in enumerate(boxes):
        assert here.x0 >= 0, one
        assert here.x1 <= figure.bbox.x1 + 1, one
        for other, there in boxes[index + 1 :]:
            assert not here.padded(-0.5).overlaps(there.padded(-0.5)), (one, other)


def _seen(axes):
    """Return the texts of a panel that are drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)
        yield axis.label
    yield from axes.texts
    yield axes.title
    yield axes._left_title
