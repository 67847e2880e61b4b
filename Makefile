# `make train` and `make test` work on a fresh machine with Python 3.11 and make.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup train maze test test-slow lint benchmark clean

setup: .venv/installed

# torch is asked for by its exact version: any other spec may pull gigabytes of CUDA libraries.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt "torch==2.13.0"
	$(BIN)/pip install --quiet -c constraints.txt -e ".[test,video]"
	touch $@

train: setup
	$(BIN)/python -m scripts.train experiment=repeat_previous_easy

# Hours; what was interrupted goes on where it stood. The curve and the video lie in the run's folder.
maze: setup
	$(BIN)/python -m scripts.train experiment=memory_maze_tiny logging.runs_dir=runs/maze resume=unfinished
	$(BIN)/python -m scripts.evaluate run=runs/maze num_envs=100 deterministic=false video=true

test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

test-slow: setup
	$(BIN)/python -m pytest -q -m "slow and not gpu"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: setup
	$(BIN)/pip install --quiet -c constraints.txt -e ".[benchmark]"
	$(BIN)/python -m scripts.benchmark ppo
	$(BIN)/python -m scripts.benchmark cores

clean:
	rm -rf .venv build dist *.egg-info
