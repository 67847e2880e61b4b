"""The table of environments: its entries hold together, and an entry is all that the command line needs."""

from pathlib import Path

import gymnasium
import pytest
from hydra.core.config_store import ConfigStore

from engram import envs
from engram.agents.stored.build import build_maker
from engram.command_line import groups
from engram.command_line.axes import axis_values
from engram.command_line.config import compose_config
from engram.command_line.help import help_text
from engram.envs.table import table_order


def test_entries_hold_together():
    for name, task in envs.TASKS.items():
        assert name == task.name and name.count("/") == 1
        assert task.native or task.package
        for id in task.ids:
            assert gymnasium.spec(id).kwargs == {"native": task.ids[0]}
        if task.general is not None:
            general = envs.TASKS[task.general]
            assert general.general is None and general.native is task.native
        if task.package is not None and task.package.spec is not None:
            assert task.package.id.removeprefix("engram.envs:") in gymnasium.registry


def test_chance_is_told_by_every_version():
    for name, chance in (("popgym/battleship_hard", -0.392), ("popgym/battleship", None)):
        for backend in ("native", "package"):
            assert envs.make_env(name, 1, backend=backend).chance_return == chance
    assert envs.make_env("diagnostic/recall_first", 1, {"num_symbols": 8}).chance_return == -0.75


@pytest.mark.parametrize("name", ["diagnostic/t_maze", "popgym/repeat_first", "memory_maze/tiny"])
def test_the_command_line_has_the_defaults_of_the_class(name):
    description = groups.env_description(name)
    make = build_maker(description, "env", ["num_envs", "device"])
    kwargs = {"kwargs": {"num_layouts": 2}} if name.startswith("memory_maze") else {}
    assert make(num_envs=2, **kwargs).name == name
    assert compose_config("train", [f"env={name}"]).values["env"] == description


class Echo(envs.RecallFirst):
    """A native of a new family.

    Args:
        num_envs: number of environments.
        delay: how long to wait.
        device: of the rows.
        env_index_offset: index of the first.
    """

    def __init__(self, num_envs, delay=3, device="cpu", env_index_offset=0):
        super().__init__(num_envs, delay, 2, device, env_index_offset)


@pytest.fixture
def echo(monkeypatch):
    """A task of a family of its own, as the family's folder would list it, in the table."""
    monkeypatch.setattr(Echo, "__module__", "engram.envs.diagnostic.recall_first")
    monkeypatch.setattr(f"{Echo.__module__}.Echo", Echo, raising=False)
    monkeypatch.setitem(envs.TASKS, "echo/short", envs.Task("echo/short", Echo, is_scaled=True))
    groups.register_names.cache_clear()
    yield
    ConfigStore.instance().repo["env"].pop("echo", None)


def test_an_entry_is_an_option_of_the_command_line(echo):
    env = compose_config("train", ["env=echo/short", "env.delay=5"]).values["env"]
    target = "engram.envs.diagnostic.recall_first.Echo"
    assert env == {"_target_": target, "_partial_": True, "delay": 5}
    assert build_maker(env, "env", ["num_envs", "device"])(num_envs=2).name == "diagnostic/recall_first"
    assert envs.make_env("echo/short", 2, {"delay": 4}).name == "echo/short"
    text = help_text("train", ["env=echo/short"])
    assert "  echo/  short" in text and "  env.delay=3                             # how long to wait" in text
    assert axis_values("env", "echo/*") == ["echo/short"]


def test_options_and_reports_are_in_the_order_of_the_table():
    options = groups.group_options("env")
    assert options == [*envs.TASKS, "custom", "gymnasium"]
    easy_first = [f"popgym/repeat_first{ending}" for ending in ("", "_easy", "_medium", "_hard")]
    named = [*easy_first, "memory_maze/tiny", "memory_maze/9x9", "memory_maze/11x11", "CartPole-v1"]
    assert sorted(reversed(named), key=table_order) == named
    assert sorted(["a", "memory_maze/9x9 views=2", "memory_maze/9x9"], key=table_order)[-1] == "a"


def test_the_readme_names_every_family():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    table = text.partition("| environments (`env=`)")[2].partition("| agents")[0]
    assert all(f"`{name.partition('/')[0]}/" in table for name in envs.TASKS)
