"""Streams of draws: literal values, independence of the batch, and plain statistics."""

import pytest
import torch

from engram.common.streams import (
    environment_keys,
    permutation,
    seeded_initializers,
    stream_key,
    stream_uniform,
    whole_numbers,
)

CPU = torch.device("cpu")


def test_keys_are_stable_and_distinct():
    assert stream_key(0, "actions") == stream_key(0, "actions")
    keys = {stream_key(seed, purpose) for seed in range(10) for purpose in ("actions", "evaluation", "")}
    assert len(keys) == 30
    assert all(0 <= key < 2**63 for key in keys)


def test_literal_values():
    key = stream_key(3, "actions")
    assert key == 7103877413074638160
    keys = environment_keys(key, 2, 1, CPU)
    assert keys.tolist() == [1151699504096953048, 8237619852312028806]
    drawn = stream_uniform(keys, torch.tensor([0, 7]), 2)
    assert (drawn * 2**23 - 0.5).tolist() == [[3609075, 8095206], [1028886, 4474394]]
    assert whole_numbers(key, 2).tolist() == [8845755643700764233, 575849752048476524]


@pytest.mark.gpu
def test_the_same_numbers_on_cuda():
    keys, counter = environment_keys(3, 1000, 5, CPU), torch.arange(2000)[::2]
    drawn = stream_uniform(keys.cuda(), counter.cuda(), 7)
    assert torch.equal(drawn.cpu(), stream_uniform(keys, counter, 7))


def test_noise_does_not_depend_on_the_batch():
    counter = torch.full((8,), 5)
    whole = stream_uniform(environment_keys(3, 8, 0, CPU), counter, 4)
    part = stream_uniform(environment_keys(3, 3, 5, CPU), counter[:3], 4)
    assert torch.equal(whole[5:], part)


def test_noise_is_uniform_and_uncorrelated():
    keys = environment_keys(11, 400, 0, CPU)
    draws = torch.stack(
        [stream_uniform(keys, torch.full((400,), t), 5) for t in range(100)]
    ).double()  # [T, B, 5]
    assert 0 < draws.min() and draws.max() < 1
    count = draws.numel()
    assert abs(draws.mean() - 0.5) < 5 * (1 / 12 / count) ** 0.5
    centred = draws - 0.5
    for a, b in (
        (centred[:-1], centred[1:]),
        (centred[:, :-1], centred[:, 1:]),
        (centred[..., :-1], centred[..., 1:]),
    ):
        assert abs((a * b).mean()) < 5 / 12 / a.numel() ** 0.5


def test_permutation_is_a_function_of_its_key():
    state = torch.random.get_rng_state()
    assert torch.equal(permutation(20, 1), permutation(20, 1))
    assert not torch.equal(permutation(20, 1), permutation(20, 2))
    assert permutation(20, 1).sort().values.tolist() == list(range(20))
    assert torch.equal(state, torch.random.get_rng_state())


def test_initializers_draw_from_their_seed_and_disturb_nobody(monkeypatch):
    """Nor do they touch a device: forking its generator would open a context on every GPU of the machine."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("get_rng_state", "set_rng_state", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: pytest.fail("a device's generator was touched"))
    before = torch.get_rng_state()
    with seeded_initializers(7):
        drawn = torch.nn.Linear(3, 2).weight.detach()
    assert torch.equal(torch.get_rng_state(), before)
    bound = 3**-0.5  # of the layer's initialiser
    expected = torch.empty(2, 3).uniform_(-bound, bound, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(drawn, expected)
