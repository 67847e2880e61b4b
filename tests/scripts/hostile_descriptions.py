"""Descriptions that try to make their reader run code, and a watch that notices if one does."""

import datetime
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# A module on the search path that leaves a trace when it is imported.
PAYLOAD = "hostile_payload"
# What the interpreter tells of code that runs programs, opens connections, changes files or loads libraries.
_EVENTS = (
    "ctypes.dlopen os.exec os.fork os.forkpty os.link os.mkdir os.posix_spawn os.remove os.rename os.rmdir os.spawn "
    "os.symlink os.system os.truncate pickle.find_class shutil.rmtree socket.__new__ subprocess.Popen"
).split()
_seen: list[str] = []
_is_watching = False


def _note(event, arguments):
    if not _is_watching:
        return
    if event in _EVENTS:
        _seen.append(f"{event} {arguments}")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        _seen.append(f"open {arguments}")


sys.addaudithook(_note)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Gather what code of the block does beside computing; empty if that is nothing."""
    global _is_watching
    _seen.clear()
    _is_watching = True
    try:
        yield _seen
    finally:
        _is_watching = False


def _evil(trace):
    """Descriptions that run, import or write something, were they built."""
    touch = ["touch", str(trace)]
    hidden = {
        "_target_": "engram.run_files.checkpoint.unflatten_state",
        "values": {},
        "tensors": {"x/_target_": "subprocess.call", "x/args": touch},
    }
    return {
        "system": {"_target_": "os.system", "command": f"touch {trace}"},
        "call": {"_target_": "subprocess.call", "args": touch},
        "eval": {"_target_": "builtins.eval", "_args_": [f"open({str(trace)!r}, 'w')"]},
        "open": {"_target_": "builtins.open", "file": str(trace), "mode": "w"},
        "build": {
            "_target_": "engram.agents.stored.build.build",
            "allow": ["subprocess"],
            "description": hidden,
        },
        "build itself": {
            "_target_": "engram.agents.stored.build.build",
            "allow": ["os", "posix"],
            "description": {},
        },
        "load": {"_target_": "engram.agents.load", "run_dir": str(trace.parent), "allow": ["os", "posix"]},
        "load by module": {"_target_": "engram.agents.stored.loading.load", "run_dir": str(trace.parent)},
        "import": {"_target_": "engram.envs.make.import_package", "module": PAYLOAD, "user": "x"},
        "import by ids": {"_target_": "engram.common.ids.import_package", "module": PAYLOAD, "user": "x"},
        "grow": {"_target_": "engram.agents.replay.storage.reserve_room", "path": str(trace), "num_bytes": 9},
        "save": {"_target_": "engram.run_files.checkpoint.save_checkpoint", "path": str(trace), "state": {}},
        "make": {"_target_": "engram.envs.make.make_gymnasium", "id": f"{PAYLOAD}:X-v0"},
        "id": {"_target_": "engram.envs.GymnasiumEnv", "id": f"{PAYLOAD}:X-v0", "num_envs": 1},
        "payload": {"_target_": f"{PAYLOAD}.run"},
        "payload of a part": {"_target_": f"{PAYLOAD}.part.run"},
        "find": {
            "_target_": "engram.agents.stored.build.find_target",
            "target": "os.system",
            "allow": ["os", "posix"],
        },
        "instantiate": {"_target_": "hydra.utils.instantiate", "config": {"_target_": "os.system"}},
        "torch": {"_target_": "torch.load", "f": str(trace), "weights_only": False},
    }


def _places(evil):
    """Configurations that hold a description in every place where one may stand."""
    gru = {"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": 4}
    ppo = {"_target_": "engram.agents.PPO", "_partial_": True}
    network = {"_target_": "engram.agents.ActorCritic", "_partial_": True}
    env = {"_target_": "engram.envs.RecallFirst", "_partial_": True}
    yield "core", {"core": evil}
    yield "core, later", {"core": {**evil, "_partial_": True}}
    yield "core's argument", {"core": {**gru, "hidden_size": evil}}
    yield (
        "inner core",
        {"core": {"_target_": "engram.memory_cores.HCAM", "_partial_": True, "make_inner": evil}},
    )
    yield "agent", {"agent": evil}
    yield "network", {"agent": {**ppo, "make_network": evil}}
    yield "encoder", {"agent": {**ppo, "make_network": {**network, "make_encoder": evil}}}
    yield "list", {"agent": {**ppo, "make_network": {**network, "head_hidden_sizes": [8, [evil]]}}}
    yield "env", {"env": evil}
    yield "env's option", {"env": {**env, "delay": {"a": [{"b": evil}]}}}


def planted(trace):
    """Every evil description in every place: name → the changes of a configuration."""
    return {
        f"{name} as {place}": changes
        for name, evil in _evil(trace).items()
        for place, changes in _places(evil)
    }


# Names that are no class of the table, however they are spelled.
NAMES = [
    *(
        "",
        ".",
        "..",
        "engram",
        "engram.",
        "engram.agents",
        "engram.agents.",
        ".agents",
        "engram..PPO",
        "agents..PPO",
        " engram.agents.PPO",
        "engram.agents.PPO ",
        "engram/agents/PPO",
    ),
    *(
        "engram.agents.__class__",
        "engram.agents.__dict__",
        "engram.agents.__loader__",
        "engram.agents.PPO.__init__",
        "engram.agents.PPO.__subclasses__",
    ),
    *(
        "engram.agents.__init__.PPO",
        "engram.agents.stored.build.__builtins__",
        "engram.agents.stored.build.importlib",
        "engram.agents.stored.build.importlib.x",
    ),
    *(
        "engram.run_files.checkpoint.os",
        "engram.run_files.checkpoint.os.system",
        "engram.memory_cores.base.torch",
        "engram.common.ids.importlib",
    ),
    *(
        "engram.agents.load",
        "engram.agents.stored.loading.load",
        "engram.agents.Agent",
        "engram.agents.WorldModel",
        "engram.memory_cores.MemoryCore",
    ),
    *(
        "engram.envs.VectorEnv",
        "engram.envs.NativeVectorEnv",
        "engram.envs.Driver",
        "engram.envs.evaluate",
        "engram.envs.register",
        "engram.envs.make",
    ),
    *(
        "engram.envs.make_forks_safe",
        "engram.envs.popgym.make_native",
        "engram.envs.native_clients.Any",
        "engram.memory_cores.CoreCard",
    ),
    *(
        "engram.scripts.train.main",
        "engram.scripts.launch.keep_large_blocks",
        "engram.configs.x",
        "tests.x",
        "builtins.exec",
        "posix.system",
    ),
    *(
        "engram.agents:PPO",
        "ENGRAM.agents.PPO",
        "engram.agents.ppo.ppo",
        "engram.memory_cores.cores.gru",
        "engram.agents.PPO\n",
        "engram.agents.PPO\x00",
        "os",
        "os.system",
    ),
    *(
        "engram.agents.load",
        "__main__.x",
        "sys.exit",
        "_frozen_importlib.x",
        "engram.agents.\uff41",
        "engram.envs.play.main",
    ),
]

_GRU = {"_target_": "engram.memory_cores.GRU", "_partial_": True}
# Descriptions of another form than theirs.
MISSHAPEN = [
    *(
        {**_GRU, key: []}
        for key in ("_args_", "_recursive_", "_convert_", "_call_", "__class__", "__init__", "_")
    ),
    *({"_target_": target} for target in (3, None, True, ["os.system"], {"_target_": "os.system"}, 1.5)),
    *({**_GRU, "_partial_": value} for value in ("true", 1, None, [True])),
    *({**_GRU, "hidden_size": value} for value in (b"x", {1, 2}, datetime.date(2000, 1, 1), object(), print)),
    *({**_GRU, key: 1} for key in (1, None, True, 1.5, ("a",))),
    *([{"a": [{**_GRU, "allow": ["os"]}]}], {**_GRU, "allow": ["os", "posix"]}),
]

# Ids that would make Gymnasium import a module of somebody else.
IDS = [
    *(
        f"{module}:X-v0"
        for module in (PAYLOAD, f"{PAYLOAD}.part", f"runs.{PAYLOAD}", "os", "subprocess", "antigravity")
    ),
    *("gymnasium.envs.registration:X-v0", "gymnasium.x:CartPole-v1", "popgym:popgym-AutoencodeEasy-v0"),
    *(
        "engram.envs.play:X-v0",
        "agents:X-v0",
        "this:CartPole-v1",
        "hostile/Registered-v0",
        "hostile/Class-v0",
    ),
]
