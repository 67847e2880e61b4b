"""The module that docs/your_environments.md shows works, with stand-ins for the packages that it wraps."""

import re
import sys
import types
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from engram.envs import GymnasiumEnv

PAGE = Path(__file__).parents[1] / "docs" / "your_environments.md"


class OldGym:
    """As crafter's: no spaces of Gymnasium's, four values of a step; dies after three actions, or lasts four."""

    def __init__(self, seed):
        self.dies = seed % 2 == 0

    def reset(self):
        self.time = 0
        return np.zeros((64, 64, 3), np.uint8)

    def step(self, action):
        assert action.shape == () and 0 <= action < 17
        self.time += 1
        has_died = self.dies and self.time == 3
        picture = np.full((64, 64, 3), self.time, np.uint8)
        return picture, 1.0, has_died or self.time == 4, {"discount": 1.0 - has_died}


class Spec(types.SimpleNamespace):
    """Of dm_env."""


class DmStep(types.SimpleNamespace):
    """Of dm_env."""

    def last(self):
        return self.is_last


class DmEnv:
    """As bsuite's: ends after `memory_length` actions, by a discount of 0."""

    def __init__(self, memory_length, seed=0):
        self.length = memory_length

    def observation_spec(self):
        return Spec(shape=(1, 3))

    def action_spec(self):
        return Spec(num_values=2)

    def reset(self):
        self.time = 0
        return DmStep(observation=np.zeros((1, 3), np.float32), reward=None, discount=None, is_last=False)

    def step(self, action):
        self.time += 1
        is_last = self.time == self.length
        observation = np.full((1, 3), self.time, np.float32)
        return DmStep(observation=observation, reward=0.5, discount=1.0 - is_last, is_last=is_last)


class TwoPlayers:
    """As PettingZoo's games in turns: a move takes the place that it names, whoever has no place left has lost."""

    possible_agents = ("player_1", "player_2")

    def reset(self, seed=None):
        self.taken, self.agent_selection = [], "player_1"
        self.terminations, self.rewards = (dict.fromkeys(self.possible_agents, 0) for _ in range(2))

    def observe(self, player):
        mask = np.array([place not in self.taken for place in range(9)], np.int8)
        return {"observation": np.zeros((3, 3, 2), np.int8), "action_mask": mask}

    def step(self, place):
        assert place not in self.taken and not any(self.terminations.values())
        self.taken.append(int(place))
        turn = len(self.taken) % 2
        self.agent_selection = self.possible_agents[turn]
        if len(self.taken) == 9:
            self.rewards = {self.agent_selection: -1, self.possible_agents[1 - turn]: 1}
            self.terminations = dict.fromkeys(self.possible_agents, True)


@pytest.fixture(scope="module")
def _module():
    """The page's module, run beside stand-ins."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    modules = {
        "crafter": {"Env": OldGym},
        "bsuite": {"load": lambda name, settings: DmEnv(**settings)},
        "pettingzoo": {},
        "pettingzoo.classic": {"tictactoe_v3": Spec(env=TwoPlayers)},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, members in modules.items():
            module = types.ModuleType(name)
            vars(module).update(members)
            patch.setitem(sys.modules, name, module)
        patch.setattr(gymnasium, "registry", dict(gymnasium.registry))
        patch.setattr("gymnasium.envs.registration.registry", gymnasium.registry)
        exec(compile(code, str(PAGE), "exec"), {"__name__": "my_envs"})
        yield


def play(id: str, steps: int) -> dict[str, torch.Tensor]:
    """Rows of 16 environments, by the first action that is allowed."""
    env = GymnasiumEnv(id, 16)
    row, rows = env.reset(0), []
    for _ in range(steps):
        rows.append(row)
        mask = row.get("action_mask", torch.ones(16, 2))
        row = env.step(mask.float().argmax(1))
    other = GymnasiumEnv(id, 16)
    assert torch.equal(other.load_state_dict(env.state_dict())["reward"], row["reward"])
    assert other.resume_is_exact
    return {key: torch.stack([one[key] for one in rows], 1) for key in ("reward", "is_last", "is_terminal")}


@pytest.mark.usefixtures("_module")
def test_an_end_by_a_limit_is_a_truncation():
    rows = play("Crafter-v0", 12)
    died, last = rows["is_terminal"], rows["is_last"]
    assert (died[:, 3] == last[:, 3]).all() and (last[:, 4] & ~died[:, 4])[~died[:, 3]].all()
    assert died.any() and (last & ~died).any()


@pytest.mark.usefixtures("_module")
def test_a_discount_of_0_terminates():
    rows = play("BSuite-v0", 12)
    assert rows["is_terminal"][:, 10].all() and rows["is_last"].sum() == 16


@pytest.mark.usefixtures("_module")
def test_a_game_of_two_is_one_agents_with_masks():
    rows = play("TicTacToe-v0", 30)
    assert set(rows["reward"][rows["is_last"]].tolist()) == {-1.0, 1.0}
    assert rows["is_terminal"].sum() >= 16
