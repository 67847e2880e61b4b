"""What holds for the rows of every environment."""

from collections.abc import Callable

import gymnasium.spaces as gs
import torch
from tensordict import TensorDict

from engram.common.actions import action_layout
from engram.envs import VectorEnv


def random_action(env: VectorEnv, generator: torch.Generator) -> torch.Tensor:
    space = env.single_action_space
    if isinstance(space, gs.Discrete):
        return torch.randint(int(space.n), (env.num_envs,), generator=generator)
    if isinstance(space, gs.MultiDiscrete):
        parts = [torch.randint(int(n), (env.num_envs,), generator=generator) for n in space.nvec]
        return torch.stack(parts, dim=1)
    return torch.randn(env.num_envs, *space.shape, generator=generator) * 2


def check_row(env: VectorEnv, row: TensorDict) -> None:
    batch = env.num_envs
    assert row.batch_size == (batch,)
    assert row["reward"].dtype == torch.float32 and row["reward"].shape == (batch,)
    for key in ("is_first", "is_last", "is_terminal"):
        assert row[key].dtype == torch.bool and row[key].shape == (batch,)
    shape, dtype = action_layout(env.single_action_space)
    assert row["prev_action"].shape == (batch, *shape) and row["prev_action"].dtype == dtype
    assert not (row["is_terminal"] & ~row["is_last"]).any()
    assert not (row["is_first"] & row["is_last"]).any()
    assert not row["reward"][row["is_first"]].any()
    assert not row["prev_action"][row["is_first"]].any()
    check_obs(env.single_observation_space, row["obs"], batch)


def check_obs(space: gs.Space, obs, batch: int) -> None:
    if isinstance(space, (gs.Dict, gs.Tuple)):
        parts = space.spaces.items() if isinstance(space, gs.Dict) else enumerate(space.spaces)
        parts = {str(key): part for key, part in parts}
        assert set(obs.keys()) == set(parts)
        for key, part in parts.items():
            check_obs(part, obs[key], batch)
        return
    assert obs.shape == (batch, *space.shape)
    if isinstance(space, gs.Discrete):
        assert obs.dtype == torch.int64 and ((obs >= 0) & (obs < int(space.n))).all()
    elif isinstance(space, gs.MultiDiscrete):
        assert obs.dtype == torch.int64 and ((obs >= 0) & (obs < torch.as_tensor(space.nvec))).all()
    elif isinstance(space, gs.Box):
        low, high = torch.as_tensor(space.low).float(), torch.as_tensor(space.high).float()
        assert ((obs.float() >= low) & (obs.float() <= high)).all()


def play(env: VectorEnv, seed: int, steps: int, actions: int = 0) -> list[TensorDict]:
    """Reset and step with actions drawn from a generator of their own; check every row."""
    generator = torch.Generator().manual_seed(actions)
    rows = [env.reset(seed)]
    for _ in range(steps):
        rows.append(env.step(random_action(env, generator)))
    check_rows(env, rows)
    return rows


def play_out(
    env: VectorEnv, seed: int = 1, draw: Callable[[VectorEnv, torch.Generator], torch.Tensor] = random_action
) -> tuple[torch.Tensor, torch.Tensor]:
    """Play on at random from a reset to each environment's first end; return returns and lengths, float64 [B]."""
    generator, going = torch.Generator().manual_seed(seed), torch.ones(env.num_envs, dtype=torch.bool)
    total, length = torch.zeros(2, env.num_envs, dtype=torch.float64)
    while going.any():
        row = env.step(draw(env, generator))
        total += row["reward"].double() * going
        length += going
        going &= ~row["is_last"]
    return total, length


def check_worth_chance(env: VectorEnv) -> None:
    """Random play from a reset is worth what the environment says, to four standard errors."""
    total, _ = play_out(env)
    assert abs(total.mean() - env.chance_return) < 4 * total.std() / env.num_envs**0.5


def check_rows(env: VectorEnv, rows: list[TensorDict]) -> None:
    assert rows[0]["is_first"].all()
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        check_row(env, row)
        if following is not None:
            assert torch.equal(following["is_first"], row["is_last"])


def assert_equal(row: TensorDict, other: TensorDict) -> None:
    assert set(row.keys(True, True)) == set(other.keys(True, True))
    for key, value in row.items(True, True):
        assert value.dtype == other[key].dtype, key
        assert torch.equal(value, other[key]), key
