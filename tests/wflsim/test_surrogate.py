import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from wflsim.cli.fit import command
from wflsim.errors import UserError
from wflsim.learning.surrogate import Surrogate, fit

SHARES = st.floats(0.0, 1.0)
CURVES = st.builds(
    lambda shares, rounds, exponent: Surrogate(min(shares), max(shares), rounds, exponent),
    st.tuples(SHARES, SHARES),
    st.floats(0.1, 1000.0),
    st.floats(0.05, 10.0),
)
KNOWN = [
    Surrogate(0.1, 0.9, 10.0, 1.0),
    Surrogate(0.1, 0.98, 3.0, 0.4),
    Surrogate(0.02, 0.7, 80.0, 6.0),
    Surrogate(0.0, 1.0, 1.0, 2.0),
    Surrogate(0.5, 0.55, 25.0, 1.5),
    Surrogate(0.1, 1.0, 0.5, 0.1),
]


def accuracies(curve, progress):
    return np.array([curve.accuracy(x) for x in progress])


@given(CURVES, st.lists(st.floats(0.0, 1e6), min_size=2, max_size=9))
def test_accuracy_rises_from_floor_towards_ceiling(curve, progress):
    found = accuracies(curve, sorted(progress))
    assert curve.accuracy(0.0) == pytest.approx(curve.floor, abs=1e-15)
    assert (np.diff(found) >= -1e-15).all()
    assert found.min() >= curve.floor - 1e-15
    assert found.max() <= curve.ceiling


def test_accuracy_is_the_formula():
    assert Surrogate(0.2, 0.8, 5.0, 3.0).accuracy(15.0) == pytest.approx(0.8 - 0.6 * 4.0**-3)
    assert Surrogate(0.2, 0.8, 5.0, 3.0).accuracy(1e30) == pytest.approx(0.8)


def test_a_curve_that_falls_is_refused():
    with pytest.raises(ValueError, match="ceiling must not be below the floor"):
        Surrogate(floor=0.6, ceiling=0.5)


@pytest.mark.parametrize("curve", KNOWN, ids=str)
@pytest.mark.parametrize("rounds", [6, 100])
def test_data_of_a_curve_are_fitted_back(curve, rounds):
    progress = np.arange(1.0, rounds + 1)
    found = fit(progress, accuracies(curve, progress))
    assert found.rmse < 1e-6
    assert accuracies(found.surrogate, progress) == pytest.approx(
        accuracies(curve, progress), abs=1e-6
    )


@pytest.mark.parametrize("curve", [c for c in KNOWN if c.accuracy(400.0) < 0.95], ids=str)
def test_noise_is_not_fitted(curve):
    progress, sigma = np.arange(1.0, 401.0), 0.01
    clean = accuracies(curve, progress)
    noisy = clean + sigma * np.random.default_rng(4).standard_normal(400)
    found = fit(progress, noisy)
    fitted = accuracies(found.surrogate, progress)
    noise = np.sqrt(np.mean((noisy - clean) ** 2))
    assert 0.8 * noise < found.rmse <= noise
    assert np.sqrt(np.mean((fitted - clean) ** 2)) < sigma / 4
    assert found.rmse == pytest.approx(np.sqrt(np.mean((fitted - noisy) ** 2)))


def test_rounds_that_were_not_evaluated_change_nothing():
    progress = np.arange(1.0, 41.0)
    accuracy = accuracies(KNOWN[0], progress)
    gaps = np.where(progress % 4 == 0, accuracy, np.nan)
    assert fit(progress, gaps) == fit(progress[3::4], accuracy[3::4])


def test_what_falls_is_fitted_by_a_level():
    found = fit([1, 2, 3, 4, 5], [0.5, 0.4, 0.3, 0.2, 0.1])
    assert accuracies(found.surrogate, [1.0, 5.0]) == pytest.approx([0.3, 0.3], abs=1e-3)


