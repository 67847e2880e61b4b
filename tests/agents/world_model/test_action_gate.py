"""The last action multiplies what a memory says: by hand, at first, and in the model."""

import pytest
import torch
from gymnasium import spaces
from world_model_cases import ACTIONS, make_agent, make_rows

from engram.agents.world_model.action_gate import ActionGate


def test_a_gate_by_hand():
    gate = ActionGate(spaces.Discrete(2), 3)
    with torch.no_grad():
        gate.weight.copy_(torch.tensor([[0.0, 1.0], [2.0, -1.0], [-3.0, 0.5]]))
    said, action = torch.tensor([1.0, 2.0, 4.0]), torch.eye(2)
    torch.testing.assert_close(
        gate(said.expand(2, 3), action), torch.tensor([[1.0, 6.0, -8.0], [2.0, 0.0, 6.0]])
    )
    assert torch.equal(gate(said, torch.zeros(2)), said)


@pytest.mark.parametrize("name", ACTIONS)
def test_factors_begin_with_a_deviation_of_1(name):
    features = {"discrete": [1.0, 0, 0], "multi": [1.0, 0, 0, 1, 0], "box": [1.0, -1]}[name]
    torch.manual_seed(0)
    factors = ActionGate(ACTIONS[name], 20_000)(torch.ones(20_000), torch.tensor(features))
    assert factors.mean().item() == pytest.approx(1.0, abs=0.03)
    assert factors.std().item() == pytest.approx(1.0, abs=0.03)


def test_whether_an_action_fits_is_linear_in_what_is_gated():
    """One of four signs, and a guess: least squares tell from the gated code whether it is right, and not without."""
    generator = torch.Generator().manual_seed(0)
    seen, done = torch.randint(4, (2, 2000), generator=generator)
    code, action = torch.randn(4, 32, generator=generator)[seen], torch.nn.functional.one_hot(done, 4).float()
    torch.manual_seed(0)
    gated = ActionGate(spaces.Discrete(4), 32)(code, action).detach()
    target = (seen == done).float().unsqueeze(1)
    explained = []
    for features in (torch.cat([code, action], 1), torch.cat([gated, action], 1)):
        inputs = torch.cat([features, torch.ones(2000, 1)], 1)
        left = target - inputs @ torch.linalg.lstsq(inputs, target, driver="gelsd").solution
        explained.append(1 - (left.var() / target.var()).item())
    assert explained[0] < 0.02 and explained[1] > 0.95


@pytest.mark.parametrize("posterior", ["observation", "memory"])
def test_what_is_observed_is_what_is_stepped_and_imagined(posterior):
    """h after two rows at once, after two steps, and after one and an imagined action, on the same latents."""
    agent = make_agent("gru", posterior=posterior, action_gate=True, unimix=0.0)
    model, rows = agent.world_model, make_rows(agent, length=2, starts=(0,))
    noise, carry = torch.rand(4, 2, 3, generator=torch.Generator().manual_seed(0)), agent.initial_carry(4)
    with torch.no_grad():
        observed = model.observe(rows, carry, noise)
        first, _, carry = model.step(rows[:, 0], carry, noise[:, 0])
        second, _, _ = model.step(rows[:, 1], carry, noise[:, 1])
        imagined = model.dynamics.imagine_step(first, rows["prev_action"][:, 1], noise[:, 1])
        torch.testing.assert_close(torch.stack([first.h, second.h], 1), observed.h)
        torch.testing.assert_close(imagined.h, observed.h[:, 1])
        assert model.dynamics.gate is not None
        model.dynamics.gate.weight.mul_(2)
        assert not torch.allclose(
            model.observe(rows, agent.initial_carry(4), noise).h[:, 1], observed.h[:, 1]
        )


def test_a_memory_is_gated_only_where_there_is_a_layer_for_it():
    with pytest.raises(ValueError, match="action_gate of Dreamer must be false where memory_size is null"):
        make_agent("gru", action_gate=True, memory_size=None)
