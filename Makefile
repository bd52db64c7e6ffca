# `make demo` and `make test` are the whole setup: each creates .venv.
PYTHON ?= python3
BIN := .venv/bin
PROOF := .pytest_cache/proof.jsonl
CODE := convolake ingest warehouse pipelines dashboards tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long test-bots test-postgres prove channels imports check check-api bench bench-compare bench-scale bench-search bench-dashboard format docs screenshots lock

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s%s\n", $$1, $$2}'

install: .venv/installed ## create .venv and install the locked dependencies, if they changed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## run everything on 60 days of simulated conversations; Ctrl-C stops it
	$(BIN)/convolake up --demo

test: install ## run the tests that take seconds: all but the long ones
	$(BIN)/pytest --numprocesses auto --dist worksteal -m "not long"

test-long: install ## run the long tests: faults, whole stories, browsers, many loads
	$(BIN)/pytest --numprocesses auto --dist worksteal -m long

test-postgres: install ## run the tests of the log, the API and the channels on PostgreSQL, which must be installed
	$(BIN)/pytest --numprocesses auto --dist worksteal --database postgresql -W ignore::ResourceWarning \
	  tests/channels tests/cluster tests/conversations tests/delivery tests/events tests/hooks tests/identity tests/log tests/reviews $(patsubst %,tests/test_%.py,log control visibility ingest_stats api lake verify \
	  live presence webhooks bot_watchdog access rate_limits story end_to_end openapi multi_writer)

test-bots: install .venv-bots/installed ## let bots of three frameworks answer, each logged by its own instrumentation
	$(BIN)/pytest -m long tests/bots/test_instrumented_bots.py

.venv-bots/installed: tests/bots/requirements.lock
	$(PYTHON) -m venv .venv-bots
	echo '*' > .venv-bots/.gitignore
	.venv-bots/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/bots/requirements.lock
	@touch $@

prove: install ## inject every fault at full length, with controls; prints docs/proof.md (partly as root)
	rm -f $(PROOF)
	PROVE=$(PROOF) $(BIN)/pytest tests/faults tests/test_interleavings.py tests/test_openapi.py tests/test_webhooks.py tests/warehouse tests/test_compaction.py tests/test_query_process.py tests/test_safety.py tests/test_url_parameters.py; status=$$?; \
	  $(BIN)/python -m tests.faults.proof $(PROOF) > docs/proof.md; exit $$status

channels: install ## send every recorded call of ../shared/data/C_webhooks to an API; print what became of them
	$(BIN)/python -m tests.channels.recorded_run

imports: install ## read every real file of ../shared/data with its importer, against another reading; print a table
	$(BIN)/pytest -q --formats tests/importers/test_real_files.py tests/importers/test_real_dialogues.py tests/bots/test_rasa.py tests/bots/test_bot_framework.py \
	  tests/bots/test_dialogflow.py tests/bots/test_langfuse.py tests/bots/test_real_openai_chat.py

check: install ## check style, types, layers, SQL, spelling and the OpenAPI document
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar warehouse dashboards convolake
	$(BIN)/python -m tests.api_clients.documents
	$(BIN)/openapi-spec-validator tests/api_clients/generated/openapi.json
	$(BIN)/codespell $(CODE) docs README.md CONTRIBUTING.md CHANGELOG.md

check-api: install .venv-api/installed ## lint OpenAPI and AsyncAPI; generated clients play a story (npm packages)
	cd tests/api_clients && PATH=$(CURDIR)/.venv-api/bin:$$PATH npm ci --silent
	$(BIN)/python -m tests.api_clients .venv-api/bin

.venv-api/installed: tests/api_clients/requirements.lock
	$(PYTHON) -m venv .venv-api
	echo '*' > .venv-api/.gitignore
	.venv-api/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/api_clients/requirements.lock
	@touch $@

bench: install .venv-bench/installed ## run the benchmarks: ratios in one run
	$(BIN)/python -m benchmarks

bench-compare: install ## compare this tree with the revision REV (default HEAD) of it, served in turns (5 minutes)
	$(BIN)/python -m benchmarks.compare $(or $(REV),HEAD)

bench-scale: install ## measure loads, a rebuild and queries on 10 million events (10 minutes)
	$(BIN)/python -m benchmarks.scale

bench-search: install ## measure full-text search on 10 million messages (15 minutes)
	$(BIN)/python -m benchmarks.search

bench-dashboard: install ## let 20 users read the dashboard of the data folder DATA (default ./data) for 10 minutes
	$(BIN)/python -m benchmarks.dashboard $(or $(DATA),data)

.venv-bench/installed: benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	echo '*' > .venv-bench/.gitignore
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@touch $@

format: install ## format Python and SQL
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

docs: install ## print the reference, the metrics, the event log's page and the glossary in CONTRIBUTING.md
	$(BIN)/python -m convolake.reference > docs/reference.md
	$(BIN)/python -m convolake.metrics_page > docs/metrics.md
	$(BIN)/python -m convolake.event_log_page > docs/event-log.md
	$(BIN)/python -m convolake.contributing_page > .contributing.md && mv .contributing.md CONTRIBUTING.md

screenshots: install ## take a picture of every page, light and dark, wide and narrow, into build/screenshots; and the README's
	$(BIN)/python -m tests.screenshots

lock: install ## resolve the dependencies into the lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header pyproject.toml --extra postgres --group dev \
	  --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header --group bench --output-file benchmarks/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header --group api --output-file tests/api_clients/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header --group bots --output-file tests/bots/requirements.lock
