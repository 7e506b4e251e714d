# Thin on purpose: what a target does stands in scripts/, where it can be read and linted.

SHELL := /bin/bash
# rustup's tools are often installed for the user but absent from a service's PATH.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

SEEDS ?= 10000
FROM ?= 0

.DEFAULT_GOAL := help
.PHONY: help run setup test check bench sim drills fmt clean-venv

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## start everything in one process against the built-in sandbox
	cargo build -p tidegate
	exec "$(TARGET_DIR)/debug/tidegate" all

setup: ## install what test, check and bench need (apt as root, else says the one line)
	@scripts/setup.sh

test: setup ## every test, Rust and Python; last line: N passed, N failed
	@.venv/bin/python scripts/test.py

check: setup ## format, lints, protobuf, walls, unused dependencies, shell, house rules
	@.venv/bin/python scripts/check.py

bench: setup ## translation beside plain parsing; calls/s, p50, p99 and CPU per call: direct, in memory, with Redis
	cargo build --profile bench-bin -p tidegate -p tidegate-tests
	exec "$(TARGET_DIR)/bench-bin/tidegate-bench"

sim: ## the lanes under SEEDS=N random histories with faults, from FROM=N; the sandbox's exchange is the judge
	cargo build --profile sim -p tidegate-sim
	exec "$(TARGET_DIR)/sim/tidegate-sim" --seeds $(SEEDS) --from $(FROM)

drills: ## the long proofs in full, DRILLS="chaos takeover" for some; writes docs/PROOFS.md
	@scripts/setup.sh drills
	cargo build --profile bench-bin -p tidegate -p tidegate-tests
	exec "$(TARGET_DIR)/bench-bin/tidegate-drills" $(DRILLS)

fmt: ## format the Rust sources
	cargo fmt --all

clean-venv: ## remove the Python environment; the next setup makes a new one
	rm -rf .venv
