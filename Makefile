# The two commands of the README, and the longer ones for those who work on Farebox.
# Everything installs into .venv from the hash-checked lock files; nothing else is needed than Python >= 3.11.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Tests that start whole programs mostly wait for them, so they run beside the others.
PROGRAM_TESTS := tests/cli/ tests/crash/ tests/policy/ tests/providers/ tests/storage/
OTHER_TESTS := $(filter-out tests/house/ tests/__pycache__/ $(PROGRAM_TESTS),$(wildcard tests/*/))

.PHONY: run test test-programs test-others check test-long bench lock clean

run: $(VENV)/.run
	@exec $(BIN)/farebox demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Farebox needs Python 3.11 or newer; this is $$($(PYTHON) --version). Fix: make run PYTHON=python3.12"; exit 1; }
	@echo "farebox: creating $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Farebox needs Python's venv module. Fix: apt-get install python3-venv (Debian), then run it again"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "farebox: installing (about half a minute the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(VENV)/.run
	@echo "farebox: installing the tools for tests"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

# The browser tests drive Debian's Chromium; nothing is downloaded from anywhere but the machine's own package source.
$(VENV)/.chromium: | $(VENV)/bin/python
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
	  echo "farebox: installing Chromium for the browser tests" && { apt-get update -qq || true; } && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; } || { \
	  echo "The browser tests need Chromium. Fix: apt-get install chromium (Debian) as root, then run it again"; exit 1; }
	@touch $@

# The tests of wallets run an Ethereum node and compile their own contracts. No package runs a script of its own.
$(VENV)/.npm: tests/chain/package-lock.json tests/chain/package.json | $(VENV)/bin/python
	@command -v npm > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
	  echo "farebox: installing npm for the tests of wallets" && { apt-get update -qq || true; } && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm > /dev/null; } || { \
	  echo "The tests of wallets need npm. Fix: apt-get install npm (Debian) as root, then run it again"; exit 1; }
	@echo "farebox: installing an Ethereum node and a Solidity compiler for the tests of wallets"
	@cd tests/chain && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null
	@touch $@

check: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet src tests bench
	@$(BIN)/ruff check --quiet src tests bench
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest tests/house

test: check $(VENV)/.chromium $(VENV)/.npm
	@$(MAKE) --no-print-directory --jobs=2 test-programs test-others

test-long: export FAREBOX_LONG_TESTS = 1
test-long: test

test-programs test-others: $(VENV)/.dev $(VENV)/.chromium $(VENV)/.npm

# Told when all of them are over, so that the lines of the two do not mix.
test-programs:
	@$(BIN)/pytest $(PROGRAM_TESTS) > $(VENV)/programs.log 2>&1; status=$$?; cat $(VENV)/programs.log; exit $$status

test-others:
	@$(BIN)/pytest $(OTHER_TESTS)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes -c requirements-dev.lock --group build pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) tests/chain/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
