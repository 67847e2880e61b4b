"""Record episodes of Memory Gym's tasks on a grid: `python tests/envs/record_memory_gym.py`.

It needs memory-gym 1.0.2 (`pip install --no-deps memory-gym==1.0.2`) and pygame-ce. Every episode says what was drawn,
what was done and paid, and a CRC-32 of every row's picture. Of random play returns and lengths are counted, and how
long paths are.
"""

import os
from collections import Counter

import gymnasium
import numpy as np
import recorded

os.environ["SDL_AUDIODRIVER"] = "dummy"
COMMANDS = "right down left up stay right_down right_up left_down left_up".split()
STAY, LEFT, RIGHT, FORWARD = range(4)
NOT_TURNED = {(0, -1): 0, (-1, 0): 1, (0, 1): 2, (1, 0): 3}
# The package's parameters, those of the native tasks, and the chance of doing what is right.
MORTAR = (
    ({}, {}, 1.0, 8),
    ({}, {}, 0.9, 16),
    ({"command_count": [3]}, {"num_commands": 3}, 0.9, 12),
    ({"allowed_commands": 9}, {"allowed_commands": 9}, 0.97, 8),
    ({"arena_size": 6, "command_count": [4]}, {"arena_size": 6, "num_commands": 4}, 0.9, 10),
    (
        {
            "arena_size": 2,
            "allowed_commands": 4,
            "command_show_duration": [1],
            "command_show_delay": [0],
            "explosion_delay": [2],
            "explosion_duration": [1],
        },
        {
            "arena_size": 2,
            "allowed_commands": 4,
            "show_duration": 1,
            "show_delay": 0,
            "explosion_delay": 2,
            "explosion_duration": 1,
        },
        0.9,
        10,
    ),
    (
        {"explosion_duration": [3], "explosion_delay": [4], "command_show_delay": [2]},
        {"explosion_duration": 3, "explosion_delay": 4, "show_delay": 2},
        0.97,
        8,
    ),
)
MYSTERY = (
    ({}, {}, 0.0, 6),
    ({}, {}, 0.3, 10),
    ({}, {}, 0.7, 20),
    ({}, {}, 1.0, 4),
    ({"reward_path_progress": 0.1, "max_steps": 200}, {"progress_reward": 0.1, "max_steps": 200}, 0.3, 14),
)


def towards(rotation: int, here, there) -> int:
    """The action that leads on to a cell."""
    dx, dy = (int(np.sign(one - other)) for one, other in zip(there, here, strict=True))
    wanted = NOT_TURNED.get((dx, 0) if dx else (0, dy))
    if wanted is None:
        return STAY
    return FORWARD if wanted == rotation else (LEFT if (wanted - rotation) % 4 <= 2 else RIGHT)


def play(env, obs, right, chance: float, rng) -> dict:
    """Go on to the end, doing what is right at this chance."""
    actions, rewards, pictures, done = [], [], [recorded.checksum(obs)], False
    while not done:
        action = right() if rng.random() < chance else int(rng.integers(4))
        obs, reward, done, _, info = env.step(action)
        actions.append(action)
        rewards.append(reward)
        pictures.append(recorded.checksum(obs))
    said = {key: info[key] for key in ("success", "num_fails") if key in info}
    return {"actions": "".join(map(str, actions)), "rewards": rewards, "pictures": pictures, **said}


def mortar(seed: int, given: dict, options: dict, chance: float) -> dict:
    env = gymnasium.make("memory_gym:MortarMayhem-Grid-v0", disable_env_checker=True).unwrapped
    obs, _ = env.reset(seed=seed, options=given)
    rng = np.random.default_rng(seed)
    drawn = {
        "start": [int(place) for place in env.agent.grid_position],
        "commands": [COMMANDS.index(name) for name in env._commands],
    }

    def right() -> int:
        return towards(env.agent.rotation // 90, env.agent.grid_position, env._target_pos)

    return {"game": "mortar_mayhem", "options": options, **drawn, **play(env, obs, right, chance, rng)}


def mystery(seed: int, given: dict, options: dict, chance: float) -> dict:
    env = gymnasium.make("memory_gym:MysteryPath-Grid-v0", disable_env_checker=True).unwrapped
    obs, _ = env.reset(seed=seed, options=given)
    rng = np.random.default_rng(seed)
    path = [[node.x, node.y] for node in reversed(env.mystery_path.path)]

    def right() -> int:
        here = [int(place) for place in env.agent.grid_position]
        following = path[min(path.index(here) + 1, len(path) - 1)] if here in path else here
        return towards(env.agent.rotation // 90, here, following)

    return {"game": "mystery_path", "options": options, "path": path, **play(env, obs, right, chance, rng)}


def random_play(id: str, options: dict, episodes: int) -> dict:
    """Count returns, lengths, and the lengths of paths, over episodes of random actions."""
    env = gymnasium.make(f"memory_gym:{id}-v0", disable_env_checker=True).unwrapped
    rng, returns, lengths, paths = np.random.default_rng(0), Counter(), Counter(), Counter()
    for episode in range(episodes):
        env.reset(seed=episode, options=options)
        total, length, done = 0.0, 0, False
        while not done:
            _, reward, done, _, _ = env.step(int(rng.integers(4)))
            total, length = total + reward, length + 1
        returns[round(total, 6)] += 1
        lengths[length] += 1
        if hasattr(env, "mystery_path"):
            paths[len(env.mystery_path.path)] += 1
    return {
        name: sorted(found.items())
        for name, found in (("returns", returns), ("lengths", lengths), ("paths", paths))
    }


def main() -> None:
    """Write the recordings."""
    episodes = [
        record(100 * number + episode, given, options, chance)
        for record, kinds in ((mortar, MORTAR), (mystery, MYSTERY))
        for number, (given, options, chance, count) in enumerate(kinds)
        for episode in range(count)
    ]
    random = {
        "memory_gym/mortar_mayhem_grid_3": random_play("MortarMayhem-Grid", {"command_count": [3]}, 4000),
        "memory_gym/mortar_mayhem_grid_10": random_play("MortarMayhem-Grid", {}, 2000),
        "memory_gym/mystery_path_grid": random_play("MysteryPath-Grid", {}, 2000),
    }
    recorded.write("memory_gym", episodes, random=random)


if __name__ == "__main__":
    main()
