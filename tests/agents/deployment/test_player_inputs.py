"""What a player takes in the place of an observation, and what it refuses, in one sentence each."""

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from player_cases import ACTIONS, IMAGE, OBSERVATIONS, SYMBOLS, make_agent

VECTOR = gs.Box(-np.inf, np.inf, (3,), np.float32)
PAIR = OBSERVATIONS["tuple"]
BLACK = np.zeros((16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    "space, alike",
    [
        (SYMBOLS, [3, np.int64(3), np.int8(3), np.array(3), torch.tensor(3)]),
        (
            VECTOR,
            [
                [1, 2, 3],
                (1.0, 2, 3),
                np.array([1, 2, 3], np.int8),
                np.array([1.0, 2, 3]),
                torch.tensor([1.0, 2, 3]),
            ],
        ),
        (PAIR, [(2, 0.5), [2, np.array(0.5)], {"0": 2, "1": 0.5}, (np.int8(2), torch.tensor(0.5))]),
        (gs.MultiBinary(2), [[True, False], np.array([1, 0], np.int8), np.array([1.0, 0.0])]),
    ],
)
def test_forms_of_one_observation(space, alike):
    agent = make_agent("ppo", space, ACTIONS["bounded"])
    actions = [agent.player().act(observation, deterministic=True) for observation in alike]
    for action in actions[1:]:
        np.testing.assert_array_equal(action, actions[0])


def test_what_is_given_may_change_afterwards():
    agent = make_agent("ppo", VECTOR, ACTIONS["bounded"], core="frame_stack")
    players, observation = (agent.player(), agent.player()), np.array([1.0, 2.0, 3.0], np.float32)
    for player in players:
        player.act(observation, deterministic=True)
    expected = players[0].act([0, 0, 0], deterministic=True)
    observation[:] = 100.0
    observation.flags.writeable = False
    np.testing.assert_array_equal(players[1].act([0, 0, 0], deterministic=True), expected)
    players[1].act(observation)


@pytest.mark.parametrize(
    "space, observation, sentence",
    [
        (
            VECTOR,
            [1, 2],
            r"An observation must be numbers of shape \[3\] or \[B, 3\], but got int64 of shape \[2\]",
        ),
        (VECTOR, np.zeros((1, 1, 3)), r"but got float64 of shape \[1, 1, 3\]"),
        (VECTOR, np.zeros((0, 3)), r"but got float64 of shape \[0, 3\]"),
        (VECTOR, [[1, 2], [3]], r"but got \[\[1, 2\], \[3\]\]"),
        (VECTOR, "left", r"but got <U4 of shape \[\]"),
        (VECTOR, None, r"but got None"),
        (VECTOR, [1, np.nan, 2], r"must be finite numbers, but got nan"),
        (VECTOR, [1, 2, np.inf], r"must be finite numbers, but got inf"),
        (
            VECTOR,
            np.zeros((2, 3)),
            r"of each of its environments, expected 1, but got 2; make the player with num_envs=2",
        ),
        (SYMBOLS, 7, r"must be in Discrete\(5, start=2\), but got 7"),
        (SYMBOLS, 1, r"must be in Discrete\(5, start=2\), but got 1"),
        (SYMBOLS, 2.5, r"must be whole numbers of shape \[\] or \[B\], but got float64 of shape \[\]"),
        (OBSERVATIONS["several"], [1, -1], r"must be in MultiDiscrete"),
        (IMAGE, np.zeros((16, 16, 3)), r"must be whole numbers of shape \[16, 16, 3\]"),
        (IMAGE, np.zeros((3, 16, 16), np.uint8), r"but got uint8 of shape \[3, 16, 16\]"),
        (PAIR, (2,), r"must be a tuple with the part 1, but got a tuple of 1"),
        (PAIR, 2, r"must be a tuple with the part 0, but got int 2"),
        (PAIR, (2, [0.5, 0.5]), r"one batch, but their batch sizes are: 0 no, 1 2"),
        (
            OBSERVATIONS["dict"],
            {"image": BLACK},
            r"must be a dict with the part pair, but got a dict with 'image'",
        ),
        (
            OBSERVATIONS["dict"],
            {"image": BLACK, "pair": (2, {})},
            r"must be a dict with the part pair.1.deep, but got a dict with nothing",
        ),
    ],
)
def test_wrong_observations(space, observation, sentence):
    player = make_agent("ppo", space, ACTIONS["discrete"]).player()
    with pytest.raises(ValueError, match=sentence) as raised:
        player.act(observation)
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_one_observation_for_many():
    player = make_agent("ppo", SYMBOLS, ACTIONS["discrete"]).player(3)
    with pytest.raises(
        ValueError, match=r"expected 3, but got one without a batch; make the player with num_envs=1"
    ):
        player.act(2)


@pytest.mark.parametrize(
    "action, argument, value, sentence",
    [
        (
            "discrete",
            "reward",
            [1.0, 2.0],
            r"reward must be a number for every environment, expected shape \[1\]",
        ),
        ("discrete", "reward", "good", r"reward must be a number .* but got good"),
        (
            "discrete",
            "is_first",
            1,
            r"is_first says .* expected bool of shape \[1\], but got int64 of shape \[\]",
        ),
        ("discrete", "is_first", [True, False], r"but got bool of shape \[2\]"),
        ("discrete", "action_mask", [1, 0, 1], r"expected shape \[4\] or \[1, 4\], but got shape \[3\]"),
        ("discrete", "action_mask", [1, 0, 2, 0], r"must hold 1 .* but got \[1, 0, 2, 0\]"),
        ("multi", "action_mask", [[1, 0], [1]], r"action_mask must hold .* but got \[\[1, 0\], \[1\]\]"),
        ("bounded", "action_mask", [1, 1], r"Masks are for .* acts in a Box .* leave action_mask out"),
    ],
)
def test_wrong_arguments(action, argument, value, sentence):
    player = make_agent("ppo", SYMBOLS, ACTIONS[action]).player()
    with pytest.raises(ValueError, match=sentence) as raised:
        player.act(2, **{argument: value})
    assert "\n" not in str(raised.value)


def test_rewards_must_be_finite_where_they_count():
    player = make_agent("ppo", SYMBOLS, ACTIONS["discrete"]).player()
    player.act(2, reward=np.nan)  # led to nothing: an episode begins
    with pytest.raises(ValueError, match="reward must be finite, but got nan; correct the environment"):
        player.act(2, reward=np.nan)


def test_a_wrong_mask_of_resets():
    player = make_agent("ppo", SYMBOLS, ACTIONS["discrete"]).player(2)
    with pytest.raises(
        ValueError, match=r"mask says of every environment .* shape \[2\], but got bool of shape \[3\]"
    ):
        player.reset([True, False, True])
    with pytest.raises(ValueError, match=r"expected bool of shape \[2\], but got bool of shape \[\]"):
        player.reset(True)
