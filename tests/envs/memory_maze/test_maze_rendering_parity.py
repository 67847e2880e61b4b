"""Frames against those of the real package, recorded at 200 poses of each size."""

import dataclasses
import importlib.util

import pytest
import torch
from matplotlib.image import imread

from engram.common.errors import UsageError
from engram.envs.memory_maze.rendering import load_textures
from engram.tools import document_memory_maze
from engram.tools.document_memory_maze import (
    PICTURE,
    RECORDINGS,
    SIZES,
    class_agreement,
    color_difference,
    contact_sheet,
    inside_border,
    load_recording,
    main,
)


@pytest.fixture(scope="module", params=SIZES)
def recording(request):
    return load_recording(RECORDINGS / f"frames_{request.param}.npz")


def test_pixels_show_the_same(recording):
    agreement = class_agreement(recording)
    assert len(agreement) == 200
    assert agreement.mean() >= 0.999
    # A target in the middle of the maze is hidden in a few of the package's frames, and drawn in ours.
    assert (agreement > 0.995).float().mean() >= 0.98


@pytest.mark.skipif(importlib.util.find_spec("labmaze") is None, reason="needs labmaze's pictures")
def test_colours_are_the_same(recording):
    difference = color_difference(recording, load_textures())
    assert len(difference) >= 50
    assert inside_border(difference).mean() <= 1.5


def test_borders_are_the_same(recording):
    difference = color_difference(recording, load_textures(procedural=True))
    assert difference.sum() == inside_border(difference).sum()
    assert inside_border(difference).mean() <= 12, "the pictures drawn here stand in for labmaze's"


def test_a_slightly_wrong_heading_would_be_noticed(recording):
    scene = dataclasses.replace(recording.scene, heading=recording.scene.heading + 0.02)
    assert class_agreement(recording._replace(scene=scene)).mean() < 0.995


def test_the_command_prints_every_size_and_takes_no_options(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(document_memory_maze, "PICTURE", tmp_path / "parity.png")
    main([])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(SIZES)
    assert imread(tmp_path / "parity.png").shape[:2] == (4 * (2 * 132 + 8), 6 * 132)
    with pytest.raises(UsageError, match="takes no options"):
        main(["size=9x9"])


def test_the_sheet_shows_ours_above_theirs(recording):
    sheet = torch.from_numpy(contact_sheet(recording, load_textures(procedural=True)))
    assert sheet.shape == (2 * 132 + 8, 6 * 132, 3)
    assert torch.equal(sheet[132:260:2, :128:2], recording.frames[0])
    assert not torch.equal(sheet[:128:2, :128:2], recording.frames[0])
    assert PICTURE.exists()
