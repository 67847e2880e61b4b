"""A small agent that learns from a replay: for each action it predicts the next reward from its memory."""

import torch
from tensordict import TensorDict

from engram.agents.base import Agent
from engram.agents.diagnosis import raise_first_nonfinite
from engram.common.streams import environment_keys, stream_key, stream_uniform


class RewardPredictor(Agent):
    """Acts by the predictions, softly; the observation is Discrete, the action too."""

    def __init__(
        self,
        observation_space,
        action_space,
        make_core,
        *,
        total_env_steps: int = 1000,
        seed: int = 0,
        device: str = "cpu",
        rollout_length: int = 4,
        batch_size: int = 4,
        batch_length: int = 12,
        train_ratio: float = 4.0,
        burn_in: int = 0,
        carry_from: str = "initial",
        learning_rate: float = 1e-2,
    ):
        self.observation_space, self.action_space = observation_space, action_space
        self.rollout_length = self.carry_every = rollout_length
        self.batch_size, self.batch_length, self.train_ratio = batch_size, batch_length, train_ratio
        self.burn_in, self.carry_from = burn_in, carry_from
        self.seed, self._device = seed, torch.device(device)
        self.num_updates = 0
        with torch.random.fork_rng():
            torch.manual_seed(stream_key(seed, "parameters"))
            inputs, actions = int(observation_space.n), int(action_space.n)
            core = make_core(input_size=inputs + actions)
            head = torch.nn.Linear(core.output_size, actions)
            self.network = torch.nn.ModuleDict({"core": core, "head": head}).to(self._device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)

    @property
    def device(self):
        return self._device

    def initial_carry(self, batch_size, seed=None, first_index=0):
        key = stream_key(self.seed if seed is None else seed, "actions")
        carry = {
            "core": self.network["core"].initial_carry(batch_size).detach(),
            "noise_key": environment_keys(key, batch_size, first_index, self._device),
            "noise_counter": torch.zeros(batch_size, dtype=torch.int64, device=self._device),
        }
        return TensorDict(carry, batch_size=[batch_size])

    def stored_carry(self, carry):
        return carry.select("core")

    def _inputs(self, rows):
        obs = torch.nn.functional.one_hot(rows["obs"], int(self.observation_space.n)).float()
        prev_action = torch.nn.functional.one_hot(rows["prev_action"], int(self.action_space.n)).float()
        return torch.cat([obs, prev_action], dim=-1)

    @torch.no_grad()
    def act(self, row, carry, deterministic=False, donate=False):
        y, core = self.network["core"].step(self._inputs(row), carry["core"], row["is_first"])
        values = self.network["head"](y)
        noise = stream_uniform(carry["noise_key"], carry["noise_counter"], values.shape[-1])
        gumbel = 0.0 if deterministic else -torch.log(-torch.log(noise))
        action = (values / 0.2 + gumbel).argmax(-1)
        next_carry = {
            "core": core,
            "noise_key": carry["noise_key"],
            "noise_counter": carry["noise_counter"] + 1,
        }
        extras = TensorDict({"value": values.amax(-1)}, batch_size=row.batch_size)
        return action, TensorDict(next_carry, batch_size=row.batch_size), extras

    def update(self, experience, env_steps):
        rows = experience.rows
        y, _ = self.network["core"](self._inputs(rows), experience.carry["core"], rows["is_first"])
        predicted = self.network["head"](y).gather(-1, rows["action"].unsqueeze(-1)).squeeze(-1)
        is_used = experience.is_trained[:, :-1] & ~rows["is_last"][:, :-1]
        error = torch.where(is_used, predicted[:, :-1] - rows["reward"][:, 1:], 0.0)
        loss = error.square().sum() / is_used.sum().clamp(min=1)
        if not torch.isfinite(loss):
            raise_first_nonfinite({"loss": loss})
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.num_updates += 1
        return {"reward": loss.item(), "num_updates": float(self.num_updates)}

    def pictures(self, batch):
        rewards = batch.rows["reward"].clamp(0, 1).mul(255).byte()
        return {"batch/rewards": rewards.expand(3, -1, -1)}

    def state_dict(self):
        optimizer = self.optimizer.state_dict()["state"]
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": {str(index): dict(values) for index, values in optimizer.items()},
            "num_updates": self.num_updates,
        }

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {
            int(index): {name: value.clone() for name, value in values.items()}
            for index, values in state["optimizer"].items()
        }
        self.optimizer.load_state_dict(optimizer)
        self.num_updates = state["num_updates"]
