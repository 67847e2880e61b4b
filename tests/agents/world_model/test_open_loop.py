"""What the model expects once it is shown nothing more, and the pictures of it that reach TensorBoard."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from world_model_cases import IMAGE, MIXED, SYMBOLS, VECTOR, make_agent, make_batch, scramble

from engram.agents.replay import Batch
from engram.agents.world_model.open_loop_figure import open_loop_curves, open_loop_films
from engram.run_files.logger import Logger


def make_model(obs=MIXED, **options):
    agent = make_agent("gru", obs, **options)
    scramble(agent.world_model)
    return agent


def make_window(agent, **options):
    batch = make_batch(agent, **options)
    return Batch(batch.rows, batch.carry, batch.is_trained)


def test_open_loop_prediction():
    agent = make_model()
    batch = make_window(agent, starts=(0, 9))
    found = agent.open_loop(batch, context=5)
    assert found["reward"].shape == found["true_reward"].shape == (4, 12)
    assert found["is_valid"].tolist() == [[True] * 9 + [False] * 3] * 4
    assert found["obs"]["image"].shape == found["true_obs"]["image"].shape == (4, 12, *IMAGE.shape)
    assert 0 <= found["true_obs"]["image"].min() and found["true_obs"]["image"].max() <= 1
    # Nothing shown after the context: later observations change nothing, earlier ones do.
    for row, same in ((5, True), (4, False)):
        other = make_window(agent, starts=(0, 9))
        other.rows["obs", "vector"][:, row] += 10.0
        changed = agent.open_loop(other, context=5)
        assert torch.equal(changed["reward"], found["reward"]) == same
        assert torch.equal(changed["continues"], found["continues"]) == same
    with pytest.raises(ValueError, match="context"):
        agent.open_loop(batch, context=12)


@pytest.mark.parametrize("discounted, most", [(False, 1.0), (True, 0.5)], ids=["plain", "discounted"])
def test_what_the_continue_head_is_held_against(discounted, most):
    agent = make_model(SYMBOLS, discount_in_continue=discounted, gamma=0.5)
    batch = make_window(agent)
    batch.rows["is_terminal"][:, 6] = True
    found = agent.open_loop(batch, context=5)
    assert found["true_continues"][0, 5:8].tolist() == [most, 0.0, most]
    assert (0 < found["continues"]).all() and (found["continues"] < 1).all()


def test_films_show_truth_prediction_and_difference():
    agent = make_model()
    batch = make_window(agent, starts=(0, 9))
    found = agent.open_loop(batch, context=5)
    (film,) = open_loop_films(found).values()
    assert film.dtype == torch.uint8 and film.shape == (4, 12, 3, 48, 16)
    truth, prediction, error = film.split(16, dim=3)
    assert torch.equal(truth.movedim(2, -1), batch.rows["obs", "image"])
    valid = found["is_valid"]
    assert (prediction[~valid] == 0).all() and (error[~valid] == 0).all()
    expected = (found["obs"]["image"] * 255).round().movedim(-1, 2)
    torch.testing.assert_close(prediction[valid].float(), expected[valid])
    halves = (127.5 + (expected - truth.float()) / 2)[valid]
    torch.testing.assert_close(error[valid].float(), halves, rtol=0, atol=1.01)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (16, 16, 2), (3, 16, 16), (16, 16, 6)], ids=str)
def test_images_of_any_layout_become_films(shape):
    images = torch.rand(2, 4, *shape, generator=torch.Generator().manual_seed(0))
    found = {"images": ["obs"], "obs": {"obs": images}, "true_obs": {"obs": images}}
    film = open_loop_films({**found, "is_valid": torch.ones(2, 4, dtype=torch.bool)})["open_loop/obs"]
    assert film.shape == (2, 4, 3, 48, 16)
    first = images.reshape(2, 4, 16, 16, -1)[..., 0] if shape[0] == 16 else images[:, :, 0]
    torch.testing.assert_close(film[:, :, 0, :16] / 255, first, rtol=0, atol=0.003)


def curves_of(**changes):
    lines = {name: torch.zeros(2, 12) for name in ("reward", "true_reward", "continues", "true_continues")}
    valid = torch.arange(12).expand(2, 12) < 9
    return open_loop_curves({**lines, "is_valid": valid, "context": 5, **changes})


@pytest.mark.parametrize("name", ["reward", "true_reward", "continues", "true_continues"])
def test_curves_show_every_row_of_the_episode_and_none_after_it(name):
    plain, values = curves_of(), torch.zeros(2, 12)
    assert plain.dtype == torch.uint8 and plain.ndim == 3 and plain.shape[0] == 3
    values[1, 10] = 1.0
    assert torch.equal(curves_of(**{name: values}), plain)
    values[1, 8] = 1.0
    assert not torch.equal(curves_of(**{name: values}), plain)
    assert not torch.equal(curves_of(context=6), plain)


def test_curves_have_the_colours_of_what_came_and_what_was_imagined():
    picture = curves_of(reward=torch.ones(2, 12)).movedim(0, -1).reshape(-1, 3).tolist()
    assert [0x00, 0x72, 0xB2] in picture and [0xD5, 0x5E, 0x00] in picture


@pytest.mark.parametrize(
    "obs, names",
    [
        (SYMBOLS, {"open_loop/curves"}),
        (VECTOR, {"open_loop/curves"}),
        (IMAGE, {"open_loop/curves", "open_loop/obs"}),
        (MIXED, {"open_loop/curves", "open_loop/image"}),
    ],
    ids=["symbols", "vector", "image", "mixed"],
)
def test_pictures_reach_tensorboard(obs, names, tmp_path):
    """Read back from the event file: a picture of the curves, and the film's very frames."""
    agent = make_model(obs)
    batch = make_window(agent)
    pictures = agent.draw(batch)
    with Logger(tmp_path) as logger:
        logger.log_media(pictures, 7)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["images"]) == set(pictures) == names
    for name, picture in pictures.items():
        (event,) = events.Images(name)
        shown = Image.open(io.BytesIO(event.encoded_image_string))
        assert event.step == 7
        if picture.ndim == 3:
            assert np.array_equal(np.asarray(shown.convert("RGB")), picture.movedim(0, -1).numpy())
            continue
        assert shown.format == "GIF" and shown.n_frames == 12 and shown.info["loop"] == 0
        assert (event.width, event.height) == shown.size == (3 * 16, 48)
        for time in (0, 11):
            shown.seek(time)
            seen = torch.from_numpy(np.asarray(shown.convert("RGB")).copy()).float()
            side_by_side = picture[:, time].permute(2, 0, 3, 1).flatten(1, 2).float()
            assert (seen - side_by_side).abs().mean() < 16, "a GIF's frame has 256 colours"


def test_pictures_of_long_windows_are_of_their_beginning():
    agent = make_model(IMAGE)
    pictures = agent.draw(make_window(agent, batch=5, length=150, starts=(0, 100)))
    assert pictures["open_loop/obs"].shape == (3, 128, 3, 48, 16)
