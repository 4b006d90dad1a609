import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from wflsim.network.timeline import PHASES
from wflsim.records.trace import events, write

DEVICES, ROUNDS = 5, 6
OUTCOMES = ("on_time", "late", "dropped", "lost", "empty", "left", "unfinished")


def played(rng, exchanges=("train",), gap_ns=0, start_ns=0):
    """Return tables of rounds in which every device takes part, some phases are missing, and uploads may fail."""
    rounds, clients, now = defaultdict(list), defaultdict(list), start_ns
    for round_ in range(ROUNDS):
        for exchange in exchanges:
            length_ns = rng.integers(0, 1_000_000, (DEVICES, 7)) * (rng.random((DEVICES, 7)) < 0.7)
            length_ns[:, 1] += 7
            length_ns[0, 6] = 1  # an upload of one nanosecond
            end = now + int(length_ns.sum(axis=1).max())
            for device, lengths in enumerate(length_ns):
                wait = end - now - int(lengths.sum())
                row = {
                    "round": round_, "exchange": exchange, "device": device, "cell": 0, "began_s": now / 1e9, "age": 0,
                    "outcome": OUTCOMES[rng.integers(len(OUTCOMES))], "keep": 0.5, "bandwidth_hz": np.inf, "power_w": 0.1,
                    "rate_bps": np.nan, "up_bits": 1e6, "delivered_bits": 1e6,
                }  # fmt: skip
                for phase, ns in zip(PHASES, [*lengths.tolist(), wait], strict=True):
                    row |= {f"{phase}_s": ns / 1e9, f"{phase}_j": ns * 1e-10}
                for key, value in row.items():
                    clients[key].append(value)
            about = {"round": round_, "exchange": exchange, "start_s": now / 1e9, "length_s": (end - now) / 1e9,
                     "energy_j": np.nan, "participants": DEVICES, "on_time": 2, "late": 0}  # fmt: skip
            for key, value in about.items():
                rounds[key].append(value)
            now = end + gap_ns
    return {"rounds": columns(rounds), "clients": columns(clients)}


def columns(rows):
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else None)
        for name, values in rows.items()
    }


