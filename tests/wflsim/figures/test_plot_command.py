"""`wflsim plot`: files that are the same bits each time and tell what they show, and sentences where it cannot draw."""

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.figures.catalogue import FIGURES
from wflsim.results import load


def plot(*arguments):
    return CliRunner().invoke(main, ["plot", *map(str, arguments)], catch_exceptions=False)


def test_without_a_figure_all_are_listed():
    done = plot()
    assert done.exit_code == 0
    assert [row.split()[0] for row in done.stdout.splitlines()] == list(FIGURES)
    assert all(drawing.about in done.stdout for drawing in FIGURES.values())


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_runs_give_the_same_bits_which_tell_what_they_show(ending, little, tmp_path):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        done = plot(little, "--figure", "progress", "--out", path, "--width", "one")
        assert done.exit_code == 0, done.output
        assert done.stdout == f"progress: {path}\n"
        assert done.stderr == ""
    first, again = (path.read_bytes() for path in paths)
    assert first == again
    digest = load(little / "seed-2").played[0].told["variants"]["fedavg"]["records_sha256"]
    assert digest.encode() in first
    assert b"--figure progress --width one" in first
    assert b"CreationDate" not in first
    assert b"dc:date" not in first


def test_a_figure_of_no_run_tells_the_command_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("wflsim.figures.calibration.DEVICES", 300)
    done = plot("--figure", "calibration", "--out", tmp_path / "c.svg", "--width", "one")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    found = (tmp_path / "c.svg").read_text()
    assert "--figure calibration --width one" in found
    assert "records_sha256" not in found


def test_fonts_are_embedded_as_truetype(little, tmp_path):
    plot(little, "--figure", "summary", "--out", tmp_path / "s.pdf")
    found = (tmp_path / "s.pdf").read_bytes()
    assert b"/FontFile2" in found
    assert not re.search(rb"/Subtype\s*/Type3", found)


def test_runs_of_several_folders_stand_together_once(little, tmp_path):
    both = load(little / "seed-1", little, little / "seed-2")
    assert sorted(both.runs["seed"]) == [1, 2]
    assert both.rounds["run"].nunique() == 2
    folders = [little / "seed-1", little / "seed-2"]
    plot(*folders, "--figure", "pareto", "--out", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().count("seed-") >= 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--figure", "progres", "--out", "a.pdf"], "did you mean 'progress'"),
        (["--figure", "cdf"], "where to\\? Write `wflsim plot RUN --figure cdf --out cdf.pdf`"),
        (["--figure", "cdf", "--out", "a.docx"], "'.docx' tells no format; let it end in .pdf"),
        (["--figure", "cdf", "--out", "a.pdf", "--over", "s"], "no choice of it"),
        (["--figure", "cdf", "--out", "a.pdf", "--variant", "x"], "x: was not played"),
        (["--figure", "cdf", "--out", "a.pdf", "--style", "x"], "no style of matplotlib"),
        (["--figure", "pareto", "--out", "a.pdf", "--measure", "acc"], "do not tell 'acc'"),
        (
            ["--figure", "calibration", "--out", "a.pdf"],
            "is of no run. Write `wflsim plot --figure",
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, said, little, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = plot(little, *arguments)
    assert done.exit_code == 2
    assert re.search(said, done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_pgf_needs_tex(little, tmp_path, monkeypatch):
    monkeypatch.setattr("wflsim.figures.paper.which", lambda _: None)
    done = plot(little, "--figure", "cdf", "--out", tmp_path / "a.pgf")
    assert done.exit_code == 2
    assert "PGF needs TeX" in done.stderr
    assert "write .pdf or .svg" in done.stderr


def test_folders_with_nothing_to_draw_are_told(little, tmp_path):
    done = plot(tmp_path, "--figure", "cdf", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "holds no run" in done.stderr
    shutil.copytree(little / "seed-1", tmp_path / "run")
    path = tmp_path / "run" / "rounds.parquet"
    table = pq.read_table(path)
    for name in [
        each for each in table.column_names if each.startswith(("accuracy", "loss", "cal"))
    ]:
        nothing = pa.nulls(len(table), pa.float64())
        table = table.set_column(table.column_names.index(name), name, nothing)
    pq.write_table(table, path)
    done = plot(tmp_path / "run", "--figure", "progress", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "nothing was trained in them; draw cdf" in done.stderr
    pq.write_table(table.drop_columns(["accuracy_jain"]), path)
    done = plot(tmp_path / "run", "--figure", "fairness", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "do not tell accuracy_jain, since they are older; play them again" in done.stderr
    pq.write_table(table.drop_columns(["gap"]), path)
    done = plot(tmp_path / "run", "--figure", "certificate", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "gap" in done.stderr


def test_runs_that_were_cut_short_before_a_round_was_over_are_told(little, tmp_path):
    shutil.copytree(little / "seed-1", tmp_path / "run")
    path = tmp_path / "run" / "clients.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    done = plot(tmp_path / "run", "--figure", "cdf", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "clients are empty, no round is over" in done.stderr
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "variants": {}}))
    done = plot(tmp_path / "run", "--figure", "pareto", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "no variant was played so far" in done.stderr


def test_texts_that_cannot_be_read_are_told(little, tmp_path):
    style = tmp_path / "huge.mplstyle"
    style.write_text("axes.labelsize: 16\n")
    done = plot(little, "--figure", "cdf", "--out", tmp_path / "a.png", "--style", style)
    assert done.exit_code == 0
    assert "warning: " in done.stderr
    assert "take --width two" in done.stderr


def test_a_run_without_a_table_is_told_in_a_sentence(little, tmp_path):
    shutil.copytree(little / "seed-1", tmp_path / "run")
    (tmp_path / "run" / "clients.parquet").unlink()
    done = plot(tmp_path / "run", "--figure", "overview", "--out", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "holds no clients.parquet" in done.stderr
