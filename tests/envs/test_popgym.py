"""All tasks of POPGym keep the row contract, native or the package's, under names that need no popgym."""

import builtins
import random
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from contract import assert_equal, play
from tensordict import TensorDict

from engram.envs import TASKS, GymnasiumEnv, NativeVectorEnv, make_env

POPGYM = [name for name, task in TASKS.items() if task.general and name.startswith("popgym/")]
FAMILIES = sorted({TASKS[name].general for name in POPGYM})
pytestmark = pytest.mark.filterwarnings("ignore:Maze environments:DeprecationWarning")


def test_names_are_those_registered() -> None:
    import popgym  # noqa: F401

    registered = {
        id
        for id in gymnasium.registry
        if id.startswith("popgym-") and id[:-3].endswith(("Easy", "Medium", "Hard"))
    }
    assert len(registered) == 48
    assert {TASKS[name].package.id for name in POPGYM} == {f"popgym:{id}" for id in registered}
    names = {f"popgym/{name}" for name in ("repeat_previous_easy", "velocity_only_cart_pole_hard")}
    assert len(POPGYM) == 48 and names < set(POPGYM)
    assert len(FAMILIES) == 16


def test_names_need_no_popgym() -> None:
    code = "import sys; from engram import envs; assert len(envs.TASKS) > 100 and 'popgym' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", POPGYM)
def test_every_task_keeps_the_contract_and_is_reproducible(name: str) -> None:
    env = make_env(name, 2, backend="package")
    assert isinstance(env, GymnasiumEnv) and env.name == name
    steps = 250 if name.endswith("easy") and "labyrinth" not in name else 60
    rows = play(env, 3, steps)
    for row, again in zip(rows, play(env, 3, steps), strict=True):
        assert_equal(row, again)
    assert not all(equal(row, other) for row, other in zip(rows, play(env, 4, 60), strict=False))


def equal(row: TensorDict, other: TensorDict) -> bool:
    return all(torch.equal(value, other[key]) for key, value in row.items(True, True))


@pytest.mark.parametrize("backend", ["native", "package"])
@pytest.mark.parametrize(
    "name, length", [("repeat_previous_easy", 51), ("autoencode_easy", 103), ("repeat_first_easy", 51)]
)
def test_episodes_have_their_known_length(name: str, length: int, backend: str) -> None:
    rows = play(make_env(f"popgym/{name}", 2, backend=backend), 0, length + 1)
    assert [step for step, row in enumerate(rows) if row["is_last"].all()] == [length]
    assert rows[length]["is_terminal"].all() and rows[length + 1]["is_first"].all()


@pytest.mark.parametrize(
    "backend, vectorization", [("native", None), ("package", "sync"), ("package", "async")]
)
def test_best_play_of_repeat_previous_is_worth_one(backend: str, vectorization: str | None) -> None:
    env = make_env(
        "popgym/repeat_previous",
        3,
        kwargs={"num_decks": 1, "k": 2},
        backend=backend,
        vectorization=vectorization,
    )
    assert env.name == "popgym/repeat_previous"
    row = env.reset(0)
    shown, total = [row["obs"]], torch.zeros(3)
    while not row["is_last"].all():
        row = env.step(shown[-2] if len(shown) > 1 else shown[-1])
        shown.append(row["obs"])
        total += row["reward"]
    torch.testing.assert_close(total, torch.ones(3))
    env.close()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_its_defaults(name: str) -> None:
    package = make_env(name, 2, backend="package")
    play(package, 0, 10)
    env = make_env(name, 2)
    assert isinstance(env, NativeVectorEnv)
    play(env, 0, 10)
    assert env.single_observation_space == package.single_observation_space
    assert env.single_action_space == package.single_action_space and env.name == package.name


@pytest.mark.parametrize("name", POPGYM)
def test_native_spaces_are_the_packages(name: str) -> None:
    env, package = make_env(name, 2, backend="native"), make_env(name, 2, backend="package")
    assert env.single_observation_space == package.single_observation_space
    assert env.single_action_space == package.single_action_space and env.name == package.name


