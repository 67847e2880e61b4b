"""The native tasks of MiniGrid beside the package's: from the same layout, the same rows."""

import random

import numpy as np
import pytest
import torch

from engram.envs import TASKS, make_env
from engram.envs.make import make_gymnasium
from engram.envs.minigrid.views import BALL, KEY

pytest.importorskip("minigrid", reason='needs the package minigrid: pip install -e ".[minigrid]"')
NAMES = [name for name in TASKS if name.startswith("minigrid/") and TASKS[name].package]
LEFT, RIGHT, FORWARD, TOGGLE = 0, 1, 2, 5


def memory_layout(package, native) -> int:
    """The number of the package's layout among the native ones."""
    middle, column = package.height // 2, package.success_pos[0]
    kinds = {"key": KEY, "ball": BALL}
    cue, top = (kinds[package.grid.get(*cell).type] for cell in ((1, middle - 1), (column, middle - 2)))
    return (column - 1 - native.ends[0]) * 4 + (cue - KEY) * 2 + top - KEY


def doors_layout(package, native) -> int:
    red, blue = (place_of(package, color)[1] - 1 for color in ("red", "blue"))
    return (red * (native.size - 2) + blue) * 4


def place_of(package, color: str) -> tuple[int, int]:
    cells = [(x, y) for x in range(package.width) for y in range(package.height)]
    return next(cell for cell in cells if (kind := package.grid.get(*cell)) and kind.color == color)


class Pair:
    """A task of the package and the native one, in the same episode."""

    def __init__(self, name: str) -> None:
        self.package = make_gymnasium(TASKS[name].package.id)
        self.native = make_env(name, 1)
        self.layout = memory_layout if "memory" in name else doors_layout
        self.counts = dict.fromkeys(("steps", "success", "failure", "truncated"), 0)

    def begin(self, seed: int, time: int) -> None:
        """Put both into the package's next episode, `time` actions after its beginning."""
        obs, _ = self.package.reset(seed=seed)
        inner = self.package.unwrapped
        inner.step_count = time
        self.native.reset(seed)
        state = self.native.state
        x, y = inner.agent_pos
        state["task", "layout"].fill_(self.layout(inner, self.native))
        state["task", "position"].fill_(int(x + inner.width * y))
        state["task", "direction"].fill_(int(inner.agent_dir))
        state["time"].fill_(time)
        task = dict(state["task"].items())
        self.check_seen(self.native.observe(task, state["time"]), obs)

    def check_seen(self, ours, theirs) -> None:
        assert list(theirs) == list(ours.keys()) == ["direction", "image"]
        assert int(ours["direction"]) == theirs["direction"]
        np.testing.assert_array_equal(ours["image"][0].numpy(), theirs["image"])

    def step(self, action: int) -> bool:
        """Act in both; return whether the episode goes on."""
        obs, reward, terminated, truncated, _ = self.package.step(action)
        row = self.native.step(torch.tensor([action]))
        self.check_seen(row["obs"], obs)
        assert row["reward"].item() == np.float32(reward)
        assert row["is_terminal"].item() == terminated and row["is_last"].item() == (terminated or truncated)
        assert self.native.report()["success_rate"].item() == (reward > 0)
        self.counts["steps"] += 1
        self.counts["truncated"] += truncated
        self.counts["success" if reward > 0 else "failure"] += terminated
        return not (terminated or truncated)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows(name: str) -> None:
    pair, rng, episode = Pair(name), random.Random(1), 0
    assert pair.native.single_observation_space == pair.package.observation_space
    assert pair.native.single_action_space == pair.package.action_space
    limit = pair.package.unwrapped.max_steps
    assert pair.native.max_episode_steps == limit
    least = 2000 if "doors" in name else 700  # 4,000 and more of each family
    ends = "doors_8x8" not in name  # a random walk rarely finds both doors of a large room
    while pair.counts["steps"] < least or (ends and not min(pair.counts.values())):
        pair.begin(episode, limit - 30 if episode % 2 else 0)
        while pair.step(rng.choice((FORWARD, FORWARD, FORWARD, LEFT, RIGHT, TOGGLE, TOGGLE, *range(7)))):
            pass
        episode += 1


def test_the_package_plays_as_the_native_one_does() -> None:
    """The same spaces and rows through Gymnasium, for an agent that learnt on either."""
    package, native = (
        make_env("minigrid/memory_s7", 3, backend=backend) for backend in ("package", "native")
    )
    assert package.single_observation_space == native.single_observation_space
    assert package.chance_return == native.chance_return
    row, other = package.reset(0), native.reset(0)
    for _ in range(5):
        for key in ("direction", "image"):
            assert row["obs", key].dtype == other["obs", key].dtype
            assert row["obs", key].shape == other["obs", key].shape
        row, other = (env.step(torch.tensor([2, 0, 1])) for env in (package, native))
