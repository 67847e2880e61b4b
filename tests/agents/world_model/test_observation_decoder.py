"""Encoding and decoding observations of every space."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tensordict import TensorDict
from world_model_cases import IMAGE, MIXED, SYMBOLS, VECTOR, make_agent, make_rows, scramble

from engram.agents.networks.leaves import observation_leaves
from engram.agents.world_model.decoder import ObservationDecoder
from engram.agents.world_model.image_decoder import ImageDecoder
from engram.agents.world_model.two_hot import symlog


@pytest.mark.parametrize(
    ("space", "kinds"),
    [
        (SYMBOLS, {"symbol"}),
        (spaces.MultiDiscrete([2, 5]), {"symbol"}),
        (spaces.MultiBinary(3), {"symbol"}),
        (VECTOR, {"vector"}),
        (IMAGE, {"image"}),
        (MIXED, {"symbol", "vector", "image"}),
    ],
    ids=["discrete", "multi_discrete", "multi_binary", "box", "image", "mixed"],
)
def test_every_space_is_encoded_and_predicted(space, kinds):
    agent = make_agent("gru", space)
    rows = make_rows(agent)
    model = agent.world_model
    assert model.encoder(rows).shape == (4, 12, model.encoder.output_size)
    torch.testing.assert_close(model.encoder(rows[:, 3]), model.encoder(rows)[:, 3])
    features = torch.randn(4, 12, model.feature_size, generator=torch.Generator().manual_seed(0))
    losses = model.decoder.losses(features, rows["obs"])
    assert set(losses) == kinds
    assert all(loss.shape == (4, 12) and (loss > 0).all() for loss in losses.values())
    for key, prediction in model.decoder.predict(features).items():
        assert prediction.shape == model.decoder.truth(key, rows["obs"]).shape


def decoder_with(space, output):
    """A decoder whose dense output is `output` whatever the features."""
    decoder = ObservationDecoder(observation_leaves(space), 4, 8, 1, "layer", 2)
    with torch.no_grad():
        decoder.outputs[0].weight.zero_()
        decoder.outputs[0].bias.copy_(torch.tensor(output))
    return decoder


def test_vector_loss_by_hand():
    decoder = decoder_with(VECTOR, [0.0, 1.0, 2.0])
    obs = torch.tensor([[[0.0, np.e - 1, 0.0]]])
    assert decoder.losses(torch.zeros(1, 1, 4), obs)["vector"].item() == pytest.approx(4.0)
    predicted = decoder.predict(torch.zeros(1, 1, 4))[()]
    torch.testing.assert_close(symlog(predicted), torch.tensor([[[0.0, 1.0, 2.0]]]))


def test_symbol_losses_by_hand():
    third = torch.tensor(1 / 3).log().item()
    obs = torch.tensor([[[1, 2]]])
    decoder = decoder_with(spaces.MultiDiscrete([2, 3]), [0.0, 0.0, 1.0, 1.0, 1.0])
    assert decoder.losses(torch.zeros(1, 1, 4), obs)["symbol"].item() == pytest.approx(np.log(2) - third)
    bits = decoder_with(spaces.MultiBinary(2), [0.0, 100.0])
    assert bits.losses(torch.zeros(1, 1, 4), torch.tensor([[[0, 1]]]))["symbol"].item() == pytest.approx(
        np.log(2)
    )
    assert bits.predict(torch.zeros(1, 1, 4))[()].tolist() == [[[False, True]]]


def test_image_loss_by_hand():
    """A new decoder's convolution has no bias, so zero weights draw grey, ½: 16 · 16 · 3 pixels of error ¼."""
    decoder = ObservationDecoder(observation_leaves(IMAGE), 4, 8, 1, "layer", 2)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    obs = torch.zeros(2, 1, *IMAGE.shape, dtype=torch.uint8)
    obs[1] = 255
    assert decoder.losses(torch.zeros(2, 1, 4), obs)["image"].flatten().tolist() == [192.0, 192.0]


@pytest.mark.parametrize(
    "shape", [(64, 64, 3), (3, 64, 64), (8, 8), (24, 40, 1), (65, 50, 3), (84, 84), (7, 7, 3), (4, 20, 23, 3)]
)
def test_images_of_many_shapes(shape):
    decoder = ImageDecoder(shape, 5, 4, "rms")
    images = decoder(torch.randn(2, 3, 5))
    assert images.shape == (2, 3, *shape)
    assert ((images > 0) & (images < 1)).all()


