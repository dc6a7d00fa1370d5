# make run    start everything: virtual environment, server, embedded Valkey, demo stories
# make test   all tests (installs a browser and the clients that tests speak through, if they are missing)
# make check  types, style, JavaScript
# make audit  known weaknesses of the packages it rests on
# make bench  fan-out measured on this machine
# make faults breaks things under readers: nothing may be lost, doubled or out of order
# make soak   half an hour under load: what the server holds must not grow

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REACH := import httpx; httpx.head("https://pypi.org/simple/pip/", timeout=3).raise_for_status()

.PHONY: run test check audit bench faults soak format clean

run: $(VENV)/runtime
	@$(BIN)/live serve --demo $(ARGS)

test: $(VENV)/dev node_modules/.installed
	@$(BIN)/python -m tests.tools
	$(BIN)/python -m pytest -n 4 --dist worksteal --cov --cov-report=term $(ARGS)
	$(BIN)/python -m tests.tools node --test "tests/js/*.test.js"

check: $(VENV)/dev node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.tools node node_modules/typescript/bin/tsc -p tsconfig.json
	@if $(BIN)/python -c '$(REACH)' 2>/dev/null; then $(MAKE) --no-print-directory audit; \
	else echo "The package registry does not answer: dependencies are not audited."; fi

audit: $(VENV)/dev
	$(BIN)/python -m pip_audit --skip-editable --progress-spinner off

bench: $(VENV)/dev
	$(BIN)/python -m tests.bench.compare $(ARGS)

faults: $(VENV)/dev
	$(BIN)/python -m tests.faults.checker $(ARGS)

soak: $(VENV)/dev
	$(BIN)/python -m tests.faults.soak $(ARGS)

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) node_modules .coverage* .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Live needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/runtime: $(VENV)/bin/python pyproject.toml
	@echo "Installing Live into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: $(VENV)/bin/python pyproject.toml
	@echo "Installing Live and its test tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/runtime

node_modules/.installed: $(VENV)/dev package.json
	@$(BIN)/python -m tests.tools npm install --no-audit --no-fund --silent
	@touch $@
