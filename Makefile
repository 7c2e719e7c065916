# Every command that the README names. Python 3.11 or later is all that must be there.
PYTHON ?= python3
PYTEST_ARGS ?=
# A worker for each processor, up to four; an idle one takes over what another has still to do.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

VENV := .venv
BIN := $(VENV)/bin
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
BENCH := .venv-bench
DJANGO6 := .venv-django6
# Django 6 needs Python 3.12: the first that answers.
PYTHON_6 ?= $(firstword $(foreach python,python3.13 python3.12 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[23]*/bin/python3),$(shell \
	$(python) -c 'print("$(python)")' 2>/dev/null)) python3.13)
# The lock files name every package there is to install, so pip has nothing to resolve.
PIP_INSTALL := pip install --quiet --disable-pip-version-check --require-hashes --no-deps
ROOMS := events handler hrana locking sqlatch sqlexec
CODE := $(ROOMS) tests examples benchmarks tools

.PHONY: help demo test faults nfs django django6 django-suite check mutants openapi bench format lock build build-transfer e2e clients wheel smoke sam-local clean

help:  ## list the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/demo.installed  ## load 336,776 flights through the handler and ask about them
	@$(BIN)/python -m examples.flights

test: $(VENV)/dev.installed  ## run the test suite, but for the slow fault campaign and the built artifact
	@$(BIN)/python -m pytest $(PARALLEL) -m "not e2e and not slow and not clients and not django and not wheel and not nfs" $(PYTEST_ARGS)

faults: $(VENV)/dev.installed  ## run the fault campaign, slow parts too (SLOW=1: only those; FULL=1: hours, and docs/reliability.md)
	@$(if $(FULL),rm -rf build/faults/full)
	@$(if $(FULL),SQLATCH_FAULTS_FULL=1) $(BIN)/python -m pytest $(PYTEST_ARGS) \
		tests/faults $(if $(SLOW),-m slow) $(if $(FULL),tests/nfs)
	@$(if $(FULL),$(BIN)/python -m tests.faults.page)

# In user-mode Linux or, where that panics, in qemu; SQLATCH_NFS_MACHINE=uml or qemu takes that one.
nfs: $(VENV)/dev.installed  ## the handler in two NFS clients on one server (root, x86-64 Linux; FULL=1 too)
	@$(if $(FULL),SQLATCH_FAULTS_FULL=1) $(BIN)/python -m pytest -m nfs -rs $(PYTEST_ARGS) tests/nfs

django: $(VENV)/dev.installed $(VENV)/django.installed  ## what Django projects install, under test
	@$(BIN)/python -m pytest -m django $(PYTEST_ARGS)

django6: $(DJANGO6)/installed  ## the same on Django 6, which needs Python 3.12 or later (PYTHON_6=)
	@$(DJANGO6)/bin/python -m pytest -m django $(PYTEST_ARGS)

django-suite: $(VENV)/dev.installed $(VENV)/django.installed build/django/5/sdist build/django/6/sdist $(DJANGO6)/installed  ## Django's own tests on its SQLite backend and on our two, compared (QUICK=1: some)
	@$(BIN)/python -m tests.django.suite build/django/5 $(if $(QUICK),--quick) $(SUITE_ARGS)
	@$(DJANGO6)/bin/python -m tests.django.suite build/django/6 $(if $(QUICK),--quick) $(SUITE_ARGS)

check: $(VENV)/dev.installed $(SAM) $(CHECKOV)  ## format, lint, types, imports, template
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(SAM) validate --lint --template template.yaml
	@$(SAM) validate --lint --template docs/transfer.yaml
	@$(CHECKOV) --framework cloudformation --skip-download --quiet --compact \
		--file template.yaml docs/transfer.yaml

mutants: $(VENV)/dev.installed  ## plant small faults, and see that the tests of their room notice (MUTANTS=text)
	@$(BIN)/python -m tests.mutants $(MUTANTS)

openapi: $(VENV)/dev.installed  ## write docs/openapi.json; refuse what breaks callers (BREAKING=1 writes it)
	@$(BIN)/python -m tools.openapi docs/openapi.json $(if $(BREAKING),--breaking)

bench: $(BENCH)/bench.installed  ## measure it beside bare SQLite and its peers (QUICK=1: two minutes)
	@$(BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick) $(BENCH_ARGS)

format: $(VENV)/dev.installed  ## bring the code into its form
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

# --------------------------------------------------------------------------------- the artifact
#
# tools/artifact.py is the recipe. `sam build` calls the target build-<logical id> for each function,
# with ARTIFACTS_DIR in the environment.

ARCHITECTURE ?= arm64
MACHINE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
RUNTIME_PYTHON ?= 3.13
BUILD_DIR ?= .aws-sam/build
export ARCHITECTURE RUNTIME_PYTHON PYTHON

build: $(SAM)  ## build what Lambda runs, and print its size (ARCHITECTURE=arm64 or x86_64)
	@$(PYTHON) -m tools.artifact build --sam $(SAM) --build-dir $(BUILD_DIR)

build-transfer: $(SAM)  ## build the function that copies databases in and out (docs/transfer.yaml)
	@$(PYTHON) -m tools.artifact build --sam $(SAM) --template docs/transfer.yaml --build-dir .aws-sam/transfer

FUNCTIONS := QueryFunction ReadFunction ReaperFunction CheckFunction TransferFunction
.PHONY: $(FUNCTIONS:%=build-%)
$(FUNCTIONS:%=build-%):
	@$(PYTHON) -m tools.artifact pack

