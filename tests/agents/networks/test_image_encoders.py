"""Image encoders: published sizes, every shape and precision, against the layers written out."""

import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import nn

from engram.agents.networks import image_encoders
from engram.agents.networks.encoder import Encoder
from engram.agents.networks.image_encoders import IMAGE_ENCODERS, ImpalaEncoder, StridedEncoder

SHAPE = (64, 64, 3)


def pixels(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_impala_has_the_published_size():
    """Widths 16, 32, 32: five convolutions of 3 x 3 each, then 8 * 8 * 32 -> 256."""
    encoder = ImpalaEncoder(SHAPE, depth=16)
    first = (9 * 3 + 1) * 16 + 4 * (9 * 16 + 1) * 16
    second = (9 * 16 + 1) * 32 + 4 * (9 * 32 + 1) * 32
    third = 5 * (9 * 32 + 1) * 32
    assert count(encoder.convolutions) == first + second + third == 97_600
    assert count(encoder) == 97_600 + 2048 * 256 + 256 == 622_144
    assert encoder(pixels(2, *SHAPE)).shape == (2, 256)


def test_strided_is_dreamers_encoder():
    """Kernel 4 without bias, scale and shift of the norms, 4 x 4 pixels left."""
    encoder = StridedEncoder(SHAPE, depth=32, output_size=None, norm="layer", activation="silu")
    kernels = 16 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
    assert count(encoder) == kernels + 2 * (32 + 64 + 128 + 256) == 690_624
    assert encoder.output_size == 4096 and encoder(pixels(2, *SHAPE)).shape == (2, 4096)


def strided_by_hand(encoder, images):
    """The same layers on channels-first floats."""
    x = images.movedim(-1, 1).float() / 255
    for layer in encoder.convolutions:
        if isinstance(layer, nn.Conv2d):
            x = F.conv2d(x, layer.weight, layer.bias, stride=2, padding=1)
        elif not isinstance(layer, nn.ReLU):
            mean, variance = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
            scale, shift = (p.view(-1, 1, 1) for p in (layer.norm.weight, layer.norm.bias))
            x = (x - mean) / (variance + 1e-3).sqrt() * scale + shift
        else:
            x = x.relu()
    return F.linear(x.flatten(1), encoder.project[0].weight, encoder.project[0].bias).relu()


def impala_by_hand(encoder, images):
    """Convolution, pooling, two residual blocks, three times."""
    layers = iter(list(encoder.convolutions)[:-1])
    x = images.movedim(-1, 1).float() / 255
    for conv, _, *blocks in zip(*[layers] * 4, strict=True):
        x = F.max_pool2d(F.conv2d(x, conv.weight, conv.bias, padding=1), 3, 2, 1)
        for block in blocks:
            _, one, _, two = block.branch
            y = F.conv2d(x.relu(), one.weight, one.bias, padding=1)
            x = x + F.conv2d(y.relu(), two.weight, two.bias, padding=1)
    return F.linear(x.relu().flatten(1), encoder.project[0].weight, encoder.project[0].bias).relu()


@pytest.mark.parametrize(
    ("encoder", "by_hand"),
    [
        (StridedEncoder((32, 32, 3), depth=4), strided_by_hand),
        (StridedEncoder((32, 32, 3), depth=4, norm="layer"), strided_by_hand),
        (ImpalaEncoder((32, 32, 3), depth=4), impala_by_hand),
    ],
)
def test_values_and_gradients_are_those_of_the_layers_written_out(encoder, by_hand):
    # More images than are encoded at once on a CPU.
    images = pixels(300, 32, 32, 3)
    results = []
    for function in (encoder, lambda images: by_hand(encoder, images)):
        encoder.zero_grad()
        features = function(images)
        features.square().sum().backward()
        results.append((features, *(parameter.grad.clone() for parameter in encoder.parameters())))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got / expected.abs().max(), expected / expected.abs().max())


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
@pytest.mark.parametrize("norm", ["none", "layer", "rms"])
def test_bytes_are_floats_over_255(name, norm):
    encoder = IMAGE_ENCODERS[name]((20, 12, 3), depth=4, output_size=8, norm=norm)
    floats = IMAGE_ENCODERS[name]((20, 12, 3), depth=4, output_size=8, norm=norm, scale=1.0)
    floats.load_state_dict(encoder.state_dict())
    images = pixels(2, 5, 20, 12, 3)
    before = images.clone()
    assert torch.equal(encoder(images), floats(images / 255))
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
@pytest.mark.parametrize("shape", [(84, 84, 3), (84, 84), (3, 64, 64), (4, 84, 84), (7, 7, 3), (5, 9, 2)])
def test_images_of_any_shape(name, shape):
    encoder = IMAGE_ENCODERS[name](shape, depth=4, output_size=6)
    images = pixels(2, 3, *shape)
    assert encoder(images).shape == (2, 3, 6)
    torch.testing.assert_close(encoder(images[1, 2]), encoder(images)[1, 2])


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_channels_first_and_last_are_the_same_image(name):
    last = IMAGE_ENCODERS[name]((16, 24, 3), depth=4, output_size=6)
    first = IMAGE_ENCODERS[name]((3, 16, 24), depth=4, output_size=6)
    first.load_state_dict(last.state_dict())
    images = pixels(4, 16, 24, 3)
    torch.testing.assert_close(first(images.movedim(-1, 1).contiguous()), last(images))


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_mixed_precision_is_near_and_leaves_parameters_and_results_as_they_are(name, norm):
    exact = IMAGE_ENCODERS[name]((32, 32, 3), depth=8, output_size=32, norm=norm)
    mixed = IMAGE_ENCODERS[name]((32, 32, 3), depth=8, output_size=32, norm=norm, dtype="bfloat16")
    mixed.load_state_dict(exact.state_dict())
    images = pixels(16, 32, 32, 3)
    expected, got = exact(images), mixed(images)
    assert got.dtype == torch.float32 and not torch.equal(got, expected)
    assert (got - expected).norm() < 0.03 * expected.norm()
    got.sum().backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in mixed.parameters())


