# SPDX-License-Identifier: GPL-3.0-or-later
# `make` alone lists the targets. What starts daemons runs as root (a private Postfix needs that), by sudo
# when we are not; such a process writes nothing into this folder.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" -eq 0 ] || echo sudo)
AS_ROOT := $(SUDO) env PYTHONDONTWRITEBYTECODE=1

# Percent of lines and branches that the tests must reach: of the whole package; of core/ and scan.py.
COVERAGE_TOTAL ?= 95
COVERAGE_CORE ?= 100
CORE_FILES := milterguard/core/*,milterguard/scan.py,milterguard/look.py,milterguard/answers.py
# What else pytest is told, such as "-k release" or "-m 'not daemons'".
PYTEST ?=
# The folder of the load harness.
BENCH ?= ../shared/bench
# For how long each target is fuzzed, and which: `make fuzz SECONDS=60 TARGET=base64`; empty is all of them.
SECONDS ?= 600
TARGET ?=

.PHONY: help setup demo run test check lint tests stale format generate lock bench chaos fuzz clean

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Install what is missing: Debian packages, .venv, milterguard in it
	@tests/setup.sh

demo: setup ## Watch Postfix, clamd, spamd and milterguard handle real mail
	@$(AS_ROOT) $(BIN)/python -m tests.demo

run: setup ## Start milterguard with a local configuration; prints the lines for main.cf
	@$(AS_ROOT) $(BIN)/python -m tests.demo.run_locally

test: setup lint tests ## Set up, check statically, run every test with coverage

check: setup lint stale tests ## The one gate before a commit: test and stale generated files

lint: setup ## Format, lint, types and floors, without changing anything
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make format"; exit 1; }
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

tests: setup
	@scratch=$$(mktemp -d)
	trap '$(SUDO) rm -rf "$$scratch"' EXIT
	# Daemons that gave up root write their coverage there too.
	chmod 777 "$$scratch"
	in_scratch="COVERAGE_FILE=$$scratch/coverage HYPOTHESIS_STORAGE_DIRECTORY=$$scratch/hypothesis"
	status=0
	$(AS_ROOT) $$in_scratch $(BIN)/python -m coverage run -m pytest -p no:cacheprovider $(PYTEST) || status=$$?
	$(AS_ROOT) $$in_scratch $(BIN)/python -m coverage combine --quiet
	echo "Coverage of the package, $(COVERAGE_TOTAL) % asked for:"
	$(AS_ROOT) $$in_scratch $(BIN)/python -m coverage report --fail-under=$(COVERAGE_TOTAL) || status=$$?
	echo "Coverage of core and scan, $(COVERAGE_CORE) % asked for:"
	$(AS_ROOT) $$in_scratch $(BIN)/python -m coverage report --fail-under=$(COVERAGE_CORE) --include='$(CORE_FILES)' || status=$$?
	exit $$status

format: setup ## Format the code
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

generate: setup ## Write etc/milterguard.toml, docs/settings.md and the failure table anew
	@mkdir -p etc docs
	$(BIN)/python -m milterguard.config.sample sample > etc/milterguard.toml
	$(BIN)/python -m milterguard.config.sample reference > docs/settings.md
	$(BIN)/python -m tests.integration.faults

stale: setup
	@$(BIN)/python -m milterguard.config.sample sample | cmp - etc/milterguard.toml &&
	$(BIN)/python -m milterguard.config.sample reference | cmp - docs/settings.md ||
	{ echo "a generated file is stale: make generate"; exit 1; }

lock: ## Pin the newest versions that pyproject.toml allows, for setup and CI
	@scratch=$$(mktemp -d)
	trap 'rm -rf "$$scratch"' EXIT
	$${PYTHON:-$(BIN)/python} -m venv "$$scratch/venv"
	"$$scratch/venv/bin/pip" --disable-pip-version-check install -q --editable '.[dev,postgres,mysql,ldap]'
	{
		echo "# Versions that the tests were run with; used as constraints. Written by: make lock"
		"$$scratch/venv/bin/pip" freeze --exclude-editable
	} > tests/requirements.lock

bench: setup ## Measure milterguard beside its peers (BENCH: the harness), into docs/performance.md
	@$(AS_ROOT) BENCH='$(BENCH)' $(BIN)/python -m tests.bench

chaos: setup ## Kill what can be killed under load, and count what was lost
	@$(AS_ROOT) $(BIN)/python -m tests.chaos

fuzz: setup ## Fuzz what reads hostile octets, each target (TARGET: one) for SECONDS
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGET)

clean: ## Remove caches and build results, not .venv
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist .coverage .coverage.*
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0r rm -rf
