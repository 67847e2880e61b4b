"""A whole rollout, policy and environments, recorded once as a CUDA graph and replayed without the host."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tensordict import TensorDict

from engram.common.rows import Act, Rollout
from engram.common.vector_env import VectorEnv
from engram.envs.native import NativeVectorEnv
from engram.envs.play import play

# Runs a function without arguments or results in such a way that calling what it returns does it again.
Recorder = Callable[[Callable[[], None]], Callable[[], None]]


def check_capture(env: VectorEnv) -> None:
    """Refuse environments whose steps cannot be recorded.

    Raises:
        ValueError: unless they are native and on a CUDA device.
    """
    if not isinstance(env, NativeVectorEnv) or env.device.type != "cuda":
        raise ValueError(
            "Rollouts are captured for native environments on a CUDA device, but "
            f"{env.name} is {type(env).__name__} on {env.device}: set capture=false."
        )


def record_cuda_graph(function: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Record the function's kernels as a CUDA graph.

    Args:
        function: reads and writes only tensors that outlive it, all on the device.
        device: whose graph it is; the library's own stream would be of the current device, which may be another.

    Returns:
        The graph's replay.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream(device)):
        function()
    return graph.replay


def warm_up(function: Callable[[], object], device: torch.device) -> None:
    """Call the function on a stream of its own, as comes before recording it.

    Libraries begin, kernels are chosen and lazy constants made outside of the recording, as it must be.
    """
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        function()
    torch.cuda.current_stream(device).wait_stream(stream)


class CapturedPlay:
    """`engram.envs.play.play` for one environment and policy, recorded at the first call.

    A recording works on fixed addresses: it reads the state, row and carry from tensors of its own, writes
    everything played into others, and leaves the state, row and carry of the end where it began. The policy's
    parameters are read where they are, so a policy may learn in place between two calls.

    Args:
        env: native environments.
        act: the policy; everything it reads but the row and the carry stays at its address.
        rollout_length: T.
        carry_every: keep the carry before every so many rows.
        recorder: how to record; a CUDA graph on the environment's device by default.
    """

    def __init__(
        self,
        env: NativeVectorEnv,
        act: Act,
        rollout_length: int,
        carry_every: int,
        recorder: Recorder | None = None,
    ) -> None:
        self._env, self._act = env, act
        self._rollout_length, self._carry_every = rollout_length, carry_every
        self._recorder = recorder
        self._replay: Callable[[], None] | None = None
        self._start: dict[str, TensorDict] = {}
        self._played: dict[str, TensorDict] = {}

    def plays(self, act: Act, rollout_length: int, carry_every: int) -> bool:
        """Tell whether this is a recording of that policy and length."""
        return (act, rollout_length, carry_every) == (self._act, self._rollout_length, self._carry_every)

    def __call__(self, row: TensorDict, carry: TensorDict) -> Rollout:
        """Play from the pending row and the carry before it, both [B]; neither is modified.

        Returns:
            What was played, its episodes not counted, in tensors that are nobody else's; the environment stands at
            its end.
        """
        assert self._env.state is not None, "reset comes before a rollout"
        before = {"state": self._env.state, "row": row, "carry": carry}
        if self._replay is None:
            self._replay = self._record(before)
        for name, tensors in before.items():
            _copy(tensors, self._start[name])
        self._replay()
        after = {name: tensors.clone() for name, tensors in self._start.items()}
        self._env.set_state(after["state"], after["row"])
        played = {name: tensors.clone() for name, tensors in self._played.items()}
        reports = dict(played["reports"].items())
        return Rollout(played["rows"], played["carries"], after["row"], after["carry"], reports=reports)

    def _record(self, before: dict[str, TensorDict]) -> Callable[[], None]:
        """Make the recording's tensors, warm up on them and record."""
        # Cloned leaf by leaf: leaves that share memory with one another must not do so here.
        self._start = {name: tensors.clone() for name, tensors in before.items()}
        if self._recorder is not None:
            self._begin()
            return self._recorder(self._play_in_place)
        device = self._env.device
        warm_up(self._begin, device)
        warm_up(self._play_in_place, device)
        return record_cuda_graph(self._play_in_place, device)

    def _begin(self) -> None:
        """Play once to make the tensors of what is played."""
        self._played = self._play_once()

    def _play_in_place(self) -> None:
        """Play once and write everything to the recording's own tensors."""
        for name, tensors in self._play_once().items():
            _copy(tensors, self._played[name])

    def _play_once(self) -> dict[str, TensorDict]:
        """Play from the recording's start and move the start to the end; return what was played."""
        start = self._start
        self._env.set_state(start["state"], start["row"])
        played = play(
            self._env, self._act, start["row"], start["carry"], self._rollout_length, self._carry_every
        )
        assert self._env.state is not None
        ends = {"state": self._env.state, "row": played.pending, "carry": played.pending_carry}
        # All ends are read before any start is written: an end may be a view of another start.
        ends = {name: _apart(ends[name], tensors) for name, tensors in start.items()}
        for name, tensors in ends.items():
            _copy(tensors, start[name])
        reports = TensorDict(dict(played.reports), batch_size=played.rows.batch_size)
        return {"rows": played.rows, "carries": played.carries, "reports": reports}


def _apart(tensors: TensorDict, start: TensorDict) -> TensorDict:
    """Clone every leaf but those that stayed where they were, such as a large store written in place."""
    stayed = {key: value.data_ptr() for key, value in start.items(True, True)}
    apart = tensors.copy()
    for key, value in tensors.items(True, True):
        if value.data_ptr() != stayed[key]:
            apart[key] = value.clone()
    return apart


def _copy(source: TensorDict, target: TensorDict) -> None:
    """Write every leaf of `source` to the same leaf of `target`, in place."""
    for key, value in target.items(True, True):
        if value.data_ptr() != source[key].data_ptr():
            value.copy_(source[key])
