"""What is made for LaTeX goes through LaTeX: tables, columns for pgfplots, and a figure as PGF."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from wflsim.cli.main import main

RUNS = Path(__file__).parents[3] / "docs" / "gallery" / "runs" / "seeds"
PAPER = r"""
\documentclass{article}
\usepackage{booktabs,pgfplots,lmodern}
\pgfplotsset{compat=1.15}
\def\mathdefault#1{#1}
\begin{document}
{\small\noindent\input{outcomes.tex}}

\noindent\input{parameters.tex}

\noindent\resizebox{\linewidth}{!}{\input{progress.pgf}}

\noindent\resizebox{\linewidth}{!}{\input{groups.pgf}}

\begin{tikzpicture}\begin{axis}
\addplot table[x=end_s, y=accuracy_personal] {rounds.dat};
\end{axis}\end{tikzpicture}
\end{document}
"""
MADE = (
    ("table", RUNS, "--best", "--out", "outcomes.tex"),
    ("table", "quickstart", "--parameters", "--out", "parameters.tex"),
    ("export", RUNS, "--columns", "end_s,accuracy_personal", "--out", "rounds.dat"),
    ("plot", RUNS, "--figure", "progress", "--out", "progress.pgf"),
    ("plot", RUNS.parent / "grouped", "--figure", "groups", "--out", "groups.pgf"),
)


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("xelatex")), reason="TeX is not installed"
)
def test_a_paper_takes_what_is_made_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in MADE:
        told = CliRunner().invoke(main, [str(each) for each in arguments])
        assert told.exit_code == 0, told.output
    Path("paper.tex").write_text(PAPER)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert Path("paper.pdf").is_file(), said[-2000:]
    assert "Overfull" not in said
    assert Path("progress.pgf").read_text().startswith("% Subject: wflsim plot")
    assert sorted(path.name for path in Path.cwd().glob("*.png")) == [
        "groups-img0.png",
        "groups-img1.png",
    ]
    assert not list(Path.cwd().glob(".*"))
