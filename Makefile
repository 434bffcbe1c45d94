# The one vocabulary of commands, for people, hooks and CI alike. Bare `make` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
HOME_FOLDER ?= var
BIN := .venv/bin
USER_JAVA_HOME := $(JAVA_HOME)

# Libraries that report usage are told not to, whatever a user's own settings say.
export DO_NOT_TRACK := 1
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export FEAST_USAGE := False
export SCARF_NO_ANALYTICS := true
export JAVA_HOME := $(CURDIR)/.jdk

.PHONY: help setup lock demo run test test-fast test-faults test-world check format up down status bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## prepare this checkout: environments, Java, Delta jars (nothing to do: under a second)
	@JAVA_HOME='$(USER_JAVA_HOME)' $(PYTHON) scripts/setup.py

lock: ## compile requirements/*.in into pins again
	@$(PYTHON) scripts/setup.py tools lock

demo: setup ## start everything, load a history and two sessions, show the result (BARS=path: your own bars)
	@$(BIN)/bellwether demo --home $(HOME_FOLDER) $(if $(BARS),--bars '$(BARS)') $(ARGS)

run: setup ## run the daily chain in one process (ARGS="--source files --bars path --start … --end …")
	@$(BIN)/bellwether run --home $(HOME_FOLDER) $(ARGS)

up: setup ## start Airflow, MLflow, the service, Feast and the reports on loopback
	@$(BIN)/bellwether up --home $(HOME_FOLDER) $(ARGS)

down: setup ## stop exactly what `make up` started
	@$(BIN)/bellwether down --home $(HOME_FOLDER) $(ARGS)

status: setup ## show tables, last sessions, champion and last drift verdict
	@$(BIN)/bellwether status --home $(HOME_FOLDER) $(ARGS)

test: setup ## run the tests: both environments, scheduler, cluster, replays, whole chains, a sample of crashes
	@$(BIN)/python -m scripts.run_tests all $(ARGS)

test-fast: setup ## run the tests of minutes: no scheduler, cluster, replay, whole chain or crash
	@$(BIN)/python -m scripts.run_tests fast $(ARGS)

test-faults: setup ## run the whole fault matrix, 80 minutes on 2 cores (SHARE=1/4: the first of four parts)
	@BELLWETHER_FAULTS=$(or $(SHARE),all) $(BIN)/python -m scripts.run_tests faults $(ARGS)

test-world: setup ## play 283 worlds of vendors' files, 90 minutes on 2 cores (SHARE=1/4: the first of four parts)
	@BELLWETHER_WORLDS=$(or $(SHARE),all) $(BIN)/python -m scripts.run_tests world $(ARGS)

check: setup ## lint, format, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## let ruff put the code into its form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# Halves of alpha158.py, which starts them with what they have to be told.
PARTS_OF_BENCH := $(addprefix benchmarks/,alpha158_engine.py alpha158_parity.py qlib_factors.py qlib_peer.py)

bench: setup ## run the measurements (BENCH=benchmarks/name.py: one of them)
	@for program in $(or $(BENCH),$(filter-out $(PARTS_OF_BENCH),$(sort $(wildcard benchmarks/[a-z]*.py)))); do \
	  echo "--- $$program"; module=$${program%.py}; $(BIN)/python -m $${module//\//.} $(ARGS) || exit 1; done

clean: ## remove caches and reports of the tools (ALL=1: environments, jars and the Java link too); homes stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .test-reports build *.egg-info
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
	@$(if $(ALL),rm -rf .venv .venv-airflow .venv-tools .jars .jdk .setup.lock)
