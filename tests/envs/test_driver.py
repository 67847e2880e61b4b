"""The driver against a plain loop."""

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from tensordict import TensorDict
from toy_envs import SCRIPT, Sampler, Scripted, register

import engram.envs.play as play_module
from engram.common.random import randint
from engram.envs import Driver, GymnasiumEnv, RecallFirst, make_env


def counting_act(row: TensorDict, carry: TensorDict):
    """Counts the rows it has seen, in place as a policy may, and acts by that number."""
    carry["count"].add_(1)
    carry["core", "sum"].add_(row["reward"][:, None])
    index = torch.arange(len(row))
    action = randint(4, "action", index, carry["count"])
    extras = {"log_prob": -carry["count"].float(), "seen": TensorDict({"reward": row["reward"]}, [len(row)])}
    return action, carry, TensorDict(extras, [len(row)])


def initial_carry(batch: int) -> TensorDict:
    core = TensorDict({"sum": torch.zeros(batch, 2)}, [batch])
    return TensorDict({"count": torch.zeros(batch, dtype=torch.int64), "core": core}, [batch])


def plain_loop(env, seed: int, steps: int):
    """Rows with actions, and the carry before each, one more of both than steps."""
    rows, carries = [], []
    row, carry = env.reset(seed), initial_carry(env.num_envs)
    for _ in range(steps + 1):
        carries.append(carry.clone())
        action, carry, extras = counting_act(row, carry)
        rows.append(row.clone().set("action", action).update(extras))
        row = env.step(action)
    return torch.stack(rows, 1), torch.stack(carries, 1)


def equal(left: TensorDict, right: TensorDict) -> bool:
    assert set(left.keys(True, True)) == set(right.keys(True, True))
    assert left.batch_size == right.batch_size
    return all(torch.equal(value, right[key]) for key, value in left.items(True, True))


