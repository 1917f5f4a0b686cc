# Two commands for a fresh machine (Python 3.11 to 3.13): each makes .venv if it is not there and installs what it needs.
PYTHON ?= python3
INSTALL ?= .venv/bin/python -m pip install --quiet --disable-pip-version-check
ARGS ?=
TEST_REQUIREMENTS = $(addprefix requirements/,test.txt cells.txt files.txt serving.txt onnx.txt docs.txt)

.PHONY: train test test-all lint docs wheel clean

train: .venv/train.stamp  ## install the package into .venv and train on MNIST; more flags by ARGS="--seed 1"
	.venv/bin/python train.py --dataset mnist $(ARGS)

# On three processes of one thread each: one often waits for a process it started
PYTEST = TF_NUM_INTRAOP_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
	.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: lint  ## all tests but the long ones
	$(PYTEST) -m "not long"

test-all: lint  ## all tests
	$(PYTEST)

lint: .venv/test.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv/test.stamp  ## the documentation site, into site/
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict

wheel:  ## sdist and wheel, into dist/; then README's first lines by the wheel, in an environment with nothing else
	rm -rf dist
	$(PYTHON) -m venv --clear .wheel
	.wheel/bin/python -m pip install --quiet --disable-pip-version-check build
	.wheel/bin/python -m build
	$(PYTHON) -m venv --clear .wheel
	.wheel/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo dist/*.whl)[reports]"
	sed -n '/^```python/,/^```$$/{/^```/!p}' README.md >dist/readme.py
	cd dist && test -s readme.py && MPLBACKEND=agg ../.wheel/bin/python readme.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v.major}.{v.minor}; name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/train.stamp: requirements.txt pyproject.toml $(addprefix requirements/,core.txt reports.txt digits.txt files.txt) | .venv/bin/python
	$(INSTALL) -r requirements.txt -e .
	touch $@

.venv/test.stamp: $(TEST_REQUIREMENTS) .venv/train.stamp
	$(INSTALL) $(addprefix -r ,$(TEST_REQUIREMENTS))
	touch $@

clean:
	rm -rf .venv .wheel dist site
