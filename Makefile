# make setup   a virtual environment in .venv with everything that demo and tests need, and native kernels where there
#              is a compiler (they are optional)
# make demo    render toy scenes, train SeqNet on them, test it, draw ranked galleries
# make test    the tests
# make lint    style
PYTHON ?= python3
BIN := .venv/bin
.PHONY: setup demo test lint

setup: .venv/.done .venv/.kernels

.venv/.done: setup.py $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "pedsearch needs Python >= 3.10, got %d.%d; name another with make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements/constraints.txt -e '.[mesh,tests]'
	@touch $@

.venv/.kernels: .venv/.done $(wildcard pedsearch/ops/csrc/*)
	$(BIN)/python -m pedsearch.ops.build --optional
	@touch $@

demo: setup
	$(BIN)/python demo/demo.py

# Tests run side by side, one thread each: threads that wait for each other's core cost more than they give.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadscope

lint: setup
	$(BIN)/ruff check .
