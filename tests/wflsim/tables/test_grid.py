"""Tables as text: what LaTeX would stumble over is escaped, and every row has its columns."""

import re

from wflsim.tables.grid import Cell, Grid, comma_separated, escaped, latex, markdown, text

ODD = Grid(
    ["a_b & c", "x [%]"],
    [[Cell("50 % #1 {x}"), Cell("1.0 ± 0.1", bold=True)], [Cell("a\\b~^|"), Cell("-3")]],
    notes=["100 % sure"],
)


def test_latex_is_balanced_and_has_as_many_columns_in_every_row():
    made = latex(ODD)
    begun = re.findall(r"\\begin\{(\w+)\}", made)
    assert begun == re.findall(r"\\end\{(\w+)\}", made)[::-1] == ["tabular"]
    assert made.index(r"\toprule") < made.index(r"\midrule") < made.index(r"\bottomrule")
    bare = made.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    lines = [line for line in made.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 3
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == 1
        assert not re.search(r"(?<!\\)[%#]", line)
        assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0
    assert r"\textbf{1.0 $\pm$ 0.1}" in made
    assert made.splitlines()[1] == "% 100 % sure"


def test_underscores_stand_outside_of_formulas_only_escaped():
    assert escaped("ca_afp") == r"ca\_afp"
    assert escaped(r"$p_k^{\max}$") == r"$p_k^{\max}$"
    assert escaped("1e-28") == r"$10^{-28}$"
    assert escaped("ca-afp-2") == "ca-afp-2"
    assert escaped("-2 to -1") == "$-$2 to $-$1"


def test_markdown_has_as_many_bars_in_every_row_and_bold_between_stars():
    lines = [line for line in markdown(ODD).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert "**1.0 ± 0.1**" in lines[2]
    assert lines[1] == "| --- | ---: |"


def test_columns_of_text_stand_in_line():
    lines = text(ODD).splitlines()
    assert lines[2].endswith("1.0 ± 0.1*")
    assert lines[3].index("-3") + 2 == lines[2].index("*")
    assert lines[-1] == "100 % sure"
    assert text(Grid(["a", "b"], [])).splitlines() == ["a  b", "----"]


def test_csv_keeps_all_digits():
    assert comma_separated(["a"], [[0.1 + 0.2], ["x,y"]]) == 'a\n0.30000000000000004\n"x,y"\n'
