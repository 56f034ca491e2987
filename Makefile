# Everything one does with this repository. On a fresh machine `make run` and `make test` need Python 3.11 or newer, git and
# make; they make their own environment in .venv.

VENV ?= .venv
BIN = $(VENV)/bin
export VENV
export PYTHON

.PHONY: help run test quick check fix docs ui lock bench mutants build clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

run: ## survey this repository, then serve; NO_SERVE=1 to stop after the survey
	@.ci/setup run
	@$(BIN)/penstock run survey -i folder=.
	@if [ -z "$(NO_SERVE)" ]; then exec $(BIN)/penstock up; fi

test: ## every test, with the real services they need, in WORKERS processes (0: in one, as a debugger wants)
	@.ci/setup dev
	@.ci/tools
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

# The tests wait more than they compute: one process more than there are cores, and no more than there are families of files.
WORKERS = $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$cores -lt 8 ] || cores=7; expr $$cores + 1)

quick: ## what to run after each edit: lint, types, and the tests that need no browser, no Postgres and no other process
	@.ci/setup dev
	$(BIN)/ruff check -q .
	$(BIN)/basedpyright --level error
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(QUICK) $(ARGS)

# Without what kills processes, what works with others, and what tries the API at random.
QUICK = tests/engine tests/gate tests/nodes tests/models tests/api -k "not kill and not remote and not mcp_stdio and not no_example"

check: ## lint, format, types, import layers, house rules
	@.ci/setup dev
	$(BIN)/ruff check -q .
	$(BIN)/ruff format --check -q .
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports --no-logo
	$(BIN)/python .ci/house.py
	$(BIN)/python ui/build.py check

fix: ## let ruff put right what it can
	@.ci/setup dev
	$(BIN)/ruff check -q --fix .
	$(BIN)/ruff format -q .

docs: ## write the parts of the documentation that the code knows better; ARGS=--check to only look
	@.ci/setup dev
	@$(BIN)/python -m docs.generate $(ARGS)

ui: ## the pages, and the types that they have from the API
	@.ci/setup dev
	@$(BIN)/python -m docs.openapi | $(BIN)/python ui/build.py types
	@$(BIN)/python ui/build.py

LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: ## pin the newest versions that pyproject.toml allows (UPGRADE= to keep what is pinned)
	@.ci/setup dev
	$(LOCK) $(UPGRADE) pyproject.toml -o requirements/run.txt
	$(LOCK) $(UPGRADE) pyproject.toml -c requirements/run.txt --extra postgres --group dev -o requirements/dev.txt

UPGRADE = --upgrade

bench: ## measure; one JSON object a line
	@.ci/setup dev
	@$(BIN)/python -m tests.bench $(ARGS)

mutants: ## plant defects in the engine, and see that the tests find each
	@.ci/setup dev
	@$(BIN)/python tests/mutants.py $(ARGS)

build: ## the wheel, and the sdist it can be built from without Node, in dist/
	@.ci/setup dev
	$(BIN)/uv build -q -o dist
	@ls dist/*

clean: ## everything that can be made again
	rm -rf $(VENV) dist build ui/node_modules src/penstock/api/face .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