MAKERS = {
    "recall_first": lambda: RecallFirst(3, delay=2),
    "autoencode": lambda: make_env("popgym/autoencode_easy", 3),
    "autoencode of the package": lambda: make_env("popgym/autoencode_easy", 3, backend="package"),
    "scripted": lambda: GymnasiumEnv(register(Scripted), 3),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("every", [None, 1, 3, 4])
def test_rollouts_equal_a_plain_loop(name: str, every: int | None) -> None:
    rows, carries = plain_loop(MAKERS[name](), 5, 24)
    driver = Driver(MAKERS[name](), carry_every=every)
    carry = initial_carry(3)
    driver.start(5, carry)
    for begin in (0, 8, 16):
        rollout = driver.collect(counting_act, 8)
        assert equal(rollout.rows, rows[:, begin : begin + 8])
        assert equal(rollout.carries, carries[:, begin : begin + 8 : every or 8])
        assert equal(rollout.pending_carry, carries[:, begin + 8])
        pending = rows[:, begin + 8].select(*rollout.pending.keys(True, True))
        assert equal(rollout.pending, pending) and "action" not in rollout.pending
    assert not carry["count"].any()  # the carry that was given is the caller's
    kept = rollout.pending_carry.clone()
    driver.collect(counting_act, 8)
    assert equal(rollout.pending_carry, kept)


@pytest.mark.parametrize("lengths", [[24], [8, 8, 8], [1, 2, 3, 4, 5, 9]])
def test_episodes_and_steps_by_hand(lengths: list[int]) -> None:
    driver = Driver(GymnasiumEnv(register(Scripted), 2))
    driver.start(0, TensorDict({}, [2]))
    act = lambda row, carry: (torch.tensor([0, 1]), carry, TensorDict({}, [2]))  # noqa: E731
    returns, episode_lengths, steps = [[], []], [[], []], 0
    for length in lengths:
        rollout = driver.collect(act, length)
        steps += int((~rollout.rows["is_first"]).sum())
        assert driver.env_steps == steps
        ended = rollout.rows["is_last"].nonzero()[:, 0].tolist()
        answers = {"answer": [7] * len(ended)} if ended else {}  # of its infos
        assert rollout.episodes == rollout.episodes | answers and len(rollout.episodes) == 2 + len(answers)
        ours = (rollout.episodes[name] for name in ("episodic_return", "episodic_length"))
        for index, value, count in zip(ended, *ours, strict=True):
            returns[index].append(value)
            episode_lengths[index].append(count)
    # 24 rows hold the script's three episodes (3 + 4 + 2 rows) twice, and one of its first, and two rows
    # more.
    assert episode_lengths[0] == episode_lengths[1] == [2, 3, 1, 2, 3, 1, 2][: len(episode_lengths[0])]
    assert len(episode_lengths[0]) == 7
    assert returns[0] == [30, 60, 10, 30, 60, 10, 30]
    assert returns[1] == [32, 63, 11, 32, 63, 11, 32]  # action 1 adds 1 to each reward
    assert [length for length, _, _ in SCRIPT] == [2, 3, 1]
    assert driver.env_steps == 2 * (24 - 8)


@pytest.mark.parametrize("name", ["recall_first", "autoencode"])
def test_continued_equals_uninterrupted(name: str) -> None:
    driver, other = (Driver(MAKERS[name](), carry_every=2) for _ in range(2))
    driver.start(1, initial_carry(3))
    for _ in range(3):
        driver.collect(counting_act, 14)
    state = driver.state_dict()
    expected = [(driver.collect(counting_act, 14), driver.env_steps) for _ in range(10)]
    other.load_state_dict(state, initial_carry(3))  # the state did not change meanwhile
    for left, env_steps in expected:
        right = other.collect(counting_act, 14)
        assert equal(left.rows, right.rows) and equal(left.carries, right.carries)
        assert left.episodes == right.episodes
        assert env_steps == other.env_steps


def test_a_policy_without_memory_has_an_empty_carry() -> None:
    act = lambda row, carry: (torch.zeros(3, dtype=torch.int64), carry, TensorDict({}, [3]))  # noqa: E731
    empty = TensorDict({"core": TensorDict({}, [3])}, [3])
    driver = Driver(RecallFirst(3))
    driver.start(0, empty)
    rollout = driver.collect(act, 4)
    assert rollout.carries.batch_size == (3, 1) and rollout.carries["core"].batch_size == (3, 1)
    state = driver.state_dict()
    state.pop("carry")  # a flat file has no empty folders
    driver.load_state_dict(state, empty)
    driver.collect(act, 4)


def test_misuse_is_one_sentence() -> None:
    driver = Driver(RecallFirst(3), carry_every=4)
    driver.start(0, initial_carry(3))
    with pytest.raises(
        ValueError, match="rollout_length of collect must be a whole number of at least 1, but got 0"
    ):
        driver.collect(counting_act, 0)
    with pytest.raises(
        ValueError, match="carry_every of Driver must be a whole number of at least 1, or null, but got 0"
    ):
        Driver(RecallFirst(3), carry_every=0)
    with pytest.raises(ValueError, match="A stored carry must fit the policy"):
        driver.load_state_dict(driver.state_dict(), initial_carry(3).exclude("count"))


def test_nothing_is_differentiated() -> None:
    weight = torch.ones(3, requires_grad=True)

    def act(row, carry):
        return torch.zeros(3, dtype=torch.int64), carry, TensorDict({"value": weight * 2}, [3])

    driver = Driver(RecallFirst(3))
    driver.start(0, initial_carry(3))
    assert not driver.collect(act, 2).rows["value"].requires_grad


@pytest.mark.parametrize("nested", [False, True])
def test_large_leaves_are_written_as_they_come(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rollout as when all is stacked in the end; images in a space of their own or among others."""
    picture = gs.Box(0, 255, (20, 30, 3), np.uint8)
    space = gs.Dict({"camera": picture, "far": gs.Dict({"lens": picture})}) if nested else picture
    rollouts = []
    for limit in (1000, 2**40):
        monkeypatch.setattr(play_module, "_LARGE_BYTES", limit)
        env = GymnasiumEnv(register(Sampler), 3, kwargs={"space": space})
        driver = Driver(env)
        driver.start(0, initial_carry(3))
        rollouts.append([driver.collect(zero_act, 8) for _ in range(2)])
    for written, stacked in zip(*rollouts, strict=True):
        assert equal(written.rows, stacked.rows) and equal(written.pending, stacked.pending)
        assert written.rows.batch_size == (3, 8)
    first, second = (rollout.rows["obs"] for rollout in rollouts[0])
    assert not (first == second).all()  # the second is not written over the first


def zero_act(row: TensorDict, carry: TensorDict):
    return torch.zeros(len(row), dtype=torch.int64), carry, TensorDict({}, [len(row)])
