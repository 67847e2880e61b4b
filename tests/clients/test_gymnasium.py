"""Every native as Gymnasium's own tests see an environment: its checker, determinism, pickles and vectors."""

import pickle

import gymnasium
import numpy as np
import pytest
from client_ids import DRAWN, IDS, no_unexpected_warning
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import PassiveEnvChecker
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from native_ids import options

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("id", IDS)
def test_the_checker_finds_nothing(id):
    """Drawing included: it makes the environment again with each of its render modes."""
    with no_unexpected_warning():
        env = gymnasium.make(id, disable_env_checker=True, **options(id))
        check_env(env.unwrapped)
    assert bool(env.metadata["render_modes"]) == (id in DRAWN)


@pytest.mark.parametrize("id", IDS)
def test_the_passive_checker_finds_nothing_in_an_episode(id):
    with no_unexpected_warning():
        env = PassiveEnvChecker(gymnasium.make(id, disable_env_checker=True, **options(id)).unwrapped)
        env.action_space.seed(0)
        env.reset(seed=0)
        for _ in range(20):
            if any(env.step(env.action_space.sample())[2:4]):
                env.reset()


@pytest.mark.parametrize("id", IDS)
def test_the_same_seed_and_actions_give_the_same_episodes_also_after_a_pickle(id):
    env = gymnasium.make(id, **options(id))
    other = pickle.loads(pickle.dumps(env))
    env.action_space.seed(0)
    assert data_equivalence(env.reset(seed=0), other.reset(seed=0), exact=True)
    for step in range(50):
        action = env.action_space.sample()
        result = env.step(action)
        assert data_equivalence(result, other.step(action), exact=True)
        assert env.observation_space.contains(result[0])
        if step == 25:
            other = pickle.loads(pickle.dumps(other))
        if result[2] or result[3]:
            assert data_equivalence(env.reset(), other.reset(), exact=True)


def make_vec(id, num_envs, mode=None):
    return gymnasium.make_vec(id, num_envs, vectorization_mode=mode, **options(id))


@pytest.mark.parametrize("id", IDS)
def test_a_vector_has_gymnasiums_spaces_and_next_step_resets(id):
    vector, sync = make_vec(id, 3), make_vec(id, 3, "sync")
    assert isinstance(sync, SyncVectorEnv)
    for env in (vector, sync):
        assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert vector.num_envs == sync.num_envs == 3
    for space in ("single_observation_space", "single_action_space", "observation_space", "action_space"):
        assert getattr(vector, space) == getattr(sync, space)
    first, _ = vector.reset(seed=1)
    assert data_equivalence(vector.reset(seed=1)[0], first, exact=True)
    vector.action_space.seed(0)
    ended = np.zeros(3, dtype=bool)
    for _ in range(150):
        obs, rewards, terminated, truncated, _ = vector.step(vector.action_space.sample())
        assert vector.observation_space.contains(obs)
        assert rewards.dtype == np.float64 and terminated.dtype == truncated.dtype == bool
        assert rewards.shape == terminated.shape == truncated.shape == (3,)
        assert not (terminated & truncated).any()
        assert not rewards[ended].any() and not (terminated | truncated)[ended].any()
        ended = terminated | truncated
    vector.close()


@pytest.mark.parametrize("id", IDS)
def test_an_environment_of_a_vector_is_a_single_one(id):
    vector, single = make_vec(id, 2), gymnasium.make(id, **options(id))
    batched, obs = vector.reset(seed=3)[0], single.reset(seed=3)[0]
    vector.action_space.seed(0)
    for _ in range(60):
        first = next(gymnasium.vector.utils.iterate(vector.observation_space, batched))
        assert data_equivalence(first, obs, exact=True)
        actions = vector.action_space.sample()
        batched, rewards, terminated, truncated, _ = vector.step(actions)
        obs, *rest = single.step(actions[0])
        assert rest[:3] == [rewards[0], terminated[0], truncated[0]]
        if rest[1] or rest[2]:
            batched = vector.step(vector.action_space.sample())[0]
            obs, _ = single.reset()


@pytest.mark.parametrize("id", IDS)
def test_statistics_of_episodes_are_their_returns_and_lengths(id):
    vector = RecordEpisodeStatistics(make_vec(id, 4))
    vector.reset(seed=0)
    vector.action_space.seed(0)
    returns, lengths, ended, seen = np.zeros(4), np.zeros(4, dtype=int), np.zeros(4, dtype=bool), 0
    for _ in range(1_050):
        _, rewards, terminated, truncated, infos = vector.step(vector.action_space.sample())
        returns, lengths = np.where(ended, 0, returns + rewards), np.where(ended, 0, lengths + 1)
        ended = terminated | truncated
        if ended.any():
            np.testing.assert_allclose(infos["episode"]["r"][ended], returns[ended], rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(infos["episode"]["l"][ended], lengths[ended])
            seen += int(ended.sum())
        if seen > 8:
            break
    assert seen or id.endswith(("11x11-v0", "13x13-v0", "15x15-v0"))  # episodes of 2,000 actions and more
