"""Pictures of any usual kind become a film, or one sentence."""

from pathlib import Path

import numpy as np
import pytest

from engram.analysis.pictures import fit, to_pictures
from engram.analysis.video import VideoWriter
from engram.api.evaluation import _probe_stem
from engram.common.errors import UsageError

GREY = np.array([[0, 51], [102, 255]], np.uint8)
RGB = np.stack([GREY, GREY // 3, GREY // 5], 2)


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        (RGB, RGB),
        (np.dstack([RGB, np.full((2, 2), 7, np.uint8)]), RGB),
        (RGB.astype(np.float32) / 255, RGB),
        (RGB.astype(np.int64), RGB),
        (GREY, np.dstack([GREY] * 3)),
        (GREY[..., None], np.dstack([GREY] * 3)),
        (GREY > 60, np.dstack([(GREY > 60) * np.uint8(255)] * 3)),
        (np.moveaxis(np.pad(RGB, ((0, 3), (0, 4), (0, 0))), 2, 0), np.pad(RGB, ((0, 3), (0, 4), (0, 0)))),
    ],
    ids=["rgb", "rgba", "float", "int64", "grey", "grey-1", "bool", "channels-first"],
)
def test_kinds_of_pictures(rendered, expected):
    (picture,) = to_pictures(rendered)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, expected)


def test_a_list_of_pictures_is_several():
    for frames in ([RGB, RGB // 2], np.stack([RGB, RGB // 2])):
        first, second = to_pictures(frames)
        np.testing.assert_array_equal(first, RGB)
        np.testing.assert_array_equal(second, RGB // 2)


@pytest.mark.parametrize(
    ("rendered", "pattern"),
    [
        (None, r"object \[\]"),
        ("text", r"<U4 \[\]"),
        (np.zeros((4, 5, 2), np.uint8), r"uint8 \[4, 5, 2\]"),
        (np.zeros((0, 5, 3), np.uint8), r"uint8 \[0, 5, 3\]"),
        (np.full((4, 4, 3), 200.0), "float64 lies in 0 to 1, but got 200.0 to 200.0"),
        (np.full((4, 4), -1), "int64 lies in 0 to 255, but got -1 to -1"),
        (np.full((4, 4), np.nan), "float64 lies in 0 to 1, but got nan"),
    ],
)
def test_what_is_no_picture(rendered, pattern):
    with pytest.raises(ValueError, match=pattern):
        to_pictures(rendered)


def test_another_size_is_scaled_and_keeps_its_proportions():
    wide = np.full((10, 40, 3), 200, np.uint8)
    fitted = fit(wide, 20, 20)
    assert fitted.shape == (20, 20, 3)
    assert (fitted[8:12] == 200).all() and (fitted[:7] == 0).all() and (fitted[13:] == 0).all()
    assert fit(wide, 10, 40) is wide


def read(path):
    """The frames of a film [T, height, width, 3]."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    reader = ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])


def test_a_film_of_frames_that_grow_and_have_odd_sides(tmp_path):
    pytest.importorskip("moviepy")
    path = tmp_path / "out" / "film.mp4"
    with VideoWriter(path, frames_per_second=5) as writer:
        for side, grey in ((33, 60), (66, 120), (99, 180)):
            writer.write(np.full((side, 2 * side), grey / 255))
    film = read(path)
    assert film.shape == (3, 34, 66, 3)
    np.testing.assert_allclose(film.mean((1, 2, 3)), [60, 120, 180], atol=4)
    assert [one.name for one in path.parent.iterdir()] == ["film.mp4"]


def test_what_breaks_off_leaves_no_film(tmp_path):
    pytest.importorskip("moviepy")
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film of before")
    with (
        pytest.raises(UsageError, match=r"Picture 2 of the video cannot be drawn: .*0 to 1"),
        VideoWriter(path, 5) as writer,
    ):
        writer.write(np.zeros((16, 16)))
        writer.write(np.full((16, 16), 2.0))
    assert path.read_bytes() == b"a film of before" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("folder", ["-a", "a:b", "a %03d 'b'\n[c] $d"])
def test_a_film_lies_where_its_name_says(folder, tmp_path, monkeypatch):
    pytest.importorskip("moviepy")
    monkeypatch.chdir(tmp_path)
    with VideoWriter(Path(folder) / "film.mp4", 10) as writer:
        writer.write(RGB)
    assert [path.name for path in (tmp_path / folder).iterdir()] == ["film.mp4"]


def test_the_files_of_a_probe_lie_in_its_folder():
    assert _probe_stem("kwargs.k") == "probe_kwargs_k"
    assert _probe_stem("kwargs.../a b") == "probe_kwargs____a_b"
