# The two commands of the README are `make demo` and `make test`. Each makes .venv where there is none.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint types check clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   train on real patients, sample synthetic ones, write runs/demo/report.html"
	@echo "make test   run the tests"
	@echo "make check  tests, lint and types, as continuous integration does"
	@echo "make clean  remove .venv and caches"

.venv/pip:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed; $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "python -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

# A stamp for each set of extras; made anew when pyproject.toml changes.
.venv/demo: pyproject.toml | .venv/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

.venv/dev: pyproject.toml | .venv/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: .venv/demo
	$(BIN)/jaxehr demo --out runs/demo

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

check: test lint types

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis dist
