"""A scenario's parameters: all that matters, with units, and nothing that is off."""

from click.testing import CliRunner

from wflsim.cli.main import main
from wflsim.scenario.loading import load
from wflsim.tables.parameters import parameters


def told(name, *assignments):
    rows = parameters(load(name, assignments)).rows
    return {row[0].text: (row[1].text, row[2].text) for row in rows}


def test_values_have_units_and_symbols_where_there_are_some():
    found = told("quickstart")
    assert found["devices"] == ("$K$", "10")
    assert found["uplink bandwidth"] == ("$B$", "1 MHz")
    assert found["clock rate"] == ("$f_k$", "100 to 400 MHz")
    assert found["path loss"][1].startswith("log distance (intercept 128.1 dB")
    assert found["rounds"][1] == "60"


def test_what_is_off_is_left_out_and_what_is_on_is_told():
    assert not {"battery", "slowness", "availability", "paging", "margin"} & set(told("quickstart"))
    on = told("quickstart", "fleet.battery.kind=battery", "fleet.battery.capacity_j=60")
    assert "capacity 60 J" in on["battery"][1]
    assert told("quickstart", "procedures.margin_s=0.02")["margin"][1] == "20 ms"
    assert told("quickstart", "radio.noise_figure_db=0")["noise figure"][1] == "0 dB"


def test_what_variants_do_not_share_is_told_of_each():
    found = told("quickstart")
    assert found["algorithm, fedavg"][1].startswith("fedavg (steps 8")
    assert found["deadline, pruned"] == ("$T$", "relative (share 0.5)")
    assert "deadline, fedavg" not in found
    assert "policy" in found
    many = told("policies")
    assert many["rounds, buffered"][1] == "360"
    assert many["rounds, others"][1] == "120"


def test_the_command_prints_it():
    done = CliRunner().invoke(
        main, ["table", "protocol", "--parameters", "--format", "latex", "--set", "rounds=7"]
    )
    assert done.exit_code == 0
    assert r"rounds &  & 7 \\" in done.stdout
    assert r"$p_k^{\max}$" in done.stdout
    assert r"margin, nr\_with\_margin &  & 60 ms" in done.stdout


def test_the_deviation_of_a_path_loss_is_told_where_shadowing_takes_it():
    def loss(*assignments):
        return told("quickstart", *assignments)["path loss"][1]

    plain = "log distance (intercept 128.1 dB, slope 37.6 dB"
    assert loss() == loss("channel.shadowing=none") == f"{plain})"
    assert loss("channel.shadowing.sigma_db=null") == f"{plain}, sigma 8 dB)"
