"""RAdam's fused steps against the library's."""

import copy

import pytest
import torch

from engram.agents.optim.radam import RAdam, rectification


def make(kind, sizes=((3, 4), (5,)), **options):
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(*size, generator=generator)) for size in sizes]
    return parameters, kind(parameters, lr=0.03, eps=1e-5, **options)


def move(parameters, optimizer, steps, seed=1, only=None):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for index, parameter in enumerate(parameters):
            gradient = torch.randn(parameter.shape, generator=generator) * 10.0 ** (-3 * index)
            parameter.grad = gradient if only in (None, index) else None
        optimizer.step()


@pytest.mark.parametrize("beta2", [0.999, 0.9])
def test_it_moves_as_the_librarys(beta2):
    ours, library = make(RAdam, betas=(0.9, beta2)), make(torch.optim.RAdam, betas=(0.9, beta2))
    for part in (ours, library):
        move(*part, steps=40)
    for own, other in zip(ours[0], library[0], strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)
    for name in ("exp_avg", "exp_avg_sq", "step"):
        for own, other in zip(ours[0], library[0], strict=True):
            torch.testing.assert_close(ours[1].state[own][name], library[1].state[other][name])


def test_each_goes_on_from_the_others_state():
    ours, library = make(RAdam), make(torch.optim.RAdam)
    move(*library, steps=10)
    with torch.no_grad():
        for own, other in zip(ours[0], library[0], strict=True):
            own.copy_(other)
    ours[1].load_state_dict(copy.deepcopy(library[1].state_dict()))
    for part in (ours, library):
        move(*part, steps=10, seed=2)
    for own, other in zip(ours[0], library[0], strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_parameters_that_have_moved_unequally_often():
    ours, library = make(RAdam), make(torch.optim.RAdam)
    for part in (ours, library):
        move(*part, steps=8, only=0)
        move(*part, steps=8)
    for own, other in zip(ours[0], library[0], strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_what_the_fused_step_leaves_to_the_library():
    ours, library = make(RAdam, weight_decay=0.1), make(torch.optim.RAdam, weight_decay=0.1)
    for part in (ours, library):
        move(*part, steps=12)
    assert all(torch.equal(*pair) for pair in zip(ours[0], library[0], strict=True))


@pytest.mark.parametrize(
    ("step", "expected"), [(5, None), (6, 0.0258211), (100, 0.2153354), (10_000, 0.9997733)]
)
def test_rectification(step, expected):
    found = rectification(step, 0.999)
    assert found is None if expected is None else found == pytest.approx(expected, rel=1e-5)
