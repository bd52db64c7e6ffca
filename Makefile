# `make demo` and `make test` are all the set-up there is: each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
PROOF := .pytest_cache/proof.jsonl
CODE := convolake ingest warehouse pipelines dashboards tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install demo test test-postgres prove check bench format docs picture lock

help: ## show this
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s%s\n", $$1, $$2}'

install: .venv/installed ## make .venv and install the locked dependencies, when they changed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## run everything on 60 days of simulated conversations; Ctrl-C stops it
	$(BIN)/convolake up --demo

test: install ## run the tests
	$(BIN)/pytest --numprocesses auto --dist worksteal

test-postgres: install ## run the store's and the API's tests on PostgreSQL, which must be installed
	$(BIN)/pytest --numprocesses auto --dist worksteal --database postgresql -W ignore::ResourceWarning \
	  $(patsubst %,tests/test_%.py,log conversations control visibility accounting api lake verify live \
	  webhooks hooks bot_silence access limits story end_to_end openapi shared_log)

prove: install ## break everything, long and with controls; prints docs/proof.md (some of it as root)
	rm -f $(PROOF)
	PROVE=$(PROOF) $(BIN)/pytest tests/faults tests/test_interleavings.py tests/test_openapi.py tests/test_webhooks.py; status=$$?; \
	  $(BIN)/python -m tests.faults.proof $(PROOF) > docs/proof.md; exit $$status

check: install ## lint, types, floors, SQL, spelling
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar warehouse dashboards
	$(BIN)/codespell $(CODE) docs README.md CONTRIBUTING.md CHANGELOG.md

bench: install .venv-bench/installed ## measure, as ratios in one run
	$(BIN)/python -m benchmarks

.venv-bench/installed: benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	echo '*' > .venv-bench/.gitignore
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@touch $@

format: install ## format Python and SQL
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

docs: install ## print the reference and the event log's page from the code
	$(BIN)/python -m convolake.reference > docs/reference.md
	$(BIN)/python -m convolake.event_log_page > docs/event-log.md

picture: install ## take the README's picture anew (needs chromium and chromedriver)
	$(BIN)/python -m tests.picture

lock: install ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header pyproject.toml --extra postgres --group dev \
	  --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-header --group bench --output-file benchmarks/requirements.lock
