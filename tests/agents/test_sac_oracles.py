"""SAC's losses are TorchRL's, on what the memories see of real windows: Box and Discrete."""

import pytest
import torch
from sac_cases import losses, make_sac, window
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.data import Bounded, Categorical
from torchrl.modules import OneHotCategorical, ProbabilisticActor
from torchrl.objectives import DiscreteSACLoss, SACLoss

from engram import envs
from engram.envs.popgym.pendulum import PositionOnlyPendulum


class Replayed(torch.distributions.TransformedDistribution):
    """A squashed normal distribution whose samples come from given noise."""

    def __init__(self, loc, scale, z):
        self.z = z
        super().__init__(
            torch.distributions.Independent(torch.distributions.Normal(loc, scale), 1),
            torch.distributions.TanhTransform(cache_size=1),
        )

    def rsample(self, sample_shape=()):
        normal = self.base_dist.base_dist
        return self.transforms[0](normal.loc + normal.scale * self.z)


class Heads(torch.nn.Module):
    """The twin values of critic and target critic, of which a parameter picks one."""

    def __init__(self, agent):
        super().__init__()
        self.row = torch.nn.Parameter(torch.zeros(()))
        self.read = lambda *inputs: torch.cat(
            [agent.network.critic.values(*inputs), agent.target_critic.values(*inputs)]
        )

    def forward(self, *inputs):
        values = self.read(*inputs)
        values = values.unsqueeze(-1) if len(inputs) == 2 else values
        is_own = torch.arange(4) == self.row
        return (values * is_own.reshape(4, *[1] * (values.ndim - 1))).sum(0)


def prepare(loss, agent):
    loss.make_value_estimator(gamma=agent.settings.gamma)
    loss.qvalue_network_params.data["module", "row"].copy_(torch.tensor([0.0, 1.0]))
    loss.target_qvalue_network_params.data["module", "row"].copy_(torch.tensor([2.0, 3.0]))
    return loss


def case(env, **options):
    """An agent that has learnt a little, its losses, and TorchRL's rows with what the memories see."""
    agent = make_sac(env, target_update_rate=0.5, learning_rate=1e-2, initial_temperature=0.3, **options)
    batch = window(agent, env)
    for _ in range(3):
        agent.update(batch, 0)
    found, noise = losses(agent, batch)
    with torch.no_grad():
        # Behind the burn-in; what TorchRL calls next is the same pass, a row later.
        begin = agent.settings.burn_in
        seen, target_seen, _ = agent._run(batch.rows, batch.carry, noise[:, begin:], None)
        actor = agent.network.actor
        own = seen if actor is None else actor.features(batch.rows, batch.carry, None, begin)
    rows, noise = batch.rows[:, begin:], noise[:, begin:]
    is_kept = ~rows["is_last"][:, :-1]
    following = {
        "seen": target_seen[:, 1:],
        "own": own[:, 1:],
        "z": torch.special.ndtri(noise[:, 1:]),
        "reward": rows["reward"][:, 1:, None],
        "done": rows["is_terminal"][:, 1:, None],
        "terminated": rows["is_terminal"][:, 1:, None],
    }
    data = {
        "seen": seen[:, :-1],
        "own": own[:, :-1],
        "z": torch.special.ndtri(noise[:, :-1]),
        "action": rows["action"][:, :-1],
        "next": TensorDict(following, batch_size=is_kept.shape),
    }
    return agent, found, TensorDict(data, batch_size=is_kept.shape)[is_kept]


def assert_same(agent, found, theirs):
    torch.testing.assert_close(found["actor"], theirs["loss_actor"])
    torch.testing.assert_close(found["critic"], theirs["loss_qvalue"])
    # TorchRL multiplies by log α, whose gradient's sign is the same and whose size is another by 1/α.
    alpha = agent.temperature()
    torch.testing.assert_close(found["temperature_loss"] / alpha, theirs["loss_alpha"].mean() / alpha.log())
    torch.testing.assert_close(found["entropy"], theirs["entropy"])


@pytest.mark.parametrize("separate", [True, False])
def test_box(separate):
    env = PositionOnlyPendulum(num_envs=4, max_episode_length=12)
    agent, found, data = case(env, network={"separate_critic_core": separate})

    def policy(own):
        distribution = agent.network.policy(own, None)
        return distribution.mean, distribution.log_std.exp()

    actor = ProbabilisticActor(
        TensorDictModule(policy, in_keys=["own"], out_keys=["loc", "scale"]),
        in_keys=["loc", "scale", "z"],
        spec=Bounded(-1, 1, (1,)),
        distribution_class=Replayed,
    )
    values = TensorDictModule(Heads(agent), in_keys=["seen", "action"], out_keys=["state_action_value"])
    loss = SACLoss(
        actor, values, loss_function="l2", alpha_init=agent.temperature().item(), target_entropy=-1
    )
    assert_same(agent, found, prepare(loss, agent)(data))


@pytest.mark.parametrize("separate", [True, False])
def test_discrete(separate):
    env = envs.RecallFirst(num_envs=4, delay=5)
    agent, found, data = case(env, network={"separate_critic_core": separate})
    number = int(env.single_action_space.n)
    actor = ProbabilisticActor(
        TensorDictModule(
            lambda own: agent.network.policy(own, None).log_probs, in_keys=["own"], out_keys=["logits"]
        ),
        in_keys=["logits"],
        spec=Categorical(number),
        distribution_class=OneHotCategorical,
    )
    values = TensorDictModule(Heads(agent), in_keys=["seen"], out_keys=["action_value"])
    loss = DiscreteSACLoss(
        actor,
        values,
        action_space="categorical",
        num_actions=number,
        loss_function="l2",
        alpha_init=agent.temperature().item(),
        target_entropy=agent.temperature.target_entropy(None),
    )
    assert_same(agent, found, prepare(loss, agent)(data))