@pytest.mark.parametrize(
    ("progress", "accuracy", "said"),
    [
        ([1, 2, 3], [0.1, 0.2, 0.3], "at least 4 rounds, got 3"),
        ([1, 2, 3, 4], [0.1, 0.2, 0.3, np.nan], "at least 4 rounds, got 3"),
        ([1, 2, 2, 1], [0.1, 0.2, 0.3, 0.4], "at least 4 rounds, got 2"),
        ([], [], "at least 4 rounds, got 0"),
        ([1, 2, 3, 4], [0.5] * 4, "must change, got 0.5"),
        ([1, 2, 3, 4], [10.0, 20.0, 30.0, 40.0], "between 0 and 1"),
        ([-1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], "at least 0"),
        ([1, 2, 3, 4, 5], [0.1, 0.2, 0.3, 0.4], "of one length"),
    ],
)
def test_what_tells_no_curve_is_refused(progress, accuracy, said):
    with pytest.raises(ValueError, match=said):
        fit(progress, accuracy)


def test_the_surrogate_needs_no_torch():
    code = "import sys, wflsim.learning.surrogate; print('torch' in sys.modules, 'scipy.optimize' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.fixture
def run(tmp_path):
    """Return a run folder with two curves, evaluated after the last exchange of a round, and one that is too short."""
    rows = {name: [] for name in ("variant", "progress", "accuracy_personal", "accuracy_worst")}
    curves = {"first": (KNOWN[0], 30), "second": (KNOWN[1], 30), "short": (KNOWN[2], 3)}
    for name, (curve, rounds) in curves.items():
        for round_ in range(rounds):
            for value in (np.nan, curve.accuracy(round_ + 1)):
                for column, cell in zip(
                    rows, (name, 0.0 if np.isnan(value) else 1.0, value, value / 2), strict=True
                ):
                    rows[column].append(cell)
    pq.write_table(pa.table(rows), tmp_path / "rounds.parquet")
    return tmp_path


def told(*arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False).stdout


def test_fit_prints_yaml_that_makes_the_curve_of_the_run(run):
    text = told(run, "--variant", "second")
    learning = YAML(typ="safe").load(text)["learning"]
    assert learning.pop("kind") == "surrogate"
    assert text.startswith("# second: ")
    x = np.arange(1.0, 31.0)
    assert accuracies(Surrogate(**learning), x) == pytest.approx(accuracies(KNOWN[1], x), abs=1e-5)


def test_fit_as_json_has_every_variant_and_its_error(run):
    found = json.loads(
        told(run, "--variant", "first", "--variant", "second", "--format", "json",
             "--column", "accuracy_worst")
    )  # fmt: skip
    assert list(found) == ["first", "second"]
    for name, curve in zip(found, KNOWN, strict=False):
        assert found[name]["rmse"] < 1e-6
        assert found[name]["evaluated"] == 30
        learning = found[name]["learning"]
        assert learning.pop("kind") == "surrogate"
        assert Surrogate(**learning).accuracy(7.0) == pytest.approx(
            curve.accuracy(7.0) / 2, abs=1e-5
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["{run}", "--variant", "short"],
            "short: accuracy must be known after at least 4 rounds, got 3",
        ),
        (["{run}", "--variant", "frist"], "no variant 'frist'; did you mean 'first'"),
        (["{run}", "--column", "accuracy_globl"], "accuracy_globl"),
        (["{run}", "--column", "variant"], "no accuracy 'variant'"),
        (["{run}/nowhere"], "nowhere: holds no rounds.parquet"),
    ],
)
def test_mistakes_are_told(run, arguments, said):
    with pytest.raises(UserError, match=said):
        told(*(argument.format(run=run) for argument in arguments))


def test_what_cannot_be_fitted_does_not_keep_the_others_back(run):
    done = CliRunner().invoke(command, [str(run)])
    assert done.exit_code == 0
    assert "short: accuracy must be known" in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("# ")] != []
    assert "# first" in done.stdout
    assert "# short" not in done.stdout


def test_a_broken_table_is_told(tmp_path):
    (tmp_path / "rounds.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match="cannot be read"):
        told(tmp_path)
