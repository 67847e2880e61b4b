"""A recorded rollout against the plain loop, replayed without a graph on the CPU and with one on CUDA."""

import contextlib
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from contract import assert_equal
from recorders import Again

from engram import envs
from engram.agents import PPO
from engram.common.cuda_graph import record_cuda_graph, recording_stream, warm_up
from engram.envs.captured import CapturedPlay
from engram.envs.play import play
from engram.memory_cores import GRU, HCAM, S5

CORES = {
    "gru": partial(GRU, hidden_size=16),
    "s5": partial(S5, hidden_size=16),
    "hcam": partial(HCAM, hidden_size=16, num_heads=2, chunk_length=4, num_chunks=4, top_k=2),
}


def build(device: str, core: str = "gru", task: str = "popgym/repeat_previous_easy", num_envs: int = 5):
    env = envs.make_env(task, num_envs, device=device)
    agent = PPO(env.single_observation_space, env.single_action_space, CORES[core], seed=3, device=device)
    return env, agent


def begin(env, agent):
    return env.reset(7), agent.initial_carry(env.num_envs)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    "task", ["popgym/repeat_previous_easy", "popgym/battleship_easy", "popgym/position_only_cart_pole_easy"]
)
@pytest.mark.parametrize("every", [3, 8])
def test_replays_equal_the_plain_loop(core: str, task: str, every: int) -> None:
    env, agent = build("cpu", core, task)
    other, _ = build("cpu", core, task)
    act = partial(agent.act, donate=True)
    captured = CapturedPlay(env, act, 8, every, recorder=Again())
    (row, carry), (other_row, other_carry) = begin(env, agent), begin(other, agent)
    for _ in range(9):  # 72 rows: episodes end within and between rollouts
        given_row, given_carry = row.clone(), carry.clone()
        played = captured(row, carry)
        assert_equal(row, given_row), assert_equal(carry, given_carry)
        expected = play(other, act, other_row, other_carry, 8, every)
        for name in ("rows", "carries", "pending", "pending_carry"):
            assert_equal(getattr(played, name), getattr(expected, name))
        assert played.reports.keys() == ({"success_rate"} if task == "popgym/battleship_easy" else set())
        for name, values in played.reports.items():
            ends = played.rows["is_last"]  # a report counts where an episode ends
            torch.testing.assert_close(
                values[ends], expected.reports[name][ends], rtol=0, atol=0, equal_nan=True
            )
            assert values.shape == (5, 8)
        assert_equal(env.state, other.state)
        row, carry = played.pending, played.pending_carry
        other_row, other_carry = expected.pending, expected.pending_carry


def test_what_was_played_is_nobody_elses() -> None:
    env, agent = build("cpu")
    captured = CapturedPlay(env, partial(agent.act, donate=True), 8, 8, recorder=Again())
    played = captured(*begin(env, agent))
    kept = played.rows.clone()
    captured(played.pending, played.pending_carry)
    assert_equal(played.rows, kept)


def test_a_policy_may_learn_in_place_between_rollouts() -> None:
    env, agent = build("cpu")
    captured = CapturedPlay(env, agent.act, 8, 8, recorder=Again())
    start = begin(env, agent)
    state = env.state.clone()
    first = captured(*start)
    with torch.no_grad():
        agent.network.value_head[-1].bias += 1.0
    env.set_state(state, start[0])
    second = captured(*start)
    torch.testing.assert_close(second.rows["value"], first.rows["value"] + 1.0)


def test_a_driver_refuses_what_cannot_be_captured() -> None:
    env, _ = build("cpu")
    with pytest.raises(ValueError, match=r"native environments on a CUDA device.*capture=false"):
        envs.Driver(env, capture=True)


@pytest.fixture
def streams(monkeypatch):
    """The streams on which things are recorded and warmed up, without a device."""
    found = []
    recording_stream.cache_clear()

    def enter(stream):
        found.append(stream)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace(device=device, wait_stream=id))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(wait_stream=id))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=None))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: enter(stream))
    monkeypatch.setattr(torch.cuda, "stream", enter)
    yield found
    recording_stream.cache_clear()


def test_a_graph_is_recorded_on_its_own_device(streams) -> None:
    """And not on the current one, where a graph of another device's kernels would be empty."""
    record_cuda_graph(lambda: None, torch.device("cuda", 1))
    assert [stream.device for stream in streams] == [torch.device("cuda", 1)]


def test_what_is_warmed_up_is_recorded_on_the_same_stream(streams) -> None:
    """On another one gradients are added up where the parameter was first used, and the recording waits for that."""
    for function in (warm_up, record_cuda_graph, record_cuda_graph, warm_up):
        function(lambda: None, torch.device("cuda", 0))
    assert len(streams) == 4 and len(set(map(id, streams))) == 1


@pytest.mark.gpu
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("task", [name for name, task in envs.TASKS.items() if task.general])
def test_a_rollout_with_its_policy_is_captured(core: str, task: str) -> None:
    """Equal to the eager driver to rounding, and no call of either waits for the device."""
    env, agent = build("cuda", core, task, num_envs=64)
    other, _ = build("cuda", core, task, num_envs=64)
    act = partial(agent.act, donate=True)
    captured = CapturedPlay(env, act, 8, 8)
    (row, carry), (other_row, other_carry) = begin(env, agent), begin(other, agent)
    for call in range(3):
        if call > 0:  # what is made lazily has been made
            torch.cuda.set_sync_debug_mode("error")
        played = captured(row, carry)
        expected = play(other, act, other_row, other_carry, 8, 8)
        torch.cuda.set_sync_debug_mode("default")  # comparing waits
        for name in ("rows", "pending", "pending_carry"):
            for key, value in getattr(expected, name).items(True, True):
                torch.testing.assert_close(getattr(played, name)[key], value)
        row, carry = played.pending, played.pending_carry
        other_row, other_carry = expected.pending, expected.pending_carry


@pytest.fixture(autouse=True)
def default_sync_debug_mode():
    yield
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("default")
