# Muster's commands. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A user of the machine without a writable home still has a place for caches.
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
# Starts are quick only with compiled modules.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1
# The machine's own certificates, as pip uses them.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1

.PHONY: help up test contract fixtures check bench chaos properties clean install install-dev lock

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: install ## start Muster with everything it needs on this machine
	@exec $(BIN)/muster up

test: install-dev ## run every test; the last lines name what could not run
	@$(BIN)/python tools/run_tests.py

contract: install-dev ## compare with Mailchimp's definition and recorded answers; LIVE=1 asks a real account
	@$(BIN)/python tools/contract.py $(if $(LIVE),--live)

fixtures: install-dev ## play every integration's fixtures and what is derived from them
	@$(BIN)/python tools/fixtures.py

check: install-dev ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install-dev ## measure speed as ratios in one run; writes bench/results/*.json
	@$(BIN)/python -m bench

chaos: install-dev ## the long kill test: every process killed with -9, nothing lost
	@MUSTER_CHAOS=long $(BIN)/python -m pytest tests/faults -x -q

properties: install-dev ## two thousand random histories: nobody is ever brought back against their word
	@MUSTER_PROPERTIES=long $(BIN)/python -m pytest tests/audiences/test_properties.py -q -s

clean: ## remove caches and the environment; data under var/ stays
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info

install: $(VENV)/.installed ## make the environment from the locked packages

install-dev: $(VENV)/.installed-dev ## the same with the tools for tests

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Muster needs Python 3.11 or newer; set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock

$(VENV)/.installed: $(BIN)/python requirements.lock pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock 2>/dev/null || $(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q app integrations mappings
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock 2>/dev/null || $(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

lock: ## compile the locked requirements again after a change in pyproject.toml
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 --extra dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	printf 'uv\nsetuptools\n' | $(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 - -o requirements-build.lock
