"""Every environment configuration builds, and names all options with their defaults."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

from engram import configs
from engram.envs import VectorEnv

DIRECTORY = Path(configs.__file__).parent / "env"
NAMES = sorted(path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*.yaml"))
# What a file cannot say: `make` and `name` are for a function that is given from Python.
GIVEN_BY_SCRIPTS = {"num_envs", "device", "env_index_offset", "name", "make"}


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_builds(name: str) -> None:
    text = (DIRECTORY / name).read_text()
    assert "/" not in name or text.startswith("# @package env\n")
    config = OmegaConf.create(text)
    parameters = inspect.signature(get_method(config._target_)).parameters
    options = {key for key in config if key not in ("_target_", "_partial_")}
    assert options == set(parameters) - GIVEN_BY_SCRIPTS
    for key in options:
        default = parameters[key].default
        if not OmegaConf.is_missing(config, key):
            assert config[key] == ({} if key in ("kwargs", "reset_options") else default), key
    if "id" in options:
        config.id = "CartPole-v1"
    env = instantiate(config, _convert_="all")(num_envs=2, device="cpu")
    assert isinstance(env, VectorEnv) and env.reset(0).batch_size == (2,)
