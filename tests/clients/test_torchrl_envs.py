"""Every native under TorchRL's own wrapper of Gymnasium, and under its collectors."""

import gymnasium
import pytest
import torch
from client_ids import IDS
from native_ids import options
from torchrl.collectors import Collector, MultiSyncCollector
from torchrl.envs import GymEnv
from torchrl.envs.utils import check_env_specs

from engram import envs
from engram.envs.torchrl_env import TorchRLEnv

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("id", IDS)
def test_gymenv(id):
    if isinstance(gymnasium.make(id, **options(id)).observation_space, gymnasium.spaces.Tuple):
        pytest.xfail(
            "TorchRL's GymEnv reads no Tuple of observations, of whatever environment; TorchRLEnv does"
        )
    env = GymEnv(id, **options(id))
    env.set_seed(0)
    torch.manual_seed(0)
    check_env_specs(env)
    data = env.rollout(30, break_when_any_done=False)
    assert data.batch_size == (30,) and torch.isfinite(data["next", "reward"]).all()


@pytest.mark.parametrize("id", IDS)
def test_collector(id):
    """What is collected in two batches is what a rollout gives in one."""

    def make():
        return TorchRLEnv(envs.registered_natives()[id](num_envs=2, **options(id)), seed=3)

    torch.manual_seed(0)
    collector = Collector(make(), None, frames_per_batch=40, total_frames=80)
    try:
        data = torch.cat([batch.clone() for batch in collector], dim=1)
    finally:
        collector.shutdown()
    assert data.batch_size == (2, 40)
    torch.manual_seed(0)
    expected = make().rollout(40, break_when_any_done=False, policy=Replay(data["action"]))
    same = data.select("observation", "action", ("next", "reward"), ("next", "done"), ("next", "observation"))
    assert (same == expected.select(*same.keys(True, True))).all()


class Replay(torch.nn.Module):
    """Plays stored actions [B, T]."""

    def __init__(self, actions):
        super().__init__()
        self.actions, self.time = actions, 0

    def forward(self, tensordict):
        self.time += 1
        return tensordict.set("action", self.actions[:, self.time - 1])


def make_repeat_previous():
    return TorchRLEnv(envs.make_env("popgym/repeat_previous_easy", 2), seed=1)


def test_a_collector_of_processes():
    collector = MultiSyncCollector(
        [make_repeat_previous] * 2, None, frames_per_batch=80, total_frames=160, cat_results="stack"
    )
    try:
        batches = [batch.clone() for batch in collector]
    finally:
        collector.shutdown()
    assert len(batches) == 2 and all(batch.numel() == 80 for batch in batches)
