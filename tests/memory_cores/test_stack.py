"""Stacks of other cores than the configured one, and what a stack says of its layers."""

from functools import partial

import pytest
import torch

from engram.memory_cores import FFM, LSTM, MLP, S5, FrameStack, Stack

LAYERS = [
    partial(LSTM, hidden_size=8),
    partial(FFM, hidden_size=8, memory_size=2),
    partial(S5, hidden_size=8, state_size=4, num_layers=2),
    partial(FrameStack, hidden_size=8, window=3),
    partial(Stack, hidden_size=8, make_layer=partial(FrameStack, hidden_size=8)),
]


@pytest.mark.parametrize("make_layer", LAYERS)
def test_sequence_equals_steps(make_layer):
    torch.manual_seed(0)
    core = Stack(5, hidden_size=8, num_layers=2, make_layer=make_layer).double()
    x, is_first = torch.randn(3, 7, 5, dtype=torch.float64), torch.rand(3, 7) < 0.3
    carry = core.initial_carry(3)
    y, carries = core(x, carry, is_first, all_carries=True)
    for t in range(7):
        y_t, carry = core.step(x[:, t], carry, is_first[:, t])
        torch.testing.assert_close(y_t, y[:, t])
        torch.testing.assert_close(core.carry_features(carry), core.carry_features(carries[:, t]))
    assert core.carry_features(carry).shape == (3, core.carry_size())


def test_layers_own_their_parameters():
    torch.manual_seed(0)
    core = Stack(8, hidden_size=8, num_layers=3, make_layer=LAYERS[0])
    first, second, _ = core.cores
    assert not torch.equal(first.weight_hh_l0, second.weight_hh_l0)
    assert list(core.initial_carry(2).keys()) == ["layer_0", "layer_1", "layer_2"]
    assert isinstance(core.embed, torch.nn.Identity)


def test_keys_without_gradient_are_named_through_the_layers():
    assert Stack(5, hidden_size=8, make_layer=LAYERS[3]).no_gradient_keys == (
        ("layer_0", "is_valid"),
        ("layer_1", "is_valid"),
    )
    nested = Stack(5, hidden_size=8, num_layers=1, make_layer=LAYERS[4]).no_gradient_keys
    assert nested == (("layer_0", "layer_0", "is_valid"), ("layer_0", "layer_1", "is_valid"))


def test_a_layer_of_another_width_gets_a_sentence():
    with pytest.raises(
        ValueError, match=r"hidden_size of Stack must be the output_size of its cores \(4\), but got 8"
    ):
        Stack(5, hidden_size=8, make_layer=partial(LSTM, hidden_size=4))


def test_a_stack_without_memory_says_so():
    core = Stack(5, hidden_size=8, make_layer=partial(MLP, hidden_size=8))
    with pytest.raises(ValueError, match="Stack keeps none"):
        core.carry_features(core.initial_carry(2))