def test_dreamers_image_decoder_has_its_size():
    """256 channels of 4 x 4, then 128, 64 and 32 channels, then 3: 4 x 4 kernels."""
    decoder = ImageDecoder((64, 64, 3), 1000, 32, "layer")
    kernels = 16 * (256 * 128 + 128 * 64 + 64 * 32 + 32 * 3)
    expected = 1001 * 4096 + kernels + 3 + 2 * (256 + 128 + 64 + 32)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == expected


def test_losses_add_up_over_leaves():
    """A Dict of two vectors costs what they cost side by side."""
    agent = make_agent("gru", spaces.Dict({"a": VECTOR, "b": VECTOR}))
    scramble(agent.world_model)
    rows, decoder = make_rows(agent), agent.world_model.decoder
    features = torch.randn(4, 12, agent.world_model.feature_size)
    hidden = decoder.blocks(features)
    expected = sum(
        (output(hidden) - symlog(rows["obs", name])).square().sum(-1)
        for output, name in zip(decoder.outputs, "ab", strict=True)
    )
    torch.testing.assert_close(decoder.losses(features, rows["obs"])["vector"], expected)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.uint8, 0, 255), (np.uint8, 0, 10), (np.uint16, 0, 65535), (np.float32, 0, 255), (np.float32, -1, 1)],
)  # fmt: skip
def test_images_of_any_range_are_drawn_between_0_and_1(dtype, low, high):
    """Grey is half of the range away from its ends: 768 pixels of error 1/4, whatever the range."""
    decoder = ObservationDecoder(
        observation_leaves(spaces.Box(low, high, (16, 16, 3), dtype)), 4, 8, 1, "layer", 2
    )
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    obs = torch.full((2, 1, 16, 16, 3), float(low))
    obs[1] = high
    assert decoder.losses(torch.zeros(2, 1, 4), obs)["image"].flatten().tolist() == [192.0, 192.0]
    truth = decoder.truth((), obs)
    assert (truth.min().item(), truth.max().item()) == (0.0, 1.0)


def test_an_image_without_bounds_cannot_be_drawn():
    leaves = observation_leaves(spaces.Dict(camera=spaces.Box(-np.inf, np.inf, (16, 16, 3))))
    with pytest.raises(ValueError, match=r"those of 'camera' are infinite .* leaves\.camera=vector or none"):
        ObservationDecoder(leaves, 4, 8, 1, "layer", 2)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((8, 20, 22), "auto"), ((4, 18, 21, 3), "auto"), ((2, 3, 25, 17), "auto"), ((20, 17, 9), "chw")],
)
def test_a_world_model_sees_and_draws_stacks_of_any_size(shape, layout):
    agent = make_agent(
        "gru", spaces.Box(0, 255, shape, np.uint8), image_layout=layout, leaves={"obs": "image"}
    )
    model, rows = agent.world_model, make_rows(agent)
    assert model.encoder(rows).shape == (4, 12, model.encoder.output_size)
    features = torch.randn(4, 12, model.feature_size)
    losses = model.decoder.losses(features, rows["obs"])
    assert set(losses) == {"image"} and losses["image"].shape == (4, 12)
    assert model.decoder.predict(features)[()].shape == (4, 12, *shape)


@pytest.mark.parametrize(
    ("reading", "kinds"), [("auto", {"image", "vector"}), ("image", {"image"}), ("none", {"image"})]
)
def test_a_map_beside_a_picture_is_read_as_its_key_says(reading, kinds):
    """As Memory Maze's extra observations have one; a name that cannot be read is left out."""
    space = spaces.Dict(image=IMAGE, layout=spaces.Box(0, 1, (9, 9), np.uint8), name=spaces.Text(3))
    agent = make_agent("gru", space, leaves={"name": "none", "layout": reading})
    decoder = agent.world_model.decoder
    assert len(decoder.image_decoders) == (2 if reading == "image" else 1)
    obs = {"image": torch.zeros(2, 3, *IMAGE.shape, dtype=torch.uint8), "layout": torch.ones(2, 3, 9, 9)}
    features = torch.zeros(2, 3, agent.world_model.feature_size)
    assert set(decoder.losses(features, TensorDict(obs, [2, 3]))) == kinds
