"""How the documentation is built: Markdown pages, and reference tables made from the catalogue and the column table."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import figures  # noqa: E402  (the path has to be set first)
import tables  # noqa: E402

project = "wflsim"
author = "the wflsim developers"
extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "deflist"]
html_theme = "furo"
html_title = "wflsim"
exclude_patterns = ["_build"]

tables.write(HERE / "_generated")
figures.write(HERE / "_generated")
