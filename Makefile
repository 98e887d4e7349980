# Needs git, make and Python 3.11 or newer with its venv module. `make` alone lists the targets.

RUN     := .venv
TEST    := .venv-test
REVIEW  := .venv-review
WHEEL   := .venv-wheel
LOCKS   := .venv-lock
IN_TEST := $(TEST)/bin/python -m
COVER   ?= 95

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

# --- use ---------------------------------------------------------------------------------------

.PHONY: demo
demo: $(RUN)/.made ## set up what a user needs, and watch guarded conversations
	@$(RUN)/bin/corroborator demo

$(RUN)/.made: requirements/build.txt requirements/run.txt pyproject.toml
	@echo "setting up $(RUN); this takes a minute or two"
	@tools/make_venv.sh $(RUN) requirements/build.txt requirements/run.txt
	@$(RUN)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- test --------------------------------------------------------------------------------------

# tests that run where their host is installed
OTHERS := $(addprefix --ignore=tests/,integrations/langchain integrations/nemo review)

.PHONY: test
test: $(TEST)/.made ## lint, types, quick tests with coverage
	$(IN_TEST) ruff check
	$(IN_TEST) ruff format --check
	$(IN_TEST) mypy
	tools/postgres.sh $(IN_TEST) pytest -q -rs -n 2 --dist loadfile -m "not slow and not exhaustive" $(OTHERS) --cov --cov-report=term:skip-covered --cov-fail-under=$(COVER)

.PHONY: test-slow
test-slow: $(TEST)/.made package resolve ## the rest: slow tests, the wheel, licences, resolution
	tools/postgres.sh $(IN_TEST) pytest -q -rs -m slow $(OTHERS)

.PHONY: test-exhaustive
test-exhaustive: $(TEST)/.made ## attacks on the audit store that take minutes
	tools/postgres.sh $(IN_TEST) pytest -q -rs -m exhaustive tests/audit

$(TEST)/.made: requirements/dev.txt pyproject.toml
	@echo "setting up $(TEST)"
	@tools/make_venv.sh $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- hosts, each in an environment of its own ------------------------------------------------

NEMO    := .venv-nemo
IN_NEMO := $(NEMO)/bin/python -m
NEMO_PY := guardrails/corroborator/integrations/nemo tests/integrations/nemo examples/nemo \
    benchmarks/nemo.py tools/nemo_keys.py tools/peers_nemo.py

.PHONY: test-nemo
test-nemo: $(NEMO)/.made ## NeMo Guardrails: lint, types, tests against the real host
	$(IN_NEMO) ruff check $(NEMO_PY)
	$(IN_NEMO) ruff format --check $(NEMO_PY)
	$(IN_NEMO) mypy $$(find $(NEMO_PY) -name '*.py')
	$(IN_NEMO) pytest -q -rs --ignore=tests/integrations/nemo/peers tests/integrations/nemo

.PHONY: peers-nemo
peers-nemo: $(NEMO)/.made ## the same NeMo tests without rails, with NVIDIA's rail, with ours (SUITE=DIR)
	$(NEMO)/bin/python tools/peers_nemo.py $(SUITE)

$(NEMO)/.made: requirements/nemo.txt pyproject.toml
	@echo "setting up $(NEMO)"
	@tools/make_venv.sh $(NEMO) requirements/nemo.txt
	@$(NEMO)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

CHAIN       := .venv-langchain
IN_CHAIN    := $(CHAIN)/bin/python -m
CHAIN_PY    := $(addsuffix /langchain,guardrails/corroborator/integrations tests/integrations examples)
CHAIN_TESTS := -q -rs --benchmark-skip -o asyncio_mode=auto \
    -o asyncio_default_fixture_loop_scope=function tests/integrations/langchain

.PHONY: test-langchain
test-langchain: $(CHAIN)/.made ## LangChain: lint, types, tests against the real host
	$(IN_CHAIN) ruff check $(CHAIN_PY)
	$(IN_CHAIN) ruff format --check $(CHAIN_PY)
	$(IN_CHAIN) mypy $$(find $(CHAIN_PY) -name '*.py')
	$(IN_CHAIN) pytest $(CHAIN_TESTS)

VERSIONS ?= "langchain==1.3.0 langchain-core<1.6" "langchain==1.3.0" "langchain==1.4.10"

.PHONY: versions-langchain
versions-langchain: ## the tests of LangChain on other versions of it (some minutes each)
	tools/langchain_versions.sh $(VERSIONS)

# what LangChain's own tests need besides is not locked: one of it comes as source alone
CHAIN_PEERS := .venv-peers-langchain

