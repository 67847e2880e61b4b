# For a CUDA device, and smaller for a CPU alone; another CUDA has its own TORCH_INDEX on pytorch.org.
#   docker build -t engram .
#   docker build -t engram --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
#   docker run --rm -it -v "$PWD/runs:/engram/runs" engram make train
#   docker run --rm -it -v "$PWD/runs:/engram/runs" --gpus all engram engram train core=s5 device=cuda
FROM python:3.11-slim

# Triton compiles its launchers where they run. Debian keeps no former versions, so that none can be named:
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /engram

# Gigabytes that no change of the code makes anew.
ARG TORCH_INDEX=""
RUN python3.11 -m venv .venv \
    && .venv/bin/pip install --no-cache-dir torch==2.13.0 ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}

ENV PIP_NO_CACHE_DIR=1
COPY Makefile pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md __init__.py py.typed ./
COPY agents agents/
COPY analysis analysis/
COPY api api/
COPY benchmarks benchmarks/
COPY command_line command_line/
COPY common common/
COPY configs configs/
COPY docs docs/
COPY envs envs/
COPY instruments instruments/
COPY memory_cores memory_cores/
COPY run_files run_files/
COPY scripts scripts/
COPY tests tests/
COPY tools tools/
COPY training training/
RUN make setup

ENV PATH="/engram/.venv/bin:$PATH"
CMD ["make", "train"]
