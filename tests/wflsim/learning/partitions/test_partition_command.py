import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.colors import to_rgba

from wflsim.cli.main import main
from wflsim.figures.partition import BUBBLES, INK, arranged, draw
from wflsim.learning.partitions.skew import census


def wflsim(*arguments):
    return CliRunner().invoke(main, ["partition", *map(str, arguments)], catch_exceptions=False)


def test_json_tells_what_lies_where(tiny_file):
    done = wflsim(tiny_file, "--format", "json", "--set", "task.validation_share=0.25")
    found = json.loads(done.stdout)
    assert [row["device"] for row in found["devices"]] == [0, 1, 2, 3]
    for row in found["devices"]:
        assert row["train"] + row["validation"] + row["test"] == sum(row["counts"])
        assert row["classes"] == np.count_nonzero(row["counts"]) == 2
        assert row["largest_share"] == max(row["counts"]) / sum(row["counts"])
        assert row["cluster"] is None
    assert 1 < found["summary"]["effective_classes"] <= 2
    assert 0.5 < found["summary"]["total_variation"] < 1


def test_the_table_has_a_row_a_device_and_a_last_line_of_all(tiny_file):
    chosen = ("--set", "task.partition=rotated", "--set", "task.partition.clusters=2")
    lines = wflsim(tiny_file, *chosen).stdout.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split("│")[-2].strip() for row in rows] == ["0", "1", "0", "1"]
    assert lines[-1].startswith("4 devices, 1797 samples, mean distance of mixes 0.0")


@pytest.mark.parametrize("ending", ["png", "svg", pytest.param("pdf", marks=pytest.mark.slow)])
def test_a_picture_is_drawn_and_named(tiny_file, tmp_path, ending):
    paths = [tmp_path / "new" / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        done = wflsim(tiny_file, "--out", path)
        assert done.exit_code == 0
        assert f"figure: {path}" in done.stdout
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_cannot_be_drawn_is_refused_before_anything_is_read(tmp_path):
    done = wflsim("no such scenario", "--out", tmp_path / "a.bmp")
    assert done.exit_code == 2
    assert done.stderr.startswith("--out: end it in .png, .pdf, .svg, got")


def test_a_file_where_a_folder_should_be_is_refused(tiny_file):
    done = wflsim(tiny_file, "--out", tiny_file / "a.png")
    assert done.exit_code == 2
    assert done.stderr.startswith("--out: choose a file that can be written")


def test_a_partition_that_cannot_be_is_a_mistake_at_its_key(tiny_file):
    done = wflsim(tiny_file, "--set", "task.partition=users")
    assert done.exit_code == 2
    assert "task.partition: users are not known" in done.stderr


def test_neither_torch_nor_matplotlib_is_imported_for_a_table():
    code = (
        "import sys, contextlib, io\n"
        "from wflsim.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['partition', 'quickstart'])\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {module.partition(".")[0] for module in done.stdout.split()}
    assert "numpy" in found
    assert found & {"torch", "matplotlib", "simpy", "cvxpy", "pandas"} == set()


def lying(devices, clusters=None):
    labels = np.arange(devices * 30) % 10
    parts = np.array_split(np.random.default_rng(0).permutation(len(labels)), devices)
    kept = [[part[cut] for part in parts] for cut in (slice(20), slice(20, 22), slice(22, None))]
    return census(labels, kept, 10, clusters)


def test_few_devices_are_bubbles_whose_areas_are_their_numbers():
    found = lying(6)
    figure = draw("six", found, np.zeros((6, 2)))
    (discs,) = (c for axes in figure.axes for c in axes.collections)
    areas, counts = discs.get_sizes(), found.counts[np.nonzero(found.counts)]
    assert areas / areas.max() == pytest.approx(counts / counts.max())
    assert discs.get_facecolor()[0].tolist() == list(to_rgba(INK))


def test_many_devices_are_shades_that_add_up_to_one():
    devices = BUBBLES + 1
    figure = draw("many", lying(devices), np.zeros((devices, 2)))
    (image,) = (i for axes in figure.axes for i in axes.images)
    assert np.allclose(image.get_array().sum(axis=0), 1.0)
    main = image.get_array().argmax(axis=0)
    assert (np.diff(main) >= 0).all()


def test_devices_stand_together_with_their_cluster():
    found = lying(6, np.array([1, 0, 1, 0, 2, 0]))
    assert arranged(found).tolist() == [1, 3, 5, 0, 2, 4]
    assert arranged(lying(6)).tolist() == list(range(6))
