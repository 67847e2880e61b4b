"""Encoding and decoding observations of every space."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from world_model_cases import IMAGE, MIXED, SYMBOLS, VECTOR, make_agent, make_rows, scramble

from agents.world_model.decoder import ObservationDecoder
from agents.world_model.image_decoder import ImageDecoder
from agents.world_model.two_hot import symlog


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
    assert model.encoder(rows["obs"], 2).shape == (4, 12, model.encoder.output_size)
    torch.testing.assert_close(model.encoder(rows[:, 3]["obs"], 1), model.encoder(rows["obs"], 2)[:, 3])
    features = torch.randn(4, 12, model.feature_size, generator=torch.Generator().manual_seed(0))
    losses = model.decoder.losses(features, rows["obs"])
    assert set(losses) == kinds
    assert all(loss.shape == (4, 12) and (loss > 0).all() for loss in losses.values())
    for key, prediction in model.decoder.predict(features).items():
        assert prediction.shape == model.decoder.truth(key, rows["obs"]).shape


def decoder_with(space, output):
    """A decoder whose dense output is `output` whatever the features."""
    decoder = ObservationDecoder(space, 4, 8, 1, "layer", 2)
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
    decoder = ObservationDecoder(IMAGE, 4, 8, 1, "layer", 2)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    obs = torch.zeros(2, 1, *IMAGE.shape, dtype=torch.uint8)
    obs[1] = 255
    assert decoder.losses(torch.zeros(2, 1, 4), obs)["image"].flatten().tolist() == [192.0, 192.0]


@pytest.mark.parametrize("shape", [(64, 64, 3), (3, 64, 64), (8, 8), (24, 40, 1)])
def test_images_of_many_shapes(shape):
    decoder = ImageDecoder(shape, 5, 4, "rms")
    images = decoder(torch.randn(2, 3, 5))
    assert images.shape == (2, 3, *shape)
    assert ((images > 0) & (images < 1)).all()


@pytest.mark.parametrize("shape", [(65, 65, 3), (50, 50, 3)])
def test_an_image_that_cannot_be_doubled_to_is_refused(shape):
    with pytest.raises(ValueError, match="doubled"):
        ImageDecoder(shape, 5, 4, "rms")


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
