# make demo   everything on one machine, no account needed
# make test   what CI runs: format, lints, licences, all tests
# make help   the rest

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# One place for what a fresh Debian machine lacks.
APT := $(if $(filter 0,$(shell id -u)),apt-get,sudo apt-get)
ARGS ?=

.PHONY: help demo build test check fmt lint deny tests node-tests conform record bench tools redis-server standin

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: redis-server standin ## build and run the demo; Ctrl-C ends it (ARGS=--check does and checks all of it, ARGS="--act 2" shows the way from Node)
	$(CARGO) build --release --bin crs
	./target/release/crs demo $(ARGS)

build: ## the binary, target/release/crs
	$(CARGO) build --release --bin crs

test: check ## all of CI

check: fmt lint deny tests ## the same, by its usual name

fmt: ## format, without changing anything
	$(CARGO) fmt --all --check

lint: ## clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## licences, bans and sources of dependencies, when cargo-deny is installed (make tools)
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo "cargo-deny is not installed, skipped (make tools installs it)"; fi

# What of it needs installed packages is skipped when they cannot be installed.
node-tests: redis-server standin ## tests of the tap and the stand-in, when node is installed
	@if command -v node >/dev/null; then \
	  node --test legacy-node/test/*.test.cjs legacy-node/standin/test/*.test.cjs; \
	else echo "node is not installed, the tests of legacy-node are skipped"; fi

# Last, so that the run ends with the test runner's summary.
tests: redis-server node-tests ## all tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) test --workspace --doc --locked --quiet && $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else $(CARGO) test --workspace --locked --no-fail-fast; fi

conform: redis-server ## replay the recordings; against a Node service with LEGACY_URL=… LEGACY_REDIS=…, or LEGACY_DIR=…
	$(CARGO) test --test conform --locked -- $(if $(LEGACY_URL)$(LEGACY_DIR),live) $(ARGS)

record: redis-server ## record the goldens anew from an installed legacy service, LEGACY_DIR=…
	$(CARGO) test --test conform --locked -- record $(ARGS)

bench: build ## measure against nginx and, with LEGACY_URL or LEGACY_DIR, the legacy service
	$(CARGO) bench --bench relay -- $(ARGS)

tools: ## optional tools: cargo-nextest, cargo-deny
	$(CARGO) install --locked cargo-nextest cargo-deny

# What the stand-in for Node needs. Where it cannot be installed, whoever needs it says so.
standin:
	@if command -v npm >/dev/null && [ ! -d legacy-node/node_modules/ioredis ]; then \
	  echo "installing the packages of legacy-node"; \
	  npm ci --prefix legacy-node --no-audit --no-fund --silent || true; fi

redis-server:
	@command -v redis-server >/dev/null || { echo "installing redis-server"; \
	  $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq --no-install-recommends redis-server >/dev/null; }
