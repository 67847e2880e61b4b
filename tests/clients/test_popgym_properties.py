"""What popgym's own suite asks of every environment, and its wrappers around the native ones."""

import gymnasium
import pytest
from client_ids import IDS, no_unexpected_warning
from gymnasium.utils.env_checker import check_env, data_equivalence

pytest.importorskip("popgym", reason="needs popgym: pip install 'popgym[navigation]'")
from popgym.core.env import POPGymEnv
from popgym.wrappers.antialias import Antialias
from popgym.wrappers.discrete_action import DiscreteAction
from popgym.wrappers.flatten import Flatten
from popgym.wrappers.previous_action import PreviousAction

POPGYM = [id for id in IDS if "popgym-" in id]
RAW = "is different from the unwrapped version"
pytestmark = pytest.mark.slow


class AsPopgym(POPGymEnv):
    """A native as a subclass of popgym's class, which its wrappers insist on; hidden states it has none."""

    def __init__(self, id):
        self.env = gymnasium.make(id, disable_env_checker=True).unwrapped
        self.observation_space, self.action_space = self.env.observation_space, self.env.action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.env.reset(seed=seed)

    def step(self, action):
        return self.env.step(action)

    def get_state(self):
        raise NotImplementedError


def episode(env, seed, limit=1_500):
    """Observations, rewards, ends and actions of an episode of random actions."""
    rows, actions = [env.reset(seed=seed)[0]], []
    while len(actions) < limit:
        actions.append(env.action_space.sample())
        obs, reward, terminated, truncated, _ = env.step(actions[-1])
        rows.append((obs, reward, terminated, truncated))
        if terminated or truncated:
            return rows, actions
    raise AssertionError(f"no end within {limit} steps")


@pytest.mark.parametrize("id", POPGYM)
def test_episodes_end_stay_in_their_spaces_and_repeat_with_their_seed(id):
    env = gymnasium.make(id).unwrapped
    env.action_space.seed(0)
    rows, actions = episode(env, seed=11)
    assert env.observation_space.contains(rows[0])
    assert all(env.observation_space.contains(obs) for obs, *_ in rows[1:])
    assert data_equivalence(env.reset(seed=11)[0], rows[0], exact=True)
    for action, row in zip(actions, rows[1:], strict=True):
        assert data_equivalence(env.step(action)[:4], row, exact=True)


@pytest.mark.parametrize("id", POPGYM)
@pytest.mark.parametrize(
    "wrap",
    [PreviousAction, Antialias, Flatten, lambda env: Antialias(PreviousAction(env))],
    ids=["PreviousAction", "Antialias", "Flatten", "both"],
)
def test_popgyms_wrappers(id, wrap, request):
    shares = any(name in id for name in ("Battleship", "MineSweeper", "Pendulum"))
    if shares and request.node.callspec.id.startswith(("PreviousAction", "both")):
        pytest.xfail("PreviousAction shows the same array of no action at every reset")
    with no_unexpected_warning(RAW):
        env = wrap(AsPopgym(id))
        env.reset(seed=0)
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize("id", POPGYM)
def test_popgyms_discrete_actions(id):
    if "Pendulum" in id:
        pytest.skip("popgym's wrapper takes no continuous actions")
    env = DiscreteAction(Flatten(AsPopgym(id)))
    env.reset(seed=0)
    for _ in range(5):
        if any(env.step(env.action_space.sample())[2:4]):
            env.reset()
