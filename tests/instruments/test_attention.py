"""What an agent's memory gives it, taken apart by rows, over rows that it played."""

from functools import partial

import pytest
import torch
from small_cores import make_small

from engram import envs
from engram.agents import PPO
from engram.instruments import agent_reads, play_rows
from engram.instruments.attention_finding import find_attention
from engram.memory_cores import GTrXL


def played_by(make_core):
    env = envs.RecallFirst(num_envs=2, delay=3)
    agent = PPO(env.single_observation_space, env.single_action_space, make_core, seed=3)
    return agent, play_rows(agent, env, 12)


@pytest.mark.parametrize("name", ["s5", "ret_net", "hcam", "gtrxl"])
def test_past_rows_of_the_episode_alone(name):
    agent, played = played_by(make_small(name))
    episode = played.rows["is_first"].cumsum(1)
    is_past = (episode.unsqueeze(2) == episode.unsqueeze(1)).tril()
    reads = agent_reads(agent, played)
    assert reads
    for read in reads.values():
        rows, carried = read.magnitudes()
        assert not rows[~is_past].any() and not carried.any() and rows[is_past].any()


def test_a_window_is_seen_in_the_table():
    agent, played = played_by(partial(GTrXL, hidden_size=8, num_layers=1, memory_length=2))
    found = find_attention(agent, played)
    assert [row["distance"] for row in found.table] == [0, 1, 2, 3, 4]
    shares = torch.tensor([row["share"] for row in found.table])
    assert (shares[:3] > 0.1).all() and not shares[3:].any()
    assert found.table[0]["kind"] == "attention" and "of the past most the row" in found.sentences[0]


def test_a_core_that_is_no_sum_says_so():
    agent, played = played_by(make_small("gru"))
    found = find_attention(agent, played)
    assert not found.table and "no sum over past rows" in found.sentences[0]
