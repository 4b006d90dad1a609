"""`wflsim calibrate`: its table, its figure, its exit code."""

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from channel_models import calibration
from wflsim.cli.main import main
from wflsim.figures.calibration import PANELS, of

QUICK = ("calibrate", "--case", "inh", "--devices", "4000", "--drops", "2")


def wflsim(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "new" / "figure.png"


def test_it_prints_ours_beside_theirs_draws_and_succeeds(file):
    done = wflsim(*QUICK, "--figure", file)
    assert done.exit_code == 0
    assert "-71.1" in done.stdout
    assert "6 of 6 gated percentiles hold" in done.stdout
    assert file.stat().st_size > 10_000


def test_it_fails_when_the_radio_drifts(file, monkeypatch):
    real = calibration.deployment

    def louder(case, carrier_ghz):
        return real(case, 0.9 * carrier_ghz)

    monkeypatch.setattr(calibration, "deployment", louder)
    done = wflsim(*QUICK, "--figure", file)
    assert done.exit_code == 1
    assert "the others drifted" in done.stdout
    assert done.stdout.count("drifted") == 4  # three rows of the coupling, and the verdict
    assert file.exists()


def test_other_bands_are_drawn_but_not_judged(file):
    done = wflsim(*QUICK, "--carrier-ghz", "28", "--figure", file)
    assert done.exit_code == 0
    assert "no published curve is kept for 28 GHz" in done.stdout


@pytest.mark.parametrize(
    ("option", "value"), [("--carrier-ghz", "0.1"), ("--devices", "3"), ("--case", "moon")]
)
def test_what_cannot_be_is_refused(option, value, file):
    done = wflsim("calibrate", option, value, "--figure", file)
    assert done.exit_code == 2
    assert option in done.stderr
    assert not file.exists()


def test_the_figure_has_a_line_and_its_references_for_each_network():
    curves = calibration.drop(calibration.deployment("inh", 6.0), 500, 1)
    rows = calibration.compare("inh", 6.0, curves)
    figure = of({"indoor office": (curves, rows)})
    assert isinstance(figure, Figure)
    for axes, label in zip(figure.axes, PANELS.values(), strict=True):
        assert axes.get_xlabel() == label
        drawn = [mark for mark in axes.containers if len(mark.lines[0].get_xdata())]
        assert len(drawn) == 3  # 5, 50 and 95 %
    assert figure.axes[0].get_ylabel() == "devices below [%]"
