"""The encoder tells an agent what POPGym's wrappers tell it, and reads every space."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from popgym.wrappers import Antialias, PreviousAction
from tensordict import TensorDict

from engram import envs
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.features import one_hot
from engram.agents.networks.leaves import observation_leaves
from engram.agents.networks.normalizer import RunningNormalizer


@pytest.mark.parametrize(
    "name", [name for name, task in envs.TASKS.items() if task.general and name.startswith("popgym/")]
)
def test_widths_are_those_of_popgyms_wrappers(name):
    if "labyrinth" in name:
        pytest.importorskip("mazelib")
    env = gymnasium.make(envs.TASKS[name].package.id, disable_env_checker=True)
    wrapped = spaces.flatten_space(Antialias(PreviousAction(env.unwrapped)).observation_space)
    encoder = Encoder(env.observation_space, env.action_space, hidden_sizes=())
    assert encoder.output_size == wrapped.shape[0]


def test_flat_features_equal_popgyms_wrappers_step_by_step():
    """The same episode through the wrappers and through rows gives the same numbers."""
    name, action_sequence = "popgym:popgym-AutoencodeEasy-v0", [3, 0, 2, 1]
    reference = Antialias(PreviousAction(gymnasium.make(name, disable_env_checker=True).unwrapped))
    plain = gymnasium.make(name, disable_env_checker=True).unwrapped
    encoder = Encoder(plain.observation_space, plain.action_space, hidden_sizes=())

    def features(obs, prev_action, is_first):
        row = TensorDict(
            {
                "obs": {str(i): torch.tensor([part]) for i, part in enumerate(obs)},
                "reward": torch.zeros(1),
                "prev_action": torch.tensor([prev_action]),
                "is_first": torch.tensor([is_first]),
            },
            [1],
        )
        return encoder(row)[0].numpy()

    expected, obs = reference.reset(seed=3)[0], plain.reset(seed=3)[0]
    np.testing.assert_array_equal(
        features(obs, 0, True), spaces.flatten(reference.observation_space, expected)
    )
    for action in action_sequence:
        expected, obs = reference.step(action)[0], plain.step(action)[0]
        np.testing.assert_array_equal(
            features(obs, action, False), spaces.flatten(reference.observation_space, expected)
        )


NESTED = spaces.Dict(
    {
        "camera": spaces.Box(0, 255, (16, 12, 3), np.uint8),
        "pair": spaces.Tuple([spaces.Discrete(3, start=2), spaces.MultiDiscrete([2, 4])]),
        "pose": spaces.Box(-np.inf, np.inf, (2, 3), np.float32),
        "lamps": spaces.MultiBinary(5),
    }
)


def nested_rows(*batch):
    obs = {
        "camera": torch.randint(0, 256, (*batch, 16, 12, 3), dtype=torch.uint8),
        "pair": {
            "0": torch.randint(0, 3, batch),
            "1": torch.stack([torch.randint(0, 2, batch), torch.randint(0, 4, batch)], -1),
        },
        "pose": torch.randn(*batch, 2, 3),
        "lamps": torch.randint(0, 2, (*batch, 5)).float(),
    }
    content = {
        "obs": obs,
        "reward": torch.randn(batch),
        "prev_action": torch.randn(*batch, 2),
        "is_first": torch.rand(batch) < 0.2,
    }
    return TensorDict(content, batch)


def test_every_kind_of_leaf_has_its_place():
    kinds = {leaf.key: leaf.kind for leaf in observation_leaves(NESTED)}
    assert kinds == {
        ("camera",): "image",
        ("pair", "0"): "categories",
        ("pair", "1"): "categories",
        ("pose",): "vector",
        ("lamps",): "vector",
    }


@pytest.mark.parametrize("previous_reward", [False, True])
def test_sequences_and_rows_are_encoded_alike(previous_reward):
    action_space = spaces.Box(-1, 1, (2,))
    encoder = Encoder(NESTED, action_space, normalize=True, previous_reward=previous_reward, image_features=8)
    assert encoder.mlp[0].in_features == 3 + 6 + 6 + 5 + 2 + 2 + previous_reward + 8
    rows = nested_rows(4, 5)
    encoder.observation.update_normalizers(rows)
    whole = encoder(rows)
    assert whole.shape == (4, 5, encoder.output_size)
    for t in range(5):
        torch.testing.assert_close(encoder(rows[:, t]), whole[:, t])


def test_inputs_can_be_left_out():
    encoder = Encoder(
        spaces.Discrete(3), spaces.Discrete(2), previous_action=False, first_flag=False, hidden_sizes=()
    )
    assert encoder.output_size == 3
    rows = TensorDict({"obs": torch.tensor([2]), "reward": torch.zeros(1)}, [1])
    assert encoder(rows).tolist() == [[0, 0, 1]]


def test_unsupported_space_is_one_sentence():
    with pytest.raises(ValueError, match=r"must be Box, .* but it is Text\(.*env.text=hash"):
        Encoder(spaces.Dict({"a": spaces.Text(5)}), spaces.Discrete(2))
    with pytest.raises(ValueError, match=r"must be Box, .* but it is Graph under a: leave it out"):
        Encoder(
            spaces.Dict(a=spaces.Graph(spaces.Discrete(2), None), b=spaces.Discrete(2)), spaces.Discrete(2)
        )


def test_normalizer_knows_the_moments_of_everything_seen():
    data = torch.randn(50, 7, 3, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) + 1000
    normalizer = RunningNormalizer(3, clip=3.0)
    torch.testing.assert_close(normalizer(data[0].float()), data[0].float())  # the identity at first
    for part in data.split(20):
        normalizer.update(part)
    flat = data.reshape(-1, 3)
    torch.testing.assert_close(normalizer.mean, flat.mean(0))
    variance = normalizer.squared_deviation / normalizer.count
    torch.testing.assert_close(variance, flat.var(0, correction=0))
    expected = ((data - flat.mean(0)) / flat.std(0, correction=0)).clamp(-3, 3).float()
    torch.testing.assert_close(normalizer(data.float()), expected, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("sizes", [(3, 2), (2, 2, 2), (3, 2, 3, 2), (3, 2, 3), (4, 1, 2, 4, 1, 2, 4, 1, 2)])
def test_one_hot_vectors_of_many_categories_lie_side_by_side(sizes):
    """Also where sizes repeat, which are then encoded together."""
    generator = torch.Generator().manual_seed(0)
    categories = torch.stack([torch.randint(size, (5, 7), generator=generator) for size in sizes], dim=-1)
    parts = zip(categories.unbind(-1), sizes, strict=True)
    expected = torch.cat([torch.nn.functional.one_hot(part, size) for part, size in parts], dim=-1).float()
    assert torch.equal(one_hot(categories, sizes), expected)
