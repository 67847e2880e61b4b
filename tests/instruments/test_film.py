"""The film of pixels: what was seen beside what counts."""

import numpy as np
import torch
from PIL import Image, ImageSequence
from pixel_envs import ColourRecall
from small_cores import make_small

from engram.agents import PPO
from engram.instruments import play_rows
from engram.instruments.film import write_film
from engram.instruments.saliency_finding import find_saliency


def test_a_frame_for_each_row_and_orange_where_it_counts(tmp_path):
    pictures = torch.full((3, 16, 16, 3), 200, dtype=torch.uint8)
    pictures[1] = 100  # frames alike would be stored as one
    weights = torch.zeros(3, 16, 16)
    weights[2, 4:8, 4:8] = 5.0
    film = Image.open(write_film(tmp_path / "film.gif", pictures, weights))
    frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 3 and frames[0].shape == (192, 384, 3)
    middle = slice(52, 92)
    marked, pale = (
        frames[2][middle, 192:][:, middle].reshape(-1, 3),
        frames[2][:40, 192 + 100 :].reshape(-1, 3),
    )
    assert (abs(marked.astype(int) - [255, 140, 0]) < 16).all()
    assert (abs(pale.astype(int) - 120) < 8).all() and (abs(frames[2][:, :192].astype(int) - 200) < 8).all()


def test_an_agent_that_sees_pictures_gets_a_film_of_its_first_episode(tmp_path):
    env = ColourRecall(num_envs=1, delay=2)
    agent = PPO(env.single_observation_space, env.single_action_space, make_small("gru"), seed=3)
    finding = find_saliency(agent, play_rows(agent, env, 6))
    path = finding.figures["saliency_film.gif"](tmp_path / "film.gif")
    assert Image.open(path).n_frames == 4  # the first episode's rows