def test_native_tasks_need_no_popgym() -> None:
    code = (
        "import sys; sys.modules['popgym'] = None\n"
        "import engram.envs, torch\n"
        "for name in engram.envs.TASKS:\n"
        "    if name.endswith('_easy'): engram.envs.make_env(name, 2).reset(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def second_episode(num_envs: int) -> list[torch.Tensor]:
    """Observations of environment 1's second episode; every environment truncates after 20 actions."""
    env = make_env("popgym/labyrinth_explore_easy", num_envs, backend="package", max_episode_steps=20)
    env.reset(0)
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(4, (42, 8), generator=generator)
    return [env.step(action[:num_envs])["obs"][1] for action in actions][20:]


def test_a_labyrinths_second_episode_does_not_depend_on_its_siblings() -> None:
    for obs, other in zip(second_episode(2), second_episode(5), strict=True):
        assert torch.equal(obs, other)


def test_labyrinths_leave_the_generators_of_the_process_alone() -> None:
    random.seed(1), np.random.seed(1)
    expected = random.random(), np.random.rand()
    random.seed(1), np.random.seed(1)
    env = make_env("popgym/labyrinth_escape_easy", 2, backend="package", max_episode_steps=5)
    play(env, 0, 20)
    assert (random.random(), np.random.rand()) == expected


@pytest.mark.parametrize(
    "missing, name", [("popgym", "autoencode_easy"), ("mazelib", "labyrinth_escape_easy")]
)
def test_a_missing_package_is_named(monkeypatch, missing: str, name: str) -> None:
    for module in [module for module in sys.modules if module.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    real_import = builtins.__import__

    def refuse(module, *arguments, **keywords):
        if module.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real_import(module, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(
        ValueError, match=f"task 'popgym/{name}' needs the package '{missing}'.*pip install"
    ) as raised:
        make_env(f"popgym/{name}", 2, backend="package")
    assert "\n" not in str(raised.value)


def test_an_unknown_task_gets_its_neighbours() -> None:
    with pytest.raises(
        ValueError, match="'popgym/repeat_prev_easy': did you mean popgym/repeat_previous_easy"
    ):
        make_env("popgym/repeat_prev_easy", 2)
    with pytest.raises(ValueError, match=r"options of environment 'popgym-RepeatPreviousHard-v0' must be"):
        make_env("popgym/repeat_previous_hard", 2, kwargs={"k": 3}, backend="package")


WRONG = {
    "popgym/repeat_previous_hard takes no options, but got kwargs={'k': 3}: give them to popgym/repeat": {
        "kwargs": {"k": 3}
    },
    "has no option vectorization, but got vectorization='sync': .* backend=package": {
        "vectorization": "sync"
    },
    "has no option worker_timeout, but got worker_timeout=None: .*=package": {"worker_timeout": None},
    "worker_timeout of make_env must be a number above 0, or null, but got 0": {"worker_timeout": 0},
    "action of make_env must be one of auto, clip, rescale, but got 'squash'": {"action": "squash"},
    "has no option max_episode_steps, but got max_episode_steps=9: .*=package": {"max_episode_steps": 9},
    "has no option render_mode, but got render_mode='rgb_array': .*=package": {"render_mode": "rgb_array"},
    "backend of make_env must be one of native, package, but got 'jax'": {"backend": "jax"},
    "num_envs of make_env must be a whole number of at least 1, but got 0": {"num_envs": 0},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_options_of_a_native_task_are_one_sentence(message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make_env("popgym/repeat_previous_hard", **{"num_envs": 2, **WRONG[message]})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "family, kwargs, message",
    [
        (
            "repeat_previous",
            {"kk": 3},
            "popgym/repeat_previous takes the arguments num_decks, k, but got .* 'kk'; leave it out",
        ),
        (
            "repeat_previous",
            {"k": 52},
            r"k of RepeatPrevious must be less than the number of cards \(52\), but got 52",
        ),
        (
            "repeat_first",
            {"num_decks": 0},
            "num_decks of RepeatFirst must be a whole number from 1 to 600, but got 0",
        ),
        (
            "count_recall",
            {"deck_type": "x"},
            "deck_type of CountRecall must be one of colors, suits, ranks, but got 'x'",
        ),
        (
            "concentration",
            {"deck_type": "suits"},
            "deck_type of .* must be one of colors, ranks, but got 'suits'",
        ),
    ],
)
def test_wrong_parameters_of_a_native_family_are_one_sentence(
    family: str, kwargs: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make_env(f"popgym/{family}", 2, kwargs=kwargs)
    assert "\n" not in str(raised.value)
