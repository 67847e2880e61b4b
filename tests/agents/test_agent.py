"""What the base of agents does for one of its kind that writes its network, its choice and its update alone."""

from typing import Annotated, Any, ClassVar

import pytest
import torch
from tensordict import TensorDict

from engram import envs
from engram.agents.base import Agent
from engram.agents.diagnosis import read_metrics
from engram.agents.settings import AgentSettings
from engram.common.state_form import Real, check_like
from engram.envs import Driver


class Bandit(Agent):
    """Remembers nothing: one preference for each action, raised by the reward that follows it."""

    counters: ClassVar = {**Agent.counters, "baseline": Real()}

    def __init__(self, observation_space, action_space, **settings: Annotated[Any, AgentSettings]):
        super().__init__(observation_space, action_space, AgentSettings(**settings))
        self.num_uniforms, self.baseline = int(action_space.n), 0.0
        with self.seeded():
            self.network = torch.nn.Linear(1, self.num_uniforms)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1, momentum=0.9)

    def initial_memory(self, batch_size):
        return TensorDict({}, batch_size=[batch_size])

    def choose(self, row, memory, noise, deterministic, donate):
        values = self.network(torch.ones(len(noise), 1))
        gumbel = 0.0 if deterministic else -torch.log(-torch.log(noise))
        return (values + gumbel).argmax(-1), memory.clone(), {}

    def learn_from(self, rollout, env_steps):
        rows = rollout.rows
        reward = torch.cat([rows["reward"][:, 1:], rollout.pending["reward"].unsqueeze(1)], dim=1)
        log_prob = self.network(torch.ones(1)).log_softmax(-1)[rows["action"]]
        loss = -(log_prob * (reward - self.baseline)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        metrics = read_metrics({"policy": loss}, {"rows": rows, "losses": {"policy": loss}})
        self.optimizer.step()
        self.baseline = 0.9 * self.baseline + 0.1 * reward.mean().item()
        return metrics


def make(seed=0):
    env = envs.RecallFirst(num_envs=4, delay=1)
    agent = Bandit(env.single_observation_space, env.single_action_space, seed=seed, rollout_length=8)
    driver = Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(4))
    return agent, driver


def iterate(agent, driver):
    before = driver.env_steps
    return agent.learn(driver.collect(agent.policy(before), agent.rollout_length), before)


def test_it_learns_is_saved_and_continues_exactly():
    agent, driver = make()
    for _ in range(3):
        assert set(iterate(agent, driver)) == {"policy", "optim/learning_rate"}
    state = agent.state_dict()
    assert set(state) == {"network", "optimizer", "num_updates", "baseline"} and state["num_updates"] == 3
    check_like(agent.state_form(), state)
    twin, _ = make(seed=1)
    twin.load_state_dict(state)
    rollout = driver.collect(agent.policy(0), 8)
    assert agent.learn(rollout, 0) == twin.learn(rollout, 0)
    assert torch.equal(agent.network.weight, twin.network.weight) and agent.baseline == twin.baseline


def test_nothing_is_due_of_an_iteration_that_was_saved_after_its_update():
    agent, _ = make()
    assert len(agent.updates(None, 0)) == 0 and list(agent.updates(None, 0)) == []


def test_its_noise_goes_on_by_itself_and_its_policy_is_one_object():
    agent, driver = make()
    carry = agent.initial_carry(4)
    first, carry, _ = agent.act(driver.row, carry)
    assert carry["noise_counter"].tolist() == [1] * 4
    again, _, _ = agent.act(driver.row, agent.initial_carry(4))
    assert torch.equal(first, again) and agent.policy(0) is agent.policy(1000)
    assert agent.sizes() == {
        "parameters": 2 * agent.num_uniforms,
        "core_parameters": 0,
        "carry_bytes_per_env": 0,
    }


def test_a_bad_number_is_named():
    agent, driver = make()
    rollout = driver.collect(agent.policy(0), 8)
    rollout.rows["reward"][0, 3] = torch.nan
    with pytest.raises(FloatingPointError, match="rows"):
        agent.learn(rollout, 0)
    assert agent.num_updates == 0
