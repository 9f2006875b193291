# Every target works in a clean clone on a machine that has only python3 (3.11 or newer, with venv), git and make.
# Another interpreter: make demo PYTHON=/usr/bin/python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Tests spend more time waiting for what they started than computing, so two for each core.
WORKERS ?= $(shell expr 2 \* $$(nproc 2>/dev/null || echo 2))
RUN := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
EXPORT := $(BIN)/uv export --quiet --no-header --no-emit-project --format requirements-txt
# Stamps say which lock file has been installed; they live in the venv, so they go with it.
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev

# What one process has compiled, the next one reads; some machines forbid that for all of Python.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check generated fmt bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(DEMO) ## the whole product on this machine, with a small AI Core; ARGS=--once ends by itself
	@$(BIN)/aicore-sync demo $(ARGS)

test: $(DEV) ## all fast tests, once
	$(RUN) -m "not slow" $(ARGS)

test-slow: $(DEV) ## matrices and many seeds
	$(RUN) -m slow $(ARGS)

check: $(DEV) ## style, types, floor plan, shape, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_shape.py tests/test_floorplan.py
	$(BIN)/aicore-sync config example | diff - config.example.yaml

generated: $(DEV) ## write the example, the schemas and the key tables anew
	$(BIN)/python docs/generate.py

fmt: $(DEV) ## put the code in its usual form
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

bench: $(DEV) ## every benchmark; each prints its table
	@for bench in bench/*.py; do [ ! -e "$$bench" ] || $(BIN)/python "$$bench" $(ARGS) || exit $$?; done

# uv.lock names the registry that was asked, so it stays on this machine; the exported files hold hashes only.
lock: $(BIN)/uv ## choose versions anew and write the four lock files
	$(BIN)/uv lock --quiet --upgrade
	$(EXPORT) --frozen --output-file requirements.lock >/dev/null
	$(EXPORT) --frozen --extra sandbox --output-file requirements-demo.lock >/dev/null
	$(EXPORT) --frozen --all-extras --output-file requirements-dev.lock >/dev/null
	$(EXPORT) --frozen --extra kubernetes --extra notifications --extra tracing --output-file deploy/image/service.lock >/dev/null
	@if grep -n '://' requirements*.lock deploy/image/service.lock; then echo "a lock file holds an address" >&2; exit 1; fi

clean: ## remove the venv and the caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(DEMO): requirements-demo.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV) (once, about a minute) ..." >&2
	@$(PIP) install --require-hashes -r requirements-demo.lock
	@$(PIP) install --no-deps -e .
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what tests and checks need into $(VENV) (once, some minutes) ..." >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps -e .
	@touch $@ $(DEMO)

$(BIN)/uv: | $(DEV)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not there: install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv)," >&2; \
	  echo "or name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and aicore-sync needs Python 3.11 or newer." >&2; \
	  echo "Name a newer one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV)
