# Everything a person or a machine runs here. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help serve test outage clients check check-long check-system check-mutants conformance pictures check-history lint lock client bench bench-app lighthouse clean check-archive soak

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help:
	@echo "make serve   run the server on http://127.0.0.1:8000 with SQLite in ./data"
	@echo "make test    set up everything the tests need and run all of them"
	@echo "make outage  databases that are away for a minute under 20 writers"
	@echo "make clients  every published client in one document for a minute, through reconnects"
	@echo "make check   three minutes of the checker with fresh seeds: kills, faults, hostile clients, simulation"
	@echo "make check-long, check-system, check-mutants: docs/reliability.md"
	@echo "make check-history   the history tests with their full counts (some 20 minutes)"
	@echo "make soak    half an hour of two people in Chromium: same documents, and nothing that grows"
	@echo "make conformance  the WebSocket transport under the Autobahn test suite (needs Python 2.7)"
	@echo "make pictures  every page and every dialog of the web app, for docs/pictures.md (needs Chromium)"
	@echo "make lint    ruff, mypy, import-linter, the client's checks"
	@echo "make bench   side by side with the peers"
	@echo "make lighthouse  what Lighthouse says of the web app; fails below 95"
	@echo "make bench-app   how quick the web app is, in Chromium (two minutes)"
	@echo "make check-archive   an archive of 1,000 documents with 200,000 updates, from SQLite to PostgreSQL"
	@echo "make client  rebuild the web client into web/static (needs Node 20)"
	@echo "make lock    resolve requirements.lock and requirements-dev.lock anew"

$(VENV)/.runtime: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Coscribe into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the development tools into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

serve: $(VENV)/.runtime
	@exec $(BIN)/coscribe serve

test: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

conformance: $(VENV)/.dev
	$(BIN)/python -m tests.conformance

pictures: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.pictures $(if $(ONLY),--only $(ONLY)) $(if $(FONTS),--fonts $(FONTS))

outage: $(VENV)/.dev
	COSCRIBE_TEST_OUTAGE_SECONDS=60 $(BIN)/python -m pytest tests/e2e/test_faults.py -k away

clients: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	COSCRIBE_TEST_CLIENTS_SECONDS=60 $(BIN)/python -m pytest -s tests/interop/test_every_client.py

check: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.checker check $(if $(TIME),--seconds $(TIME))

check-long: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.checker long $(if $(TIME),--seconds $(TIME)) $(if $(REPORT),--report $(REPORT))

check-system: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m pytest -n 2 --timeout 900 tests/checker/check_*.py

check-mutants: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.checker mutants

soak: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	$(BIN)/python -m tests.browser.soak $(if $(TIME),--seconds $(TIME)) $(if $(SEED),--seed $(SEED))

check-history: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	COSCRIBE_HISTORY_CHECK=1 $(BIN)/python -m pytest -q -rP -n 2 --dist worksteal --durations 0 tests/history
	$(BIN)/python -m tests.history.measure

check-archive: $(VENV)/.dev
	@$(BIN)/python -m tests.setup
	COSCRIBE_ARCHIVE_CHECK=full $(BIN)/python -m pytest -s tests/archives/test_moving.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.setup client
	npm --prefix web/client run --silent check

client:
	npm --prefix web/client ci
	npm --prefix web/client run build

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(PEERS),--peers $(PEERS))

bench-app: $(VENV)/.dev
	@$(BIN)/python -m tests.setup client
	$(BIN)/python -m bench.app

lighthouse: $(VENV)/.dev
	@$(BIN)/python -m tests.setup client
	$(BIN)/python -m bench.lighthouse_app

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --group dev -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache tests/artifacts
