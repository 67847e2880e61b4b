"""One environment out of a batch, in host memory: what pictures for people are drawn from."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from engram.envs.native import NativeVectorEnv


def one_environment(env: NativeVectorEnv, index: int) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return, in host memory and for drawing, the task's tensors of one environment and its last action.

    Args:
        env: after its reset.
        index: which environment.

    Returns:
        The tensors without their batch axis, and the action that led to the last row, None on a first one.

    Raises:
        ValueError: if the environment was not reset, or has no such index.
    """
    if env.state is None or env._row is None:
        raise ValueError(f"A picture shows a running episode, but {env.name} has none: call reset first.")
    if not 0 <= index < env.num_envs:
        raise ValueError(
            f"A picture shows one of the environments 0..{env.num_envs - 1}, but index is {index}: "
            "choose one of these."
        )
    task: dict[str, Any] = {key: value[index].cpu() for key, value in env.state["task"].items()}
    row = env._row[index]
    return task, None if row["is_first"] else row["prev_action"].cpu()
