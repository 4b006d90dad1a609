"""Frames for other programs: what is written is what is read back, in every format."""

import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from scipy.io import loadmat

from wflsim import results
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.exports import LONGEST, chosen, flattened, valid_names, write


def wflsim(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, play):
    """Two runs of quickstart without training that differ in a bandwidth."""
    root = tmp_path_factory.mktemp("runs")
    for name, bandwidth in (("a", 1e6), ("b", 2e6)):
        own = f"radio.bandwidth_hz={bandwidth}"
        play(root / name, "quickstart", "learning=none", "rounds=2", own)
    return root


@pytest.fixture(scope="module")
def frame(runs):
    return flattened(results.load(runs).rounds)


def read_csv(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_dat(path):
    """Read columns apart by spaces, in which a text that says nothing is a dash."""
    return pd.read_csv(path, sep=" ", dtype=str, keep_default_na=False).replace("-", "")


def read_mat(path):
    content = loadmat(path)
    names = {made: str(content["names"][0, 0][made][0]) for made in content["names"].dtype.names}
    struct = content["rounds"][0, 0]
    return pd.DataFrame({names[made]: column(struct[made]) for made in struct.dtype.names})


def column(values):
    assert values.shape[1] == 1
    if values.dtype == object:
        return [str(text[0]) if text.size else "" for text in values[:, 0]]
    return values[:, 0]


READERS = {
    ".csv": read_csv,
    ".parquet": lambda path: pq.read_table(path).to_pandas(),
    ".mat": read_mat,
    ".dat": read_dat,
}


@pytest.mark.parametrize("ending", READERS)
def test_what_is_read_back_is_the_frame(frame, tmp_path, ending):
    path = write(frame, tmp_path / f"out{ending}", "rounds")
    found = READERS[ending](path)
    assert list(found) == list(frame)
    assert frame["deadline_s"].map(np.isinf).any()
    assert frame["accuracy_personal"].isna().all()
    for name in frame:
        if pd.api.types.is_numeric_dtype(frame[name]):
            np.testing.assert_array_equal(found[name].astype(float), frame[name].astype(float))
        else:
            assert found[name].tolist() == frame[name].tolist()
    assert [path.name for path in tmp_path.iterdir()] == [f"out{ending}"]


def test_units_travel(frame, tmp_path):
    schema = pq.read_schema(write(frame, tmp_path / "out.parquet"))
    assert schema.field("energy_j").metadata[b"unit"] == b"J"
    assert schema.field("radio.bandwidth_hz").metadata[b"unit"] == b"Hz"
    assert schema.field("energy_j").metadata[b"meaning"].startswith(b"Energy of the updates")
    units = loadmat(write(frame, tmp_path / "out.mat"))["units"][0, 0]
    assert units["energy_j"][0] == "J"
    assert units["radio_bandwidth_hz"][0] == "Hz"
    assert units["participants"].size == 0


def test_names_for_matlab_are_valid_unique_and_no_longer_than_it_takes():
    long = "variants.pruned.algorithm." + "x" * 60
    names = ["a.b", "a_b", "2nd", "_own", "end", "é", f"{long}1", f"{long}2", "class"]
    found = valid_names(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    for made in found.values():
        assert re.fullmatch(r"[A-Za-z]\w*", made, re.ASCII)
        assert len(made) <= LONGEST
    assert found["a.b"] == "a_b"


def test_a_text_in_columns_for_latex_is_one_word(tmp_path):
    frame = pd.DataFrame({"a name": ['no "power" left', "", "x"], "value_s": [1.0, np.nan, np.inf]})
    text = write(frame, tmp_path / "out.dat").read_text()
    assert text == "a_name value_s\nno_power_left 1.0\n- nan\nx inf\n"


def test_values_that_set_runs_apart_are_numbers_or_texts():
    odd = pd.DataFrame({"a": [(1, 2), None], "b": [None, 2], "c": [True, False]}, dtype=object)
    found = flattened(odd)
    assert found["a"].tolist() == ["(1, 2)", ""]
    assert np.isnan(found["b"][0])
    assert found["b"][1] == 2.0
    assert found["c"].tolist() == ["True", "False"]


def test_some_columns_stand_beside_what_tells_the_run(runs):
    loaded = results.load(runs)
    own = ["run", "scenario", "seed", "radio.bandwidth_hz"]
    assert list(chosen(loaded, "clients", ["seed", "device"])) == [*own, "device"]
    assert list(chosen(loaded, "finals", ["energy_j"]))[-1] == "energy_j"
    assert list(chosen(loaded, "runs"))[: len(own)] == ["run", "scenario", "seed", "status"]


def test_the_command_writes_and_says_what(runs, tmp_path):
    done = wflsim(
        "export", runs / "a", runs / "b", "--out", tmp_path / "o.csv", "--table", "finals"
    )
    assert done.exit_code == 0
    assert "6 rows" in done.stdout
    assert read_csv(tmp_path / "o.csv")["variant"].tolist() == 2 * ["pruned", "fedalt", "fedavg"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "o.xls"], "no format ends with '.xls'; end it with one of .csv"),
        (["--out", "o.csv", "--columns", "energy"], "did you mean 'energy_j'"),
        (["--out", "o.csv", "--table", "finals", "--columns", "x"], "no column 'x'"),
        (["--out", "o.csv", "--table", "groups"], "no run has a table 'groups'"),
    ],
)
def test_mistakes_are_told(runs, arguments, said):
    done = wflsim("export", runs, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_file_that_cannot_be_written_is_told(frame, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(frame, tmp_path / "file" / "out.csv")
