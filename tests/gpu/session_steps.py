"""What is wanted of a borrowed card, most wanted first, each step with its own limit in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One command in a process of its own.

    Attributes:
        name: in the report.
        limit: seconds after which it is ended.
        command: `scripts.train`, `benchmarks`, each a module of Engram, or `pytest`.
        words: its arguments.
    """

    name: str
    limit: int
    command: str
    words: tuple[str, ...]


QUIET = "logging.tensorboard=false logging.curve=false logging.progress=false"
MAZE = "env=memory_maze/9x9 agent.make_network.make_encoder.image_dtype=auto"
ENVS = "repeat_previous_easy labyrinth_escape_easy battleship_easy position_only_cart_pole_easy"


def train(name: str, words: str) -> Step:
    """A short run: does it work at all. These find what no test without a card can."""
    return Step(
        name, 60, "scripts.train", tuple(f"device=cuda evaluation.interval=null {QUIET} {words}".split())
    )


def benchmark(name: str, limit: int, words: str) -> Step:
    """A benchmark, whose JSON becomes a part of the report."""
    kind, *options = words.split()
    return Step(name, limit, "benchmarks", (kind, "device=cuda", *options))


RUNS = [
    train("run_ppo_s5", "capture=true core=s5 num_envs=1024 total_env_steps=600_000"),
    train("run_maze", f"capture=true {MAZE} num_envs=256 total_env_steps=70_000 agent.num_epochs=1"),
    train("run_lstm", "capture=true core=lstm num_envs=256 total_env_steps=100_000"),
    train("run_r2i", "agent=r2i num_envs=8 total_env_steps=14_000 agent.replay.prefill=10_000"),
    train(
        "run_dreamerv3",
        "agent=dreamerv3 size=1M num_envs=8 total_env_steps=11_000 agent.replay.prefill=10_000",
    ),
]
PPO_S5 = "ppo capture=true package=false sb3=false core=s5 core.num_layers=2 iterations=3"
GOALS = [
    benchmark("ppo_s5_1024", 40, f"{PPO_S5} num_envs=1024"),
    benchmark("ppo_s5_4096", 40, f"{PPO_S5} num_envs=4096"),
    benchmark(
        "memory_maze", 60, "memory_maze package=false num_envs=[1024,4096,16384] seconds=0.3 repeats=2"
    ),
    benchmark(
        "world_model",
        60,
        "world_model learners=[r2i/observation,block_gru/memory,torchrl/block_gru] reference=torchrl/block_gru "
        "sizes=[1M] shapes=[16x64] memory=false observe=false repeats=5",
    ),
    benchmark(
        "envs",
        40,
        "envs package=false num_envs=[1024,16384] seconds=0.05 repeats=1 "
        f"envs=[{','.join(f'popgym/{name}' for name in ENVS.split())}]",
    ),
    benchmark("scan", 30, "scan sizes=[[128,128,128],[4,1024,256],[256,1024,256]] repeats=5"),
]
TESTS = Step("tests", 200, "pytest", ("-m", "gpu", "--continue-on-collection-errors", "tests"))
CORES = benchmark(
    "cores",
    90,
    "cores peers=false lengths=[128,1024,8192] reset_rates=[0.03] repeats=2 budget_s=3 acting_rows=[100]",
)
STAGES: list[list[Step]] = [RUNS, *([step] for step in (*GOALS, TESTS, CORES))]
"""Steps of one stage run at once; stages come one after the other, so that benchmarks have the card alone."""
