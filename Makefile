# Two commands set everything up on a fresh machine: `make demo` runs the city, `make test` passes the tests.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard shared/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml cli/pyproject.toml))
SOURCES := $(addsuffix /src,$(MEMBERS))
ROWS ?= 9999
comma := ,
empty :=
space := $(empty) $(empty)
# Each suite is a process of its own, with parts of its own: what one leaves configured is nobody else's.
CHASSIS := shared/chassis/tests
CHASSIS_LOGGING := $(CHASSIS)/http $(CHASSIS)/process $(CHASSIS)/test_log.py
CHASSIS_STORING := $(filter-out $(CHASSIS)/test_log.py,$(wildcard $(CHASSIS)/test_*.py))
SUITES := $(filter-out shared/chassis,$(MEMBERS)) $(subst $(space),$(comma),$(CHASSIS_LOGGING)) $(subst $(space),$(comma),$(CHASSIS_STORING)) tests bench/tests
PARTS_READY := .veche/.parts-ready

.PHONY: help
help: ## Print every target.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.venv/.installed: requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Veche needs Python 3.11 or newer; set PYTHON=/path/to/python3.11 or install it."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing the pinned libraries …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

.PHONY: install
install: .venv/.installed ## Make .venv with the pinned libraries and every member.

.PHONY: check
check: install ## Lint, types, architecture, dependencies and unit tests; no servers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	for member in $(MEMBERS); do (cd $$member && $(CURDIR)/$(BIN)/deptry src) || exit 1; done
	$(BIN)/python -m shared_events.schemas --check
	$(BIN)/python -m shared_events.asyncapi --check
	$(BIN)/pytest -q -n auto -m "not postgres and not kafka and not stack"

.PHONY: format
format: install ## Format the code and fix what can be fixed.
	$(BIN)/ruff check --fix --exit-zero . && $(BIN)/ruff format .

.PHONY: parts
parts: install ## Fetch what the embedded PostgreSQL and Kafka need (on Debian as root, Java and Maven too).
	$(BIN)/veche parts

.PHONY: test
test: parts ## Run every test, on real PostgreSQL and real Kafka.
	@for suite in $(SUITES); do echo "== $$suite"; $(BIN)/pytest -q $$(echo $$suite | tr , ' ') || exit 1; done

.PHONY: demo
demo: parts ## Run the city and play a real day; stays up until Ctrl-C (ONCE=1 ends; REQUESTS=, PROPOSALS= COMMENTS= other files; ROWS=n a generated day).
	$(BIN)/veche demo $(if $(ONCE),--once) $(if $(REQUESTS),--requests "$(REQUESTS)") $(if $(PROPOSALS),--proposals "$(PROPOSALS)") $(if $(COMMENTS),--comments "$(COMMENTS)") $(if $(filter-out 9999,$(ROWS)),--generate $(ROWS))

.PHONY: up down status
up: parts ## Start the city in the background.
	$(BIN)/veche up
down: install ## Stop the city; no process is left.
	$(BIN)/veche down
status: install ## Say what runs and where.
	$(BIN)/veche status

.PHONY: bench-append
bench-append: parts ## Compare our append with the library's stock recorder; writes bench/results/append.json.
	$(BIN)/python bench/append.py

.PHONY: bench-winter
bench-winter: parts ## Live through a winter of 100,000 requests in virtual time; writes bench/results/winter.json.
	$(BIN)/python bench/winter.py

.PHONY: bench-lifecycle
bench-lifecycle: parts ## Requests from creation to finding, on an empty store and on 250,000 stored; writes bench/results/lifecycle.json.
	$(BIN)/python bench/lifecycle.py

.PHONY: schemas
schemas: install ## Write the JSON Schemas of all events and the AsyncAPI document anew.
	$(BIN)/python -m shared_events.schemas
	$(BIN)/python -m shared_events.asyncapi

.PHONY: lock
lock: ## Pin every library with its hashes, without addresses.
	$(BIN)/uv lock --quiet
	$(BIN)/uv export --quiet --all-packages --all-groups --no-emit-workspace --no-header --no-annotate --output-file requirements.lock
	@! grep -nE '://|--(extra-)?index-url|--find-links' requirements.lock

.PHONY: clean
clean: down ## Stop the city and remove all its data.
	rm -rf .veche
