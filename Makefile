# Needs only Python 3.11 or newer, make and PyPI: the first target that needs an environment creates .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help figures app site test fuzz fast lab bench lock audit vendor clean

PYTHON ?= python3
DATA ?= builtin
WORKERS ?= 2
# Tests at a time: one more than there are cores (four at most), for some wait, for kernels, browsers and processes.
TESTERS ?= $(shell $(PYTHON) -c 'import os; print(1 + min(4, os.cpu_count()))')
# Longest wait for one cell of a notebook under test: nbval does not see that a kernel was killed, for want of memory say.
CELL_S ?= 300
# Hundreds of processes import the library: each would compile all of it where Python is told to keep nothing.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
INSTALLED := .venv/.installed

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 \t/p' Makefile | expand -t 24

figures: $(INSTALLED)  ## run every notebook, hold its figures against the committed ones; DATA=FOLDER or DATA=hub for real text
	$(BIN)/fourier-lab figures --workers $(WORKERS) --data "$(DATA)"

# One thread a worker: the processor is shared out already. The notebooks run cell by cell at their defaults in a home of
# their own, so that committed figures stay as they are. Types are checked beside the tests: that takes one core for a minute.
# Files come in their order: xdist would begin with those of many tests and end with one core at work on a few long ones.
test: $(INSTALLED)  ## everything that continuous integration runs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; $(BIN)/mypy & types=$$!; \
	  NOTEBOOKS_HOME=$$home OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TESTERS) --dist loadscope --no-loadscope-reorder \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=$(CELL_S) tests fourier_lab notebooks; wait $$types

fuzz: $(INSTALLED)  ## try ten times as much made-up input as the tests do
	FOURIER_LAB_FUZZ=5000 $(BIN)/python -m pytest -q -p no:nbval -p no:xdist tests/test_fuzz.py

# Left out: what trains, measures, or starts a kernel, a browser or another process. All of it is in 'make test'.
SLOW := app bench browser cli headless sweeps training widgets test_import_graph.py test_installed.py test_notebooks.py \
  test_fuzz.py test_open_door.py

fast: $(INSTALLED)  ## lint, types, the order of the wings, and tests that neither train nor start a kernel
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:nbval -n $(TESTERS) --dist loadscope $(SLOW:%=--ignore=tests/%)

app: $(INSTALLED)  ## serve the explorers as a web page on this machine
	$(BIN)/fourier-lab app

site: $(INSTALLED)  ## write notebooks, figures, claims and tables as web pages, reports/site/index.html
	$(BIN)/fourier-lab site

lab: $(INSTALLED)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

bench: .venv/.bench  ## measure speed and memory against other implementations
	$(BIN)/fourier-lab bench

lock: $(INSTALLED)  ## write the versions now in .venv to requirements.lock
	{ echo "# Written by 'make lock'; do not edit. Local version tags are dropped: torch's differ by platform."; \
	  $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+[a-z0-9.]*$$//'; } > requirements.lock
	touch $(INSTALLED)

audit:  ## ask which locked packages have known weaknesses (network)
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet pip-audit
	.venv/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip

vendor: $(INSTALLED)  ## take the scripts of others anew from npm, in the versions that each manifest.json names
	$(BIN)/python -m fourier_lab.site.vendor fourier_lab/site/vendored tests/browser/vendored

clean:  ## remove .venv, reports and caches; trained runs and figures stay
	rm -rf .venv reports .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed, found $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --requirement requirements.lock
	$(BIN)/python -m pip install --no-deps --editable .
	@touch $@

# The lock constrains the extra packages too, so that nothing installed is ever upgraded.
.venv/.bench: $(INSTALLED)
	$(BIN)/python -m pip install --constraint requirements.lock --editable '.[bench]'
	@touch $@
