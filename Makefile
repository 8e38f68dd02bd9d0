# Largesse: every target makes what it needs. Only Python 3.11 (or newer) and make are required.
#
#   make demo     the whole product with a seeded world and live traffic (http://127.0.0.1:8000)
#   make test     all tests, on a PostgreSQL that the tests start themselves
#   make check    style, types, layers, house rules, and that no gift crosses buckets
#   make bench    how many gifts a second this machine posts, with its peers (25 min; ARGS=--quick: 1)
#   make screens  new screenshots for docs/screens
#   make format   what of the style a machine can mend
#   make lock     locks requirements*.in with hashes (UPGRADE=--upgrade takes newer releases)
#   make venv     only the virtual environment, with everything that developers use

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
ARGS ?=

# Stamps inside the environment, so that deleting it deletes them too.
RUNTIME := $(VENV)/.installed-runtime
TOOLS := $(VENV)/.installed-tools

INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host $(UPGRADE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test check bench screens format lock

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Largesse needs Python 3.11 or newer; name one, as in: make PYTHON=python3.12 $(MAKECMDGOALS)"; \
		exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "This Python cannot make environments; on Debian: apt-get install python3-venv"; \
		rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Largesse runs on (a minute or two the first time)"
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(TOOLS): requirements-dev.txt $(RUNTIME)
	@echo "Installing the tools for tests and checks"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

venv: $(TOOLS)
	@:

demo: $(RUNTIME)
	@$(BIN)/largesse demo $(ARGS)

test: $(TOOLS)
	@$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(TOOLS)
	@echo "ruff"
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@echo "tidy"
	@$(BIN)/python tools/tidy.py
	@echo "buckets"
	@$(BIN)/python tools/bucket_check.py
	@echo "import-linter"
	@$(BIN)/lint-imports --no-logo
	@echo "mypy"
	@$(BIN)/mypy --no-error-summary

bench: $(TOOLS)
	@$(BIN)/largesse bench gifts $(ARGS)

screens: $(TOOLS)
	@$(BIN)/python tools/screens.py $(ARGS)

format: $(TOOLS)
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

# The runtime is resolved under the tools' answer, so that both files name the same releases.
lock: $(TOOLS)
	@echo "Resolving requirements-dev.in, then requirements.in under its answer"
	@$(LOCK) --output-file=requirements-dev.txt requirements-dev.in
	@$(LOCK) --constraint=requirements-dev.txt --output-file=requirements.txt requirements.in
