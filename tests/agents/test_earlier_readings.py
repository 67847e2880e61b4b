"""A run of the first format is read as it was trained, or refused by its version."""

import json

import numpy as np
import pytest
from gymnasium import spaces

from engram.agents.stored.spaces import check_spaces, read_spaces, spaces_text
from engram.run_files.space_json import space_to_json


class Agent:
    box_action = "clip"

    def __init__(self, observation_space):
        self.observation_space, self.action_space = observation_space, spaces.Discrete(2)


def write_first_format(folder, space):
    description = {
        "observation_space": space_to_json(space),
        "action_space": space_to_json(spaces.Discrete(2)),
    }
    (folder / "spaces.json").write_text(json.dumps(description))
    (folder / "versions.json").write_text(json.dumps({"engram-rl": "0.5", "git_commit": "abc"}))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (64, 64, 3), np.uint8),
        spaces.Box(0, 255, (4, 84, 84), np.uint8),
        spaces.Box(0, 255, (84, 84), np.uint8),
        spaces.Box(0, 1, (64, 64, 3), np.float32),
        spaces.Box(-np.inf, np.inf, (64, 64, 3), np.float32),
        spaces.Box(-1, 1, (5,), np.float32),
        spaces.Dict(b=spaces.Discrete(2), a=spaces.MultiDiscrete([2, 3])),
    ],
    ids=repr,
)
def test_what_means_the_same_is_read(space, tmp_path):
    write_first_format(tmp_path, space)
    assert read_spaces(tmp_path)[0] == space


@pytest.mark.parametrize(
    ("space", "before"),
    [
        (spaces.Box(0, 255, (7, 7, 3), np.uint8), "image hwc from 0 to 255"),
        (spaces.Box(0, 10, (64, 64, 3), np.uint8), "image hwc from 0 to 255"),
        (spaces.Box(-1, 1, (64, 64, 3), np.float32), "image hwc from 0 to 1"),
        (spaces.Box(0, 255, (8, 84, 84), np.uint8), "image hwc from 0 to 255"),
        (spaces.Box(0, 255, (4, 84, 84, 3), np.uint8), "vector"),
        (spaces.Box(0, 255, (20, 84, 84), np.uint8), "image hwc from 0 to 255"),
    ],
    ids=repr,
)
def test_what_means_something_else_names_its_version(space, before, tmp_path):
    write_first_format(tmp_path, spaces.Dict(camera=space))
    with pytest.raises(
        ValueError, match=rf"'camera' of .* was read as {before} by engram-rl 0\.5 \(commit abc\)"
    ):
        read_spaces(tmp_path)


def test_a_run_continues_in_its_own_spaces_alone(tmp_path):
    trained = Agent(spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(2)))
    (tmp_path / "spaces.json").write_text(spaces_text(trained))
    check_spaces(tmp_path, Agent(spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(2))))
    for other in (
        spaces.Dict(b=spaces.Discrete(2), a=spaces.Discrete(2)),
        spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(3)),
    ):
        with pytest.raises(ValueError, match="expected the observation_space Dict"):
            check_spaces(tmp_path, Agent(other))
