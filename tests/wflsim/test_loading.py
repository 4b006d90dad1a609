import re

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
        ("bandwidth_hz: -1", "above 0, in Hz, got -1; write for example `bandwidth_hz: 1`"),
        ("bandwidth_hz: 20 MHz", "write `bandwidth_hz: 20e6`"),
        ("bandwidth_hz: 20 mhz", "write `bandwidth_hz: 20e6`"),
        ("bandwidth_hz: -20MHz", "write for example"),
        ("bandwidth_hz: 1.2.3MHz", "write for example"),
        ("bandwidth_hz: '1e6'", "write `bandwidth_hz: 1e6`"),
        ("bandwidth_hz: .nan", "got NaN"),
        ("bandwidth_hz: true", "got true"),
        ("bandwidth_hz: null", "got nothing"),
        ("bandwidth_hz: [1, 2]", "give one value, not a list"),
        ("bandwidth_hz: !!int abc", "'abc' cannot be read"),
        ("bandwidth_mhz: 20", "write `bandwidth_hz: 20e6`"),
        ("bandwidth: 20MHz", "write `bandwidth_hz: 20e6`"),
        ("<<: {}", "no merge keys"),
    ],
)
def test_a_wrong_leaf_is_told_with_what_to_write(tiny, line, said):
    found = mistakes(tiny.replace("bandwidth_hz: 1e6", line))
    assert {mistake.line for mistake in found} == {4}
    assert said in "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("fleet.power_dbm=[100mW, 1W]", "[20, 30]"),
        ("fleet.cpu_hz=2GHz", "[2e9, 2e9]"),
        ("fleet.cpu_hz=[1GHz, 2GHz]", "[1e9, 2e9]"),
        ("fleet.cpu_hz=[2e9, 1e9]", "[1e+09, 2e+09]"),
        ("deadline={kind: fixed, limit_s: 5min}", "300"),
        ("task.test_share=20%", "0.2"),
        ("radio.downlink_w=20", "43.0103"),
    ],
)
def test_what_was_meant_is_what_to_write_and_loads(tiny, assignment, written):
    found = mistakes(tiny.replace(", deadline: {kind: relative, share: 0.5}", ""), assignment)
    remedy = str(found[0])
    assert f": {written}`" in remedy
    key, value = remedy.rpartition("write `")[2].rstrip("`").split(": ", 1)
    path = found[0].path.rpartition(".")[0]
    mended = (
        f"deadline={{kind: fixed, {key}: {value}}}"
        if path == "deadline"
        else f"{path}.{key}={value}"
    )
    parse(tiny.replace(", deadline: {kind: relative, share: 0.5}", ""), "t", [mended])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "algorithm: fedavg",
            "algorithm: [fedavg]",
            "expected a kind of algorithm, got the list",
        ),
        ("algorithm: fedavg", "algorithm: {kind: {a: b}}", "expected a kind"),
        ("algorithm: fedavg", "algorithm: {steps: 3}", "missing; add `kind: ...`"),
        ("allocator: dense", "allocator: null", "expected a kind"),
        ("name: tiny", "name: ../out", "letters, digits"),
        ("name: tiny", "name: ''", "letters, digits"),
        ("fedavg:", "../evil:", "not a name"),
        ("fedavg:", "$x^$:", "not a name"),
        ("fedavg:", "FedAlt:", "in case alone"),
        ("devices: 4", "devices: 4.5", "a whole number"),
        ("task:", "task: &a\n  again: *a", "refers to itself"),
        ("name: tiny", "name: 'a\x00b'", "not readable"),
        ("seed: 3", "seed: " + "[" * 3000, "not readable"),
    ],
)
def test_odd_files_get_a_sentence(tiny, old, new, said):
    with pytest.raises(ScenarioError, match=re.escape(said)):
        parse(tiny.replace(old, new), "t")


def test_scientific_notation_is_a_number(tiny):
    assert parse(tiny, "t").scenario.world.radio.bandwidth_hz == 1e6


def test_a_components_own_check_is_told_at_its_key(tiny):
    (mistake,) = mistakes(tiny, "fleet.placement={kind: ring, radius_min_m: 10, radius_max_m: 5}")
    assert mistake.path == "fleet.placement.radius_max_m"


