"""Cores of matrix memories against published rows and carries."""

import torch
from golden_cases import assert_golden, load_golden, weights_of

from engram.memory_cores import LayeredCore, MatrixCore
from engram.memory_cores.ret_net import Retention


class Alone(LayeredCore, MatrixCore):
    """A layer without the residual connection and the norm that its core puts around it."""

    def __init__(self, layer, width):
        super().__init__(width, width, [layer])


def assert_layer(layer, golden, names, carry_keys):
    """Hold a layer to a golden file.

    Args:
        layer: Of the golden file's sizes.
        golden: As `load_golden` gives it.
        names: The layer's parameters by their published names.
        carry_keys: The keys of its carry by their published names.
    """
    weights = weights_of(golden)
    layer.double().load_state_dict({own: weights[name] for name, own in names.items()})
    core = Alone(layer, golden["x"].shape[-1])
    assert_golden(
        core, golden, lambda part: {"layer_0": {own: part[name] for name, own in carry_keys.items()}}
    )


HEADS = {"W_q": "query.weight", "W_k": "key.weight", "W_v": "value.weight"}
READ = {"norm_w": "read.norm.weight", "W_o": "read.output.weight"}


def test_ret_net_equals_its_golden_rows():
    layer = Retention(4, 3, 4, time_scales=2.0 ** torch.arange(5, 7, dtype=torch.float64))
    names = HEADS | READ | {"W_g": "read.gate.weight"}
    assert_layer(layer, load_golden("ret_net"), names, {"S": "matrix"})
