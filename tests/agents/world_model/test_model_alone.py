"""The world model taught alone learns what it learns within the agent, and foretells what actions pay."""

import pytest
import torch
from world_model_cases import ACTIONS, SYMBOLS, make_agent, make_batch, scramble

from engram.agents.replay import Batch


@pytest.mark.parametrize("core", ["gru", "s5"])
@pytest.mark.parametrize("options", [{}, {"optimizer": "muon", "posterior": "memory"}], ids=["adam", "muon"])
def test_the_model_alone_moves_as_within_the_agent(core, options):
    alone, whole = (make_agent(core, reward_scale="auto", **options) for _ in range(2))
    for agent in (alone, whole):
        scramble(agent.world_model)
    before = [parameter.clone() for parameter in alone.behavior.parameters()]
    for seed in range(3):
        batch = make_batch(alone, seed=seed)
        for agent in (alone, whole):
            agent.update_normalizers(batch.rows)
        found = alone.learn_model(batch)
        expected = whole.update(batch, env_steps=0)
        for name in ("reward", "symbol", "dynamics", "posterior_entropy"):
            assert found[name] == pytest.approx(expected[name], abs=1e-6), name
        assert "actor" not in found and alone.num_updates == whole.num_updates == seed + 1
    for name, value in whole.world_model.state_dict().items():
        torch.testing.assert_close(alone.world_model.state_dict()[name], value, atol=1e-6, rtol=1e-5)
    assert all(map(torch.equal, before, alone.behavior.parameters()))


def test_the_model_alone_names_what_is_not_finite():
    agent = make_agent("gru")
    batch = make_batch(agent)
    batch.rows["reward"][0, 3] = torch.nan
    with pytest.raises(FloatingPointError, match="rows/reward holds NaN"):
        agent.learn_model(batch)


@pytest.mark.parametrize("core", ["gru", "s5"])
def test_an_outcome_is_the_reward_of_the_next_imagined_row(core):
    agent = make_agent(core)
    scramble(agent.world_model)
    whole = make_batch(agent, starts=(0,))
    shown = Batch(whole.rows[:, :8], whole.carry, whole.is_trained[:, :8])
    taken = whole.rows["prev_action"][:, 8]
    others = [torch.full_like(taken, action) for action in range(3)]
    outcomes = agent.outcomes(shown, 5, [taken, *others])
    assert outcomes.shape == (4, 4)
    # The same noise on the same rows: what is imagined of the row after is the outcome of the action that led to it.
    longer = Batch(whole.rows[:, :9], whole.carry, whole.is_trained[:, :9])
    expected = agent.open_loop(longer, context=5)["reward"][:, 8]
    torch.testing.assert_close(outcomes[:, 0], expected)
    for lane, action in enumerate(taken.tolist()):
        torch.testing.assert_close(outcomes[lane, 0], outcomes[lane, 1 + action])
    assert (outcomes[:, 1:].std(1) > 0).all()


def test_a_question_that_is_shown_is_answered_from_it():
    agent = make_agent("gru", SYMBOLS, ACTIONS["discrete"])
    scramble(agent.world_model)
    batch = make_batch(agent, starts=(0,))
    action = [torch.zeros(4, dtype=torch.int64)]
    before = agent.outcomes(batch, 12, action)
    batch.rows["obs"][:, -1] = (batch.rows["obs"][:, -1] + 1) % 5
    assert not torch.allclose(agent.outcomes(batch, 12, action), before)
    torch.testing.assert_close(agent.outcomes(batch, 11, action), agent.outcomes(batch, 11, action))