# The artifact for this machine, its Python and its processor: the recipe is the same.
e2e: $(VENV)/dev.installed $(SAM)  ## the built artifact, run by Lambda's own emulator and client
	@$(MAKE) --no-print-directory build BUILD_DIR=.aws-sam/e2e \
		ARCHITECTURE=$(MACHINE) \
		RUNTIME_PYTHON=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	@$(BIN)/python -m pytest -m e2e $(PYTEST_ARGS) tests/e2e

clients: $(VENV)/dev.installed .venv-clients/installed build/clients/installed  ## libSQL clients from npm and PyPI against the local server (needs Node)
	@$(BIN)/python -m pytest -m clients $(PYTEST_ARGS) tests/clients

# What callers install: the packages sqlatch and locking, and none that could be in the way of a
# caller's own `events` or `handler`.
wheel: $(VENV)/dev.installed  ## build dist/sqlatch-*.whl, and prove it in an environment of its own
	@rm -rf dist
	@$(BIN)/uv build --quiet --wheel --python $(BIN)/python --out-dir dist
	@ls dist/*.whl
	@$(BIN)/python -m pytest -m wheel $(PYTEST_ARGS) tests/wheel

smoke: $(VENV)/dev.installed  ## try every door of a deployed stack, and say where to look (STACK=name)
	@$(BIN)/python -m tools.smoke $(STACK)

# For this machine's processor, unless ARCHITECTURE is given: another one needs emulation.
sam-local: ARCHITECTURE := $(if $(filter file,$(origin ARCHITECTURE)),$(MACHINE),$(ARCHITECTURE))
sam-local: $(VENV)/dev.installed $(SAM)  ## every sample through `sam local invoke` (needs Docker; ARCHITECTURE=arm64 or x86_64)
	@$(BIN)/python -m tests.e2e.sam_local

# ------------------------------------------------------------------------------- environments

lock: $(VENV)/dev.installed  ## pin every dependency, with hashes, from pyproject.toml
	@for group in service demo dev django bench sam checkov clients; do \
		$(BIN)/uv pip compile --group pyproject.toml:$$group --universal --generate-hashes \
			--python-version 3.11 --no-header --quiet --upgrade -o requirements/$$group.txt || exit 1; \
	done
	@$(BIN)/uv pip compile --group pyproject.toml:django6 --universal --generate-hashes \
		--python-version 3.12 --no-header --quiet --upgrade -o requirements/django6.txt
	@$(BIN)/uv pip compile --group pyproject.toml:data --universal --generate-hashes --no-deps \
		--python-version 3.11 --no-header --quiet --upgrade -o requirements/data.txt

clean:  ## remove what was made: environments, builds, demo data
	rm -rf $(VENV) .venv-sam .venv-checkov $(BENCH) $(DJANGO6) .venv-clients .aws-sam build databases dist

$(VENV)/demo.installed $(VENV)/dev.installed $(VENV)/django.installed: $(VENV)/%.installed: requirements/%.txt requirements/data.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/$(PIP_INSTALL) -r requirements/$*.txt
	@$(BIN)/$(PIP_INSTALL) -r requirements/data.txt
	@touch $@

# These three pin versions of their own, hence environments of their own.
$(BENCH)/bench.installed: requirements/bench.txt requirements/data.txt
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo "installing into $(BENCH) ..."
	@$(BENCH)/bin/$(PIP_INSTALL) -r requirements/bench.txt
	@$(BENCH)/bin/$(PIP_INSTALL) -r requirements/data.txt
	@touch $@

$(SAM) $(CHECKOV): .venv-%: requirements/sam.txt requirements/checkov.txt
	@test -x .venv-$(notdir $@)/bin/python || $(PYTHON) -m venv .venv-$(notdir $@)
	@echo "installing into .venv-$(notdir $@) ..."
	@.venv-$(notdir $@)/bin/$(PIP_INSTALL) -r requirements/$(notdir $@).txt
	@touch $@

$(DJANGO6)/installed: requirements/dev.txt requirements/django6.txt requirements/data.txt
	@test -x $(DJANGO6)/bin/python || $(PYTHON_6) -m venv $(DJANGO6)
	@echo "installing into $(DJANGO6) ..."
	@for file in dev django6 data; do \
		$(DJANGO6)/bin/$(PIP_INSTALL) -r requirements/$$file.txt || exit 1; \
	done
	@touch $@

# The source of the Django that is locked, by its hash: the tests are not in the wheel.
build/django/5/sdist: requirements/django.txt $(VENV)/django.installed
	@mkdir -p $(@D)
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
		--no-binary django --dest $(@D) --requirement $<
	@touch $@

build/django/6/sdist: requirements/django6.txt $(DJANGO6)/installed
	@mkdir -p $(@D)
	@$(DJANGO6)/bin/pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
		--no-binary django --dest $(@D) --requirement $<
	@touch $@

.venv-clients/installed: requirements/clients.txt
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	@echo "installing into .venv-clients ..."
	@.venv-clients/bin/$(PIP_INSTALL) -r requirements/clients.txt
	@touch $@

build/clients/installed: tests/clients/package-lock.json
	@mkdir -p build/clients
	@cp tests/clients/package.json tests/clients/package-lock.json build/clients
	@echo "installing into build/clients ..."
	@npm ci --prefix build/clients --no-audit --no-fund --loglevel=error
	@touch $@
