"""Every native environment on the pretended device: a step waits for nothing, and a rollout of it is recorded."""

import pytest
import torch
from contract import random_action
from native_ids import FEW, MAKERS
from tensordict import TensorDict

from engram import envs
from engram.envs.captured import CapturedPlay

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("id", FEW)
def test_it_is_recorded_and_goes_on(id, machine):
    check_recorded(MAKERS[id](num_envs=3, device="cuda"), machine)


@pytest.mark.parametrize("name", ["popgym/noisy_position_only_pendulum_easy", "diagnostic/bandit"])
def test_trials_and_projections_are_recorded_and_go_on(name, machine):
    action = 2 if "pendulum" in name else "permuted"
    around = {"trials": 2, "projection": {"observation": 3, "action": action}}
    check_recorded(envs.make_env(name, 3, device="cuda", **around), machine)


@pytest.mark.parametrize(
    "name", ["concentration_easy", "mine_sweeper_easy", "noisy_position_only_cart_pole_easy"]
)
def test_observable_twins_are_recorded_and_go_on(name, machine):
    check_recorded(envs.make_env(f"popgym/{name}", 3, device="cuda", observable=True), machine)


def check_recorded(env, machine):
    action = random_action(env, torch.Generator().manual_seed(0)).to("cuda")

    def act(row, carry):
        return action, carry, TensorDict({}, batch_size=[3])

    row = env.reset(3)
    machine.reset()
    row = env.step_sampled(action)
    assert not machine.events
    captured = CapturedPlay(env, act, 2, 2)
    with torch.no_grad():
        played = captured(row, TensorDict({"x": torch.zeros(3, device="cuda")}, batch_size=[3]))
        machine.reset()
        captured(played.pending, played.pending_carry)
    assert not machine.events
    restored = env.load_state_dict(env.state_dict())
    assert restored["is_first"].device.type == "cuda"
