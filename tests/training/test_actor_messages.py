"""What learner and actors send each other comes as it was sent, whatever its dtype, and may be written to."""

import numpy as np
import torch
from tensordict import TensorDict

from engram.common.rows import Rollout
from engram.training.actors.messages import join, join_rollouts, pack, pack_rollout, tensors, unpack


def rollout(num_envs, first):
    """Two rows and a carry of so many environments, numbered from `first`."""
    number = torch.arange(first, first + num_envs)
    per_row = number.unsqueeze(1).repeat(1, 2)
    rows = {"reward": per_row.float(), "obs": {"a": per_row.to(torch.bfloat16)}, "is_last": per_row % 2 == 0}
    carry = {"noise_key": number, "core": {}}
    return Rollout(
        TensorDict(rows, batch_size=[num_envs, 2]),
        TensorDict({"noise_key": number.unsqueeze(1), "core": {}}, batch_size=[num_envs, 1]),
        TensorDict({"reward": number.float()}, batch_size=[num_envs]),
        TensorDict(carry, batch_size=[num_envs]),
        episodes={"episodic_return": [float(first)]},
        reports={"success": per_row.float()} if first else {},
    )


def test_rollouts_are_put_together_in_the_order_of_the_actors():
    sent = [pack_rollout(rollout(2, 0)), pack_rollout(rollout(2, 2))]
    for array in (sent[0]["rows"]["reward"], sent[1]["carries"]["noise_key"]):
        array.flags.writeable = False  # as of Ray's object store
    got = join_rollouts(sent, torch.device("cpu"))
    assert got.rows["reward"].tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert got.rows["obs", "a"].dtype == torch.bfloat16 and got.rows["obs", "a"][3].tolist() == [3, 3]
    assert got.carries.batch_size == (4, 1) and got.carries["noise_key"].flatten().tolist() == [0, 1, 2, 3]
    assert got.pending_carry["core"].batch_size == (4,)
    assert got.episodes == {"episodic_return": [0.0, 2.0]}
    assert got.reports["success"][:2].isnan().all() and got.reports["success"][3].tolist() == [3, 3]
    got.rows["reward"][:] = 7.0
    assert sent[0]["rows"]["reward"].tolist() == [[0, 0], [1, 1]]


def test_states_are_unpacked_as_they_were():
    state = {
        "x": torch.tensor([[1.5]], dtype=torch.bfloat16),
        "n": torch.tensor(3),
        "deep": {"name": "a", "s": 1},
    }
    got = unpack(pack(state))
    assert got["x"].equal(state["x"]) and got["x"].dtype == torch.bfloat16
    assert got["n"].equal(state["n"]) and got["deep"] == {"name": "a", "s": 1}
    one = {"a": np.zeros((1, 2), np.float32)}
    made = tensors(join([one]), 1)
    made["a"] += 1
    assert one["a"].tolist() == [[0, 0]]
