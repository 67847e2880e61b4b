"""An agent whose memory is wiped a number of rows ago, again at every row: what it does with the last rows alone."""

from __future__ import annotations

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.base import Agent


class ForgetfulPolicy:
    """Acts on every row by a memory that began `num_rows` rows ago, as if the carry had been the initial one then.

    It is a policy as `engram.envs.evaluate` takes one. All that it keeps is in its carry: the last rows. A row costs
    `num_rows` of the agent's.

    Args:
        agent: whose memory is wiped.
        num_rows: rows that it sees, the present one included.
        seed: of sampled actions.
        deterministic: take the most likely action.
    """

    def __init__(self, agent: Agent, num_rows: int, seed: int = 1000, deterministic: bool = True) -> None:
        self.agent, self.num_rows = agent, num_rows
        self.seed, self.deterministic = seed, deterministic

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Make the carry to begin with, [B]: how many rows there have been; the rows come with the first one."""
        count = torch.zeros(batch_size, dtype=torch.int64, device=self.agent.device)
        return TensorDict({"count": count}, batch_size=[batch_size])

    @torch.no_grad()
    def __call__(self, row: TensorDictBase, carry: TensorDictBase) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions for one row per environment; see `Agent.act`."""
        batch = row.batch_size[0]
        if "rows" in carry.keys():
            rows = torch.cat([carry["rows"][:, 1:], row.unsqueeze(1)], dim=1)
        else:
            # What is before the first row begins an episode each: nothing of it reaches the first, which does as well.
            first = row.clone().set("is_first", torch.ones_like(row["is_first"]))
            rows = torch.stack([*[first] * (self.num_rows - 1), row.clone()], dim=1)
        memory = self.agent.initial_carry(batch, seed=self.seed)
        # The present row is then drawn for by its own number.
        memory["noise_counter"] = memory["noise_counter"] + carry["count"] - (self.num_rows - 1)
        for one in rows.unbind(1):
            action, memory, _ = self.agent.act(one, memory, self.deterministic)
        after = TensorDict({"count": carry["count"] + 1, "rows": rows}, batch_size=[batch])
        return action, after, TensorDict({}, batch_size=[batch])
