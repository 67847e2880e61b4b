"""Cores whose dense layers are oneDNN's compute what they do by torch's own."""

import pytest
import torch
from core_cases import flags, make, random_carry, random_rows
from small_cores import FAMILIES

from engram.common import dense
from engram.common.dense import Thresholds

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name != "gru"]
)  # which has products of its own
def test_both_libraries_agree(name, monkeypatch):
    core = make(name, torch.float32)
    case = random_rows(torch.float32), random_carry(core), flags("random")
    counted = []
    product = dense._product
    monkeypatch.setattr(dense, "_product", lambda *args: counted.append(1) or product(*args))

    def run(limits):
        monkeypatch.setattr(dense, "LIMITS", limits)
        y = core(*case)[0]
        return y, *torch.autograd.grad(y.sin().sum(), list(core.parameters()), allow_unused=True)

    for actual, expected in zip(run(Thresholds(1, 1)), run(Thresholds()), strict=True):
        if expected is not None:
            atol = 1e-5 * expected.abs().max().item() + 1e-7
            torch.testing.assert_close(actual, expected, rtol=1e-3, atol=atol)
    assert counted
