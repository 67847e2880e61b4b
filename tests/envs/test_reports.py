"""What environments report of their episodes: which infos count, under which names, and on which rows."""

import itertools

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from tensordict import TensorDict
from toy_envs import register

from engram.envs import Driver, GymnasiumEnv, evaluate, make_env
from engram.envs.reports import report_of

# One episode after the other: its length, and what its last row's info holds.
EPISODES = [(2, {"success": True}), (3, {"success": False, "crash": 2}), (1, {"speed": 0.5})]


class Reporting(gymnasium.Env):
    """Episodes of 2, 3 and 1 actions, again and again; every row but the last reports nonsense."""

    observation_space = gs.Discrete(10)
    action_space = gs.Discrete(2)

    def __init__(self):
        self.episode = -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.time = 0
        return 0, {"success": 100.0}

    def step(self, action):
        self.time += 1
        length, info = EPISODES[self.episode % 3]
        is_last = self.time == length
        return self.time, 1.0, is_last, False, info if is_last else {"success": 100.0, "early": 1.0}


def idle(row, carry):
    count = len(row["reward"])
    return torch.zeros(count, dtype=torch.int64), carry, TensorDict({}, [count])


def test_which_infos_are_reported():
    info = {
        "success": np.True_,
        "crashed": False,
        "speed": np.float32(0.5),
        "count": np.array(3),
        "goal/reached é": 1,
        "/": 1,
        "nan": float("nan"),
        "huge": 10**400,
        "text": "far",
        "position": np.zeros(2),
        "one": [1],
        "complex": 1j,
        "episode": {"r": 1.0, "l": 3},
        "TimeLimit.truncated": True,
        "final_score": 1.0,
        "_private": 1.0,
        "episodic_return": 9.0,
        3: 1.0,
    }
    expected = {"success_rate": 1.0, "crashed": 0.0, "speed": 0.5, "count": 3.0, "goal_reached": 1.0}
    assert report_of(info) == expected
    assert report_of({"is_success": 0}) == {"success_rate": 0.0}
    assert len(report_of({f"part {number}": number for number in range(100)})) == 64


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_reports_are_those_of_last_rows(vectorization):
    env = GymnasiumEnv(register(Reporting), 2, vectorization=vectorization)
    driver = Driver(env)
    driver.start(0, TensorDict({}, [2]))
    # Rows 0 to 2 are the first episode, 3 to 6 the second, 7 and 8 the third, of both environments.
    rollout = driver.collect(idle, 9)
    assert rollout.episodes == {
        "episodic_return": [2.0, 3.0, 1.0] * 2,
        "episodic_length": [2, 3, 1] * 2,
        "success_rate": [1.0, 0.0] * 2,
        "crash": [2.0] * 2,
        "speed": [0.5] * 2,
    }
    assert set(rollout.rows.keys()) == {
        *("obs", "reward", "prev_action", "is_first", "is_last", "is_terminal", "action")
    }
    assert driver.collect(idle, 2).episodes == {"episodic_return": [], "episodic_length": []}
    env.close()


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_a_last_row_that_waits_reports_after_a_resume(vectorization):
    """A checkpoint between an episode's last action and the rollout its last row belongs to."""
    make = lambda: Driver(GymnasiumEnv(register(Reporting), 2, vectorization=vectorization))  # noqa: E731
    driver, other = make(), make()
    driver.start(0, TensorDict({}, [2]))
    driver.collect(idle, 2)
    assert driver.row["is_last"].all()
    other.load_state_dict(driver.state_dict(), TensorDict({}, [2]))
    first = [driver.collect(idle, 1).episodes, other.collect(idle, 1).episodes]
    assert (
        first[0]
        == first[1]
        == {
            "episodic_return": [2.0] * 2,
            "episodic_length": [2] * 2,
            "success_rate": [1.0] * 2,
        }
    )
    driver.env.close()
    other.env.close()


def test_an_evaluation_has_them_too():
    env = GymnasiumEnv(register(Reporting), 2)
    result = evaluate(env, idle, TensorDict({}, [2]), episodes=5, seed=0)
    assert result.lengths == [2, 3, 1, 2, 3]
    assert result.reported == {"success_rate": [1.0, 0.0, 1.0, 0.0], "crash": [2.0, 2.0], "speed": [0.5]}


# Actions that solve an episode, and others that do not, for natives whose answers are in their state.
def recall(state, obs):
    return state["task", "cue"]


def copy(state, obs):
    from engram.common.random import randint

    task = state["task"]
    return randint(4, state["time"] - 12, prefix=task["key"])


def turn(state, obs):
    at_end = state["task", "x"] == 10
    return torch.where(at_end, torch.where(state["task", "goal"] == 1, 1, 3), 0)


def remember(state, obs):
    return state["task", "bits"].gather(1, state["task", "query"][:, None])[:, 0]


def parity(state, obs):
    return state["task", "state"] ^ obs


def permute(state, obs):
    swaps = [g for g in itertools.permutations(range(5)) if sum(i == g[i] for i in range(5)) == 3]
    return torch.tensor([*swaps, range(5)])[obs, state["task", "state"]]


def recall_value(state, obs):
    task = state["task"]
    return (task["values"] * (task["keys"] == obs[:, :1])).sum(1)


