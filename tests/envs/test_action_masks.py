"""Action masks in the three ways in which environments give them, and masks that allow nothing."""

from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from tensordict import TensorDict
from toy_envs import register

from engram.envs import Driver, EnvironmentFault, GymnasiumEnv, RecallFirst
from engram.envs.action_masks import check_masks

PARTS = (np.array([1, 0], np.int8), np.array([0, 1, 1], np.int8))
SAME = [True, False, False, True, True]


class Allowing(gymnasium.Env):
    """Says by any convention what is allowed; an episode has three actions."""

    def __init__(self, way: str, mask: Any, action_space: gs.Space | None = None, last: Any = None) -> None:
        self.way, self.masks, self.last = way, mask, last
        self.action_space = action_space or gs.MultiDiscrete([2, 3])
        size = int(np.sum(getattr(self.action_space, "nvec", getattr(self.action_space, "n", 0))))
        parts = {"seen": gs.Discrete(4)}
        if way == "observation":
            parts["action_mask"] = gs.Box(0, 1, (size,), np.int8)
        self.observation_space = gs.Dict(parts)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observation(), self.info()

    def step(self, action):
        self.time += 1
        return self.observation(), 1.0, self.time == 3, False, self.info()

    def mask(self):
        return self.last if self.time == 2 and self.last is not None else self.masks

    def info(self):
        return {"action_mask": self.mask()} if self.way in ("info", "both") else {"other": 1}

    def observation(self):
        return {"seen": self.time} | ({"action_mask": self.mask()} if self.way == "observation" else {})


class AllowingByMethod(Allowing):
    """The same by sb3-contrib's method, which a game that is over does not answer."""

    def action_masks(self):
        assert self.time < 3
        return [1, 1, 1, 0, 0] if self.way == "both" else self.mask()


class Wrapped(gymnasium.Wrapper):
    """sb3-contrib's ActionMasker: the method is a wrapper's."""

    def __init__(self, mask: Any) -> None:
        super().__init__(Allowing("none", mask))

    def action_masks(self):
        return self.unwrapped.mask()


FORMS = {
    "tuple": PARTS,
    "list": list(PARTS),
    "lists": [[1, 0], [0, 1, 1]],
    "one array": np.concatenate(PARTS),
    "bools": np.concatenate(PARTS).astype(bool),
    "floats": np.concatenate(PARTS).astype(np.float32),
    "flat list": [1, 0, 0, 1, 1],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["info", "method"])
def test_masks_in_every_form(way: str, form: str) -> None:
    kind = AllowingByMethod if way == "method" else Allowing
    env = GymnasiumEnv(register(kind), 2, kwargs={"way": way, "mask": FORMS[form]})
    rows = [env.reset(0), *(env.step(torch.zeros(2, 2, dtype=torch.int64)) for _ in range(5))]
    for row in rows:
        asked = way == "info" or not row["is_last"].any()
        assert row["action_mask"].tolist() == [SAME if asked else [True] * 5] * 2
    assert [row["is_last"].all().item() for row in rows] == [False, False, False, True, False, False]


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_a_mask_in_the_observation_is_both(vectorization: str) -> None:
    kwargs = {"way": "observation", "mask": np.concatenate(PARTS)}
    env = GymnasiumEnv(register(Allowing), 2, kwargs=kwargs, vectorization=vectorization)
    row = env.reset(0)
    env.close()
    assert row["action_mask"].tolist() == [SAME] * 2
    assert row["obs", "action_mask"].tolist() == [[1, 0, 0, 1, 1]] * 2
    assert "action_mask" in env.single_observation_space.spaces


def test_a_method_of_a_wrapper_and_parts_of_one_length() -> None:
    env = GymnasiumEnv(register(Wrapped), 1, kwargs={"mask": list(PARTS)})
    assert env.reset(0)["action_mask"].tolist() == [SAME]
    kwargs = {"way": "info", "mask": np.eye(2, 3), "action_space": gs.MultiDiscrete([3, 3])}
    assert GymnasiumEnv(register(Allowing), 1, kwargs=kwargs).reset(0)["action_mask"].tolist() == [
        [True, False, False, False, True, False]
    ]
    kwargs = {"way": "info", "mask": [0, 1, 1], "action_space": gs.Discrete(3, start=4)}
    assert GymnasiumEnv(register(Allowing), 1, kwargs=kwargs).reset(0)["action_mask"].tolist() == [
        [False, True, True]
    ]


