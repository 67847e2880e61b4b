"""Muon beside Adam: by hand, against torch's own two, saved and restored."""

import copy

import pytest
import torch
from torch import nn

from engram.agents.optim.muon import MuonWithAdam, orthogonalize, split_matrices


def make_parameters(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(6, 4), (5,), (1, 7), (3, 2, 2)]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def take_steps(optimizer, parameters: list[nn.Parameter], seeds) -> None:
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def test_a_first_step_by_hand():
    """A diagonal gradient of 9 and 1 becomes two steps of about the same length: 0.2 √2 times the rate."""
    matrix = nn.Parameter(torch.zeros(2, 2))
    optimizer = MuonWithAdam([matrix], lr=0.1)
    matrix.grad = torch.tensor([[9.0, 0.0], [0.0, 1.0]])
    optimizer.step()
    # Five Newton-Schulz steps leave singular values between 0.7 and 1.2.
    length = -matrix.detach().diagonal() / (0.1 * 0.2 * 2**0.5)
    assert (length > 0.65).all() and (length < 1.25).all()
    assert matrix[0, 1].abs() < 1e-3


def test_every_parameter_is_moved_by_its_own():
    mine, theirs = make_parameters(), make_parameters()
    take_steps(MuonWithAdam(mine, lr=0.01, weight_decay=0.1), mine, range(5))
    muon = torch.optim.Muon(theirs[:1], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(theirs[1:], lr=0.01, weight_decay=0.1)
    for seed in range(5):
        take_steps(muon, theirs, [seed])
        adam.step()
    # The library orthogonalises in bfloat16, which moves each entry by some hundredths of a step, here of 0.005.
    torch.testing.assert_close(mine[0], theirs[0], atol=5e-4, rtol=0)
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6)])
def test_singular_values_follow_the_polynomial(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    a, b, c = 3.4445, -4.775, 2.0315
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    expected = (left * values) @ right
    torch.testing.assert_close(orthogonalize(matrix, (a, b, c), 5, 1e-7), expected.float(), atol=1e-4, rtol=0)


def test_several_matrices_at_once_become_what_each_would():
    matrices = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    rule = (3.4445, -4.775, 2.0315), 5, 1e-7
    for given in (matrices, matrices.mT):
        each = torch.stack([orthogonalize(matrix, *rule) for matrix in given])
        torch.testing.assert_close(orthogonalize(given, *rule), each, atol=1e-5, rtol=0)


@pytest.mark.gpu
def test_matrices_of_one_shape_move_together_on_a_device():
    mine = [parameter for seed in range(3) for parameter in make_parameters(seed)]
    mine.insert(2, nn.Parameter(torch.ones(4, 6)))
    theirs = [nn.Parameter(parameter.detach().cuda()) for parameter in mine]
    optimizers = [MuonWithAdam(own, lr=0.01, weight_decay=0.1) for own in (mine, theirs)]
    for _ in range(3):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape)
            b.grad = a.grad.cuda()
        for optimizer in optimizers:
            optimizer.step()
    # The device orthogonalises in bfloat16.
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(b.cpu(), a, atol=5e-4, rtol=1e-5)


def test_groups_keep_their_rates():
    first, second = make_parameters(), make_parameters(1)
    before = [parameter.detach().clone() for parameter in first]
    groups = [{"params": first, "lr": 0.0, "name": "still"}, {"params": second, "name": "moved"}]
    optimizer = MuonWithAdam(groups, lr=0.1)
    assert [group["name"] for group in optimizer.param_groups] == ["still", "moved"] * 2
    take_steps(optimizer, first + second, [0])
    assert all(torch.equal(a, b) for a, b in zip(first, before, strict=True))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    moved = [parameter.detach().clone() for parameter in second]
    take_steps(optimizer, first + second, [1])
    assert all(torch.equal(a, b) for a, b in zip(second, moved, strict=True))


@pytest.mark.parametrize("only", [slice(None), slice(0, 1), slice(1, None)])
def test_it_goes_on_where_it_was(only):
    parameters = make_parameters()[only]
    optimizer = MuonWithAdam(parameters, lr=0.01)
    take_steps(optimizer, parameters, range(3))
    state, copies = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(parameters)
    take_steps(optimizer, parameters, range(3, 6))
    other = MuonWithAdam(copies, lr=0.01)
    other.load_state_dict(state)
    take_steps(other, copies, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(parameters, copies, strict=True))


def test_what_is_a_matrix():
    parameters = make_parameters()
    others, matrices = split_matrices([{"params": parameters, "eps": 1e-8, "lr": 0.5}])
    assert [group["params"] for group in matrices] == [parameters[:1]] and "eps" not in matrices[0]
    assert others == [{"params": parameters[1:], "eps": 1e-8, "lr": 0.5}]
