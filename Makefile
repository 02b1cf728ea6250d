# DarkHorses: everything that a developer or a curious visitor types.
# Needs python3 (3.11 or later) with venv, and make; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-poolers soak check audit format bench bench-full bench-compare bench-statistics lock wheel clean

help: ## say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

demo: $(RUNTIME) ## live odds of a simulated race day on http://127.0.0.1:8000
	$(BIN)/darkhorses demo

test: $(DEVELOPMENT) ## run the whole suite
	$(BIN)/pytest -n auto

test-poolers: $(DEVELOPMENT) ## run the whole suite through PgBouncer, in session and in transaction mode
	$(BIN)/pytest -n auto --pooler session
	$(BIN)/pytest -n auto --pooler transaction

soak: $(DEVELOPMENT) ## run the tests that take minutes
	$(BIN)/pytest -m soak

check: $(DEVELOPMENT) audit ## format, lint, types, import contracts, known vulnerabilities
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(DEVELOPMENT) ## ask OSV about every locked package; AUDIT=required fails without an answer
	$(BIN)/python -m tools.audit $(if $(filter required,$(AUDIT)),--required) \
		$(if $(AUDIT_URL),--url $(AUDIT_URL)) requirements.lock requirements-dev.lock

format: $(DEVELOPMENT) ## put the code into its format
	$(BIN)/ruff format src tests benchmarks tools
	$(BIN)/ruff check --fix src tests benchmarks tools

bench: $(DEVELOPMENT) ## measure what has a goal, into bench.json
	$(BIN)/python -m benchmarks.suite

bench-full: $(DEVELOPMENT) ## measure beside 1, 10 and 50 million stored changes, into bench-full.json
	$(BIN)/python -m benchmarks.suite --only growth --changes 50000000 --out bench-full.json

bench-compare: $(DEVELOPMENT) ## measure again, beside AGAINST=bench.json
	$(BIN)/python -m benchmarks.suite --against $(or $(AGAINST),bench.json) --out bench-new.json

bench-statistics: $(DEVELOPMENT) ## measure the statistics at 1 and 5 million price changes
	$(BIN)/python -m benchmarks.statistics_cost

lock: $(DEVELOPMENT) ## settle the versions of all packages anew
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-header --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --group dev --constraints requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --constraints requirements-dev.lock \
		--output-file requirements-build.lock -

wheel: $(DEVELOPMENT) ## build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what was installed and built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(RUNTIME): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