def test_an_override_wins_and_is_named_as_the_origin(tiny):
    assignments = [
        "radio.bandwidth_hz=2e6",
        "variants.pruned.algorithm.personal_steps=1",
        "rounds=7",
        "rounds=8",
    ]
    loaded = parse(tiny, "t", assignments, seed=9)
    assert loaded.scenario.world.radio.bandwidth_hz == 2e6
    assert loaded.scenario.world.seed == 9
    assert loaded.scenario.systems["pruned"].algorithm.personal_steps == 1
    assert {system.rounds for system in loaded.scenario.systems.values()} == {8}
    told = {key: origin for key, _, origin in origins(loaded)}
    assert told["radio.bandwidth_hz"] == "--set radio.bandwidth_hz=2e6"
    assert told["radio.noise_figure_db"] == "default"
    assert told["task.data.kind"] == "t:6"
    assert told["variants.pruned.rounds"] == "--set rounds=8"
    assert told["seed"] == "--seed"


def test_an_override_of_what_systems_share_reaches_every_system(tiny):
    systems = parse(
        tiny, "t", ["algorithm.batch_size=16", "allocator=equal_share"]
    ).scenario.systems
    assert {system.algorithm.batch_size for system in systems.values()} == {16}
    assert {type(system.allocator).__name__ for system in systems.values()} == {"EqualShare"}
    (one, *_) = mistakes(tiny, "algorithm.masked_steps=1")
    assert "unknown key of fedalt" in str(one)


def test_a_component_that_has_a_default_needs_no_kind(tiny):
    assert parse(tiny, "t", ["engine.threads=2"]).scenario.world.engine.threads == 2
    assert (
        parse(
            tiny, "t", ["channel.path_loss.slope_db=30"]
        ).scenario.world.channel.path_loss.slope_db
        == 30
    )
    (mistake,) = mistakes(tiny, "engine.thread=2")
    assert "unknown key of auto; did you mean 'threads'" in str(mistake)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("algorithm: fedavg", "algorithm: {}", "algorithm.kind"),
        ("algorithm: fedavg", "algorithm: {steps: 3}", "algorithm.kind"),
        ("algorithm: fedavg", "algorithm: fedavg\ndeadline: relative", "deadline.share"),
    ],
)
@pytest.mark.parametrize("variants", ["", "variants: {a: , b: }\n"])
def test_what_a_component_misses_is_told_once(tiny, old, new, path, variants):
    text = tiny.partition("variants:")[0] + "algorithm: fedavg\n" + variants
    (mistake,) = mistakes(text.replace(old, new))
    assert mistake.path == path


def test_a_kind_left_to_the_default_merges_like_one_that_is_written(tiny):
    text = tiny.replace("rounds: 3", "rounds: 3\nallocator: {tolerance: 1e-9}")
    systems = parse(
        text.replace("allocator: dense", "allocator: {kind: convex}"), "t"
    ).scenario.systems
    assert systems["pruned"].allocator.tolerance == 1e-9
    assert systems["fedalt"].allocator.tolerance == 1e-10
    text = tiny.replace("rounds: 3", "rounds: 3\nengine: {threads: 4}")
    assert parse(text, "t", ["engine=auto"]).scenario.world.engine.threads == 4
    assert parse(text, "t", ["engine.kind=loop"]).scenario.world.engine.threads == 1


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("rounds: 3\n", "", 1),
        ("rounds: 3\n", "ronds: 3\n", 1),
        ("variants:", "varaints:", 1),
        ("devices: 4", "devices: !foo 4", 1),
        ("devices: 4", "devices: !!bool abc", 1),
        ("devices: 4", 'devices: 4, "a\\nb": 1', 1),
        ("devices: 4", "devices: 4, ? [a, b] : 2", 1),
        ("name: tiny", "%YAML 1.3\n---\nname: tiny", 1),
        ("devices: 4", "devices: 4, cpu_hz: [" + "9" * 400 + ", 1]", 1),
        ("hidden: [7]", "hidden: 64", 1),
    ],
)
def test_one_slip_is_one_line(tiny, old, new, lines):
    found = mistakes(tiny.replace(old, new))
    assert str(ScenarioError(found)).count("\n") + 1 == len(found) == lines


