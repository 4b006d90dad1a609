import pytest

from wflsim.errors import ScenarioError, UserError
from wflsim.scenario.describe import origins, resolved
from wflsim.scenario.loading import load, parse, shipped

EIGHT = """\
name: eight
seed: one
fleet:
  placment: {kind: ring}
radio:
  bandwidth: 10MHz
  noise_figure_db: [7, 8]
channel:
  fading: rayliegh
  antennas: 4
  antennas: 8
task:
  data: digits
  partition: {kind: classes}
  model: {kind: mlp}
rounds: 5
algorithm: {kind: japp, personal_rate: -0.1}
"""


def mistakes(text, *assignments):
    with pytest.raises(ScenarioError) as caught:
        parse(text, "file.yaml", assignments)
    return caught.value.mistakes


def test_eight_mistakes_are_answered_by_eight_lines():
    found = mistakes(EIGHT)
    assert [(mistake.line, mistake.path) for mistake in found] == [
        (2, "seed"),
        (3, "fleet.devices"),
        (4, "fleet.placment"),
        (6, "radio.bandwidth"),
        (7, "radio.noise_figure_db"),
        (9, "channel.fading"),
        (11, "channel.antennas"),
        (17, "algorithm.personal_rate"),
    ]
    told = [str(mistake) for mistake in found]
    remedies = [
        "`seed: 0`",
        "`devices:`",
        "'placement'",
        "`bandwidth_hz: 10e6`",
        "one value",
        "'rayleigh'",
        "line 10",
        "1",
    ]
    assert all(remedy in line for remedy, line in zip(remedies, told, strict=True))
    assert str(ScenarioError(found)).count("\n") == 7


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bandwidth_hz: -1", "above 0, in Hz, got -1"),
        ("bandwidth_hz: 20 MHz", "write 20e6"),
        ("bandwidth_hz: '1e6'", "got '1e6'"),
        ("bandwidth_hz: .nan", "got nan"),
        ("bandwidth_hz: true", "got True"),
        ("bandwidth_hz: null", "got nothing"),
        ("bandwidth_hz: {a: 1}", "got {'a': 1}"),
    ],
)
def test_a_wrong_leaf_is_told_with_what_was_expected(tiny, line, said):
    (mistake,) = mistakes(tiny.replace("bandwidth_hz: 1e6", line))
    assert said in str(mistake)
    assert mistake.line == 4


def test_scientific_notation_is_a_number(tiny):
    assert parse(tiny, "t").scenario.world.radio.bandwidth_hz == 1e6


def test_a_components_own_check_is_told_at_its_key(tiny):
    (mistake,) = mistakes(tiny, "fleet.placement={kind: ring, radius_min_m: 10, radius_max_m: 5}")
    assert mistake.path == "fleet.placement.radius_max_m"


def test_an_override_wins_and_is_named_as_the_origin(tiny):
    loaded = parse(
        tiny, "t", ["radio.bandwidth_hz=2e6", "variants.pruned.algorithm.personal_steps=1"], seed=9
    )
    assert loaded.scenario.world.radio.bandwidth_hz == 2e6
    assert loaded.scenario.world.seed == 9
    assert loaded.scenario.systems["pruned"].algorithm.personal_steps == 1
    told = {key: origin for key, _, origin in origins(loaded)}
    assert told["radio.bandwidth_hz"] == "--set radio.bandwidth_hz=2e6"
    assert told["radio.noise_figure_db"] == "default"
    assert told["rounds" if "rounds" in told else "variants.pruned.rounds"] == "t:9"
    assert told["seed"] == "--seed"


def test_another_kind_replaces_the_whole_component(tiny):
    text = tiny.replace(
        "fleet: {devices: 4}",
        "fleet: {devices: 4}\nchannel: {shadowing: {kind: log_normal, sigma_db: 3}}",
    )
    assert (
        parse(
            text, "t", ["channel.shadowing=none"]
        ).scenario.world.channel.shadowing.__class__.__name__
        == "NoShadowing"
    )
    assert (
        parse(text, "t", ["channel.shadowing.sigma_db=5"]).scenario.world.channel.shadowing.sigma_db
        == 5
    )


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("radio.bandwith_hz=1", "did you mean 'bandwidth_hz'"),
        ("rounds", "not of the form"),
        ("=3", "not of the form"),
        ("rounds=ten", "got 'ten'"),
        ("algorithm=fedavg", "changes nothing"),
        ("rounds=[1", "not readable as YAML"),
    ],
)
def test_a_wrong_override_is_refused(tiny, assignment, said):
    assert said in str(mistakes(tiny, assignment)[0])


def test_variants_play_in_the_same_world(tiny):
    text = tiny + "  other: {channel: {antennas: 2}, algorthm: fedavg}\n"
    assert sorted(m.path for m in mistakes(text)) == [
        "variants.other.algorthm",
        "variants.other.channel",
    ]


def test_a_missing_key_of_all_variants_is_told_once(tiny):
    (mistake,) = mistakes(tiny.replace("rounds: 3\n", ""))
    assert mistake.path == "rounds"


def test_without_variants_the_algorithm_names_the_system(tiny):
    text = tiny.split("variants:")[0] + "algorithm: fedavg\n"
    assert list(parse(text, "t").scenario.systems) == ["fedavg"]


def test_the_resolved_scenario_loads_to_itself(tiny):
    import json

    for loaded in (parse(tiny, "t"), load("quickstart")):
        again = parse(json.dumps(resolved(loaded)), "t")
        assert again.scenario == loaded.scenario


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_loads(name):
    assert load(name).scenario.world.about


def test_an_unknown_scenario_is_answered_with_those_that_exist():
    with pytest.raises(UserError, match="did you mean 'quickstart'"):
        load("quickstar")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match="UTF-8"):
        load(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [1\n"])
def test_a_file_that_is_no_scenario_is_refused(text):
    with pytest.raises(ScenarioError):
        parse(text, "t")
