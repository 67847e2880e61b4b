"""Playing the package's boards and ours side by side, from the same hidden state."""

import copy
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engram.envs import NativeVectorEnv
from engram.envs.popgym.battleship import Battleship
from engram.envs.popgym.boards import add_cell, pack
from engram.envs.popgym.labyrinth import LabyrinthEscape, LabyrinthExplore
from engram.envs.popgym.mine_sweeper import MineSweeper
from engram.envs.popgym.multiarmed_bandit import MultiarmedBandit

CLASSES: dict[str, Any] = {
    "MultiarmedBandit": MultiarmedBandit,
    "Battleship": Battleship,
    "MineSweeper": MineSweeper,
    "LabyrinthEscape": LabyrinthEscape,
    "LabyrinthExplore": LabyrinthExplore,
}
TASKS = [(name, difficulty) for name in CLASSES for difficulty in ("easy", "medium", "hard")]


def make_native(name: str, difficulty: str, num_envs: int, **kwargs: Any) -> NativeVectorEnv:
    return CLASSES[name](num_envs, **CLASSES[name].difficulties[difficulty], **kwargs)


def make_package(name: str, difficulty: str) -> Any:
    import popgym.envs

    return getattr(popgym.envs, name + difficulty.capitalize())()


class BanditWithStream(MultiarmedBandit):
    """A bandit whose luck is given: stream [B, episode_length]."""

    stream: Tensor | None = None

    def luck(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        if self.stream is None:
            return super().luck(task, time)
        return self.stream.gather(1, time.clamp(max=self.episode_length - 1).unsqueeze(1)).squeeze(1)


def hidden_state(name: str, native: Any, envs: list[Any]) -> dict[str, Tensor]:
    """The package's hidden state after a reset as our task's tensors."""

    def stacked(values: list[Any]) -> Tensor:
        return torch.from_numpy(np.stack(values))

    zero = torch.zeros(len(envs), dtype=torch.int64)
    if name == "MultiarmedBandit":
        length = native.episode_length
        native.stream = stacked([copy.deepcopy(env.np_random).random(length) for env in envs])
        return {"bandits": stacked([env.bandits for env in envs]), "stream": zero, "paid": zero}
    if name == "Battleship":
        ships = pack(stacked([env.board.ravel() == 1 for env in envs]))
        return {"ships": ships, "guesses": torch.zeros_like(ships), "hits": zero, "hit": zero}
    if name == "MineSweeper":
        mines = pack(stacked([env.hidden_grid.ravel() == 1 for env in envs]))
        return {"mines": mines, "viewed": torch.zeros_like(mines), "count": zero}
    grid = stacked([env.maze.grid.ravel() for env in envs]).to(torch.uint8)
    position = torch.tensor([row * native.side + column for row, column in (env.position for env in envs)])
    task = {
        "grid": torch.nn.functional.pad(grid, (0, 1), value=1),
        "position": position,
        "last_action": zero + 4,
    }
    if name == "LabyrinthExplore":
        nothing = torch.zeros(len(envs), -(-(native.side**2) // 64), dtype=torch.int64)
        task |= {"explored": add_cell(nothing, position), "found": zero}
    return task


def battleship_action(env: Any, index: int, time: int, rng: random.Random) -> tuple[int, int]:
    ships, water = np.argwhere(env.board == 1), np.argwhere(env.board == 0)
    if index == 0:  # the last hit with the very last guess: both ends at once
        return tuple([*water, *ships][time])
    if index == 1:  # only hits
        return tuple(ships[time])
    if index == 2:  # the same hit for ever
        return tuple(ships[0])
    kind = rng.random()
    if kind < 0.2 and env.guesses.any():
        return tuple(rng.choice(np.argwhere(env.guesses == 1)))
    if kind < 0.5:
        return tuple(rng.choice(ships))
    return rng.randrange(env.board_size), rng.randrange(env.board_size)


def mine_sweeper_action(env: Any, index: int, time: int, rng: random.Random) -> tuple[int, int]:
    clear, mines, viewed = (np.argwhere(env.hidden_grid == kind) for kind in (0, 1, 2))
    if index == 0 or (index == 2 and time != 1):  # a full clear; and one that a click twice makes impossible
        return tuple(rng.choice(clear))
    if index in (1, 2):  # one cell for ever
        return tuple(viewed[0] if len(viewed) else clear[0])
    kind = rng.random()
    if kind < 0.03:
        return tuple(rng.choice(mines))
    if kind < 0.15 and len(viewed):
        return tuple(rng.choice(viewed))
    if kind < 0.25:
        return rng.randrange(env.dims[0]), rng.randrange(env.dims[1])
    return tuple(rng.choice(clear))


def labyrinth_action(env: Any, index: int, time: int, rng: random.Random) -> int:
    """Towards the goal, or the nearest unexplored cell; environments differ in how often."""
    if rng.random() >= (index % 4) / 3 or time < 5:
        return rng.randrange(4)
    escape = (env.maze.grid == 3).any()
    wanted = env.maze.grid == 3 if escape else (env.explored == 0) & (env.maze.grid != 1)
    before: dict[tuple[int, int], tuple[tuple[int, int], int]] = {env.position: (env.position, 0)}
    queue = deque([env.position])
    while queue:
        row, column = queue.popleft()
        for action, (down, right) in enumerate([(0, -1), (0, 1), (-1, 0), (1, 0)]):
            cell = row + down, column + right
            inside = all(0 <= value < len(wanted) for value in cell)
            if not inside or cell in before or env.maze.grid[cell] == 1:
                continue
            before[cell] = (row, column), action
            if wanted[cell]:
                while before[cell][0] != env.position:
                    cell = before[cell][0]
                return before[cell][1]
            queue.append(cell)
    raise AssertionError("a maze has a way")


ACTIONS: dict[str, Callable[..., Any]] = {
    "MultiarmedBandit": lambda env, index, time, rng: rng.randrange(env.num_bandits),
    "Battleship": battleship_action,
    "MineSweeper": mine_sweeper_action,
    "LabyrinthEscape": labyrinth_action,
    "LabyrinthExplore": labyrinth_action,
}


def compare_episodes(name: str, native: NativeVectorEnv, envs: list[Any], seed: int) -> dict[str, int]:
    """Play one episode in each and compare everything; return how many steps and ends of each kind."""
    counts = {"steps": 0, "terminated": 0, "truncated": 0, "both": 0, "edge": 0}
    rng = random.Random(seed)
    first = np.stack([env.reset(seed=seed * 1000 + index)[0] for index, env in enumerate(envs)])
    native.reset(0)
    task = hidden_state(name, native, envs)
    expected = native.state["task"]
    assert {key: (value.shape, value.dtype) for key, value in task.items()} == {
        key: (value.shape, value.dtype) for key, value in expected.items()
    }
    native.state = native.state.clone().set("task", type(native.state)(task, batch_size=[len(envs)]))
    time = native.state["time"]
    assert torch.equal(native.observe(task, time), torch.from_numpy(first).to(torch.int64))
    playing, step = list(range(len(envs))), 0
    action = torch.zeros(len(envs), *native.single_action_space.shape, dtype=torch.int64)
    while playing:
        results = []
        for index in playing:
            chosen = ACTIONS[name](envs[index], index, step, rng)
            action[index] = torch.as_tensor(chosen)
            results.append(envs[index].step(chosen)[:4])
        row = native.step(action.clone())[playing]
        obs, reward, terminated, truncated = (np.stack(part) for part in zip(*results, strict=True))
        assert torch.equal(row["obs"], torch.from_numpy(obs).to(torch.int64))
        assert torch.equal(row["reward"], torch.from_numpy(reward.astype(np.float32)))
        assert row["is_terminal"].tolist() == terminated.tolist()
        assert row["is_last"].tolist() == (terminated | truncated).tolist()
        step += 1
        counts["steps"] += len(playing)
        counts["both"] += int((terminated & truncated).sum())
        counts["terminated"] += int((terminated & ~truncated).sum())
        counts["truncated"] += int((truncated & ~terminated).sum())
        counts["edge"] += sum(0 in getattr(envs[index], "position", ()) for index in playing)
        playing = [index for index, last in zip(playing, terminated | truncated, strict=True) if not last]
    return counts
