# Start with `make demo` and `make test`; `make` alone lists all commands.
PYTHON ?= python3
# It hides the folder in which a recipe runs from Python, and so the packages flows and tasks.
unexport PYTHONSAFEPATH
# Recipes name programs by path: make 3.81 of macOS looks for them in the PATH of its own start, not in this one.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help demo test nodes lint check bench up down doctor

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else f"Python 3.11 or 3.12 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet uv
	.venv/bin/uv pip sync --quiet --python .venv/bin/python requirements.lock
	@touch $@

# Ray, for nodes on other machines. All that it needs is in the lock.
.venv/nodes: .venv/installed pyproject.toml
	.venv/bin/uv pip install --quiet --python .venv/bin/python --requirements pyproject.toml --extra nodes --constraint requirements.lock
	@touch $@

nodes: .venv/nodes  ## install Ray, for nodes on other machines: docs/many-machines.md

demo: .venv/installed  ## run the audio, images and text flows on the embedded sample data
	.venv/bin/python -m flows run audio images text

test: .venv/installed  ## run the tests, on sample data only
	.venv/bin/pytest -n 3 --dist loadgroup --durations=25 tests/engine tests/faults
	.venv/bin/pytest -n 2 tests/tasks

lint: .venv/installed  ## format, lint, types and dvc.yaml
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m flows graph --check

check: lint  ## what to run before each commit: lint and the fast tests
	.venv/bin/pytest -n 2 tests/tasks --ignore=tests/tasks/learning

bench: .venv/installed  ## run the benchmarks; ROW=name runs one of them
	.venv/bin/python -m benchmarks $(ROW)

up: .venv/installed  ## start the Prefect and MLflow servers and a worker, on loopback
	.venv/bin/python -m flows up

down: .venv/installed  ## stop the servers and the worker
	.venv/bin/python -m flows down

doctor: .venv/installed  ## check this machine and suggest fixes
	.venv/bin/python -m flows doctor
