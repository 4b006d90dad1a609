"""What the documentation shows is what happens: snippets run, and print what the page says."""

import dataclasses
import re
from pathlib import Path

import pytest

from docs import figures
from optimizers import Certificate, RoundProblem
from optimizers.certificate import Remedy

ROOT = Path(__file__).parents[1]
SLOW = pytest.param("docs/radio.md", marks=pytest.mark.slow)
PAGES = ("README.md", "docs/allocation.md", SLOW)
ALLOCATION = ROOT / "docs/allocation.md"


@pytest.mark.parametrize("page", PAGES)
def test_snippets_print_what_the_page_says(page):
    played = list(figures.played(ROOT / page))
    assert played
    for line, printed, shown, _ in played:
        if shown is not None:
            assert printed == shown, f"{page}:{line}"


def test_every_output_of_the_derivation_is_shown():
    assert all(
        (shown is not None) == bool(printed) for _, printed, shown, _ in figures.played(ALLOCATION)
    )
    code = "".join(code for _, code, _ in figures.snippets(ALLOCATION))
    assert ALLOCATION.read_text("utf-8").count("```python") == len(
        list(figures.snippets(ALLOCATION))
    )
    assert not re.search(r"\b(torch|simpy|cvxpy|matplotlib)\b", code)


@pytest.mark.parametrize("kind", [RoundProblem, Certificate])
def test_tables_explain_every_field_in_order(kind):
    text = ALLOCATION.read_text("utf-8")
    table = text[text.index(f" of `{kind.__name__}` |") :].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [
        f.name for f in dataclasses.fields(kind)
    ]


def test_every_part_of_a_remedy_is_named():
    text = ALLOCATION.read_text("utf-8")
    assert all(re.search(rf"\b{field.name}\b", text) for field in dataclasses.fields(Remedy))


def test_the_figure_is_drawn_alike_twice(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        figures.write(tmp_path / name)
    one, two = ((tmp_path / name / "price_search.svg").read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(one) < 200_000
