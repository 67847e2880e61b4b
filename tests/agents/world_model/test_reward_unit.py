"""Rewards in units of their own size: by hand, in an agent, and as it goes on from a checkpoint."""

import pytest
import torch
from world_model_cases import make_agent, make_batch, make_rows

from engram.agents.world_model.reward_unit import RewardUnit
from engram.common.ranks import Ranks
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint


def test_a_unit_by_hand():
    """Rewards of 3 and -4 among others of 0 have a root mean square of 5 / sqrt(2); then -1 comes, twice."""
    unit = RewardUnit()
    unit.update(torch.zeros(3))
    assert unit.scale() == 1
    unit.update(torch.tensor([[0.0, 3.0], [-4.0, 0.0]]))
    assert unit.scale().item() == pytest.approx(0.2828427)
    unit.update(torch.tensor([-1.0, -1.0]))
    assert unit.scale().item() == pytest.approx((4 / 27) ** 0.5)


def test_rewards_of_all_ranks_are_one_unit():
    class Two(Ranks):
        count = 2

        def gather(self, x):
            return torch.stack([x, torch.tensor([1.0, 16.0])])  # the other one has a single reward of 4

    unit = RewardUnit()
    unit.ranks = Two()
    unit.update(torch.tensor([3.0, 0.0, 3.0]))
    assert unit.scale().item() == pytest.approx((3 / 34) ** 0.5)


def test_small_rewards_count_as_much_as_large_ones():
    small, large = RewardUnit(), RewardUnit()
    for unit, size in ((small, 1 / 48), (large, 1e6)):
        unit.update(torch.tensor([size, 0.0, -size]))
        assert unit.scale().item() * size == pytest.approx(1.0)


def test_an_agent_learns_from_rewards_in_their_unit():
    auto, given = make_agent(reward_scale="auto"), make_agent(reward_scale=0.25)
    rows = make_rows(auto)
    rows["reward"] = torch.where(rows["is_first"], 0.0, 4.0 * rows["reward"].sign())
    before = rows["reward"].clone()
    auto.update_normalizers(rows)
    batch = make_batch(auto, rows)
    torch.testing.assert_close(auto.rows_of(batch)["reward"], rows["reward"] / 4)
    assert auto.update(batch, 0)["reward"] == pytest.approx(given.update(batch, 0)["reward"])
    assert torch.equal(rows["reward"], before)


def test_the_unit_is_in_the_checkpoint(tmp_path):
    agents = [make_agent(reward_scale="auto") for _ in range(2)]
    agents[0].update_normalizers(make_rows(agents[0], seed=1))
    save_checkpoint(tmp_path / "agent.safetensors", agents[0].state_dict())
    agents[1].load_state_dict(load_checkpoint(tmp_path / "agent.safetensors"))
    assert agents[1].reward_unit.scale() == agents[0].reward_unit.scale() != 1
    batch = make_batch(agents[0])
    assert agents[0].update(batch, 0) == agents[1].update(batch, 0)
    assert "reward_unit" not in make_agent().state_dict()
