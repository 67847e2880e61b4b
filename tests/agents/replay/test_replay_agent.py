"""An agent with a replay in the loop: how often it learns, what it logs, when it saves, what the replay holds."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from replay_agent import RewardPredictor
from tensordict import TensorDict

from engram import envs, memory_cores
from engram.agents.replay import ReplaySettings
from engram.agents.replay.random_actions import RandomActions
from engram.run_files.progress import Progress
from engram.training.loop import train
from engram.training.record import Record
from engram.training.schedule import Hooks, Schedule, never

GRU = functools.partial(memory_cores.GRU, hidden_size=8)


class Run:
    """A run in a folder, with its hooks' calls written down."""

    def __init__(self, folder, replay=None, num_envs=3, delay=3, **options):
        env = envs.RecallFirst(num_envs=num_envs, delay=delay)
        replay = {
            "capacity_bytes": 60_000,
            "prefill": 100,
            "store_carry_every": 4,
            "log_interval": 1,
            **(replay or {}),
        }
        spaces = env.single_observation_space, env.single_action_space
        self.agent = RewardPredictor(*spaces, GRU, replay=replay, **options)
        self.agent.check_run(num_envs)
        self.driver = envs.Driver(env, self.agent.carry_every)
        self.driver.start(0, self.agent.initial_carry(num_envs))
        self.agent.check_rows(self.driver.row)
        self.agent.open_files(folder, self.driver.row, is_new=True)
        self.lines, self.saves, self.media, self.batches, self.progress = [], [], [], [], Progress()

    @property
    def replay(self):
        return self.agent.replay

    def save(self, name):
        self.saves.append((name, self.driver.env_steps))
        if name == "latest":
            self.agent.run_state()
            self.agent.mark_saved()

    def train(
        self,
        total_env_steps=1000,
        evaluation_interval=None,
        checkpoint_interval=10_000,
        should_stop=never,
        is_due=never,
        record=None,
    ):
        learn_from = self.agent.learn_from

        def noted(batch, env_steps):
            self.batches.append((self.driver.env_steps, batch.rows["obs"].clone(), batch.is_trained.clone()))
            return learn_from(batch, env_steps)

        self.agent.learn_from = noted
        hooks = Hooks(
            log=lambda metrics: self.lines.append((self.driver.env_steps, metrics)),
            evaluate=lambda steps: {"eval/episodic_return": float(steps)},
            save=self.save,
            log_media=lambda media: self.media.append((self.driver.env_steps, media)),
            should_stop=should_stop,
            is_checkpoint_due=is_due,
        )
        schedule = Schedule(total_env_steps, evaluation_interval, checkpoint_interval)
        is_finished = train(self.agent, self.driver, hooks, self.progress, schedule, record)
        self.agent.learn_from = learn_from
        return is_finished


@pytest.mark.parametrize("train_ratio", [0.5, 4.0, 7.3, pytest.param(100.0, marks=pytest.mark.slow)])
def test_the_train_ratio_is_kept(tmp_path, train_ratio):
    """After every collection the rows replayed are those asked for, short by less than one batch."""
    run = Run(tmp_path, train_ratio=train_ratio)
    run.train()
    assert min(steps for steps, *_ in run.batches) > 100
    rows_per_batch = run.agent.settings.batch_size * run.agent.settings.batch_length
    steps = run.driver.env_steps
    assert 0 <= (steps - 100) * train_ratio - len(run.batches) * rows_per_batch < rows_per_batch
    # At no moment was it ahead.
    for number, (steps, *_) in enumerate(run.batches, start=1):
        assert number * rows_per_batch <= (steps - 100) * train_ratio


def test_updates_due_by_hand(tmp_path):
    """48 rows a batch, 4 replayed rows a step: one update every 12 steps."""
    agent = Run(tmp_path).agent
    steps = (50, 100, 111, 112, 123, 124)
    assert [agent.num_updates_due(one, 0) for one in steps] == [0, 0, 0, 1, 1, 2]
    assert [agent.num_updates_due(124, done) for done in (1, 2, 3)] == [1, 0, 0]


