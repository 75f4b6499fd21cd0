# The README's commands. Everything is installed into .venv, and nothing outside.
.PHONY: help run test test-rabbitmq4 test-pika-next lint bench release clean

# With another Python, beside the first: make test PYTHON=python3.14 VENV=.venv-3.14
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NEXT := .venv-pika-next

run: $(VENV)/installed
	@exec $(BIN)/runner run pipeline.yaml

help:
	@echo 'make run    starts the pipeline (Ctrl-C stops it)'
	@echo 'make test   tests everything'
	@echo 'make lint   checks style and types'
	@echo 'make bench  measures the runner and its peers: about an hour'
	@echo 'make clean  removes what was installed and what runs have written'
	@echo 'Another Python: make run PYTHON=python3.14. README.md says more.'

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses 4 --dist worksteal

# The tests that use RabbitMQ, on a 4.x from Debian's forky (needs root and debootstrap).
test-rabbitmq4: $(VENV)/installed-dev
	@tests/rabbitmq4/install
	RABBITMQ_SERVER=tests/rabbitmq4/rabbitmq-server $(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests/brokers tests/system -k rabbitmq

# The brokers' tests on the next pika: amqp/ overrides what pika keeps private.
test-pika-next: $(NEXT)/installed
	$(NEXT)/bin/python -m pytest --numprocesses 2 --dist worksteal tests/brokers tests/test_call_counts.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The runner's figures and its peers': python -m bench --list. Takes about an hour.
bench: $(VENV)/installed-bench
	@$(BIN)/python -m bench

# Builds and checks what is published, and prints what is left to do.
release: $(VENV)/installed-release
	@.ci/release

clean:
	rm -rf $(VENV) $(NEXT) build dist .rabbitmq4* var bench/peers/rascal/node_modules

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), with what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@# The package is runner/ alone. A copy of pipeline.yaml that is tried elsewhere finds the shipped stages/, too.
	@echo "$(CURDIR)" >"$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/checkout.pth"
	@touch $@ $(VENV)/installed

$(VENV)/installed-bench: pyproject.toml bench/peers/rascal/package.json | $(VENV)/bin/python
	@echo "Installing into $(VENV), with the benchmark's peers (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-audit --no-fund --prefix bench/peers/rascal || echo "rascal could not be installed: left out"; fi
	@touch $@ $(VENV)/installed

$(VENV)/installed-release: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), with what a release needs (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[release]"
	@touch $@ $(VENV)/installed

$(NEXT)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(NEXT), with pika's newest pre-release (once) ..."
	@$(PYTHON) -m venv $(NEXT)
	@$(NEXT)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@$(NEXT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --pre "pika<2"
	@touch $@
