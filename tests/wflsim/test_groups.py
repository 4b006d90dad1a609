"""Groups in the records of a run: a table and a figure where devices are grouped, nothing where they are not."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.records.columns import GROUPS
from wflsim.records.folder import RunFolder
from wflsim.scenario.loading import parse
from wflsim.simulation.run import Run
from wflsim.simulation.setting import settle

TEXT = """\
name: groups
seed: 3
fleet: {devices: 6}
radio: {bandwidth_hz: 2e6}
task: {data: digits, partition: {kind: rotated, clusters: 2}, model: {kind: mlp, hidden: [6]}}
rounds: 4
evaluate_every: 4
variants:
  grouped: {algorithm: {kind: fedchar, steps: 6, gathers: 1, clustering: {kind: agglomerative, distance: null, count: 2}}}
  plain: {algorithm: {kind: fedavg, steps: 2}}
"""


def made(path, **more):
    loaded = parse(TEXT, "t")
    path.mkdir(exist_ok=True)
    return Run(loaded, settle(loaded.scenario.world), RunFolder(path), **more)


def read(path):
    return pq.read_table(path / "groups.parquet").to_pandas()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    run = made(tmp_path_factory.mktemp("run"))
    run.play(lambda *_: None)
    return run


def test_a_variant_that_groups_devices_leaves_them_behind(played):
    found = read(played.folder.path)
    assert list(found) == [column.name for column in GROUPS]
    assert set(found["variant"]) == {"grouped"}
    assert len(found) == 6 * 7 / 2
    own = found[found["device"] == found["other"]]
    assert (own["cosine"] == 1.0).all()
    assert own["group"].nunique() == 2
    assert found["cosine"].between(-1, 1).all()
    tables = played.tables()
    assert len(tables["plain"]["groups"]["device"]) == 0
    assert np.array_equal(tables["grouped"]["groups"]["cosine"], found["cosine"])


def test_the_digest_of_the_records_is_theirs_too(played):
    recorder = played.variants["grouped"].recorder
    before = recorder.digest()
    recorder.endings["groups"] = {
        **recorder.endings["groups"],
        "group": recorder.endings["groups"]["group"] + 1,
    }
    assert recorder.digest() != before
    recorder.endings["groups"]["group"] -= 1
    assert recorder.digest() == before


@pytest.mark.parametrize("when", [("grouped", 2), ("plain", 1)])
def test_a_run_that_was_cut_short_loses_no_groups(played, tmp_path, when):
    def watch(name, _, report):
        if (name, report.round_) == when:
            raise KeyboardInterrupt

    path = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        made(path).play(watch)
    assert (path / "groups.parquet").exists() == (when[0] == "plain")
    again = made(path)
    assert again.resume()
    again.play(lambda *_: None)
    assert read(path).equals(read(played.folder.path))
    assert [v.recorder.digest() for v in again.variants.values()] == [
        v.recorder.digest() for v in played.variants.values()
    ]


@pytest.mark.parametrize("grouped", [True, False])
def test_the_figure_is_drawn_where_there_is_something_to_draw(tmp_path, grouped):
    (tmp_path / "t.yaml").write_text(TEXT)
    arguments = ["run", str(tmp_path / "t.yaml"), "--out", str(tmp_path / "out")]
    gathers = "1" if grouped else "null"
    arguments += ["--set", f"variants.grouped.algorithm.gathers={gathers}", "--format", "json"]
    result = CliRunner().invoke(main, [*arguments, "--quiet"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    made_ = json.loads(result.stdout)["made"]
    assert set(made_) == {"overview", "anatomy"} | ({"groups"} if grouped else set())
    assert (tmp_path / "out" / "groups.png").exists() == grouped
    assert (tmp_path / "out" / "groups.pdf").exists() == grouped
