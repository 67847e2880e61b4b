"""The commands on the pretended device: train with recorded rollouts, continue, evaluate on either device."""

import pytest

from engram.agents import load
from engram.benchmarks import command as benchmark
from engram.scripts import evaluate, train

pytestmark = pytest.mark.gpu
SMALL = (
    "num_envs=4 total_env_steps=120 threads=1 evaluation.interval=100 evaluation.episodes=2 evaluation.num_envs=2 "
    "logging.to=[] logging.curve=false logging.progress=false"
)
PPO = (
    "env=diagnostic/recall_first core=gru core.hidden_size=8 agent.rollout_length=16 agent.num_minibatches=2"
)
DREAMER = (
    "env=diagnostic/recall_first agent=r2i size=tiny agent.batch_size=2 agent.batch_length=8 agent.rollout_length=8 "
    "agent.imagination_horizon=3 agent.train_ratio=1 agent.replay.capacity_bytes=3_000_000 agent.replay.prefill=80"
)


@pytest.mark.parametrize(("kind", "capture"), [(PPO, "true"), (PPO, "false"), (DREAMER, "auto")])
def test_train_continue_evaluate(kind, capture, machine, tmp_path):
    words = [*SMALL.split(), *kind.split(), f"capture={capture}", f"logging.runs_dir={tmp_path}"]
    assert train.command([*words, "device=cuda"]) == 0
    (config,) = tmp_path.rglob("config.yaml")
    run = config.parent
    assert train.command([f"resume={run}", "total_env_steps=180"]) == 0
    assert evaluate.command([f"run={run}", "episodes=2", "device=cuda"]) == 0
    assert evaluate.command([f"run={run}", "episodes=2", "device=cpu"]) == 0
    assert train.command([f"resume={run}", "total_env_steps=240", "device=cpu", "capture=false"]) == 0
    assert load(run, device="cuda").device.type == "cuda"


BENCHMARKS = (
    "ppo capture=true package=false sb3=false core=s5 core.num_layers=1 core.hidden_size=8 num_envs=4 iterations=1 "
    "agent.rollout_length=8 agent.num_minibatches=2 agent.num_epochs=1",
    "memory_maze package=false num_envs=[2] seconds=0.001 repeats=1 num_layouts=4 captured_steps=2",
    "world_model learners=[r2i/observation] sizes=[tiny] shapes=[2x8] memory=false repeats=1",
    "envs package=false num_envs=[3] seconds=0.001 repeats=1 envs=[popgym/repeat_previous_easy] captured_steps=2",
    "scan sizes=[[2,8,4]] dtypes=[float32] repeats=1",
    "matrix batch_size=2 length=9 hidden_size=16 num_heads=2 key_size=2 value_size=3 repeats=1",
    "cores cores=[s5] peers=false lengths=[8] reset_rates=[0.03] repeats=1 acting_rows=[3] hidden_size=8",
)


@pytest.mark.parametrize("words", BENCHMARKS, ids=lambda words: words.split()[0])
def test_a_benchmark(words, machine, tmp_path):
    name, *options = words.split()
    output = tmp_path / "measured.json"
    assert benchmark.command([name, "device=cuda", *options, f"output={output}"]) == 0
    assert '"device": "cuda"' in output.read_text()