def late(found, gap_ns):
    """Let one update begin a round earlier and come in the pause before the round in which it is settled."""
    clients = {name: column.copy() for name, column in found["clients"].items()}
    one = (clients["round"] == 3) & (clients["device"] == 2)
    before = (clients["round"] == 2) & (clients["device"] == 2)
    start_ns = np.rint(found["rounds"]["start_s"] * 1e9).astype(int)
    end_ns = start_ns[3] + round(found["rounds"]["length_s"][3] * 1e9)
    lengths = {"receive": 10, "compute": start_ns[3] - start_ns[2] - gap_ns // 2 - 30, "upload": 20}
    lengths["wait"] = end_ns - start_ns[2] - sum(lengths.values())
    for phase in PHASES:
        clients[f"{phase}_s"][one] = lengths.get(phase, 0) / 1e9
    clients["began_s"][one], clients["outcome"][one] = start_ns[2] / 1e9, "late"
    return found | {"clients": {name: column[~before] for name, column in clients.items()}}


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(5)
    return {
        "plain": played(rng),
        "two exchanges": played(rng, exchanges=("score", "train")),
        "with pauses": late(played(rng, gap_ns=500, start_ns=12_345_678_901_234), 500),
        "nobody": {name: {key: c[:0] for key, c in t.items()} for name, t in played(rng).items()},
    }


@pytest.fixture(scope="module")
def found(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    write(path, tables)
    return json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


def of(found, letter):
    return [event for event in found if event["ph"] == letter]


def slices(found):
    """Return thread → its slices in nanoseconds, in the order of time."""
    threads = defaultdict(list)
    for event in of(found, "X"):
        start, length = round(event["ts"] * 1000), round(event["dur"] * 1000)
        threads[event["pid"], event["tid"]].append((start, start + length))
    return {thread: sorted(known) for thread, known in threads.items()}


def test_the_file_is_one_json_object_without_strange_numbers(tables, tmp_path):
    write(tmp_path / "a.json", tables)
    write(tmp_path / "b.json", tables)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()

    def refuse(constant):
        raise AssertionError(constant)

    whole = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert whole["displayTimeUnit"] == "ms"
    assert whole["traceEvents"] == list(events(tables))


def test_a_file_of_nothing_is_valid(tmp_path):
    write(tmp_path / "none.json", {})
    assert json.loads((tmp_path / "none.json").read_text())["traceEvents"] == []


def test_slices_last_and_do_not_overlap(found):
    assert all(event["dur"] > 0 for event in of(found, "X"))
    for known in slices(found).values():
        for (_, end), (start, _) in pairwise(known):
            assert end <= start


def test_threads_have_numbers_of_their_own_and_names(found, tables):
    names = {
        (e["pid"], e["tid"]): e["args"]["name"]
        for e in of(found, "M")
        if e["name"] == "thread_name"
    }
    assert len({tid for _, tid in names}) == len(names)
    assert {(e["pid"], e["tid"]) for e in found} == set(names)
    for (pid, tid), name in names.items():
        assert name == ("server" if tid == pid else f"device {tid - pid - 1}")
    processes = [e for e in of(found, "M") if e["name"] == "process_name"]
    assert [e["args"]["name"] for e in processes] == list(tables)


def test_slices_of_devices_add_up_to_the_columns(found, tables):
    processes = [e["pid"] for e in of(found, "M") if e["name"] == "process_name"]
    total = defaultdict(float)
    for event in of(found, "X"):
        total[event["pid"], event["tid"], event["name"]] += event["dur"]
    for pid, table in zip(processes, tables.values(), strict=True):
        clients = table["clients"]
        for device in np.unique(clients["device"]):
            for phase in PHASES:
                seconds = clients[f"{phase}_s"][clients["device"] == device].sum()
                assert total[pid, pid + 1 + device, phase] == pytest.approx(1e6 * seconds, abs=1e-3)
        on_server = sum(e["dur"] for e in of(found, "X") if e["tid"] == e["pid"] == pid)
        assert on_server == pytest.approx(1e6 * table["rounds"]["length_s"].sum(), abs=1e-3)


def test_arrows_have_two_ends_each_within_a_slice_that_stands_before_it(found):
    tails, heads = ({e["id"]: e for e in of(found, letter)} for letter in "sf")
    assert len(tails) == len(of(found, "s")) > 100
    assert len(heads) == len(of(found, "f"))
    assert tails.keys() == heads.keys()
    assert all(event["bp"] == "e" for event in heads.values())
    known, open_ = slices(found), {}
    for event in sorted(found, key=lambda e: e.get("ts", 0)):  # stable, as the viewer sorts
        thread = event["pid"], event["tid"]
        if event["ph"] == "X":
            open_[thread] = event
        elif event["ph"] in "sf":
            now = round(event["ts"] * 1000)
            assert any(start <= now < end for start, end in known[thread])
            assert now < round((open_[thread]["ts"] + open_[thread]["dur"]) * 1000)
            to_device = event["name"] == "download"
            expected = {"download": "receive", "delivery": "upload"}[event["name"]]
            if (event["ph"] == "f") == to_device:
                assert open_[thread]["name"] == expected
            else:
                assert event["tid"] == event["pid"]
    for flow, tail in tails.items():
        assert tail["ts"] <= heads[flow]["ts"]
        assert (tail["name"], tail["cat"]) == (heads[flow]["name"], heads[flow]["cat"])


def test_a_message_goes_to_who_receives_and_comes_from_who_delivers(found, tables):
    downloads = sum((t["clients"]["receive_s"] > 0).sum() for t in tables.values())
    deliveries = sum(
        (np.isin(t["clients"]["outcome"], ("on_time", "late")) & (t["clients"]["upload_s"] > 0)).sum()
        for t in tables.values()
    )  # fmt: skip
    names = [event["name"] for event in of(found, "s")]
    assert (names.count("download"), names.count("delivery")) == (downloads, deliveries)


def test_a_late_update_is_taken_when_the_next_round_begins(found, tables):
    rounds = tables["with pauses"]["rounds"]
    pid = [e["pid"] for e in of(found, "M") if e["name"] == "process_name"][2]
    start_us = rounds["start_s"][3] * 1e6
    heads = [e["ts"] for e in of(found, "f") if e["pid"] == e["tid"] == pid]
    assert any(ts == pytest.approx(start_us, abs=1e-3) for ts in heads)


def test_failures_stand_where_the_device_stopped(found, tables):
    marks = of(found, "i")
    failed = np.concatenate([t["clients"]["outcome"] for t in tables.values()])
    failed = failed[~np.isin(failed, ("on_time", "late"))]
    assert sorted(mark["name"] for mark in marks) == sorted(failed)
    clients = tables["plain"]["clients"]
    active_s = sum(clients[f"{phase}_s"] for phase in PHASES[:-1])
    ends = (clients["began_s"] + active_s)[~np.isin(clients["outcome"], ("on_time", "late"))]
    first = marks[: len(ends)]
    assert [mark["ts"] for mark in first] == pytest.approx((1e6 * ends).tolist(), abs=1e-3)


def test_a_round_in_which_nothing_was_received_draws_no_arrow():
    tables = played(np.random.default_rng(1))
    for name in ("receive_s", "upload_s"):
        tables["clients"][name] = np.zeros_like(tables["clients"][name])
    assert not [event for event in events({"x": tables}) if event["ph"] in "sf"]


def test_an_exchange_that_takes_no_time_is_no_slice_and_no_end_of_an_arrow():
    tables = played(np.random.default_rng(2), gap_ns=100)
    tables["rounds"]["length_s"][2] = 0.0
    found = list(events({"x": tables}))
    known = slices(found)
    assert len(known[1, 1]) == ROUNDS - 1
    for event in of(found, "s") + of(found, "f"):
        now = round(event["ts"] * 1000)
        assert any(start <= now < end for start, end in known[event["pid"], event["tid"]])
