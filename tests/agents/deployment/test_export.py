"""Exported files beside their agents, for rows with resets, at any batch size; and what is refused."""

import importlib.util
import re
from pathlib import Path

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from player_cases import ACTIONS, CASES, OBSERVATIONS, SYMBOLS, make_agent
from small_cores import NAMES, ONE_OF_EACH_FAMILY

from engram.agents.deployment import ActingModule
from engram.agents.deployment.acting_module import NEXT
from engram.tools.export_table import load

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the packages of the extra `export` are not installed: pip install -e '.[export]'",
)
FORMATS = [pytest.param("onnx", marks=needs_onnx), "torch"]
ENDINGS = {"onnx": "onnx", "torch": "pt2"}
# An agent that reads its own actions feeds the last digits back to itself, and untrained ones amplify them.
NO_FEEDBACK = {"normalize": True, "previous_action": False}
# These cores divide what they read by its size, which may be small. Of the same 200 rows in float64 torch itself is up
# to 4e-5, 3e-5 and 2e-5 off; ONNX Runtime's sigmoids bring 2e-4 of HGRN2.
TOLERANCES = {"delta_net": 1e-4, "hgrn2": 5e-4, "slstm": 1e-4}


def export(agent, folder, format, **options):
    path = folder / f"agent.{ENDINGS[format]}"
    agent.export(path, format, **options)
    return load(path)


def rows(agent, batch, count, seed=0):
    """Observations as an environment gives them by input name, and where episodes begin."""
    space, generator = agent.observation_space, torch.Generator().manual_seed(seed)
    space.seed(seed)
    for time in range(count):
        samples = [space.sample() for _ in range(batch)]
        is_first = torch.rand(batch, generator=generator) < (1.0 if time == 0 else 0.1)
        yield samples, is_first


def named(samples, path=()):
    """The parts of samples by input name, stacked."""
    if isinstance(samples[0], dict | tuple):
        keys = samples[0] if isinstance(samples[0], dict) else range(len(samples[0]))
        found = {}
        for key in keys:
            found |= named([sample[key] for sample in samples], (*path, str(key)))
        return found
    return {".".join(("obs", *path)): torch.as_tensor(np.stack(samples))}


def assert_equals_player(agent, call, batch, count=40, tolerance=1e-5):
    """A file plays as a player of the agent does, each with its own memory."""
    player, own = agent.player(batch), ActingModule(agent, noise=False).example(batch)
    for samples, is_first in rows(agent, batch, count):
        given = {name: value.to(own[name].dtype) for name, value in named(samples).items()}
        found = call(own | given | {"is_first": is_first})
        stacked = {name: value.numpy() for name, value in given.items()}
        expected = player.act(
            nest(agent.observation_space, stacked), deterministic=True, is_first=is_first.numpy()
        )
        np.testing.assert_allclose(found["action"].numpy(), expected, rtol=tolerance, atol=tolerance)
        own |= {name.removeprefix(NEXT): value for name, value in found.items() if name.startswith(NEXT)}


def nest(space, parts, name="obs"):
    if isinstance(space, gs.Dict):
        return {key: nest(part, parts, f"{name}.{key}") for key, part in space.spaces.items()}
    if isinstance(space, gs.Tuple):
        return tuple(nest(part, parts, f"{name}.{index}") for index, part in enumerate(space.spaces))
    return parts[name]


@pytest.mark.parametrize(
    "core", ["gru", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name != "gru")]
)
def test_every_core_as_a_file_of_torch(core, tmp_path):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], core, encoder=NO_FEEDBACK)
    call = export(agent, tmp_path, "torch")
    for batch in (1, 32):
        assert_equals_player(agent, call, batch)


@pytest.mark.slow
@needs_onnx
@pytest.mark.parametrize("core", NAMES)
def test_onnx_for_two_hundred_rows(core, tmp_path):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["half_open"], core, encoder=NO_FEEDBACK)
    call = export(agent, tmp_path, "onnx")
    for batch in (1, 32):
        assert_equals_player(agent, call, batch, count=200, tolerance=TOLERANCES.get(core, 1e-5))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind, action", [case for case in CASES if case[0] not in ("r2i", "dreamerv3")])
def test_every_agent_without_a_world_model(kind, action, format, tmp_path):
    agent = make_agent(kind, SYMBOLS, ACTIONS[action])
    assert_equals_player(agent, export(agent, tmp_path, format), 3)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_every_observation(name, format, tmp_path):
    agent = make_agent("ppo", OBSERVATIONS[name], ACTIONS["bounded"], encoder={"previous_action": False})
    assert_equals_player(agent, export(agent, tmp_path, format), 2)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind, seen", [("r2i", "symbols"), ("dreamerv3", "symbols"), ("r2i", "dict")])
