"""Record episodes of the originals of Key-to-Door and Visual Match.

    python tests/envs/record_tvt.py <checkout of Memory-RL>

It needs pycolab 1.2; of tensorflow one function is taken, which is put in its place. Every episode says what was drawn,
what was done and paid, and a CRC-32 of every row's pixels.
"""

import sys
import types

import numpy as np
import recorded

EPISODES = 15
NORTH, SOUTH, WEST, EAST = range(4)


def stand_in() -> None:
    """Put `tensorflow.nest.map_structure` where the original looks for it; collections as Python 3.9 had them."""
    import collections.abc

    nest = types.SimpleNamespace(
        map_structure=lambda function, colors: {
            key: tuple(map(function, color)) for key, color in colors.items()
        }
    )
    sys.modules["tensorflow"] = types.ModuleType("tensorflow")
    sys.modules["tensorflow"].nest = nest
    for name in ("Mapping", "Sequence"):
        setattr(collections, name, getattr(collections.abc, name))


def things_of(env):
    return env._episode._current_game.things


def place(thing) -> list[int]:
    return [int(value) for value in thing.position]


def towards(position, goal, rng) -> int:
    """A step that comes nearer, or any."""
    row, column = goal[0] - position[0], goal[1] - position[1]
    options = [NORTH] * (row < 0) + [SOUTH] * (row > 0) + [WEST] * (column < 0) + [EAST] * (column > 0)
    return int(rng.choice(options or range(4))) if rng.random() < 0.7 else int(rng.integers(4))


def record(make, game: str, delay: int, seed: int) -> dict:
    """Play one episode, half of them towards the key, the door and the right color."""
    np.random.seed(seed)
    rng = np.random.default_rng(seed)
    last = {"key_to_door": 10, "visual_match": 15}[game]
    frames = {"explore": 15, "distractor": delay, "reward": last}
    env = make(
        game, apple_reward=1.0, fix_apple_reward_in_episode=True, final_reward=5.0, max_frames=frames,
        **({} if game == "key_to_door" else {"EXPLORE_GRID": PASSIVE}),
    )  # fmt: skip
    image, _ = env.reset()
    things = things_of(env)
    found = {"game": game, "delay": delay, "start": place(things["+"])}
    if game == "key_to_door":
        found["key"] = place(things["k"])
    else:
        target = next(name for name in "bce" if name in things)
        colors = env._game.colours
        found["cue"], found["target"] = place(things[target]), list(colors[target])
        found["order"] = [list(colors[name]) for name in "bce"]
    pictures, actions, rewards = [recorded.checksum(image)], [], []
    goes = seed % 2 == 0
    while not env._episode.game_over:
        things = things_of(env)
        goal = None
        if goes and "k" in things and things["k"].visible:
            goal = place(things["k"])
        elif goes and "d" in things:
            goal = [1, 5]
        elif goes and "b" in things and "c" in things:
            goal = place(things[target])
        action = towards(place(things["+"]), goal, rng) if goal else int(rng.integers(4))
        image, reward = env.step(action)
        if len(actions) + 1 == 15:
            found["apples"] = np.argwhere(things_of(env)["a"].curtain).tolist()
        actions.append(action)
        rewards.append(float(reward))
        pictures.append(recorded.checksum(image))
    success = env.last_phase_reward() > 0
    return {**found, "actions": actions, "rewards": rewards, "pictures": pictures, "success": bool(success)}


def main(checkout: str) -> None:
    """Write the recordings."""
    stand_in()
    sys.path.insert(0, checkout)
    from envs.key_to_door import env, visual_match

    global PASSIVE
    PASSIVE = visual_match.PASSIVE_EXPLORE_GRID
    episodes = [
        record(env.PycolabEnvironment, game, delay, number)
        for game in ("key_to_door", "visual_match")
        for delay in (30, 60)
        for number in range(EPISODES)
    ]
    recorded.write("tvt", episodes)


if __name__ == "__main__":
    main(sys.argv[1])
