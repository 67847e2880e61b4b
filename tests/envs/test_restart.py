"""Beginning the next episode of some environments: which rows come, and that the others stand still."""

import pytest
import torch
from contract import assert_equal, random_action
from toy_envs import ScriptedNative

from engram import envs
from engram.envs.restart import begin_next


def test_only_the_chosen_begin():
    native = ScriptedNative(3)
    native.reset(0)
    native.step(torch.tensor([1, 1, 1]))  # all stand at time 1 of an episode of two actions
    row = begin_next(native, torch.tensor([2, 0]))
    assert row["obs"].tolist() == [0, 0] and row["is_first"].all() and row["reward"].tolist() == [0, 0]
    assert native.state["episode"].tolist() == [1, 0, 1] and native.state["time"].tolist() == [0, 1, 0]
    following = native.step(torch.tensor([3, 3, 3]))
    assert following["obs"].tolist() == [1, 2, 1]
    assert following["is_last"].tolist() == [False, True, False]
    assert following["reward"].tolist() == [13.0, 23.0, 13.0]


@pytest.mark.parametrize(
    "name", ["popgym/repeat_previous_easy", "popgym/mine_sweeper_easy", "popgym/autoencode_easy"]
)
def test_the_episodes_are_those_that_come_by_themselves(name):
    native = envs.make_env(name, 3)
    alone = [envs.make_env(name, 1, env_index_offset=index) for index in range(3)]
    generator, ended = torch.Generator().manual_seed(0), 0
    native.reset(1)
    for single in alone:
        single.reset(1)
    for _ in range(120):
        action = random_action(native, generator)
        row = native.step(action)
        for index, single in enumerate(alone):
            assert_equal(row[index : index + 1], single.step(action[index : index + 1]))
        which = row["is_last"].nonzero().squeeze(1)
        if len(which):
            first = begin_next(native, which)
            for place, index in enumerate(which.tolist()):
                assert_equal(first[place : place + 1], alone[index].step(action[index : index + 1]))
        ended += len(which)
    assert ended > 2
