# Two commands do all set-up on a machine with Python 3.11 and make: `make verify` and `make test`.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
WORKERS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: verify test bench bench-checker docs pages check clean

verify: $(STAMP)
	$(BIN)/elbo verify --out verify-report

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

bench: $(STAMP)
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks

bench-checker: $(STAMP)
	$(BIN)/python -m benchmarks.checker

pages: $(STAMP)
	$(BIN)/python -m derivations pages

docs: $(STAMP)
	$(BIN)/python -m sphinx -E -W -n -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The environment is rebuilt whenever what it is made from has changed.
$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard elbo/divergences/native/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --no-build-isolation --editable ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info verify-report docs/_build