def shoot(state, obs):
    """The first cell of a ship that was not hit; 8 by 8."""
    left = state["task", "ships"] & ~state["task", "guesses"]
    cells = torch.stack([(left[:, 0] >> cell) & 1 for cell in range(64)], 1).argmax(1)
    return torch.stack([cells // 8, cells % 8], 1)


def sweep(state, obs):
    """The first cell without a mine that was not viewed; 4 by 4."""
    closed = ~(state["task", "mines"] | state["task", "viewed"])
    cells = torch.stack([(closed[:, 0] >> cell) & 1 for cell in range(16)], 1).argmax(1)
    return torch.stack([cells // 4, cells % 4], 1)


@pytest.mark.parametrize(
    ("name", "solve"),
    [
        ("diagnostic/recall_first", recall),
        ("diagnostic/copy_sequence", copy),
        ("diagnostic/t_maze", turn),
        ("diagnostic/memory_chain", remember),
        ("diagnostic/parity", parity),
        ("diagnostic/permutations", permute),
        ("diagnostic/recall_pairs", recall_value),
        ("diagnostic/discounting_chain", lambda state, obs: torch.zeros(4, dtype=torch.int64)),
        ("popgym/battleship_easy", shoot),
        ("popgym/mine_sweeper_easy", sweep),
    ],
)
def test_natives_report_success(name, solve):
    """Environment 0 is played right but for its episodes' last action; the others as they should be."""
    env = make_env(name, num_envs=4)
    wrong = 1 if name != "diagnostic/discounting_chain" else 0
    row = env.reset(3)
    found = []
    for _ in range(3 * env.max_episode_steps + 3):
        action = solve(env.state, row["obs"]).clone()
        # A wrong answer in environment 0; in the discounting chain a wrong first choice.
        is_late = env.state["time"] == env.max_episode_steps - 1
        if name.startswith("diagnostic"):
            spoils = (env.state["time"] == 0) if wrong == 0 else is_late
            most = int(env.single_action_space.n)
            action[0] = (action[0] + 2) % most if spoils[0] and most > 2 else action[0] ^ int(spoils[0])
        else:
            action[0] = 0
        row = env.step(action)
        report = env.report()["success_rate"]
        assert report.dtype == torch.float32 and report.shape == (4,)
        for index in row["is_last"].nonzero()[:, 0].tolist():
            found.append((index, float(report[index])))
    assert {value for index, value in found if index} == {1.0}
    assert {value for index, value in found if not index} == {0.0}


def cues(observations):
    """What to answer: right in environment 0, wrong in the others."""
    return (np.asarray(observations) + np.arange(len(observations))) % 4


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_gymnasiums_clients_find_success_in_the_info_of_last_steps(mode):
    vector = gymnasium.make_vec("engram/RecallFirst-v0", 2, delay=1, autoreset_mode=mode)
    observations, infos = vector.reset(seed=3)
    assert infos == {}
    answers = cues(observations)
    assert vector.step(answers)[4] == {}
    infos = vector.step(answers)[4]
    if mode == "SameStep":
        assert infos["_final_info"].all() and "success" not in infos
        infos = infos["final_info"]
    assert infos["success"].tolist() == [True, False] and infos["_success"].all()
    single = gymnasium.make("engram/RecallFirst-v0", delay=1)
    cue, info = single.reset(seed=3)
    assert info == {} and single.step(int(cue))[4] == {}
    assert single.step(int(cue))[4] == {"success": True}


def test_a_native_through_gymnasium_reports_as_it_does_itself():
    """Rows 0 to 2 are an episode of each; the answers are the same all along."""
    env = GymnasiumEnv("engram.envs:engram/RecallFirst-v0", 2, kwargs={"delay": 1})
    first = env.reset(3)["obs"]
    driver = Driver(env)
    driver.start(3, TensorDict({}, [2]))
    answer = torch.tensor([int(first[0]), (int(first[1]) + 1) % 4])
    act = lambda row, carry: (answer, carry, TensorDict({}, [2]))  # noqa: E731
    assert driver.collect(act, 3).episodes["success_rate"] == [1.0, 0.0]


def test_torchrl_has_success_beside_the_observation():
    pytest.importorskip("torchrl")
    from engram.envs.torchrl_env import TorchRLEnv

    env = TorchRLEnv(
        make_env("diagnostic/recall_first", num_envs=2, kwargs={"delay": 1}), seed=3, outcome=True
    )
    start = env.reset()
    answer = torch.as_tensor(cues(start["observation"]))
    assert start["success"].tolist() == [False, False]
    data = env.rollout(2, lambda *_: answer, auto_reset=False, tensordict=start)
    assert data["next", "success"].tolist() == [[False, True], [False, False]]
    assert data["next", "success"].dtype == torch.bool == env.observation_spec["success"].dtype


def test_stable_baselines_knows_it_as_is_success():
    pytest.importorskip("stable_baselines3")
    from engram.envs.sb3_env import SB3VecEnv

    venv = SB3VecEnv(make_env("diagnostic/recall_first", num_envs=2, kwargs={"delay": 1}), seed=3)
    answers = cues(venv.reset())
    assert all("is_success" not in info for info in venv.step(answers)[3])
    assert [info["is_success"] for info in venv.step(answers)[3]] == [True, False]