def test_infos_come_first_and_a_box_has_no_mask() -> None:
    env = GymnasiumEnv(register(AllowingByMethod), 1, kwargs={"way": "both", "mask": PARTS})
    assert env.reset(0)["action_mask"].tolist() == [SAME]
    kwargs = {"way": "info", "mask": PARTS, "action_space": gs.Box(-1, 1, (5,))}
    assert "action_mask" not in GymnasiumEnv(register(Allowing), 1, kwargs=kwargs).reset(0)


@pytest.mark.parametrize(
    "mask, sentence",
    [
        (np.ones(4, np.int8), r"info\['action_mask'\] must have 5 entries.* its shape is \(4,\)"),
        (
            np.array([0, -np.inf, 0, 0, 0]),
            "must hold 1 for actions that are allowed and 0 for others, but it is",
        ),
        ([[1, 0], [0, 1, [1]]], "must have 5 entries"),
        (None, "must have 5 entries"),
    ],
)
def test_what_is_no_mask(mask, sentence: str) -> None:
    env = GymnasiumEnv(register(Allowing), 1, kwargs={"way": "info", "mask": mask})
    with pytest.raises(EnvironmentFault, match=sentence) as raised:
        env.reset(0)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("way", ["info", "method", "observation"])
@pytest.mark.parametrize("nothing", [[0, 0, 0, 1, 1], [1, 0, 0, 0, 0], [0] * 5])
def test_a_mask_that_allows_nothing_is_named(way: str, nothing: list) -> None:
    kind = AllowingByMethod if way == "method" else Allowing
    kwargs = {"way": way, "mask": np.concatenate(PARTS), "last": np.array(nothing, np.int8)}
    env = GymnasiumEnv(register(kind), 2, kwargs=kwargs, env_index_offset=4)
    action = torch.zeros(2, 2, dtype=torch.int64)
    env.reset(0), env.step(action)
    with pytest.raises(
        EnvironmentFault, match=r"that of environment 4 on row 2 of its episode is .*: correct the"
    ):
        env.step(action)


def test_on_a_last_row_nothing_need_be_allowed() -> None:
    class Over(Allowing):
        def mask(self):
            return np.zeros(5, np.int8) if self.time == 3 else super().mask()

    env = GymnasiumEnv(register(Over), 1, kwargs={"way": "info", "mask": PARTS})
    env.reset(0)
    rows = [env.step(torch.zeros(1, 2, dtype=torch.int64)) for _ in range(4)]
    assert [row["action_mask"].any().item() for row in rows] == [True, True, False, True]
    assert rows[2]["is_last"].all() and rows[3]["is_first"].all()


def test_a_driver_names_masks_of_environments_of_ones_own() -> None:
    class Forbidding(RecallFirst):
        def step_sampled(self, action):
            row = super().step_sampled(action)
            return row.set("action_mask", (torch.arange(3) != 1)[:, None].expand(3, 4))

        def reset(self, seed):
            return super().reset(seed).set("action_mask", torch.ones(3, 4, dtype=torch.bool))

    driver, nothing = Driver(Forbidding(3)), TensorDict({}, [3])
    driver.start(0, nothing)
    with pytest.raises(EnvironmentFault, match="that of environment 1 on row 1 of a rollout is"):
        driver.collect(lambda row, carry: (torch.zeros(3, dtype=torch.int64), carry, nothing), 4)


def test_parts_are_looked_at_one_by_one() -> None:
    mask = torch.tensor([[[True, False, False, False, True]]])
    is_last = torch.zeros(1, 1, dtype=torch.bool)
    check_masks(mask, is_last, gs.MultiDiscrete([2, 3]))
    check_masks(mask, is_last, gs.Discrete(5))
    check_masks(~mask, ~is_last, gs.MultiDiscrete([1, 4]))
    with pytest.raises(EnvironmentFault):
        check_masks(mask, is_last, gs.MultiDiscrete([1, 3, 1]))
