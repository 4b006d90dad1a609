"""The page as a text: whole, the same each time, nothing from outside, and nobody's name is taken for a tag."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from tests.wflsim.reporting.conftest import EVIL, RUNS
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.figures.catalogue import FIGURES
from wflsim.reporting.drawings import gallery
from wflsim.reporting.page import Asked, rendered, report
from wflsim.reporting.pairs import pairs
from wflsim.results import load

SECTIONS = (
    "outcomes",
    "tradeoff",
    "progress",
    "timeline",
    "comparison",
    "figures",
    "settings",
    "records",
)


class Tree(HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.ids, self.inside = [], [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.inside.setdefault(self.open[-1], []).append(data)


def digests(texts):
    return [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts]


@pytest.fixture(scope="module")
def tree(page):
    return Tree(page)


def test_all_sections_are_there_and_every_tag_is_closed(tree):
    assert tree.open == []
    assert [each for each in tree.ids if each in SECTIONS] == list(SECTIONS)
    assert len(tree.ids) == len(set(tree.ids))


def test_what_is_pointed_at_is_there(tree):
    targets = [attrs.get("href", "") for _, attrs in tree.tags]
    targets += [
        value for _, attrs in tree.tags for value in attrs.values() if value and "url(#" in value
    ]
    names = {re.sub(r"url\(#(.*)\)", r"#\1", target) for target in targets if "#" in target}
    assert names <= {f"#{each}" for each in tree.ids}


def test_nothing_is_fetched_from_anywhere(page, tree):
    for tag, attrs in tree.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attrs
        assert attrs.get("href", "#").startswith(("#", "data:"))
        assert not any(key.startswith("on") for key in attrs)
        assert "style" not in attrs
    bare = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|\burl\((?!#)", bare)


def test_the_policy_lets_in_the_pages_own_script_and_styles_alone(tree):
    (policy,) = [
        a["content"] for _, a in tree.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    data, script = tree.inside["script"]
    assert rules["default-src"] == rules["base-uri"] == "'none'"
    assert digests([script]) == [rules["script-src"]]
    assert digests(tree.inside["style"]) == [rules["style-src"]]
    assert rules["img-src"] == "data:"
    assert json.loads(data)["variants"] == ["pruned", "fedalt", "fedavg"]


def test_the_same_runs_give_the_same_bytes(page):
    again = rendered(report(load(RUNS / "seeds"), Asked(["runs"])))
    assert again == page


def test_it_is_small_enough_to_be_mailed(page):
    assert len(page.encode()) < 3e6


def test_names_are_never_taken_for_tags(evil):
    text = rendered(report(load(evil), Asked([EVIL], title=EVIL)))
    found = Tree(text)
    assert found.open == []
    assert [tag for tag, attrs in found.tags if tag == "img" or "onerror" in attrs] == []
    assert len(found.inside["script"]) == 2
    assert EVIL in json.loads(found.inside["script"][0])["variants"]
    assert "&lt;/script&gt;&lt;img" in text


def test_every_figure_is_there_or_its_absence_is_told(told):
    shown = [each.name for each in told.gallery.shown]
    assert set(shown) | set(told.gallery.missing) == set(FIGURES)
    assert "groups" in told.gallery.missing
    anatomy = next(each for each in told.gallery.shown if each.name == "anatomy")
    assert anatomy.about.endswith("The run is 1.")
    assert "seeds/1 --figure anatomy" in anatomy.command


def test_the_first_variant_is_compared_with_every_other(told, seeds):
    assert [(pair.a, pair.b) for pair in told.pairs] == [("pruned", "fedalt"), ("pruned", "fedavg")]
    assert told.apart == {}
    pair = told.pairs[0]
    assert pair.seeds == (1, 2, 3)
    assert pair.paired == "3 pairs of runs, seeds 1, 2, 3."
    assert pair.seconds.sentence.startswith("pruned is 6.42 s shorter (50 %)")
    parts = sum(row[-1].key for row in pair.joules.parts.rows)
    assert parts == pytest.approx(pair.joules.parts.foot[-1].key, rel=1e-3)
    assert max(abs(row[-1].bar) for row in pair.joules.parts.rows) == 1.0


def test_equal_systems_have_no_parts_and_large_sweeps_are_not_read_again(seeds, monkeypatch):
    (pair,), _ = pairs(seeds, ["pruned", "pruned"], "accuracy_personal")
    assert pair.seconds.sentence.startswith("pruned and pruned take the same time")
    assert pair.seconds.parts.rows == []
    monkeypatch.setattr("wflsim.reporting.pairs.MOST", 5)
    found, apart = pairs(seeds, ["pruned", "fedavg"], "accuracy_personal")
    assert found == []
    assert "wflsim compare" in apart["fedavg"]


def test_what_went_wrong_is_told(changed):
    def change(manifest):
        manifest["status"] = "interrupted"
        manifest["variants"]["fedavg"] |= {
            "status": "halted",
            "rounds": 1,
            "reason": "all ran empty",
        }

    found = report(load(changed("seeds/1", change)), Asked(["run"]))
    assert found.head.facts["Status"] == "1 interrupted"
    assert found.head.troubles == [
        "run: the run is interrupted.",
        "run: fedavg ended after 1 round: all ran empty",
    ]
    assert "Not everything went to its end" in rendered(found)


def test_a_scenario_that_this_version_does_not_understand_is_told_as_it_was_played(changed):
    run = changed("grouped", lambda manifest: manifest["resolved"].update(novelty=7))
    found = report(load(run), Asked(["run"]))
    assert found.settings[0].parameters is None
    assert "novelty: 7" in found.settings[0].resolved
    assert "does not understand the scenario" in rendered(found)


def test_one_system_alone_has_nothing_to_be_compared_with():
    found = report(load(RUNS / "grouped"), Asked(["run"]))
    assert found.pairs == []
    assert "groups" in [each.name for each in found.gallery.shown]
    assert "nothing to compare" in rendered(found)


def test_the_resolved_scenario_plays_the_same(told):
    from wflsim.scenario.describe import resolved
    from wflsim.scenario.loading import parse

    again = resolved(parse(told.settings[0].resolved, "report"))
    assert again == told_of_first()


def told_of_first():
    return json.loads((RUNS / "seeds" / "1" / "manifest.json").read_text())["resolved"]


def test_digests_are_those_of_the_manifests(told, seeds):
    expected = {
        said["records_sha256"] for one in seeds.played for said in one.told["variants"].values()
    }
    assert {row[-1].text for row in told.head.digests.rows} == expected


def test_chosen_variants_alone_are_told(seeds):
    found = report(seeds, Asked(["runs"], ["fedavg", "pruned"], measure="accuracy_global"))
    assert [row[0].text for row in found.outcomes.rows] == ["pruned", "fedavg"]
    assert [(pair.a, pair.b) for pair in found.pairs] == [("fedavg", "pruned")]
    assert found.drawn["measure"] == "accuracy_global"
    assert {each["variant"] for each in found.drawn["timeline"]["rounds"]} == {"fedavg", "pruned"}


def test_the_command_writes_a_file_and_tells_its_own_words(tmp_path):
    out = tmp_path / "new" / "mine.html"
    arguments = ["report", str(RUNS / "grouped"), "--title", "A & B", "--out", str(out)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"report: {out}\n"
    text = out.read_text()
    assert "<h1>A &amp; B</h1>" in text
    assert "grouped --title &#39;A &amp; B&#39;</code>" in text
    assert [path.name for path in out.parent.iterdir()] == ["mine.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "."], r"is a folder; name a file in it, as report.html"),
        (["--out", "a.pdf"], r"let it end in .html, as a.html"),
        (["--variant", "fedchr", "--out", "a.html"], "did you mean 'fedchar'"),
        (["--measure", "accuracy_person", "--out", "a.html"], "did you mean 'accuracy_personal'"),
        (
            ["--measure", "energy_j", "--out", "a.html"],
            "do not tell it as progress; measures of progress: accuracy_personal",
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", str(RUNS / "grouped"), *arguments])
    assert done.exit_code == 2
    assert re.search(said, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_figures_in_which_nobody_can_be_told_apart_are_left_out(seeds, monkeypatch):
    monkeypatch.setattr("wflsim.reporting.drawings.MOST_LINES", 2)
    found = gallery(seeds, ["runs"])
    shown = {each.name for each in found.shown}
    assert {"overview", "anatomy"} <= shown
    assert shown.isdisjoint({"progress", "pareto", "cdf", "phases", "allocation"})
    assert found.missing["cdf"].startswith("3 systems cannot be told apart")
    assert "cdf" in {each.name for each in gallery(seeds, ["runs"], ["pruned"]).shown}


def test_a_figure_of_one_run_is_of_the_first_that_has_a_chosen_variant(seeds, changed):
    def without(manifest):
        for name in ("pruned", "fedavg"):
            manifest["variants"].pop(name)

    results = load(changed("seeds/1", without), RUNS / "seeds" / "2")
    found = gallery(results, ["runs"], ["fedavg"])
    (anatomy,) = (each for each in found.shown if each.name == "anatomy")
    assert "seeds/2 --figure anatomy" in anatomy.command
    assert anatomy.command.endswith("--variant fedavg")


def test_commands_allow_several_versions_where_the_report_was_to(seeds):
    mixed = {each.name: each.command for each in gallery(seeds, ["runs"], mixed=True).shown}
    assert mixed["cdf"].startswith("wflsim plot runs --mixed --figure cdf")
    assert "--mixed" not in mixed["anatomy"]
    assert not any("--mixed" in each.command for each in gallery(seeds, ["runs"]).shown)


def test_a_run_that_is_there_twice_is_compared_once(changed, seeds):
    again = load(changed("seeds/1", lambda manifest: None), RUNS / "seeds")
    assert len(again.again) == 3
    (pair,), apart = pairs(again, ["pruned", "fedavg"], "accuracy_personal")
    (once,), _ = pairs(seeds, ["pruned", "fedavg"], "accuracy_personal")
    assert apart == {}
    assert (pair.paired, pair.measures) == (once.paired, once.measures)


def test_without_a_table_of_clients_nothing_is_said_of_devices(changed):
    run = changed("seeds/1", lambda manifest: None)
    (run / "clients.parquet").unlink()
    text = rendered(report(load(run), Asked(["run"])))
    assert "No run has a table of clients" in text
    assert "No device took part" not in text


def test_scenarios_for_which_there_is_no_room_are_named(seeds, monkeypatch):
    monkeypatch.setattr("wflsim.reporting.settings.SCENARIOS", 1)
    found = report(load(RUNS / "grouped", RUNS / "seeds" / "1"), Asked(["runs"]))
    assert [each.name for each in found.settings] != list(found.unset) == ["quickstart"]
    assert "Left out, so that the file stays small: quickstart." in rendered(found)


def test_figures_that_cannot_be_drawn_are_left_out_with_the_reason(seeds, monkeypatch):
    def refuse(*_):
        raise UserError("--figure cdf: nothing of the kind")

    monkeypatch.setattr("wflsim.figures.distributions.draw", refuse)
    found = report(replace(seeds, played=seeds.played[:1]), Asked(["runs"]))
    assert found.gallery.missing["cdf"] == "nothing of the kind"
    assert "cdf" not in [each.name for each in found.gallery.shown]
