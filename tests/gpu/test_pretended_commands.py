"""The commands on the pretended device: train with recorded rollouts, continue, evaluate on either device."""

import pytest

from agents import load
from scripts import evaluate, train

pytestmark = pytest.mark.gpu
SMALL = (
    "num_envs=4 total_env_steps=120 threads=1 evaluation.every=100 evaluation.episodes=2 evaluation.num_envs=2 "
    "logging.tensorboard=false logging.curve=false logging.progress=false"
)
PPO = (
    "env=diagnostic/recall_first core=gru core.hidden_size=8 agent.rollout_length=16 agent.num_minibatches=2"
)
DREAMER = (
    "env=diagnostic/recall_first agent=r2i size=tiny agent.batch_size=2 agent.batch_length=8 agent.rollout_length=8 "
    "agent.horizon=3 agent.train_ratio=1 replay.capacity_bytes=3_000_000 replay.prefill=80"
)


@pytest.mark.parametrize(("kind", "capture"), [(PPO, "true"), (PPO, "false"), (DREAMER, "false")])
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
