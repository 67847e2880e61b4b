"""A world model's update, recorded: equal to running it, and read before anything moves."""

import pytest
import torch
from recorders import Again, assert_same_state, run_plainly
from world_model_cases import ACTIONS, MIXED, make_agent, make_batch

WORLD_MODELS = {
    "gru": {"core": "gru", "posterior": "memory"},
    "s5": {"core": "s5", "optimizer": "muon", "burn_in": 4, "batch_length": 8},
    "laprop": {"core": "s5", "optimizer": "laprop", "action": ACTIONS["multi"]},
    "box": {"core": "lstm", "action": ACTIONS["box"], "actor_gradient": "dynamics", "obs": MIXED},
}


@pytest.mark.parametrize("kind", WORLD_MODELS)
def test_a_world_model_learns_the_same(kind):
    """Over five updates in which rates rise; rows have resets."""
    options, again = {"warmup_updates": 4, **WORLD_MODELS[kind]}, Again()
    plain, captured = (make_agent(**options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    for seed in range(5):
        batch = make_batch(plain, seed=seed)
        assert captured.update(batch, 0) == plain.update(batch, 0)
    assert_same_state(captured, plain)
    assert again.recorded == 2 and again.replayed == 2 * 4


def test_a_bad_number_is_named_before_anything_moves():
    agent = make_agent("s5")
    agent.capture_updates(Again())
    for seed in range(3):
        agent.update(make_batch(agent, seed=seed), 0)
    before = {key: value.clone() for key, value in agent.world_model.state_dict().items()}
    batch = make_batch(agent)
    batch.rows["reward"][0, 3] = torch.nan
    with pytest.raises(FloatingPointError, match="rows/reward"):
        agent.update(batch, 0)
    assert all(torch.equal(value, before[key]) for key, value in agent.world_model.state_dict().items())