def test_the_same_slip_in_every_variant_is_told_there_and_nowhere_else(tiny):
    text = tiny.replace("rounds: 3\n", "").replace("{algorithm:", "{ronds: 3, algorithm:")
    assert [(m.line, m.path) for m in mistakes(text)] == [
        (line, f"variants.{name}.ronds")
        for line, name in ((10, "pruned"), (11, "fedalt"), (12, "fedavg"))
    ]


def test_a_number_for_a_list_is_offered_as_a_list(tiny):
    (mistake,) = mistakes(tiny.replace("hidden: [7]", "hidden: 64"))
    assert "write `hidden: [64]`" in str(mistake)


def test_a_bare_word_is_a_kind_and_another_kind_replaces_the_whole_component(tiny):
    text = tiny.replace("fleet:", "channel: {shadowing: {kind: log_normal, sigma_db: 3}}\nfleet:")

    def shadowing(assignment):
        return parse(text, "t", [assignment]).scenario.world.channel.shadowing

    assert type(shadowing("channel.shadowing=none")).__name__ == "NoShadowing"
    assert shadowing("channel.shadowing.sigma_db=5").sigma_db == 5
    assert shadowing("channel.shadowing=log_normal") == shadowing(
        "channel.shadowing={kind: log_normal}"
    )
    assert shadowing("channel.shadowing=log_normal").sigma_db == 3


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("radio.bandwith_hz=1", "did you mean 'bandwidth_hz'"),
        ("rounds", "not of the form"),
        ("=3", "not of the form"),
        ("rounds=ten", 'got "ten"'),
        ("rounds=", "got nothing"),
        ("rounds=# nothing", "got nothing"),
        ("rounds=[1", "not readable as YAML"),
        ("variants.prunned.rounds=1", "did you mean 'pruned'"),
        ("variants=1", "no such variant"),
        ("radio={bandwidth_hz: 1, bandwidth_hz: 2}", "repeated key"),
    ],
)
def test_a_wrong_override_is_refused(tiny, assignment, said):
    assert said in str(mistakes(tiny, assignment)[0])


def test_a_variant_cannot_be_invented_on_the_command_line(tiny):
    text = tiny.split("variants:")[0] + "algorithm: fedavg\n"
    assert "no such variant" in str(mistakes(text, "variants.fedavg.rounds=2")[0])


def test_variants_play_in_the_same_world(tiny):
    text = tiny + "  other: {channel: {antennas: 2}, algorthm: fedavg}\n"
    assert sorted(m.path for m in mistakes(text)) == [
        "variants.other.algorthm",
        "variants.other.channel",
    ]


def test_a_missing_key_of_all_variants_is_told_once(tiny):
    (mistake,) = mistakes(tiny.replace("rounds: 3\n", ""))
    assert mistake.path == "rounds"


def test_a_missing_key_of_one_variant_is_told_where_the_variant_stands(tiny):
    (mistake,) = mistakes(tiny.replace("algorithm: fedalt, ", ""))
    assert (mistake.line, mistake.path) == (12, "variants.fedalt.algorithm")


def test_a_slip_that_every_variant_overrides_is_a_slip(tiny):
    (mistake,) = mistakes(
        tiny.replace("rounds: 3", "rounds: 3\nalgorithm: {kind: fedavg, stepz: 3}")
    )
    assert "did you mean 'steps'" in str(mistake)


def test_a_whole_number_may_be_written_with_an_exponent(tiny):
    assert (
        parse(tiny.replace("devices: 4", "devices: 1e2"), "t").scenario.world.fleet.devices == 100
    )


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


