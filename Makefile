# Two commands for a fresh machine (Python 3.11 to 3.13): each makes .venv if it is not there and installs what it needs.
PYTHON ?= python3
PIP_FLAGS ?= --quiet --disable-pip-version-check
ARGS ?=
TEST_REQUIREMENTS = $(addprefix requirements/,test.txt files.txt serving.txt docs.txt)

.PHONY: train test lint docs clean

train: .venv/train.stamp  ## train on MNIST; more flags by ARGS="--seed 1"
	.venv/bin/python train.py --dataset mnist $(ARGS)

test: lint  ## the whole test suite, on three processes of one thread each: one often waits for a process it started
	TF_NUM_INTRAOP_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
		.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: .venv/test.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv/test.stamp  ## the documentation site, into site/
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict

.venv/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v.major}.{v.minor}; name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/train.stamp: requirements.txt $(addprefix requirements/,core.txt reports.txt digits.txt files.txt) | .venv/bin/python
	.venv/bin/python -m pip install $(PIP_FLAGS) -r requirements.txt
	touch $@

.venv/test.stamp: $(TEST_REQUIREMENTS) .venv/train.stamp
	.venv/bin/python -m pip install $(PIP_FLAGS) $(addprefix -r ,$(TEST_REQUIREMENTS))
	touch $@

clean:
	rm -rf .venv site
