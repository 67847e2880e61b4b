"""Compare the native Memory Maze with pictures of the real one: `python -m engram.tools.document_memory_maze`.

Prints for each size how many pixels show the same thing and how far colours are apart, and draws frames of
both at the same poses, the native ones above the real ones, to docs/images/memory_maze_parity.png.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.image import imsave
from numpy.typing import NDArray
from torch import Tensor

from engram.common.errors import UsageError
from engram.common.say import say
from engram.envs.memory_maze.rendering import load_textures, render_frames, segment
from engram.envs.memory_maze.scene import Scene
from engram.scripts.faults.errors import run

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "tests" / "envs" / "memory_maze" / "recordings"
PICTURE = ROOT / "docs" / "images" / "memory_maze_parity.png"
SIZES = ("9x9", "11x11", "13x13", "15x15")
COLUMNS, SCALE, GAP = 6, 2, 4


class Recording(NamedTuple):
    """What the real package showed at P poses.

    Attributes:
        scene: P mazes.
        classes: int64 [P, 64, 64], as `segment` gives them.
        frames: uint8 [R, 64, 64, 3], with the border.
        framed: int64 [R], the poses that `frames` show.
    """

    scene: Scene
    classes: Tensor
    frames: Tensor
    framed: Tensor


def main(words: Sequence[str]) -> None:
    """Print the comparison and write the picture; takes no options."""
    if words:
        raise UsageError(f"This command takes no options, but got {words[0]!r}; leave it out.")
    if not RECORDINGS.exists():
        raise UsageError(
            f"The recordings must be in a checkout, but {RECORDINGS} does not exist; run it from one."
        )
    textures = load_textures()
    recordings = {size: load_recording(RECORDINGS / f"frames_{size}.npz") for size in SIZES}
    for size, recording in recordings.items():
        agreement, difference = class_agreement(recording), color_difference(recording, textures)
        say(
            f"{size}: same class {agreement.mean():.4%} (median frame {agreement.median():.2%}, worst "
            f"{agreement.min():.2%}), colour error {inside_border(difference).mean():.2f}/255"
        )
    sheets = [contact_sheet(recording, textures) for recording in recordings.values()]
    imsave(PICTURE, np.concatenate(sheets))
    say(f"written: {PICTURE.name}", file=sys.stderr)


def load_recording(path: Path) -> Recording:
    """Read a file that `tests/envs/memory_maze/record_frames.py` wrote."""
    with np.load(path) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "versions"}
    maze = arrays["maze"]
    of_maze = ("walls", "rooms", "wall_textures", "target_positions", "target_colors")
    of_pose = ("position", "heading", "current_target")
    scene = Scene(**{key: arrays[key][maze] for key in of_maze}, **{key: arrays[key] for key in of_pose})
    return Recording(scene, arrays["classes"].long(), arrays["rgb"], arrays["rgb_pose"])


def class_agreement(recording: Recording) -> Tensor:
    """Return the share of pixels that show the same thing in each recorded pose, float32 [P]."""
    return (segment(recording.scene) == recording.classes).float().mean((1, 2))


def color_difference(recording: Recording, textures: Tensor) -> Tensor:
    """Return how far our colours are from the recorded ones, float32 [R, 64, 64, 3] in [0, 255]."""
    return (_native_frames(recording, textures).float() - recording.frames.float()).abs()


def inside_border(pictures: Tensor) -> Tensor:
    """Cut the border off, [R, 60, 60, 3]."""
    return pictures[:, 2:-2, 2:-2]


def contact_sheet(recording: Recording, textures: Tensor, columns: int = COLUMNS) -> NDArray[np.uint8]:
    """Set recorded frames of several mazes under ours, uint8 [height, width, 3]."""
    chosen = torch.linspace(0, len(recording.frames) - 1, columns).long()
    rows = []
    for frames in (_native_frames(recording, textures), recording.frames):
        pictures = frames[chosen].repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2).numpy()
        padded = np.pad(pictures, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
        rows.append(np.concatenate(list(padded), axis=1))
    return np.pad(np.concatenate(rows), ((0, 2 * GAP), (0, 0), (0, 0)), constant_values=255)


def _native_frames(recording: Recording, textures: Tensor) -> Tensor:
    fields = dataclasses.fields(Scene)
    scene = Scene(**{field.name: getattr(recording.scene, field.name)[recording.framed] for field in fields})
    return render_frames(scene, textures)


def command(words: Sequence[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    return run(main, words)


if __name__ == "__main__":
    sys.exit(command())
