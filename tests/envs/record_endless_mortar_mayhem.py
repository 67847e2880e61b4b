"""Record episodes of Memory Gym's endless Mortar Mayhem: `python tests/envs/record_endless_mortar_mayhem.py`.

It needs memory-gym 1.0.2 (`pip install --no-deps memory-gym==1.0.2`) and pygame-ce. Every episode says where the player
began, what the commands were, what was done (a digit: three times the first part of the action, and the second) and
paid, and a CRC-32 of every row's picture.
"""

import os

import gymnasium
import numpy as np
import recorded

os.environ["SDL_AUDIODRIVER"] = "dummy"
COMMANDS = "right down left up stay right_down right_up left_down left_up".split()
SIDE, TILE = 84, 14
# The package's parameters, those of the native task, how often a way is taken that leads nowhere, and episodes.
KINDS = (
    ({"max_steps": 420}, {"max_steps": 420}, 0.0, 2),
    ({"max_steps": 420}, {"max_steps": 420}, 0.5, 4),
    ({"max_steps": 900}, {"max_steps": 900}, 0.75, 3),
    ({}, {}, 0.95, 6),
    ({}, {}, 1.0, 4),
    ({"visual_feedback": False, "max_steps": 150}, {"visual_feedback": False, "max_steps": 150}, 0.3, 3),
    (
        {"allowed_commands": 4, "initial_command_count": 3, "max_steps": 260},
        {"allowed_commands": 4, "initial_commands": 3, "max_steps": 260},
        0.5,
        4,
    ),
    (
        {
            "command_show_duration": [1],
            "command_show_delay": [0],
            "explosion_duration": [1],
            "explosion_delay": [14],
            "initial_command_count": 2,
            "max_steps": 200,
        },
        {
            "show_duration": 1,
            "show_delay": 0,
            "explosion_duration": 1,
            "explosion_delay": 14,
            "initial_commands": 2,
            "max_steps": 200,
        },
        0.3,
        4,
    ),
    ({"agent_speed": 5.0, "max_steps": 200}, {"agent_speed": 5.0, "max_steps": 200}, 0.4, 4),
    ({"agent_speed": 1.5, "max_steps": 200}, {"agent_speed": 1.5, "max_steps": 200}, 0.1, 4),
)


def homeward(env) -> list[int]:
    """The action that leads to the cell that counts, the short way around."""
    middle = np.array(env._target_pos) * TILE + TILE // 2
    way = (middle - np.array(env.agent.rect.center) + SIDE // 2) % SIDE - SIDE // 2
    return [0 if abs(part) <= 3 else 1 if part < 0 else 2 for part in way]


def play(env, obs, astray: float, is_restless: bool, rng) -> dict:
    """Go on to the end; between explosions, go astray for a while at first, and who is restless during them too."""
    actions, rewards, pictures, done, wandering = [], [], [recorded.checksum(obs)], False, [0, 0]
    while not done:
        wandering = rng.integers(3, size=2).tolist() if rng.random() < 0.3 else wandering
        is_time = env._command_steps < (8 if astray < 1 else 99) and not env.arena.tiles_on
        action = wandering if is_time and rng.random() < astray else homeward(env)
        if is_restless and env._total_commands_completed > 1 and env.arena.tiles_on:
            action = [1, 2]
        obs, reward, done, _, info = env.step(action)
        actions.append(3 * action[0] + action[1])
        rewards.append(reward)
        pictures.append(recorded.checksum(obs))
    said = {key: int(info[key]) for key in ("commands_completed", "max_command_sequence")}
    return {"actions": "".join(map(str, actions)), "rewards": rewards, "pictures": pictures, **said}


def record(seed: int, given: dict, options: dict, astray: float) -> dict:
    """Record one episode."""
    env = gymnasium.make("memory_gym:Endless-MortarMayhem-v0", disable_env_checker=True).unwrapped
    obs, _ = env.reset(seed=seed, options=given)
    start = [int(part) for part in env.agent.rect.center]
    played = play(env, obs, astray, seed % 4 == 3, np.random.default_rng(seed))
    commands = [COMMANDS.index(name) for name in env._commands]
    return {"options": options, "start": start, "commands": commands, **played}


def main() -> None:
    """Write the recordings."""
    episodes = [
        record(100 * number + episode, given, options, astray)
        for number, (given, options, astray, count) in enumerate(KINDS)
        for episode in range(count)
    ]
    recorded.write("endless_mortar_mayhem", episodes)


if __name__ == "__main__":
    main()
