# The one door to everything. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help

.PHONY: help install demo test test-all crashes laws mutants mutants-code lint docs types format bench soak profile lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## install the locked dependencies and the package into .venv

$(STAMP): deploy/requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("refractory-cds needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q cds_service || true
	@touch $(STAMP)

demo: $(STAMP) ## serve, open every fixture patient's chart, print the cards (ARGS=--once to stop after that)
	@$(BIN)/refractory-cds demo $(ARGS)

test: $(STAMP) ## the test suite: no network, no database, no browser
	@$(BIN)/python -m pytest -n auto -q -m "not real" $(ARGS)

test-all: $(STAMP) ## everything, with the real parts that can be had on this machine
	@$(BIN)/python tests/real/fetch.py
	@$(BIN)/python -m pytest -q -m real $(ARGS)

crashes: $(STAMP) ## kill a writing process at every named point, many times (ROUNDS=200, SEED=word)
	@CRASH_ROUNDS=$(or $(ROUNDS),200) $(BIN)/python -m pytest -n auto -q tests/audit/test_processes.py -k killed_there $(ARGS)

laws: $(STAMP) ## the clinical laws on many more charts, others every time (TRIES=5000 for each)
	@LAW_TRIES=$(or $(TRIES),5000) $(BIN)/python -m pytest -n auto -q tests/clinical/test_properties.py -k test_a_law $(ARGS)

mutants: $(STAMP) ## move every number of every rule a little: a row or a story has to notice (ARGS=DISEASE)
	@PYTHONPATH=tests $(BIN)/python tests/mutation/moved_numbers.py $(ARGS)

mutants-code: $(STAMP) ## small faults in the code of the status rules (mutmut, about half an hour)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements-mutation.lock
	@$(BIN)/mutmut run && $(BIN)/mutmut results

lint: $(STAMP) ## ruff, import directions, clinical knowledge
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/refractory-cds knowledge check

docs: $(STAMP) ## the clinical knowledge as pages for review, in var/knowledge (TO=folder)
	@$(BIN)/refractory-cds knowledge pages --to $(or $(TO),var/knowledge)

types: $(STAMP) ## mypy --strict
	@$(BIN)/mypy

format: $(STAMP) ## rewrite the code in the house format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

bench: $(STAMP) ## ratios of a full decision to a plain parse, measured side by side
	@$(BIN)/python tests/bench/run.py $(ARGS)

soak: $(STAMP) ## half an hour of calls: memory, /healthz beside big charts, audit verify (MINUTES=30)
	@$(BIN)/python tests/bench/steady.py --minutes $(or $(MINUTES),30)

profile: $(STAMP) ## where the time of decisions goes, as a page for the browser (ARGS="--resources 50")
	@$(BIN)/python tests/bench/profile.py $(ARGS)

lock: ## resolve the dependencies again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
		--no-emit-index-url --no-emit-find-links -o deploy/requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
		--no-emit-index-url --no-emit-find-links -c deploy/requirements.lock --group dev -o deploy/requirements-dev.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
		--no-emit-index-url --no-emit-find-links -c deploy/requirements-dev.lock --group mutation -o deploy/requirements-mutation.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
		--no-emit-index-url --no-emit-find-links -c deploy/requirements-dev.lock --group fuzz -o deploy/requirements-fuzz.lock pyproject.toml

clean: ## remove what make has made
	@rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache mutants
