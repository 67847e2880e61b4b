"""Rows of a rollout, policy and environments, recorded once as a CUDA graph and replayed without the host."""

from __future__ import annotations

import math
from collections.abc import Callable

from tensordict import TensorDict

from engram.common.cuda_graph import Recorder, copy_into, record_cuda_graph, warm_up
from engram.common.rows import Act, Rollout, stack_time
from engram.common.vector_env import VectorEnv
from engram.envs.native import NativeVectorEnv
from engram.envs.play import play

# Of a recording. A graph of all rows would take long to build and much memory; to replay one of so many costs the
# host far less than the device needs for it.
MOST_ROWS = 16


def why_no_captured_rollouts(env: VectorEnv) -> str | None:
    """Say why rows of these environments cannot be recorded; None if they can."""
    if isinstance(env, NativeVectorEnv) and env.device.type == "cuda":
        return None
    return (
        "rollouts are captured for native environments on a CUDA device, but "
        f"{env.name} is {type(env).__name__} on {env.device}"
    )


def check_capture(reason: str | None) -> None:
    """Refuse to record where there is a reason not to.

    Raises:
        ValueError: says it.
    """
    if reason is not None:
        raise ValueError(
            f"{reason[0].upper()}{reason[1:]}: set capture=false, or auto for what can be captured."
        )


class CapturedPlay:
    """`engram.envs.play.play` for one environment and policy: some rows recorded at the first call, then replayed.

    A recording works on fixed addresses: it reads the state, row and carry from tensors of its own, writes
    everything played into others, and leaves the state, row and carry of the end where it began. So it is replayed
    until the rollout is whole, and the policy may learn in place between two calls.

    Args:
        env: native environments.
        act: the policy; everything it reads but the row and the carry stays at its address.
        rollout_length: T.
        carry_every: keep the carry before every so many rows.
        recorder: how to record.

    Attributes:
        piece_length: rows of the recording: at most `MOST_ROWS`, and carries are kept between two of them.
    """

    def __init__(
        self,
        env: NativeVectorEnv,
        act: Act,
        rollout_length: int,
        carry_every: int,
        recorder: Recorder = record_cuda_graph,
    ) -> None:
        self._env, self._act = env, act
        self._rollout_length, self._carry_every = rollout_length, carry_every
        common = math.gcd(rollout_length, carry_every)
        self.piece_length = next(rows for rows in range(MOST_ROWS, 0, -1) if common % rows == 0)
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
            copy_into(self._start[name], tensors)
        whole = {name: _make_room(tensors, self._rollout_length) for name, tensors in self._played.items()}
        carries = []
        for time in range(0, self._rollout_length, self.piece_length):
            if time % self._carry_every == 0:
                carries.append(self._start["carry"].clone())
            self._replay()
            for name, tensors in self._played.items():
                copy_into(whole[name][:, time : time + self.piece_length], tensors)
        after = {name: tensors.clone() for name, tensors in self._start.items()}
        self._env.set_state(after["state"], after["row"])
        reports = dict(whole["reports"].items())
        return Rollout(whole["rows"], stack_time(carries), after["row"], after["carry"], reports=reports)

    def _record(self, before: dict[str, TensorDict]) -> Callable[[], None]:
        """Make the recording's tensors, warm up on them and record."""
        # Cloned leaf by leaf: leaves that share memory with one another must not do so here.
        self._start = {name: tensors.clone() for name, tensors in before.items()}
        warm_up(self._play_piece, self._env.device)
        return self._recorder(self._play_piece, self._env.device)

    def _play_piece(self) -> None:
        """Play from the recording's start and move the start to the end; what is played stays where it comes about."""
        start = self._start
        self._env.set_state(start["state"], start["row"])
        played = play(self._env, self._act, start["row"], start["carry"], self.piece_length)
        assert self._env.state is not None
        ends = {"state": self._env.state, "row": played.pending, "carry": played.pending_carry}
        # All ends are read before any start is written: an end may be a view of another start.
        ends = {name: _apart(ends[name], tensors) for name, tensors in start.items()}
        for name, tensors in ends.items():
            copy_into(start[name], tensors)
        reports = TensorDict(dict(played.reports), batch_size=played.rows.batch_size)
        self._played = {"rows": played.rows, "reports": reports}


def capture_play(env: VectorEnv, act: Act) -> CapturedPlay | None:
    """Prepare to record rows of environments and a policy, to be played on and on; None if they cannot be."""
    if why_no_captured_rollouts(env) is not None:
        return None
    assert isinstance(env, NativeVectorEnv)
    return CapturedPlay(env, act, MOST_ROWS, MOST_ROWS)


def _make_room(piece: TensorDict, length: int) -> TensorDict:
    """Make a TensorDict [B, length] whose leaves are like those of `piece` [B, T]."""
    shape = (piece.batch_size[0], length)
    room = TensorDict({}, batch_size=shape)
    for key, leaf in piece.items(True, True):
        room[key] = leaf.new_empty(*shape, *leaf.shape[2:])
    return room


def _apart(tensors: TensorDict, start: TensorDict) -> TensorDict:
    """Clone every leaf but those that stayed where they were, such as a large store written in place."""
    stayed = {key: value.data_ptr() for key, value in start.items(True, True)}
    apart = tensors.copy()
    for key, value in tensors.items(True, True):
        if value.data_ptr() != stayed[key]:
            apart[key] = value.clone()
    return apart
