# Every habit of this house is one verb. What a verb needs it builds first, from the two locks, without root.
#
#   make demo     serve the example on real flights            PORT=9000 changes the port
#   make test     every test, on SQLite and on PostgreSQL      PYTHON=python3.13 chooses another interpreter
#   make coverage the tests again, each once, and how much of the code they run
#   make fuzz     generated requests at whole APIs, many and new ones; FUZZ_EXAMPLES=1000 sends more
#   make check    format, lint, types, import laws, migration drift, documents of the API
#   make bench    the measurements in benchmarks/
#   make projects the classes of public projects in the admin, and docs/projects.md; takes minutes
#   make newest   the tests on the newest versions of every library, beside the locked ones
#   make reference  regenerate docs/reference and the list of public names
#   make format   write what `make check` would ask for
#   make lock     resolve the dependencies again and write all locks
#   make clean    remove everything that make made; the demo's data in var/ stays

PYTHON ?= python3
PORT ?= 8000

# The machine's own python3 has the plain name, which editors look for. Any other
# interpreter lives beside it, so that trying one does not cost the other.
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# Twice quiet: the warnings of a machine's own package configuration are nothing of ours; errors still show.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
# uv fills an environment in a tenth of pip's time. It reads nothing of what pip is configured with:
# where it gets nowhere, because packages come from an index that pip alone knows, pip does it.
UV = UV_HTTP_TIMEOUT=15 UV_HTTP_RETRIES=1 $(BIN)/uv pip install --quiet --no-progress --compile-bytecode --python $(BIN)/python
install_lock = $(UV) --require-hashes --requirement $(1) 2>/dev/null || $(PIP) install --require-hashes --requirement $(1)
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help demo test coverage fuzz check check-types check-rest bench projects newest reference format lock install clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

# ---- environments ------------------------------------------------------------------------------
# One environment, filled in two steps: the demo waits for the first only. Each stamp is
# newer than the files it was built from, so nothing is installed twice.

$(VENV)/.created:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { echo "Trivet needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is none of them here. Name another one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "making $(VENV) ($$("$(PYTHON)" --version))"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed. Where a system packages it by itself, install that package (Debian: python3-venv)." >&2; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(VENV)/uv.lock
	@$(PIP) install --require-hashes --requirement $(VENV)/uv.lock
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements.lock
	@echo "installing what Trivet runs on"
	@$(call install_lock,requirements.lock)
	@touch $@

$(VENV)/.project: $(VENV)/.runtime pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/.project
	@echo "installing what Trivet is tested with"
	@$(call install_lock,requirements-dev.lock)
	@touch $@

tests/node_modules/.installed: tests/package.json tests/package-lock.json
	@command -v npm >/dev/null || { echo "The browser and the socket client of the tests come from npm: install Node 20 or later, with npm." >&2; exit 1; }
	@echo "installing the tests' browser and socket client"
	@cd tests && npm ci --silent --no-progress
	@touch $@

install:
	@$(MAKE) --silent --no-print-directory --jobs=2 $(VENV)/.dev tests/node_modules/.installed

# ---- the verbs ---------------------------------------------------------------------------------

demo: $(VENV)/.project
	@$(BIN)/trivet demo --port $(PORT)

test: install
	@$(BIN)/python -m tests $(ARGS)

coverage: install
	@$(BIN)/python -m tests --coverage $(ARGS)

# Another seed for each run; FUZZ_SEED=… repeats one.
FUZZ_EXAMPLES ?= 300
FUZZED = tests/departures/test_generated_requests.py tests/api/resource/test_generated_requests.py
FUZZ_SEED ?= $(shell date +%s)
fuzz: install
	@echo "$(FUZZ_EXAMPLES) examples for each operation, seed $(FUZZ_SEED)"
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m tests $(FUZZED) $(ARGS)

# The types take three times what all the rest does, which runs beside them.
check: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 check-rest check-types

check-types:
	$(BIN)/mypy

check-rest:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.drift
	@$(BIN)/python -m tests.surface
	@$(BIN)/python -m tests.api_documents

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks $(ARGS)

# Each project has an environment of its own, .venv-projects/NAME. ARGS="optuna" takes one.
projects: $(VENV)/.dev
	@$(BIN)/python -m tests.projects $(ARGS)

# What a stranger who installs today would get: no lock, no upper bounds, the newest of everything.
newest: tests/node_modules/.installed
	@"$(PYTHON)" -m venv --clear .venv-newest
	@.venv-newest/bin/python -m tests.newest

reference: $(VENV)/.dev
	@$(BIN)/python -m tests.surface --write

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The runtime lock is held to the versions of the other: what is tested is what is run.
lock: $(VENV)/.dev
	$(COMPILE) --group dev --output-file requirements-dev.lock $(ARGS) pyproject.toml
	$(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
	cd tests && npm install --package-lock-only

clean:
	rm -rf .venv .venv-* tests/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
