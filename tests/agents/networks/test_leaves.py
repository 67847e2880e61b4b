"""One rule says which part of an observation is an image, of which layout and scale, a vector or categories."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tensordict import TensorDict

from engram.agents.networks.encoder import Encoder
from engram.agents.networks.image_layout import ImageLayout, find_layout
from engram.agents.networks.leaves import observation_leaves
from engram.agents.networks.pixel_scale import PixelScale
from engram.run_files.space_json import space_from_json, space_to_json


def box(shape, dtype=np.uint8, low=0, high=255):
    return spaces.Box(low, high, shape, dtype)


def reading(space, **options):
    (leaf,) = observation_leaves(space, **options)
    return (leaf.kind, leaf.layout.axes) if leaf.layout else leaf.kind


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (box((84, 84)), ("image", "hw")),
        (box((84, 84, 3)), ("image", "hwc")),
        (box((3, 84, 84)), ("image", "chw")),
        (box((8, 84, 84)), ("image", "chw")),
        (box((12, 64, 64)), ("image", "chw")),
        (box((64, 64, 12)), ("image", "hwc")),
        (box((4, 84, 84, 3)), ("image", "shwc")),
        (box((2, 3, 16, 16)), ("image", "schw")),
        (box((84, 84, 3, 4)), ("image", "hwcs")),
        (box((64, 64), np.uint16, high=65535), ("image", "hw")),
        (box((64, 64, 1), np.uint16, high=65535), ("image", "hwc")),
        (box((16, 12, 3), np.float32, -1, 1), ("image", "hwc")),
        (box((7, 7, 3)), "vector"),  # MiniGrid's symbols
        (box((4, 7, 7, 3)), "vector"),
        (box((9, 9), high=1), "vector"),  # Memory Maze's layout
        (box((10, 10, 4), np.bool_, high=1), "vector"),
        (box((64, 64), np.float32, -1, 1), "vector"),
        (box((64, 64), np.int8, -1, 1), "vector"),
        (box((100,)), "vector"),
        (box((2, 2, 64, 64, 3)), "vector"),
        (spaces.MultiBinary([64, 64]), "vector"),
        (spaces.Discrete(3), "categories"),
        (spaces.MultiDiscrete([3, 4]), "categories"),
    ],
    ids=repr,
)
def test_what_a_space_is_read_as(space, expected):
    assert reading(space) == expected


@pytest.mark.parametrize(
    "shape", [(20, 64, 64), (64, 64, 20), (64, 3, 64), (20, 20, 20), (12, 20, 20), (20, 8, 64, 64)]
)
def test_a_layout_that_could_be_mistaken_is_asked_for(shape):
    with pytest.raises(
        ValueError, match=r"'a\.b' has the shape .*image_layout=hwc\|.*leaves\.a\.b=vector or none"
    ):
        observation_leaves(spaces.Dict(a=spaces.Dict(b=box(shape))))


@pytest.mark.parametrize(
    ("shape", "layout", "axes", "channels_shape"),
    [
        ((20, 64, 60), "chw", "chw", (20, 64, 60)),
        ((64, 60, 20), "hwc", "hwc", (20, 64, 60)),
        ((5, 64, 60, 20), "hwc", "shwc", (100, 64, 60)),
        ((5, 20, 64, 60), "chw", "schw", (100, 64, 60)),
        ((64, 60, 20, 5), "hwcs", "hwcs", (100, 64, 60)),
        ((64, 60, 20), "hwcs", "hwc", (20, 64, 60)),
        ((64, 60), "chw", "hw", (1, 64, 60)),
    ],
)
def test_a_layout_that_is_given_rules(shape, layout, axes, channels_shape):
    assert reading(box(shape), image_layout=layout) == ("image", axes)
    assert find_layout(shape, layout).channels_shape == channels_shape


@pytest.mark.parametrize("axes", ["hw", "hwc", "chw", "shwc", "schw", "hwcs"])
def test_every_pixel_goes_to_its_place_and_back(axes):
    sizes = {"s": 2, "c": 3, "h": 5, "w": 4}
    images = torch.arange(2 * 120).reshape(2, 2, 3, 5, 4)  # batch, s, c, h, w
    if axes == "hw":
        images = images[:, 0, 0]
    elif "s" not in axes:
        images = images[:, 0]
    order = [axis for axis in "schw" if axis in axes]
    shown = images.permute(0, *(1 + order.index(axis) for axis in axes))
    layout = ImageLayout(axes, tuple(sizes[axis] for axis in axes))
    expected = images.reshape(2, -1, 5, 4)
    assert torch.equal(layout.to_channels(shown), expected)
    assert torch.equal(layout.from_channels(expected), shown)


CAMERAS = spaces.Dict(
    front=box((64, 64, 3)),
    symbols=box((7, 7, 3)),
    mission=spaces.Text(9),
    pair=spaces.Tuple([spaces.Discrete(3)] * 2),
)


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ({}, ["image", "vector", "categories", "categories"]),
        ({"mission": "none"}, ["image", "vector", "categories", "categories"]),
        ({"front": "vector"}, ["vector", "vector", "categories", "categories"]),
        ({"mission": "none", "front": "vector"}, ["vector", "vector", "categories", "categories"]),
        ({"mission": "none", "symbols": "image"}, ["image", "image", "categories", "categories"]),
        ({"mission": "none", "symbols": "chw", "front": "none"}, ["image", "categories", "categories"]),
        ({"mission": "none", "pair": "none"}, ["image", "vector"]),
        ({"mission": "none", "pair": {"1": "vector"}}, ["image", "vector", "categories", "vector"]),
        ({"mission": "none", "pair": "none", "pair.0": "auto"}, ["image", "vector", "categories"]),
    ],
)
def test_any_part_is_read_as_its_key_says(leaves, expected):
    assert [leaf.kind for leaf in observation_leaves(CAMERAS, leaves=leaves)] == expected


def test_texts_of_any_class_and_what_stands_for_them_are_left_out():
    class MissionSpace(spaces.Space):
        """As MiniGrid's: a class of its own whose members are texts."""

        def __init__(self):
            super().__init__(dtype=str)

    space = spaces.Dict(a=MissionSpace(), b=spaces.Discrete(2), c=spaces.Tuple([spaces.Text(2)]))
    stored = space_from_json(space_to_json(space))
    for seen in (space, stored):
        assert [leaf.name for leaf in observation_leaves(seen)] == ["b"]
    with pytest.raises(ValueError, match=r"it is Sequence under a: leave it out with leaves\.a=none, or"):
        observation_leaves(spaces.Dict(a=spaces.Sequence(spaces.Discrete(2)), b=spaces.Discrete(2)))


