"""A description is data: of two hundred hostile ones none runs, imports or writes anything."""

import importlib
import inspect
import pkgutil
import sys

import gymnasium
import pytest
from gymnasium import spaces
from hostile_descriptions import IDS, MISSHAPEN, NAMES, PAYLOAD, planted, watched

from engram import agents, envs, memory_cores
from engram.agents.stored.build import build, find_target
from engram.agents.stored.buildable import table
from engram.agents.stored.loading import build_agent
from engram.common.ids import foreign_package

CONFIG = {
    "agent": {"_target_": "engram.agents.PPO", "_partial_": True},
    "core": {"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": 4},
    "env": {"_target_": "engram.envs.RecallFirst", "_partial_": True},
    "seed": 0,
    "schedule_env_steps": 100,
}


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """Where a hostile description would leave its trace; its module lies on the search path."""
    path = tmp_path / "trace"
    code = f"open({str(path)!r}, 'w')\ndef run(**arguments): pass\n"
    (tmp_path / f"{PAYLOAD}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    assert not path.exists() and PAYLOAD not in sys.modules


def read(changes):
    """Do with a stored configuration what loading, evaluating and continuing do."""
    config = CONFIG | {"allow": ["os", "posix", "subprocess", PAYLOAD]} | changes
    build_agent(config, spaces.Discrete(2), spaces.Discrete(2), "cpu")
    build(config["env"])


def test_the_watch_notices_what_is_done(tmp_path, monkeypatch):
    (tmp_path / f"{PAYLOAD}.py").write_text("def run(**arguments): open(arguments['path'], 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    description = {"_target_": f"{PAYLOAD}.run", "path": str(tmp_path / "trace")}
    with watched() as seen:
        build(description, allow=[PAYLOAD])
    assert (tmp_path / "trace").exists()
    assert [line.split()[0] for line in seen] == ["open"] and str(tmp_path / "trace") in seen[0]
    assert sys.modules.pop(PAYLOAD)


def test_planted_descriptions_do_nothing(trace):
    cases = planted(trace)
    assert len(cases) == 190
    for name, changes in cases.items():
        with watched() as seen, pytest.raises(ValueError, match=r"_target_|allow=|directives") as caught:
            read(changes)
        assert not seen, name
        assert "\n" not in str(caught.value), name


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_refused(trace, name):
    with watched() as seen, pytest.raises(ValueError, match="_target_ must"):
        read({"core": {"_target_": name, "_partial_": True}})
    assert not seen


@pytest.mark.parametrize("number", range(len(MISSHAPEN)))
def test_misshapen_descriptions_are_refused(trace, number):
    with watched() as seen, pytest.raises(ValueError, match=r"must be|holds|directives|takes the arguments"):
        read({"core": MISSHAPEN[number]})
    assert not seen


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("place", ["env", "core"])
def test_ids_of_other_packages_need_the_readers_word(trace, monkeypatch, id, place):
    point = gymnasium.envs.registration.EnvSpec("hostile/Registered-v0", f"{PAYLOAD}:Env")
    kind = type("Env", (), {"__module__": f"{PAYLOAD}.part"})
    monkeypatch.setitem(gymnasium.registry, "hostile/Registered-v0", point)
    monkeypatch.setitem(
        gymnasium.registry, "hostile/Class-v0", gymnasium.envs.registration.EnvSpec("hostile/Class-v0", kind)
    )
    description = {"_target_": "engram.envs.GymnasiumEnv", "id": id, "num_envs": 1}
    with watched() as seen, pytest.raises(ValueError, match=r"if you trust the package .*add allow=\["):
        read({place: description if place == "env" else {**CONFIG["core"], "x": [description]}})
    assert not seen


def test_ids_of_gymnasium_and_engram_need_no_word():
    for id in (
        "CartPole-v1",
        "gymnasium:CartPole-v1",
        "engram.envs:engram/RecallFirst-v0",
        "engram/RecallFirst-v0",
    ):
        assert foreign_package(id) is None
    registered = {id: str(spec.entry_point) for id, spec in gymnasium.registry.items()}
    ours = [id for id, entry in registered.items() if entry.startswith(("gymnasium.", "engram.envs."))]
    assert len(ours) > 100 and not any(foreign_package(id) for id in ours)
    description = {"_target_": "engram.envs.GymnasiumEnv", "_partial_": True, "id": "no_such_package:A-v0"}
    build(description, allow=["no_such_package"])


def test_what_names_itself_ends():
    loop = []
    loop.append({"a": loop})
    bomb = [1]
    for _ in range(18):
        bomb = [bomb] * 9
    for value in (loop, bomb):
        with pytest.raises(ValueError, match="nested at most 20 deep"):
            build({"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": value})


def test_nothing_else_of_engram_can_be_named():
    allowed = set(table().values())
    refused = 0
    for package in (agents, envs, memory_cores):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = sys.modules.get(info.name)
            for name, value in vars(module).items() if module else ():
                if (
                    callable(value)
                    and not (inspect.isclass(value) and value in allowed)
                    and value is not envs.make_env
                ):
                    with pytest.raises(ValueError, match="_target_ must"):
                        find_target(f"{info.name}.{name}")
                    refused += 1
    assert refused > 1000


def test_the_table_is_of_cores_agents_networks_and_environments():
    names = set(table())
    for core in memory_cores.__all__:
        is_core = core not in ("CoreCard", "Resets") and not inspect.isabstract(getattr(memory_cores, core))
        assert (f"engram.memory_cores.{core}" in names) == is_core
    assert {name for name in names if name.startswith("engram.agents.")} == {
        "engram.agents.ActorCritic",
        "engram.agents.Dreamer",
        "engram.agents.Encoder",
        "engram.agents.IMPALA",
        "engram.agents.PPO",
        "engram.agents.PQN",
        "engram.agents.QNetwork",
        "engram.agents.R2D2",
        "engram.agents.SAC",
        "engram.agents.SoftActorCritic",
    }
    functions = {name for name, value in table().items() if inspect.isfunction(value)}
    assert functions == {"engram.envs.make_env"}
    for name, value in table().items():
        assert find_target(name) is value


def test_a_core_in_a_file_of_its_own_belongs_to_the_table(monkeypatch):
    class NewCore(memory_cores.GRU):
        """As if `memory_cores/new_core.py` held it."""

    NewCore.__module__, NewCore.__qualname__ = "engram.memory_cores.cores.gru", "NewCore"
    monkeypatch.setattr(
        importlib.import_module("engram.memory_cores.cores.gru"), "NewCore", NewCore, raising=False
    )
    assert find_target("engram.memory_cores.cores.gru.NewCore") is NewCore
    assert table()["engram.memory_cores.cores.gru.NewCore"] is NewCore


def test_what_an_allowed_package_offers_of_engram_stays_closed(tmp_path, monkeypatch):
    (tmp_path / "reexporting.py").write_text("from engram.agents import load, PPO\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("load", "PPO"):
        with pytest.raises(ValueError, match="_target_ must be defined in"):
            find_target(f"reexporting.{name}", allow=["reexporting", "engram"])
