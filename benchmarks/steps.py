"""What one command measures of a machine, most wanted first: each step with its own limit in seconds."""

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


AGENTS = ("impala", "pqn", "r2d2", "sac")
QUIET = "evaluation.interval=null logging.to=[] logging.curve=false logging.progress=false"
ENCODER = "agent.make_network.make_encoder.image_dtype=auto"
TASKS = "repeat_previous_easy labyrinth_escape_easy battleship_easy position_only_cart_pole_easy"
ENVS = f"package=false envs=[{','.join(f'popgym/{name}' for name in TASKS.split())}]"
PPO = "package=false sb3=false"
LEARNERS = "learners=[r2i/observation,block_gru/memory,torchrl/block_gru] reference=torchrl/block_gru"
PARTS = "memory=false observe=false"


def stages(device: str) -> list[list[Step]]:
    """Say what is done on a device.

    Args:
        device: `cpu`, or a CUDA device.

    Returns:
        Stages, one after the other; the steps of one run at once.
    """
    return _on_cpu() if device == "cpu" else _on_cuda(device)


def _train(name: str, limit: int, device: str, words: str) -> Step:
    """A short run: does it work at all. These find what no test without a card can, beside the tests themselves."""
    return Step(name, limit, "scripts.train", tuple(f"device={device} {QUIET} {words}".split()))


def _benchmark(name: str, limit: int, device: str, words: str) -> Step:
    """A benchmark, whose JSON becomes a part of the report."""
    kind, *options = words.split()
    return Step(name, limit, "benchmarks", (kind, f"device={device}", *options))


def _updates(agent: str, core: str, limit: int, device: str, words: str) -> Step:
    """An agent's updates beside its networks alone."""
    return _benchmark(f"updates_{agent}_{core}", limit, device, f"updates agent={agent} core={core} {words}")


def _on_cuda(device: str) -> list[list[Step]]:
    maze = f"env=memory_maze/9x9 {ENCODER} num_envs=256 total_env_steps=70_000 agent.num_epochs=1"
    runs = {
        "run_ppo_s5": "capture=true core=s5 num_envs=1024 total_env_steps=600_000",
        "run_maze": f"capture=true {maze}",
        "run_lstm": "capture=true core=lstm num_envs=256 total_env_steps=100_000",
        "run_r2i": "agent=r2i num_envs=8 total_env_steps=14_000 agent.replay.prefill=10_000",
        "run_dreamerv3": "agent=dreamerv3 size=1M num_envs=8 total_env_steps=11_000 agent.replay.prefill=10_000",
    }
    s5 = f"ppo capture=true {PPO} core=s5 core.num_layers=2 iterations=3"
    learner = f"world_model {LEARNERS} sizes=[1M] shapes=[16x64] {PARTS} repeats=5"
    maze_rows = "memory_maze package=false num_envs=[1024,4096,16384] seconds=0.3 repeats=2"
    scans = "scan sizes=[[128,128,128],[4,1024,256],[256,1024,256]] repeats=5"
    lengths = "lengths=[128,1024,8192] reset_rates=[0.03] acting_rows=[100]"
    rest = [
        _benchmark("ppo_s5", 40, device, f"{s5} num_envs=1024"),
        _benchmark("ppo_s5_4096", 40, device, f"{s5} num_envs=4096"),
        _benchmark("memory_maze", 60, device, maze_rows),
        _benchmark("world_model", 60, device, learner),
        _benchmark("envs", 40, device, f"envs num_envs=[1024,16384] seconds=0.05 repeats=1 {ENVS}"),
        _benchmark("scan", 30, device, scans),
        _benchmark("cores", 90, device, f"cores peers=false {lengths} repeats=2 budget_s=3"),
        *(_updates(agent, "s5", 40, device, "") for agent in AGENTS),
        *(
            _benchmark(f"ppo_s5_{name}", 40, device, f"{s5} num_envs=4096 agent.precision={name}")
            for name in ("bfloat16", "float32")
        ),
    ]
    works = [_train(name, 120, device, words) for name, words in runs.items()]
    tests = Step("tests", 200, "pytest", ("-m", "gpu", "--continue-on-collection-errors", "tests"))
    return [[*works, tests], *([step] for step in rest)]


def _on_cpu() -> list[list[Step]]:
    """What needs a card is left out, sizes are a CPU's, and nothing runs at once."""
    maze = f"env=memory_maze/tiny {ENCODER} num_envs=8 total_env_steps=1_000 agent.num_epochs=1"
    short = "num_envs=8 total_env_steps=1_500 agent.replay.prefill=1_000"
    steps = [
        _train("run_ppo_s5", 90, "cpu", "core=s5 total_env_steps=16_000"),
        _train("run_r2i", 90, "cpu", f"agent=r2i size=tiny {short}"),
        _train("run_dreamerv3", 120, "cpu", f"agent=dreamerv3 size=1M {short}"),
        _train("run_maze", 180, "cpu", maze),
        *(
            _benchmark(f"ppo_{core}", 180, "cpu", f"ppo {PPO} core={core} iterations=2")
            for core in ("s5", "lstm", "gru", "ffm", "hcam")
        ),
        *(_updates(agent, core, 90, "cpu", "repeats=3") for core in ("gru", "s5") for agent in AGENTS),
        _benchmark(
            "world_model", 120, "cpu", f"world_model {LEARNERS} sizes=[1M] shapes=[16x64] {PARTS} repeats=3"
        ),
        _benchmark(
            "world_model_tiny",
            60,
            "cpu",
            "world_model learners=[r2i/observation,gru/memory] sizes=[tiny] shapes=[16x64] "
            f"{PARTS} repeats=3",
        ),
        _benchmark(
            "memory_maze", 120, "cpu", "memory_maze package=false num_envs=[1024] seconds=0.3 repeats=2"
        ),
        _benchmark("envs", 60, "cpu", f"envs num_envs=[1024,16384] seconds=0.05 repeats=2 {ENVS}"),
        _benchmark("scan", 90, "cpu", "scan sizes=[[8,1024,128],[64,1024,256]] repeats=3"),
        _benchmark("matrix", 120, "cpu", "matrix batch_size=16 length=128 repeats=2"),
        Step("dense", 60, "benchmarks", ("dense", "repeats=5")),
    ]
    return [[step] for step in steps]