def test_a_folder_is_no_scenario(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        load(str(tmp_path))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match="UTF-8"):
        load(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [1\n"])
def test_a_file_that_is_no_scenario_is_refused(text):
    with pytest.raises(ScenarioError):
        parse(text, "t")


def test_a_scenario_extends_a_shipped_one_or_a_file_beside_it(tmp_path, tiny):
    (tmp_path / "base.yaml").write_text(tiny)
    (tmp_path / "more.yaml").write_text(
        "extends: base.yaml\nname: more\nrounds: 9\ntask: {partition: iid}\n"
        "variants: {fedavg: {allocator: equal_share}, alone: {algorithm: fedalt}}\n"
    )
    (tmp_path / "most.yaml").write_text("extends: more.yaml\nname: most\n")
    whole, more = load(str(tmp_path / "base.yaml")), load(str(tmp_path / "most.yaml"))
    assert more.scenario.world.name == "most"
    assert list(more.scenario.systems) == [*whole.scenario.systems, "alone"]
    assert {system.rounds for system in more.scenario.systems.values()} == {9}
    assert type(more.scenario.systems["fedavg"].allocator).__name__ == "EqualShare"
    assert more.scenario.world.fleet == whole.scenario.world.fleet
    assert type(more.scenario.world.task.partition).__name__ == "Iid"
    assert more.scenario.world.task.model == whole.scenario.world.task.model
    assert more.world.find("fleet").source == "base.yaml"
    assert more.world.find("task.partition").source == "more.yaml"
    shipped_one = parse("extends: quickstart\nname: mine\n", "mine.yaml")
    assert shipped_one.scenario.systems == load("quickstart").scenario.systems


def test_of_several_that_are_extended_the_later_lies_over_the_earlier(tmp_path, tiny):
    (tmp_path / "base.yaml").write_text(tiny)
    (tmp_path / "part.yaml").write_text("rounds: 9\nfleet: {devices: 3}\n")
    (tmp_path / "more.yaml").write_text(
        "extends: [base.yaml, part.yaml]\nname: more\nfleet: {power_dbm: [11, 12]}\n"
    )
    more = load(str(tmp_path / "more.yaml"))
    assert {system.rounds for system in more.scenario.systems.values()} == {9}
    assert (more.scenario.world.fleet.devices, more.scenario.world.fleet.power_dbm) == (3, (11, 12))
    assert more.world.find("fleet.devices").source == "part.yaml"
    whole = load(str(tmp_path / "base.yaml")).scenario
    assert more.scenario.world.task == whole.world.task


def test_parts_that_are_shipped_are_extended_from_anywhere_but_are_no_scenarios():
    cell = parse("extends: [quickstart, parts/handset_cell.yaml]\nname: mine\n", "mine.yaml")
    assert type(cell.scenario.world.fleet.electronics).__name__ == "Handset"
    assert cell.world.find("radio.bandwidth_hz").source == "handset_cell.yaml"
    assert not any(path.parent.name == "parts" for path in shipped().values())


def test_another_kind_than_the_one_extended_starts_from_its_defaults(tmp_path, tiny):
    base = tiny.replace("{devices: 4}", "{devices: 4, placement: {radius_min_m: 60}}")
    base = base.replace("rounds: 3", "rounds: 3\npolicy: {late: dropped}")
    base = base.replace("pruned: {", "pruned: {energy: {kind: relative, share: 0.5}, ")
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "more.yaml").write_text(
        "extends: base.yaml\nname: more\nfleet: {placement: {kind: hall, width_m: 50}}\n"
        "policy: {kind: wait_for_all}\nvariants: {pruned: {energy: {kind: per_round, limit_j: 1}}}\n"
    )
    scenario = load(str(tmp_path / "more.yaml")).scenario
    assert type(scenario.world.fleet.placement).__name__ == "HallFloor"
    assert type(scenario.systems["fedavg"].policy).__name__ == "WaitForAll"
    assert type(scenario.systems["pruned"].energy).__name__ == "PerRound"
    (tmp_path / "less.yaml").write_text(
        "extends: base.yaml\nname: less\nfleet: {placement: {radius_max_m: 90}}\n"
    )
    ring = load(str(tmp_path / "less.yaml")).scenario.world.fleet.placement
    assert (ring.radius_min_m, ring.radius_max_m) == (60, 90)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("extends: quickstrat\nname: x\n", "no such file and no shipped scenario"),
        ("extends: round.yaml\nname: x\n", "extends itself"),
        ("extends: [quickstart, round.yaml]\nname: x\n", "extends itself"),
        ("extends: [quickstart, quickstrat]\nname: x\n", "did you mean 'quickstart'"),
        ("extends: []\nname: x\n", "names nothing"),
        ("extends: {quickstart: 1}\nname: x\n", "no such file"),
    ],
)
def test_what_cannot_be_extended_is_told_with_its_line(tmp_path, text, sentence):
    (tmp_path / "round.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=sentence) as found:
        load(str(tmp_path / "round.yaml"))
    assert "round.yaml:1" in str(found.value)
