"""Recordings of original environments, kept beside the tests; the scripts `record_*.py` write them."""

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "recordings"


def read(name: str) -> dict[str, Any]:
    """What was recorded of a family."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def write(name: str, episodes: Sequence[dict[str, Any]], **further: Any) -> None:
    """Record episodes, each with its `actions`."""
    steps = sum(len(episode["actions"]) for episode in episodes)
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({"steps": steps, "episodes": episodes, **further}, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n")


def checksum(picture: np.ndarray | torch.Tensor) -> int:
    """CRC-32 of a picture's bytes."""
    return zlib.crc32(np.ascontiguousarray(picture).tobytes())


def observe(env) -> Any:
    """What is seen now, in a state that a test has changed."""
    return env.observe(dict(env.state["task"].items()), env.state["time"])


def follow(env, actions: Iterable[int]):
    """Rows of one environment that is given actions."""
    for action in actions:
        yield env.step(torch.tensor([action]))
