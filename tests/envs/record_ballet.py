"""Record episodes of the original ballet: `python tests/envs/record_ballet.py <checkout of deepmind-research>`.

It needs pycolab 1.2 and dm_env. Every episode says who danced what and where, what was done, and a CRC-32 of every
picture as bytes.
"""

import sys

import numpy as np
import recorded

LEVELS = [(dancers, delay) for delay in (16, 48) for dancers in (2, 4, 8)]
EPISODES = 3


def record(build, dancers: int, delay: int, seed: int) -> dict:
    """Play one episode at random."""
    env, rng = build(f"{dancers}_delay{delay}"), np.random.default_rng(seed)
    env._rng = np.random.default_rng(seed)
    step = env.reset()
    things = env._current_game.things
    sprites = [things[name] for name in sorted(things) if name not in "A#"]
    described = [{"dance": one.motion, "shape": one.shape, "color": one.color} for one in sprites]
    # The first of them has made its first move; places are three cells apart, and a move stays within one.
    for one, sprite in zip(described, sprites, strict=True):
        one["place"] = [int(2 + 3 * round((value - 2) / 3)) for value in sprite.position]
    target = next(number for number, sprite in enumerate(sprites) if sprite.value > 0)
    pictures, instructions, actions = [], [], []
    while True:
        image, instruction = step.observation
        pictures.append(recorded.checksum(np.rint(image * 255).astype(np.uint8)))
        instructions.append(str(instruction))
        if step.last():
            break
        # North and south by turns find no one: that episode is truncated.
        actions.append(len(actions) % 2 * 4 if seed == 0 else int(rng.integers(8)))
        step = env.step(actions[-1])
    return {
        "delay": delay,
        "target": target,
        "dancers": described,
        "actions": actions,
        "instructions": instructions,
        "pictures": pictures,
        "reward": float(step.reward),
    }


def main(checkout: str) -> None:
    """Write the recordings."""
    sys.path.insert(0, checkout)
    from hierarchical_transformer_memory.pycolab_ballet.ballet_environment import simple_builder

    levels = [(2, 16, 0), *((*level, 1 + number) for level in LEVELS for number in range(EPISODES))]
    episodes = [record(simple_builder, *level) for level in levels]
    recorded.write("ballet", episodes)


if __name__ == "__main__":
    main(sys.argv[1])