def test_learning_takes_in_a_rollout_and_makes_all_updates_that_are_due(tmp_path):
    """The same by `learn` and in the loop: the same metrics, and the same parameters to the bit."""
    one, other = Run(tmp_path / "one"), Run(tmp_path / "other")
    other.train(300)
    means = []
    while one.driver.env_steps < 300:
        before = one.driver.env_steps
        rollout = one.driver.collect(one.agent.policy(before), one.agent.rollout_length)
        means.append(one.agent.learn(rollout, before))
        assert one.replay.num_steps == one.driver.env_steps
    assert means == [
        {
            key.removeprefix("losses/"): value
            for key, value in metrics.items()
            if key.startswith(("losses/", "optim/"))
        }
        for _, metrics in other.lines
    ]
    assert {} in means and one.agent.num_updates == len(other.batches) > 10
    state, expected = one.agent.network.state_dict(), other.agent.network.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_log_lines_hold_means_since_the_line_before(tmp_path):
    run = Run(tmp_path, {"log_interval": 200})
    run.train()
    steps = [line_steps for line_steps, _ in run.lines]
    assert all(after // 200 > before // 200 for before, after in itertools.pairwise(steps[:-1]))
    assert steps[-1] == run.driver.env_steps
    before = 0
    for line_steps, metrics in run.lines:
        numbers = [n for n, (at, *_) in enumerate(run.batches, start=1) if before < at <= line_steps]
        assert ("losses/num_updates" in metrics) == bool(numbers)
        if numbers:
            assert math.isclose(metrics["losses/num_updates"], sum(numbers) / len(numbers))
        assert metrics["charts/episodic_length"] == 4.0 and metrics["charts/SPS"] > 0
        before = line_steps


def test_checkpoints_add_no_lines(tmp_path):
    run = Run(tmp_path, {"log_interval": 10_000})
    run.train(checkpoint_interval=300, evaluation_interval=400)
    assert [steps for steps, _ in run.lines] == [402, 804, 1008]
    assert [steps for name, steps in run.saves if name == "latest"] == [306, 603, 900, 1008]
    assert all("eval/episodic_return" in metrics for _, metrics in run.lines)
    assert run.progress.best_return == 1008
    assert [steps for name, steps in run.saves if name == "best"] == [402, 804, 1008]


def losses(lines):
    return [
        (steps, {key: value for key, value in metrics.items() if key.startswith("losses")})
        for steps, metrics in lines
    ]


def test_a_run_may_save_and_stop_between_two_updates_of_an_iteration(tmp_path):
    """About 25 updates an iteration: it stops at the 30th, saves at every fifth, and all is as undisturbed."""
    every_100 = {"log_interval": 100}
    whole, run = (Run(tmp_path / name, every_100, train_ratio=100.0) for name in ("whole", "stopped"))
    whole.train(300)
    record = Record()
    assert not run.train(300, record=record, should_stop=lambda: len(run.batches) == 30)
    assert len(run.batches) == 30 and run.saves == [("latest", run.driver.env_steps)]
    assert 0 < run.driver.env_steps - run.progress.unfinished_from <= 12
    saves = len(run.saves)
    assert run.train(300, record=record, is_due=lambda: len(run.batches) % 5 == 0)
    assert len(run.saves) - saves > 50 and run.progress.unfinished_from is None
    assert losses(run.lines) == losses(whole.lines) and len(run.batches) == len(whole.batches)
    for (_, one, _), (_, other, _) in zip(run.batches, whole.batches, strict=True):
        assert torch.equal(one, other)


def test_the_replay_asks_for_checkpoints_in_time(tmp_path):
    """A ring so small that it goes round several times between two checkpoints that the schedule wants."""
    run = Run(tmp_path, {"capacity_bytes": 10_000})
    run.train(3000, checkpoint_interval=100_000)
    assert run.replay.num_rows > 5 * run.replay.ring.layout.slots
    saved = [steps for name, steps in run.saves if name == "latest"]
    assert len(saved) > 20 and saved[-1] == run.driver.env_steps


def test_pictures_are_drawn_at_evaluations_and_change_nothing(tmp_path):
    run, blind = Run(tmp_path / "a"), Run(tmp_path / "b")
    run.train(evaluation_interval=300)
    assert [steps for steps, _ in run.media] == [
        steps for steps, metrics in run.lines if "eval/episodic_return" in metrics
    ]
    picture = run.media[0][1]["batch/rewards"]
    assert picture.shape == (3, 4, 12) and picture.dtype == torch.uint8
    blind.train(evaluation_interval=None)
    assert [steps for steps, *_ in blind.batches] == [steps for steps, *_ in run.batches]
    for (_, one, _), (_, other, _) in zip(run.batches, blind.batches, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("rollout_length", [2, 4, 8])
def test_stored_carries_are_those_acted_with(tmp_path, rollout_length):
    """The core's carry before a window equals that of all rows since the start, run through the core at once."""
    run = Run(tmp_path, carry_from="stored", rollout_length=rollout_length, train_ratio=1e-9)
    played = []
    while run.replay.num_rows < 80:
        rollout = run.driver.collect(run.agent.act, rollout_length)
        played.append(rollout.rows)
        run.replay.extend(rollout.rows, rollout.carries)
    rows = torch.cat(played, dim=1)
    core, start = run.agent.network["core"], run.agent.initial_carry(3)
    with torch.no_grad():
        _, carries = core(run.agent._inputs(rows), start["core"], rows["is_first"], all_carries=True)
    nonzero = 0
    for _ in range(20):
        batch = run.replay.sample()
        for window in range(batch.rows.batch_size[0]):
            places = [
                (env, time)
                for env in range(3)
                for time in range(0, 80 - 11, 4)
                if all(
                    torch.equal(batch.rows[key][window], rows[key][env, time : time + 12])
                    for key in ("obs", "action", "reward", "is_first")
                )
            ]
            got = batch.carry["core"][window]
            expected = [carries[env, time - 1] if time else start["core"][env] for env, time in places]
            matches = [
                all(torch.allclose(got[key], value[key], atol=1e-6) for key in got.keys(True, True))
                for value in expected
            ]
            assert any(matches)
            nonzero += any(got[key].abs().sum() > 0 for key in got.keys(True, True))
    assert nonzero > 50


def test_random_actions(tmp_path):
    """Allowed actions alike, the same for the same row's number, and the agent's carry goes on."""
    run = Run(tmp_path, num_envs=3)
    space = run.agent.action_space
    random_actions = RandomActions(run.agent.act, space, seed=5)
    row, carry = run.driver.row, run.agent.initial_carry(3)
    act = random_actions.act_from(0)
    counts, actions = torch.zeros(int(space.n)), []
    for _ in range(400):
        expected_carry = run.agent.act(row, carry)[1]
        action, carry, _ = act(row, carry)
        assert all(torch.equal(carry[key], expected_carry[key]) for key in carry.keys(True, True))
        counts += torch.bincount(action, minlength=len(counts))
        actions.append(action)
    deviation = (1200 * (1 / len(counts)) * (1 - 1 / len(counts))) ** 0.5
    assert (counts - 1200 / len(counts)).abs().max() < 5 * deviation
    again = random_actions.act_from(100)
    assert torch.equal(again(row, carry)[0], actions[100]) and torch.equal(again(row, carry)[0], actions[101])
    mask = torch.zeros(3, len(counts), dtype=torch.bool)
    mask[:, 1] = True
    masked = TensorDict({**dict(row.items()), "action_mask": mask}, batch_size=[3])
    assert all(act(masked, carry)[0].eq(1).all() for _ in range(20))


@pytest.mark.parametrize("action_space", [spaces.Discrete(6), spaces.Box(-2.0, 2.0, (3,))])
@pytest.mark.parametrize("in_bounds", [False, True])
def test_random_actions_that_repeat_the_one_before(action_space, in_bounds):
    """Three of four rows within an episode, none at its first row; without it the draws are what they were."""
    num_envs, number = 4000, 7

    def act(row, carry):
        return None, carry, {}

    def draw(row, repeat):
        random = RandomActions(act, action_space, 5, in_bounds, repeat)
        return random.act_from(number)(row, None)[0].reshape(num_envs, -1)

    before = torch.from_numpy(np.stack([action_space.sample() for _ in range(num_envs)]))
    row = TensorDict({"prev_action": before, "is_first": torch.zeros(num_envs, dtype=torch.bool)}, [num_envs])
    fresh, kept = draw(row, 0.0), draw(row, 0.75)
    is_kept = (kept == before.reshape(num_envs, -1)).all(-1)
    assert torch.equal(torch.where(is_kept[:, None], before.reshape(num_envs, -1), fresh), kept)
    alike = 1 / 6 if isinstance(action_space, spaces.Discrete) else 0.0
    expected = 0.75 + 0.25 * alike
    assert abs(is_kept.double().mean() - expected) < 4 * (expected * (1 - expected) / num_envs) ** 0.5
    row["is_first"][:] = True
    assert torch.equal(draw(row, 0.75), fresh)


def test_an_action_that_is_not_allowed_any_more_is_not_repeated():
    space, mask = spaces.Discrete(3), torch.tensor([[True, True, False], [False, False, True]])
    row = TensorDict(
        {
            "prev_action": torch.tensor([2, 2]),
            "is_first": torch.zeros(2, dtype=torch.bool),
            "action_mask": mask,
        },
        [2],
    )
    act = RandomActions(lambda row, carry: (None, carry, {}), space, 0, repeat=1.0).act_from(0)
    for _ in range(30):
        first, second = act(row, None)[0].tolist()
        assert first in (0, 1) and second == 2


def test_random_prefill_ends(tmp_path):
    run = Run(tmp_path, {"prefill_policy": "random"})
    asked, random_actions = [], run.agent._random_actions
    act_from = random_actions.act_from

    def noted(number, ranks):
        asked.append((number, run.driver.env_steps))
        return act_from(number, ranks)

    random_actions.act_from = noted
    run.train()
    assert asked[0] == (0, 0) and asked[-1][1] < 100 and len(asked) == len({number for number, _ in asked})
    assert [number for number, _ in asked] == list(range(0, 4 * len(asked), 4))
    assert run.agent.policy(99) is not run.agent.policy(100) is run.agent.policy(101)


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"prefill": 35}, {}, r"expected agent.replay.prefill >= 3 environments x 12 rows = 36, but got 35"),
        ({"prefill": 47}, {"burn_in": 4}, r"3 environments x 16 rows = 48, but got 47"),
        ({"capacity_bytes": 900}, {}, r"expected capacity_bytes >= [\d,]+, but got 900"),
        ({"max_carry_bytes": 31}, {"carry_from": "stored"}, "at most 31 bytes, but this agent's has 32"),
        (
            {"store_carry_every": 6},
            {"carry_from": "stored"},
            "a divisor or a multiple of the agent's rollout_length 4, but got 6",
        ),
        (
            {},
            {"carry_from": "nowhere"},
            "carry_from of RewardPredictor must be one of initial, stored, but got 'nowhere'",
        ),
        ({}, {"batch_lenght": 3}, "but got .*'batch_lenght'; did you mean batch_length"),
        ({"capacity": 3}, {}, "replay takes the arguments .*, but got .*'replay.capacity'"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, settings, options, message):
    with pytest.raises(ValueError, match=message):
        Run(tmp_path, settings, **options)
    assert not (tmp_path / "replay").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("capacity_bytes", 0), ("prefill", 1.5), ("sampling", "newest"), ("prefill_policy", "no")],
)
def test_settings_are_checked(name, value):
    with pytest.raises(
        ValueError, match=f"{name} of a replay must be .*, but got {value!r}; set agent.replay.{name}"
    ):
        ReplaySettings(**{name: value})
