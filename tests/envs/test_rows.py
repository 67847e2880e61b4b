"""The row convention, against a table written by hand, for both kinds of environments."""

import pytest
import torch
from toy_envs import Scripted, ScriptedNative, register

from engram.envs import GymnasiumEnv

# What the script of toy_envs must give when action number n is n % 5:
# obs, reward, prev_action, is_first, is_last, is_terminal
TABLE = [
    (0, 0, 0, True, False, False),
    (1, 10 + 0, 0, False, False, False),
    (2, 20 + 1, 1, False, True, True),  # terminated
    (0, 0, 0, True, False, False),  # action 2 is ignored
    (1, 10 + 3, 3, False, False, False),
    (2, 20 + 4, 4, False, False, False),
    (3, 30 + 0, 0, False, True, False),  # truncated
    (0, 0, 0, True, False, False),  # action 1 is ignored
    (1, 10 + 2, 2, False, True, True),  # both at once
    (0, 0, 0, True, False, False),
    (1, 10 + 4, 4, False, False, False),
]
KEYS = ("obs", "reward", "prev_action", "is_first", "is_last", "is_terminal")


def make(kind: str, num_envs: int):
    if kind == "native":
        return ScriptedNative(num_envs)
    return GymnasiumEnv(register(Scripted), num_envs, vectorization=kind)


@pytest.mark.parametrize("kind", ["sync", "async", "native"])
def test_rows_are_those_of_the_table(kind: str) -> None:
    env = make(kind, 2)
    row = env.reset(0)
    rows = [row]
    for step in range(len(TABLE) - 1):
        rows.append(env.step(torch.full((2,), step % 5)))
    env.close()
    for row, expected in zip(rows, TABLE, strict=True):
        assert tuple(row[key][1].item() for key in KEYS) == expected
        assert set(row.keys()) == set(KEYS)  # infos, such as the answer, go nowhere


@pytest.mark.parametrize("kind", ["sync", "native"])
def test_rows_are_never_written_to_again(kind: str) -> None:
    env = make(kind, 2)
    rows = [env.reset(0)]
    copies = [rows[0].clone()]
    action = torch.zeros(2, dtype=torch.int64)
    for _ in range(8):
        action += 1
        action %= 5  # also the caller may reuse its tensor
        rows.append(env.step(action))
        copies.append(rows[-1].clone())
    for row, copy in zip(rows, copies, strict=True):
        assert all(torch.equal(value, copy[key]) for key, value in row.items())


@pytest.mark.parametrize("kind", ["sync", "native"])
@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, None])
def test_a_wrong_seed_is_refused(kind: str, seed) -> None:
    with pytest.raises(ValueError, match="A seed must be an integer in"):
        make(kind, 2).reset(seed)


@pytest.mark.parametrize("kind", ["sync", "native"])
@pytest.mark.parametrize(
    "action", [torch.zeros(3, dtype=torch.int64), torch.zeros(2), torch.zeros(2, 1).long()]
)
def test_a_wrong_action_is_refused(kind: str, action: torch.Tensor) -> None:
    env = make(kind, 2)
    env.reset(0)
    with pytest.raises(ValueError, match=r"An action must be torch\.int64 of shape \[2\]"):
        env.step(action)


@pytest.mark.parametrize("kind", ["sync", "native"])
def test_at_least_one_environment(kind: str) -> None:
    with pytest.raises(ValueError, match=r"num_envs of .* must be a whole number of at least 1"):
        make(kind, 0)
