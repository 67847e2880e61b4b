"""The networks-only floor of training: frozen code, not to be made slower.

The same forward and backward passes as recurrent PPO on the same minibatches, with the library's LSTM
without resets and the library's optimiser; no environment, no sampling, no advantages, no loss terms.
"""

from __future__ import annotations

import torch
from torch import nn

from engram.agents.ppo.ppo import PPO
from engram.common.rows import Rollout


class NetworksOnly:
    """Encoder, `nn.LSTM` and heads on ready tensors.

    Args:
        agent: whose encoder, heads, sizes and settings are used.
        rollout: real rows to run them on.
    """

    def __init__(self, agent: PPO, rollout: Rollout) -> None:
        self.settings, self.rows = agent.settings, rollout.rows
        # Resetting rows count for nothing, here as everywhere.
        self.env_steps = int((~rollout.rows["is_first"]).sum())
        network, device = agent.network, agent.device
        self.encoder, self.policy_head, self.value_head = (
            network.encoder,
            network.policy_head,
            network.value_head,
        )
        input_size, hidden_size = self.encoder.output_size, network.core.output_size
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True).to(device)
        self.cell = nn.LSTMCell(input_size, hidden_size).to(device)
        modules = nn.ModuleList([self.encoder, self.lstm, self.policy_head, self.value_head])
        self.parameters = list(modules.parameters())
        # A learning rate of 0 does all the work and leaves the agent's parameters alone.
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0, fused=True)
        self.device, self.hidden_size = device, hidden_size

    @torch.no_grad()
    def act(self) -> None:
        """One rollout's worth of acting passes."""
        num_envs, length = self.rows.batch_size
        hidden = cell = torch.zeros(num_envs, self.hidden_size, device=self.device)
        for t in range(length):
            hidden, cell = self.cell(self.encoder(self.rows[:, t]), (hidden, cell))
            self.policy_head(hidden)
            self.value_head(hidden)

    def learn(self) -> None:
        """One update's worth of learning passes."""
        num_envs = self.rows.batch_size[0]
        for _ in range(self.settings.num_epochs):
            for index in torch.arange(num_envs, device=self.device).tensor_split(
                self.settings.num_minibatches
            ):
                y, _ = self.lstm(self.encoder(self.rows[index]))
                loss = self.policy_head(y).sum() + self.value_head(y).sum()
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, 0.5)
                self.optimizer.step()
