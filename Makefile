# Every target bootstraps what it needs: a virtual environment in .venv from the locked packages.
.DEFAULT_GOAL := help
.PHONY: help venv demo test proof postgresql dev lint dbt bench requests month week latency storm soak sources structure docs lock clean
SHELL := /bin/bash

VENV   := .venv
RUN    := $(VENV)/bin/python
STAMP  := $(VENV)/installed
SEED   ?= 1
ISSUES ?= 500
MINUTES ?= 15
DBT    ?= parse
PORT   ?= 3000

# Whose tests write to Dagster's storage or to the ops store.
STORED := alerts automation checks cli deploy loading ops webhooks test_definitions.py

# In parallel, with the temporary files in memory where there is room: waiting for a disk takes half of the time.
PYTEST = $(shell test $$(df -Pk /dev/shm 2>/dev/null | awk 'END {print $$4 + 0}') -gt 4000000 && \
	echo PYTEST_DEBUG_TEMPROOT=/dev/shm) $(RUN) -m pytest -n 4 --dist loadgroup

# A bare environment has no locale; dbt and rich write UTF-8.
export PYTHONUTF8 := 1
export DAGSTER_DISABLE_TELEMETRY := 1
# Dagster reads the times of PostgreSQL as UTC, also when the server is in another zone.
export PGTZ := UTC

# With PYTHON=, .venv is of that interpreter, and made again when it is of another one.
INTERPRETER := import sys; print(sys.base_prefix, sys.version.split()[0])
ifdef PYTHON
ifneq ($(shell $(PYTHON) -c '$(INTERPRETER)'),$(shell cat $(STAMP) 2>/dev/null))
.PHONY: $(STAMP)
endif
endif

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(STAMP) ## Generated Jira to published velocity, end to end, no account (SEED=1 ISSUES=500)
	@$(VENV)/bin/impulsum demo --seed $(SEED) --issues $(ISSUES)

test: $(STAMP) ## Run the tests
	@$(PYTEST)

proof: $(STAMP) ## Run all tests, also those that prove at length what others prove in short: real data, months, every kill -9
	@$(PYTEST) -m ""

postgresql: $(STAMP) ## Run the tests of what Dagster and the ops store keep, with both on a real PostgreSQL
	@$(PYTEST) --storage postgresql \
		$(addprefix impulsum_pipelines_tests/,$(STORED))

dev: $(STAMP) ## Open Dagster's UI on http://127.0.0.1:PORT, with schedules running (PORT=3000)
	@exec $(VENV)/bin/impulsum dev --port $(PORT)

lint: $(STAMP) ## Check style, formatting, types and SQL
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/sqlfluff lint --disable-progress-bar dbt_project/models

dbt: $(STAMP) ## Run a command of dbt itself on the models (DBT=parse)
	@cd dbt_project && DBT_TARGET_PATH=target/by-hand DBT_LOG_PATH=target/by-hand ../$(VENV)/bin/dbt $(DBT)

bench: $(STAMP) ## Measure a sync beside a plain requests loop
	@$(RUN) -m impulsum_pipelines_tests.bench

requests: $(STAMP) ## Measure what a sync of each source asks its service for
	@$(RUN) -m impulsum_pipelines_tests.bench.requests

month: $(STAMP) ## Pull a month of each source live every MINUTES=15, by days and at once; all must equal the truth
	@$(RUN) -m pytest -n 2 impulsum_pipelines_tests/sources -m long --live-minutes $(MINUTES) -rP

week: $(STAMP) ## Let a week pass at Jira: lost webhooks, a night without Jira, two days without the daemon
	@$(RUN) -m pytest impulsum_pipelines_tests/week -rP

latency: $(STAMP) ## Measure how long drop files wait under dagster dev with all schedules on
	@$(RUN) -m impulsum_pipelines_tests.bench.latency

storm: $(STAMP) ## Drop 10,000 files at once, and kill daemon and code server ten times while they work them off
	@$(RUN) -m impulsum_pipelines_tests.bench.storm

soak: $(STAMP) ## Query the published file for a minute while pulls, builds and publishes run in a loop
	@$(RUN) -m impulsum_pipelines_tests.bench.soak 60

sources: $(STAMP) ## Write the dbt source files from the declared tables
	@$(RUN) -m impulsum_pipelines.marts.sources

structure: $(STAMP) ## Print rooms, imports, files per folder and names of the package
	@$(RUN) -m impulsum_pipelines_tests.structure

docs: $(STAMP) ## Write the generated parts of docs/: settings, commands, triage tables
	@$(RUN) -m impulsum_pipelines_tests.docs.generate

lock: $(STAMP) ## Write requirements.lock again from pyproject.toml
	@$(VENV)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.lock

clean: ## Remove the environment, all data in .impulsum and .impulsum-demo, and caches
	@rm -rf $(VENV) .impulsum .impulsum-demo dbt_project/target dbt_project/logs .pytest_cache .mypy_cache .ruff_cache *.egg-info

venv: $(STAMP) ## Create .venv

$(STAMP): requirements.lock pyproject.toml
	@for candidate in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
			interpreter=$$candidate; break; fi; done; \
	if [ -z "$$interpreter" ]; then \
		echo "Python 3.11, 3.12 or 3.13 with venv is needed, on PATH or as PYTHON=/path/to/python." >&2; exit 1; fi; \
	echo "Setting up .venv with $$interpreter (a minute or two, once) ..." >&2; \
	rm -rf $(VENV) && "$$interpreter" -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(RUN) -c '$(INTERPRETER)' > $@
