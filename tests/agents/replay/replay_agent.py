"""A small agent that learns from a replay: for each action it predicts the next reward from its memory."""

from typing import Annotated, Any

import torch
from tensordict import TensorDict

from engram.agents.diagnosis import read_metrics
from engram.agents.replay import ReplayAgent, ReplayAgentSettings
from engram.common.checked import settings
from engram.common.option_types import Count, Positive


@settings("RewardPredictor", "agent.")
class Settings(ReplayAgentSettings):
    rollout_length: Count = 4
    batch_size: Count = 4
    batch_length: Count = 12
    train_ratio: Positive = 4.0
    learning_rate: Positive = 1e-2


class RewardPredictor(ReplayAgent):
    """Acts by the predictions, softly; the observation is Discrete, the action too."""

    def __init__(self, observation_space, action_space, make_core, **settings: Annotated[Any, Settings]):
        super().__init__(observation_space, action_space, Settings(**settings))
        self.num_uniforms = int(action_space.n)
        with self.seeded():
            core = make_core(input_size=int(observation_space.n) + self.num_uniforms)
            head = torch.nn.Linear(core.output_size, self.num_uniforms)
        self.network = torch.nn.ModuleDict({"core": core, "head": head}).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate)

    def initial_memory(self, batch_size):
        return TensorDict({"core": self.network["core"].initial_carry(batch_size)}, batch_size=[batch_size])

    def _inputs(self, rows):
        obs = torch.nn.functional.one_hot(rows["obs"], int(self.observation_space.n)).float()
        prev_action = torch.nn.functional.one_hot(rows["prev_action"], int(self.action_space.n)).float()
        return torch.cat([obs, prev_action], dim=-1)

    def choose(self, row, memory, noise, deterministic, donate):
        y, core = self.network["core"].step(self._inputs(row), memory["core"], row["is_first"])
        values = self.network["head"](y)
        gumbel = 0.0 if deterministic else -torch.log(-torch.log(noise))
        action = (values / 0.2 + gumbel).argmax(-1)
        return action, TensorDict({"core": core}, batch_size=row.batch_size), {"value": values.amax(-1)}

    def learn_from(self, batch, env_steps):
        rows = batch.rows
        y, _ = self.network["core"](self._inputs(rows), batch.carry["core"], rows["is_first"])
        predicted = self.network["head"](y).gather(-1, rows["action"].unsqueeze(-1)).squeeze(-1)
        is_used = batch.is_trained[:, :-1] & ~rows["is_last"][:, :-1]
        error = torch.where(is_used, predicted[:, :-1] - rows["reward"][:, 1:], 0.0)
        loss = error.square().sum() / is_used.sum().clamp(min=1)
        self.optimizer.zero_grad()
        loss.backward()
        metrics = read_metrics({"reward": loss}, {"rows": rows, "loss": loss})
        self.optimizer.step()
        return {**metrics, "num_updates": self.num_updates + 1.0}

    def draw(self, batch):
        return {"batch/rewards": batch.rows["reward"].clamp(0, 1).mul(255).byte().expand(3, -1, -1)}