@pytest.mark.parametrize("native", [False, True])
def test_automatic_precision_is_what_the_device_computes(native, monkeypatch):
    monkeypatch.setattr(image_encoders, "computes_bfloat16", lambda device: native)
    encoder = StridedEncoder((16, 16, 3), depth=4, dtype="auto")
    fixed = StridedEncoder((16, 16, 3), depth=4, dtype="bfloat16" if native else "float32")
    fixed.load_state_dict(encoder.state_dict())
    images = pixels(3, 16, 16, 3)
    assert torch.equal(encoder(images), fixed(images))


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"image_encoder": "resnet"}, "one of strided, impala, but got 'resnet'"),
        ({"image_norm": "batch"}, "one of none, layer, rms, but got 'batch'"),
        ({"image_dtype": "float16"}, "one of float32, bfloat16, auto, but got 'float16'"),
    ],
)
def test_mistakes_are_one_sentence(options, pattern):
    with pytest.raises(ValueError, match=pattern):
        Encoder(spaces.Box(0, 255, SHAPE, "uint8"), spaces.Discrete(2), **options)


def test_the_agents_encoder_takes_them_by_a_word():
    space = spaces.Dict({"camera": spaces.Box(0, 255, SHAPE, "uint8"), "key": spaces.Discrete(3)})
    options = {"image_encoder": "impala", "image_depth": 8, "image_features": 40, "hidden_sizes": ()}
    encoder = Encoder(space, spaces.Discrete(4), **options)
    assert isinstance(encoder.observation.image_encoders[0], ImpalaEncoder)
    assert encoder.output_size == 3 + 4 + 2 + 40
    flat = Encoder(space, spaces.Discrete(4), image_depth=8, image_features=None, hidden_sizes=())
    assert flat.output_size == 3 + 4 + 2 + 4 * 4 * 64