.PHONY: peers-langchain
peers-langchain: $(CHAIN_PEERS)/.made ## LangChain's own tests of agents, with the guard in each agent (some 5 minutes)
	$(CHAIN_PEERS)/bin/python tests/integrations/langchain/peers/run.py build/peers

$(CHAIN_PEERS)/.made: $(CHAIN)/.made
	$(CHAIN)/bin/python -m venv $(CHAIN_PEERS)
	echo $(CURDIR)/$(CHAIN)/lib/python*/site-packages > $$(echo $(CHAIN_PEERS)/lib/python*/site-packages)/host.pth
	$(CHAIN_PEERS)/bin/python -m pip install --quiet blockbuster pytest-mock toml
	@touch $@

$(CHAIN)/.made: requirements/langchain.txt pyproject.toml
	@echo "setting up $(CHAIN)"
	@tools/make_venv.sh $(CHAIN) requirements/langchain.txt
	@$(CHAIN)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: test-review
test-review: $(REVIEW)/.made ## the review desk: types, tests, a real browser
	tools/install_chromium.sh
	$(REVIEW)/bin/python -m mypy guardrails/corroborator/review/*.py guardrails/corroborator/cli/review.py guardrails/corroborator/cli/report.py tests/review/*.py tools/review*.py benchmarks/review_pages.py
	tools/postgres.sh $(REVIEW)/bin/python -m pytest -q -rs -n 2 --dist loadfile tests/review --cov --cov-config=tests/review/coverage.ini --cov-report=term:skip-covered --cov-fail-under=$(COVER)

.PHONY: review-demo
review-demo: $(REVIEW)/.made ## open the review desk on made-up conversations
	@$(REVIEW)/bin/corroborator review demo

.PHONY: review-screenshots
review-screenshots: $(REVIEW)/.made ## take the pictures of docs/review.md anew
	tools/install_chromium.sh
	$(REVIEW)/bin/python tools/review_screenshots.py

$(REVIEW)/.made: requirements/review.txt pyproject.toml
	@echo "setting up $(REVIEW)"
	@tools/make_venv.sh $(REVIEW) requirements/review.txt
	@$(REVIEW)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- package -----------------------------------------------------------------------------------

.PHONY: package
package: sbom licences ## build the wheel from the source distribution, test it, list what it brings

.PHONY: wheel
wheel: $(TEST)/.made
	tools/check_wheel.sh $(TEST)/bin/python $(WHEEL)

.PHONY: sbom
sbom: wheel
	$(TEST)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --of JSON -o dist/sbom.cdx.json $(WHEEL)/bin/python

.PHONY: licences
licences: wheel
	$(TEST)/bin/python tools/check_licences.py $(WHEEL)/bin/python

# --- maintain ----------------------------------------------------------------------------------

.PHONY: docs
docs: $(TEST)/.made ## write the generated parts of docs/ and rails_config/schema/ anew
	$(TEST)/bin/python tools/write_docs.py
	$(TEST)/bin/python tools/make_policy_schema.py

.PHONY: accuracy
accuracy: $(TEST)/.made ## write the figures of docs/accuracy.md anew, from LABELS=DIR and the frozen texts
	$(TEST)/bin/python tools/write_accuracy.py "$(LABELS)"

.PHONY: resolve
resolve: ## show that binary wheels exist for each supported Python
	@tools/resolve.sh

COMPILE := $(LOCKS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --fork-strategy fewest --generate-hashes --no-strip-extras --no-annotate --no-emit-index-url \
    --no-emit-find-links --custom-compile-command "make lock"

.PHONY: lock
lock: ## pin anew what gets installed; run all tests afterwards
	@tools/make_venv.sh $(LOCKS)
	$(LOCKS)/bin/python -m pip install --quiet --upgrade uv
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra fit --group dev -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) pyproject.toml --extra langchain --group langchain -c requirements/dev.txt -o requirements/langchain.txt
	$(COMPILE) pyproject.toml --extra review --extra fit --group review -c requirements/dev.txt -o requirements/review.txt
	$(COMPILE) --group wheel -c requirements/dev.txt -o requirements/wheel.txt
	$(COMPILE) pyproject.toml --extra nemo --group nemo -o requirements/nemo.txt

.PHONY: format
format: $(TEST)/.made ## format the code and mend what can be mended
	$(IN_TEST) ruff check --fix
	$(IN_TEST) ruff format

.PHONY: clean
clean: ## remove environments, builds and caches
	rm -rf $(RUN) $(TEST) $(NEMO) $(CHAIN) $(CHAIN_PEERS) $(REVIEW) $(WHEEL) $(LOCKS) dist build .coverage .mypy_cache .ruff_cache .pytest_cache
