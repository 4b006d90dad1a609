# The two commands, run and test, and the few others a person types.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

.PHONY: run test check-style fast docs clean help
help:            ## say what can be typed
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  /'

run: $(VENV)/.installed   ## set up once, then play the quickstart scenario
	$(BIN)/wflsim run quickstart

test: $(VENV)/.installed-test check-style   ## set up once, then run every check
	$(PYTEST)

fast: $(VENV)/.installed-test   ## only the tests that take moments
	$(PYTEST) -m "not slow"

check-style: $(VENV)/.installed-test   ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs   ## build the documentation into docs/_build
	$(BIN)/sphinx-build -W -q docs docs/_build

clean:           ## remove the environment and everything made
	rm -rf $(VENV) build dist docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wflsim needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# torch comes first and alone: its pinned version must be there before anything else asks for a newer one.
$(VENV)/.installed: $(VENV)/.created setup.cfg constraints.txt
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@
