# Everything a newcomer needs is `make demo` and `make test`; each sets itself up.
#
#   make demo    train a small model for about two minutes and write a picture of what it does
#   make test    unit and integration tests, without the slow ones, on all processors
#   make check   format, lint, types and every test: what CI runs
#   make check-cuda   tests that need a CUDA device, then steps/s and memory into docs/gpu.md
#   make docs    a site of the documents and of the public API, in site/
#   make format  rewrite the sources in the project's format

SHELL := /bin/bash
VENV ?= .venv
# A python3.11 that exists but does not start (a version manager's shim) falls through to python3.
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3)

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := hpcmbal tests benchmarks
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help venv demo test docs check check-cuda format format-check lint types test-all build clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

venv: $(STAMP)

# The stamp is written last: an interrupted install is taken up again, and a changed pyproject.toml refreshes the rest.
$(STAMP): pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'hpcmbal needs Python 3.11 or newer; "$(PYTHON)" is not. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Making $(VENV) and installing (PyTorch is large: allow some minutes and 6 GB)'; "$(PYTHON)" -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	rm -rf $(DEMO)/run
	$(BIN)/hpcmbal train --preset quickstart --save-path $(DEMO)/run
	$(BIN)/hpcmbal reconstruct --model $(DEMO)/run --output $(DEMO)/demo.png
	@echo 'Original beside reconstruction: $(DEMO)/demo.png'

test: $(STAMP)
	$(BIN)/python -m pytest -m 'not slow' -n auto

check-cuda: $(STAMP)
	$(BIN)/python -m pytest -m cuda tests/cuda
	$(BIN)/python benchmarks/gpu_training.py --write docs/gpu.md

# The tests come last so that pytest's summary is the last thing on the screen.
check: format-check lint types test-all

format: $(STAMP)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

format-check: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)

lint: $(STAMP)
	$(BIN)/ruff check $(SOURCES)

types: $(STAMP)
	$(BIN)/mypy

# Strict: a broken link or a name without documentation fails.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'The site: site/index.html'

test-all: $(STAMP)
	$(BIN)/python -m pytest -n auto

build: $(STAMP)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
