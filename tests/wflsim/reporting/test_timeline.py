from dataclasses import replace

import numpy as np
import pytest

from wflsim.comparison.causes import critical, exchange_of
from wflsim.network.timeline import PHASES
from wflsim.reporting import timeline as room
from wflsim.reporting.timeline import Story, _round, called, timeline

ALL = ("pruned", "fedalt", "fedavg")


@pytest.fixture(scope="module")
def told(seeds):
    return timeline(seeds, ALL)


def test_every_run_and_variant_begins_with_its_typical_round(told):
    first = {}
    for each in told["rounds"]:
        first.setdefault((each["run"], each["variant"]), each)
    assert set(first) == {(run, name) for run in "123" for name in ALL}
    assert all(each["typical"] for each in first.values())
    assert sum(each["typical"] for each in told["rounds"]) == len(first)


def test_a_round_is_what_was_recorded(told, seeds):
    clients = seeds.clients
    names = [each["name"] for each in told["phases"]]
    for each in told["rounds"]:
        here = clients[(clients["run"] == each["run"]) & (clients["variant"] == each["variant"])]
        here = here[here["round"] == each["round"]].sort_values("device")
        parts = each["exchanges"][0]["parts"]
        assert [part[0] for part in parts] == here["device"].tolist()
        for index, unit in ((3, "s"), (4, "j")):
            spent = here[[f"{phase}_{unit}" for phase in names]].to_numpy()
            np.testing.assert_allclose([part[index] for part in parts], spent, rtol=1e-4)
        left = set(PHASES) - set(names)
        assert not here[[f"{phase}_s" for phase in left]].to_numpy().any()


def test_parts_fit_into_their_round(told):
    for each in told["rounds"]:
        for _, began, outcome, seconds, _ in each["exchanges"][0]["parts"]:
            assert outcome == "on_time"
            assert 0 <= began <= began + sum(seconds) <= each["length"] * (1 + 1e-3)


def test_the_critical_device_is_that_of_the_comparison(told, seeds):
    played = seeds.played[0]
    rounds, clients = (played.folder.read(name, variant="pruned") for name in ("rounds", "clients"))
    device = clients["device"][critical(rounds, clients)]
    for each in told["rounds"]:
        if (each["run"], each["variant"]) == ("1", "pruned"):
            assert each["exchanges"][0]["critical"] == device[each["round"]]


def test_little_room_leaves_runs_out_and_says_so(seeds, monkeypatch):
    monkeypatch.setattr(room, "PARTS", 150)
    told = timeline(seeds, ALL)
    assert told["left_out"] == 6
    assert {each["run"] for each in told["rounds"]} == {"1"}
    count = sum(len(part["parts"]) for each in told["rounds"] for part in each["exchanges"])
    assert count <= 150


def test_of_many_devices_some_are_kept_and_the_critical_one_always(seeds, monkeypatch):
    monkeypatch.setattr(room, "DEVICES", 4)
    for each in timeline(seeds, ["pruned"])["rounds"]:
        (exchange,) = each["exchanges"]
        devices = [part[0] for part in exchange["parts"]]
        assert (len(devices), exchange["devices"]) == (4, 10)
        assert exchange["critical"] in devices


def test_runs_are_called_by_seed_where_that_tells_them_apart(seeds):
    assert called(seeds) == {"1": "seed 1", "2": "seed 2", "3": "seed 3"}
    twice = replace(seeds, played=(seeds.played[0], replace(seeds.played[0], name="again")))
    assert called(twice) == {"1": "1", "again": "again"}


def test_waves_of_one_name_stay_apart(seeds):
    """A round that consists of two exchanges of the same name, as older runs call waves."""
    folder = seeds.played[0].folder
    rounds, clients = (folder.read(name, variant="pruned") for name in ("rounds", "clients"))
    for table in (rounds, clients):
        table["round"] = table["round"] // 2
    story = Story("1", "pruned", rounds, clients, exchange_of(rounds, clients))
    (one, two) = _round(story, 0, PHASES, typical=False)["exchanges"]
    assert one["name"] == two["name"]
    assert [len(each["parts"]) for each in (one, two)] == [10, 10]
    assert one["end"] == two["start"]
    assert min(part[1] for part in two["parts"]) >= one["end"]
