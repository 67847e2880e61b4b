"""How a core is held to published rows and carries, `golden/<core>.npz`: float64, with resets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tensordict import TensorDict

from engram.memory_cores import MemoryCore

Arrays = dict[str, torch.Tensor]
TIGHT = {"rtol": 0.0, "atol": 1e-10}


def load_golden(name: str) -> Arrays:
    """The arrays of a file: x, is_first, y; `w.*`; `carry_initial.*`, `carry_before.*`, `carry_after.*`."""
    with np.load(Path(__file__).parent / "golden" / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


def weights_of(golden: Arrays) -> Arrays:
    """The weights, by their published names."""
    return {key[2:]: value for key, value in golden.items() if key.startswith("w.")}


def assert_golden(
    core: MemoryCore, golden: Arrays, carry_of: Callable[[Arrays], TensorDict | dict], rows: bool = True
) -> None:
    """Rows and carries are the published ones, of a sequence and step by step.

    Args:
        core: With the published weights, float64.
        golden: As `load_golden` gives it.
        carry_of: Makes the core's carry (nested dicts are enough) from the published one.
        rows: Whether the core's outputs are the published ones too.
    """

    def carry_at(when):
        prefix = f"carry_{when}."
        part = {key[len(prefix) :]: value for key, value in golden.items() if key.startswith(prefix)}
        return TensorDict(carry_of(part), batch_size=[golden["x"].shape[0]])

    def assert_carry(actual, expected):
        for key, value in expected.items(include_nested=True, leaves_only=True):
            torch.testing.assert_close(actual[key], value, **TIGHT)

    before, after, x, is_first = carry_at("before"), carry_at("after"), golden["x"], golden["is_first"]
    assert_carry(core.initial_carry(x.shape[0]), carry_at("initial"))
    y, last = core(x, before, is_first)
    outputs, carry = [], before
    for t in range(x.shape[1]):
        y_t, carry = core.step(x[:, t], carry, is_first[:, t])
        outputs.append(y_t)
    for actual, end in ((y, last), (torch.stack(outputs, dim=1), carry)):
        assert_carry(end, after)
        if rows:
            torch.testing.assert_close(actual, golden["y"], **TIGHT)