@pytest.mark.parametrize(
    ("leaves", "pattern"),
    [
        ({"mission": "vector"}, "it is Text under mission: leave it out with leaves.mission=none"),
        ({"mision": "none"}, r"expected any of front, symbols, mission, pair\.0, pair\.1, but got 'mision'"),
        (
            {"mission": "none", "front": "picture"},
            r"one of auto, vector, image, none, .*leaves\.front='picture'",
        ),
        (
            {"mission": "none", "pair": "image"},
            r"'pair\.0' has the shape \[\]; .*leaves\.pair\.0=vector or none",
        ),
        (dict.fromkeys(CAMERAS, "none"), "leaves out all"),
    ],
)
def test_mistakes_are_one_sentence(leaves, pattern):
    with pytest.raises(ValueError, match=pattern):
        observation_leaves(CAMERAS, leaves=leaves)


def test_an_observation_that_is_not_nested_is_called_obs():
    assert reading(box((7, 7, 3)), leaves={"obs": "image"}) == ("image", "hwc")
    assert reading(box((64, 64, 3)), leaves={"obs": "vector"}) == "vector"


@pytest.mark.parametrize(
    ("space", "values", "expected"),
    [
        (box((1, 3)), [[0, 51, 255]], [[0.0, 0.2, 1.0]]),
        (box((1, 3), high=10), [[0, 5, 10]], [[0.0, 0.5, 1.0]]),
        (box((1, 3), np.uint16, high=65535), [[0, 13107, 65535]], [[0.0, 0.2, 1.0]]),
        (box((1, 3), np.float32, 0, 255), [[0, 51, 255]], [[0.0, 0.2, 1.0]]),
        (box((1, 3), np.float32, -1, 1), [[-1, 0, 1]], [[0.0, 0.5, 1.0]]),
        (box((1, 3), np.int16, -100, 300), [[-100, 100, 300]], [[0.0, 0.5, 1.0]]),
        (box((1, 3), np.float32, 2, 2), [[2, 2, 2]], [[0.0, 0.0, 0.0]]),
        (spaces.Box(np.float32([[0, 0, -2]]), np.float32([[1, 10, 2]])), [[1, 5, 0]], [[1.0, 0.5, 0.5]]),
        (spaces.MultiDiscrete([[2, 3, 5]]), [[1, 1, 1]], [[1.0, 0.5, 0.25]]),
    ],
)  # fmt: skip
def test_pixels_are_scaled_by_their_own_bounds(space, values, expected):
    scale = PixelScale.of(space)
    assert scale.is_bounded
    torch.testing.assert_close(scale(torch.tensor(values)), torch.tensor(expected))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.float32, -np.inf, np.inf),
        (np.float32, 0, np.inf),
        (np.float32, -3e38, 3e38),
        (np.int32, 0, 2**31 - 1),
    ],
)
def test_pixels_without_bounds_stay_as_they_are(dtype, low, high):
    scale = PixelScale.of(spaces.Box(low, high, (16, 16, 3), dtype))
    assert not scale.is_bounded
    assert scale(torch.tensor([3.5])).tolist() == [3.5]


def test_the_encoder_reads_bounds_by_channel_in_any_layout():
    """Colours of 0 … 255 and depths of 0 … 10 in one picture, channels last and first."""
    high = np.broadcast_to(np.float32([255, 255, 255, 10]), (16, 16, 4))
    last = spaces.Box(np.zeros_like(high), high)
    first = spaces.Box(np.zeros((4, 16, 16), np.float32), np.moveaxis(high, -1, 0).copy())
    options = {"image_depth": 2, "image_features": 4}
    encoder, other, plain = (
        Encoder(space, spaces.Discrete(2), **options)
        for space in (last, first, box((16, 16, 4), np.float32, 0, 1))
    )
    other.load_state_dict(encoder.state_dict())
    plain.load_state_dict(encoder.state_dict())
    pixels = torch.rand(3, 16, 16, 4)
    raw = pixels * torch.tensor([255.0, 255, 255, 10])

    def encode(module, obs):
        flags = {
            "reward": torch.zeros(3),
            "prev_action": torch.zeros(3).long(),
            "is_first": torch.zeros(3).bool(),
        }
        return module(TensorDict({"obs": obs, **flags}, [3]))

    expected = encode(plain, pixels)
    torch.testing.assert_close(encode(encoder, raw), expected)
    torch.testing.assert_close(encode(other, raw.movedim(-1, 1)), expected)
