# Every command that the README names: `make help` lists them. Make and Python 3.11 or later are all
# that must be there. What a command does beyond one line stands in tools/.
PYTHON ?= python3
PYTEST_ARGS ?=

BIN := .venv/bin
SAM := .venv-sam/bin/sam
# A worker for each processor and one more (tests/conftest.py), up to four; an idle one takes over
# what another has still to do.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
OWN_MARKERS := console or e2e or slow or clients or django or wheel or nfs

# Without bytecode each of a thousand processes compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test faults nfs django django6 django-suite three-nodes check mutants openapi bench format \
	lock build build-transfer e2e clients console bundle wheel release smoke sam-local clean

help:  ## list the commands
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 16

# Create an environment, or bring it up to date: only where what requirements/ pins has changed.
env-%:
	@$(PYTHON) -m tools.environments $*

demo: $(if $(AWS),env-dev,env-demo)  ## load 336,776 flights through the handler and ask about them (LOG=1: into a log; AWS=1: DynamoDB and S3, played by moto)
	@$(BIN)/python -m examples.flights $(if $(LOG),--log) $(if $(AWS),--aws)

test: env-dev  ## run the test suite, but for the slow fault campaign and the built artifact
	@$(BIN)/python -m pytest $(PARALLEL) -m "not ($(OWN_MARKERS))" $(PYTEST_ARGS)

faults: env-dev  ## run the fault campaign, slow parts too (SLOW=1: only those; FULL=1: hours, and docs/reliability.md)
	@$(if $(FULL),rm -rf build/faults/full)
	@$(if $(FULL),SQLATCH_FAULTS_FULL=1) $(BIN)/python -m pytest $(PYTEST_ARGS) \
		tests/faults $(if $(SLOW),-m slow) $(if $(FULL),tests/nfs)
	@$(if $(FULL),$(BIN)/python -m tests.faults.page)

# In user-mode Linux or, where that panics, in qemu; SQLATCH_NFS_MACHINE=uml or qemu takes that one.
nfs: env-dev  ## the handler in two NFS clients on one server (root, x86-64 Linux; FULL=1 too)
	@$(if $(FULL),SQLATCH_FAULTS_FULL=1) $(BIN)/python -m pytest -m nfs -rs $(PYTEST_ARGS) tests/nfs

django: env-dev env-django  ## what Django projects install, under test
	@$(BIN)/python -m pytest -m django $(PYTEST_ARGS) tests/django tests/django_routing \
		tests/examples/test_three_nodes.py tests/examples/test_two_continents.py

django6: env-django6  ## the same on Django 6, which needs Python 3.12 or later (PYTHON_6=)
	@.venv-django6/bin/python -m pytest -m django $(PYTEST_ARGS) tests/django tests/django_routing

three-nodes: env-dev env-django  ## a Django site at three nodes, one of which leads, until Ctrl-C
	@PYTHONPATH=$(CURDIR) $(BIN)/python examples/three-nodes/cluster.py build/three-nodes

django-suite: env-dev env-django env-django6 env-django-source env-django6-source  ## Django's own tests on its SQLite backend and on our two, compared (QUICK=1: some)
	@$(BIN)/python -m tests.django.suite build/django/5 $(if $(QUICK),--quick) $(SUITE_ARGS)
	@.venv-django6/bin/python -m tests.django.suite build/django/6 $(if $(QUICK),--quick) $(SUITE_ARGS)

check: env-dev env-browser env-sam env-checkov  ## format, lint, types, imports, template
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(SAM) validate --lint --template template.yaml
	@$(SAM) validate --lint --template docs/transfer.yaml
	@$(BIN)/python -m tests.cloudformation build/checkov
	@.venv-checkov/bin/checkov --framework cloudformation --skip-download --quiet --compact \
		--directory build/checkov

format: env-dev  ## bring the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

mutants: env-dev  ## plant small faults, and see that the tests of their room notice (MUTANTS=text)
	@$(BIN)/python -m tests.mutants $(MUTANTS)

openapi: env-dev  ## write docs/openapi.json; refuse what breaks callers (BREAKING=1 writes it)
	@$(BIN)/python -m tools.openapi docs/openapi.json $(if $(BREAKING),--breaking)

bench: env-bench  ## measure it beside bare SQLite and its peers (QUICK=1: two minutes)
	@.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick) $(BENCH_ARGS)

build: env-sam  ## build what Lambda runs, and print its size (ARCHITECTURE=arm64 or x86_64; VECTORS=1: with sqlite-vec)
	@$(PYTHON) -m tools.artifact build

build-transfer: env-sam  ## build the function that copies databases in and out (docs/transfer.yaml)
	@$(PYTHON) -m tools.artifact build --template docs/transfer.yaml --build-dir .aws-sam/transfer

# What `sam build` calls for each function, with ARTIFACTS_DIR in the environment.
FUNCTIONS := QueryFunction ReadFunction ReaperFunction CheckFunction TransferFunction
.PHONY: $(FUNCTIONS:%=build-%)
$(FUNCTIONS:%=build-%):
	@$(PYTHON) -m tools.artifact pack

e2e: env-dev env-sam  ## the built artifact, run by Lambda's own emulator and client
	@$(BIN)/python -m tools.artifact build --here --build-dir .aws-sam/e2e
	@$(BIN)/python -m pytest -m e2e $(PYTEST_ARGS) tests/e2e

sam-local: env-dev env-sam  ## every sample through `sam local invoke` (needs Docker; ARCHITECTURE=arm64 or x86_64)
	@$(BIN)/python -m tests.e2e.sam_local

smoke: env-dev  ## try every door of a deployed stack, and say where to look (STACK=name)
	@$(BIN)/python -m tools.smoke $(STACK)

clients: env-dev env-clients env-nginx env-npm  ## libSQL clients and nginx against the local server (needs Node)
	@$(BIN)/python -m pytest -m clients $(PYTEST_ARGS) tests/clients

console: env-dev env-browser env-chromium env-console  ## the console in Chromium, and its bundle made again (needs Node)
	@$(BIN)/python -m pytest -m console $(PYTEST_ARGS) tests/console

bundle: env-dev env-console  ## bundle the page of the console from console/
	@$(BIN)/python -m tools.console sqlatch/kernel/page

wheel: env-dev  ## build dist/sqlatch-*.whl, and prove it in an environment of its own
	@rm -rf dist
	@$(BIN)/uv build --quiet --wheel --python $(BIN)/python --out-dir dist
	@ls dist/*.whl
	@$(BIN)/python -m pytest -m wheel $(PYTEST_ARGS) tests/wheel

release: env-dev env-sam env-release  ## build and check what a release consists of, without uploading it
	@$(BIN)/python -m tools.release

lock: env-dev  ## pin every dependency, with hashes, from pyproject.toml
	@$(BIN)/python -m tools.lock

clean:  ## remove what was made: environments, builds, demo data
	rm -rf .venv .venv.lock .venv-* .aws-sam build databases dist