def test_a_world_model_takes_the_noise_of_its_latents(kind, seen, format, tmp_path):
    agent = make_agent(kind, OBSERVATIONS[seen], ACTIONS["bounded"])
    call, module = export(agent, tmp_path, format), ActingModule(agent)
    own, its = module.example(3), module.example(3)
    with torch.no_grad():
        for _ in range(20):
            noise = torch.rand_like(own["noise"]).clamp(1e-6, 1 - 1e-6)
            expected, found = module(own | {"noise": noise}), call(its | {"noise": noise})
            assert (expected["action"] - found["action"]).abs().max() <= 1e-5
            for inputs, outputs in ((own, expected), (its, found)):
                inputs |= {name.removeprefix(NEXT): value for name, value in outputs.items() if NEXT in name}
                inputs["is_first"] = torch.zeros(3, dtype=torch.bool)


@pytest.mark.parametrize("format", ["torch", pytest.param("onnx", marks=[needs_onnx, pytest.mark.slow])])
def test_normaliser_masks_and_policy(format, tmp_path):
    space = gs.Box(-9.0, 9.0, (3,), np.float32)
    agent = make_agent(
        "ppo", space, ACTIONS["discrete"], encoder={"normalize": True, "previous_reward": True}
    )
    agent.network.encoder.observation.normalizers[0].update(torch.tensor([[1.0, 2, 3], [5.0, 2, 1]]))
    call = export(agent, tmp_path, format, action_mask=True)
    module = ActingModule(agent, action_mask=True, noise=False)
    inputs = module.example(4) | {"obs": torch.randn(4, 3), "action_mask": torch.eye(4, dtype=torch.bool)}
    inputs |= {"reward": torch.tensor([1.0, -1, 2, 0]), "is_first": torch.zeros(4, dtype=torch.bool)}
    found = call(inputs)
    assert found["action"].tolist() == [-1, 0, 1, 2]  # counted from the start of the space
    assert found["next.prev_action"].tolist() == [0, 1, 2, 3]
    free = call(inputs | {"action_mask": torch.ones(4, 4, dtype=torch.bool)})
    with torch.no_grad():
        expected = module(inputs | {"action_mask": torch.ones(4, 4, dtype=torch.bool)})
    torch.testing.assert_close(free["policy"], expected["policy"], atol=1e-5, rtol=0)
    torch.testing.assert_close(free["policy"].exp().sum(-1), torch.ones(4))
    other = call(inputs | {"reward": torch.zeros(4), "action_mask": torch.ones(4, 4, dtype=torch.bool)})
    assert (other["policy"] != free["policy"]).any()


def test_a_reset_leaves_nothing_of_before(tmp_path):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], "s5")
    call, module = export(agent, tmp_path, "torch"), ActingModule(agent, noise=False)
    clean = module.example(2)
    spoilt = {
        name: torch.full_like(value, torch.nan) if name.startswith("memory") else value
        for name, value in clean.items()
    } | {"prev_action": torch.full_like(clean["prev_action"], torch.nan)}
    for name, value in call(clean).items():
        assert torch.equal(call(spoilt)[name], value), name


@pytest.mark.slow
def test_an_observations_own_mask_is_read(tmp_path):
    space = gs.Dict({"action_mask": gs.MultiBinary(4), "symbol": SYMBOLS})
    agent = make_agent("ppo", space, ACTIONS["discrete"])
    call, module = export(agent, tmp_path, "torch"), ActingModule(agent, noise=False)
    assert call(module.example(4) | {"obs.action_mask": torch.eye(4)})["action"].tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("core", ONE_OF_EACH_FAMILY)
def test_acting_compiles_whole(core):
    torch._dynamo.reset()  # else every core counts as one more recompilation of the same code
    agent = make_agent("ppo", SYMBOLS, ACTIONS["discrete"], core)
    module = ActingModule(agent, noise=False)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    with torch.no_grad():
        inputs = module.example(2)
        for name, value in module(inputs).items():
            torch.testing.assert_close(compiled(inputs)[name], value)


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    path = tmp_path / "agent.onnx"
    boxed = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    with pytest.raises(ValueError, match=r"acts in a Box; leave action_mask out\."):
        boxed.export(path, "torch", action_mask=True)
    with pytest.raises(ValueError, match=r"format of export must be .*onnx.*torch.*but got 'tflite'"):
        boxed.export(path, "tflite")
    with pytest.raises(ValueError, match=r"exported in float32, but this one has agent.precision=bfloat16"):
        make_agent("ppo", SYMBOLS, ACTIONS["bounded"], precision="bfloat16").export(path, "torch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=re.escape("pip install 'engram-rl[export]', or take format=torch.")
    ):
        boxed.export(path)
    assert not list(Path(tmp_path).iterdir())
