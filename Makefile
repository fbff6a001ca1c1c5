# Temper. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

IMAGE ?= python
PROFILE ?= hardened
# a container engine: auto (found, or installed where we may), none
ENGINE ?= auto
export ENGINE
# every start would compile the toolkit again
unexport PYTHONDONTWRITEBYTECODE

TEMPER := .venv/bin/temper
BUILD_FLAGS ?=
PYTEST_FLAGS ?=
# processes that share the tests: as many as there are processors, or a number
JOBS ?= auto
SOURCES := builder tests bench images

.PHONY: help image images lock plan render verify audit test test-slow test-unit lint types imports fmt golden drift fuzz bench engine tools clean

help: ## list the targets
	@grep -hE '^[a-z/%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F '\t' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo "  set IMAGE, PROFILE (now $(IMAGE), $(PROFILE)), ENGINE=none, BUILD_FLAGS='--platform linux/arm64 --locked'"

.venv/.run: .ci/requirements-run.txt pyproject.toml .ci/setup
	@.ci/setup run

.venv/.dev: .ci/requirements-dev.txt pyproject.toml .ci/setup
	@.ci/setup dev
	@touch .venv/.run

image: .venv/.run ## build, harden, audit and verify IMAGE under PROFILE, and print the report
	@$(TEMPER) build $(IMAGE) --profile $(PROFILE) --verify $(BUILD_FLAGS)

image/%: .venv/.run ## the same for one image by name: make image/onnx-inference
	@$(TEMPER) build $* --profile $(PROFILE) --verify $(BUILD_FLAGS)

images: .venv/.run ## the same for every image
	@for name in $$($(TEMPER) list --names); do $(TEMPER) build $$name --profile $(PROFILE) --verify $(BUILD_FLAGS); done

plan: .venv/.run ## show what would be built, and which control asks for what
	@$(TEMPER) plan $(IMAGE) --profile $(PROFILE)

lock: .venv/.run ## lock IMAGE's packages and wheels to what the archive and index hold now
	@$(TEMPER) lock $(IMAGE) --profile $(PROFILE)

render: .venv/.run ## write IMAGE's definition (Dockerfile, layers, run contract) to build/definition
	@$(TEMPER) render $(IMAGE) --profile $(PROFILE) -o build/definition

audit: .venv/.run ## look at IMAGE's finished layout again, without an engine
	@$(TEMPER) audit $(IMAGE) --profile $(PROFILE)

verify: .venv/.run ## run the live suites against IMAGE in a container
	@$(TEMPER) verify $(IMAGE) --profile $(PROFILE)

engine: ## make sure that a container engine answers; install and start the distribution's where we may
	@.ci/engine && echo "engine: answers"

test: .venv/.dev ## run all tests; REQUIRE_ENGINE=1 turns "no engine" into a failure
	@if .ci/engine; then :; elif [ -n "$(REQUIRE_ENGINE)" ]; then echo "make test: an engine is required"; exit 1; fi; \
	TEMPER_REQUIRE_ENGINE=$(REQUIRE_ENGINE) .venv/bin/pytest -n $(JOBS) --maxprocesses 4 $(PYTEST_FLAGS)

test-slow: .venv/.dev ## build, verify and use the images of gigabytes: half an hour, an engine, 40 GB of disk
	@.ci/engine && TEMPER_REQUIRE_ENGINE=1 .venv/bin/pytest -m slow tests/integration/images/test_gigabytes.py $(PYTEST_FLAGS)

test-unit: .venv/.dev ## only the unit tests: seconds, no network, no engine
	@.venv/bin/pytest tests/unit -n $(JOBS) --maxprocesses 4 $(PYTEST_FLAGS)

lint: .venv/.dev types imports ## style, types, import rules, Dockerfiles
	@.venv/bin/ruff check $(SOURCES)
	@.venv/bin/ruff format --check $(SOURCES)

types: .venv/.dev ## mypy, strict
	@.venv/bin/mypy

imports: .venv/.dev ## which room may import which
	@.venv/bin/lint-imports --no-logo

fmt: .venv/.dev ## format the sources
	@.venv/bin/ruff check --fix $(SOURCES)
	@.venv/bin/ruff format $(SOURCES)

golden: .venv/.dev ## rewrite the golden files and the generated docs
	@.venv/bin/python -m tests.golden

drift: golden ## fail when the golden files are not what the code renders
	@git diff --exit-code -- tests/cases docs || { echo "drift: run 'make golden' and commit what it changes"; exit 1; }

fuzz: .venv/.dev ## throw broken and hostile images at the reader for a minute
	@.venv/bin/python -m tests.fuzz 60

bench: .venv/.dev ## measure against the peers, as ratios in one run, into bench/results.md
	@.venv/bin/python -m bench

tools: ## build trivy, grype and cosign from their sources into .tools/bin; needs Go, takes half an hour
	@.ci/tools $(TOOLS)

clean: .venv/.run ## remove what was built here; the store of downloads stays
	@rm -rf build dist
	@echo "clean: build/ is gone; the store of downloads is kept: $$($(TEMPER) store)"
