# Two commands: `make run` shows a street of houses being metered, `make test` passes the tests.
# Both set up all they need on a machine that has python3 (3.11 or later), npm and git.
.DEFAULT_GOAL := help
.PHONY: help run test lint bench docs setup screens score fuzz clean
PYTHON ?= python3
BIN := .venv/bin

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

run: .make/run .make/web ## start the demo: broker, meters, gateways, station
	@$(BIN)/metergate demo --state .demo

test: setup lint ## every check and test
	@$(BIN)/python scripts/run_tests.py

lint: .make/test ## style, types, import contracts, size laws
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && echo "style: right"
	@$(BIN)/lint-imports --no-logo >.make/imports.log || { cat .make/imports.log; exit 1; }; echo "import contracts: kept"
	@$(BIN)/python scripts/check_laws.py
	@$(BIN)/python scripts/generate_docs.py --check
	@$(BIN)/mypy --no-error-summary && echo "types: right"

bench: .make/test .make/web .make/packages ## measure speed against peers; table and bench/results.json
	@$(BIN)/python -m bench

docs: .make/test ## write the generated parts of the documentation
	@$(BIN)/python scripts/generate_docs.py

score: .make/test ## decode the corpora beside the checkout and score the answers; rows that fail stand in decision 7
	@$(BIN)/python ../shared/tools/score_corpora.py --cmd "$(BIN)/metergate decode --batch" --failures 20 --at-least 0.89

fuzz: .make/test ## spoilt telegrams for every receiver: 100,000 at random, then guided by coverage (MINUTES=30 a protocol, JOBS=2 at a time)
	@$(BIN)/python scripts/fuzz.py --jobs $(or $(JOBS),2)
	@$(BIN)/python scripts/fuzz.py --minutes $(or $(MINUTES),30) --jobs $(or $(JOBS),2)

screens: setup ## take the pictures of every page again
	@METERGATE_SCREENS=1 $(BIN)/pytest tests/station -m browser

setup: .make/test .make/web .make/packages ## install everything the tests need

.make/uv: requirements/uv.txt
	@scripts/make_venv.sh "$(PYTHON)"
	@touch $@

.make/run: requirements/run.txt pyproject.toml | .make/uv
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.make/test: requirements/test.txt requirements/sparkplug-oracle.txt requirements/sdm-oracle.txt pyproject.toml | .make/uv
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements/test.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/uv venv --quiet --clear .venv/sparkplug
	@$(BIN)/uv pip install --quiet --python .venv/sparkplug/bin/python --require-hashes -r requirements/sparkplug-oracle.txt
	@$(BIN)/uv venv --quiet --clear .venv/sdm
	@$(BIN)/uv pip install --quiet --python .venv/sdm/bin/python --require-hashes -r requirements/sdm-oracle.txt
	@touch $@ .make/run

.make/web: package-lock.json package.json vite.config.js $(shell find src/metergate/station/web/assets -type f 2>/dev/null)
	@mkdir -p .make
	@npm ci --no-audit --no-fund --silent && npm run --silent build
	@touch $@

.make/packages: scripts/packages.sh
	@mkdir -p .make
	@scripts/packages.sh && touch $@

clean: ## remove what the set-up made
	rm -rf .venv .make node_modules src/metergate/station/web/static/web/dist
