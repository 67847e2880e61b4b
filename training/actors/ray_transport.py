"""Actors as processes of Ray, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from engram.common.errors import UsageError
from engram.envs.async_envs import WorkerTraceback
from engram.training.actors.actor import Actor, Seat
from engram.training.actors.ray_cluster import start_ray
from engram.training.actors.transport import ActorLostError

_SLICE_SECONDS = 1.0  # of a wait, between which signals come through
_CLOSE_SECONDS = 5.0
OPTION, INSTEAD, ADDRESS = "sampler=ray", "sampler=local", "actors.address"


class RayTransport:
    """See `Transport`.

    Args:
        address: of the cluster, `auto` for the one that runs here; None starts Ray on this machine for this run.
        num_actors: of the run, a CPU core each.
        needed_bytes: of the object store, for what is in flight.

    Raises:
        UsageError: if Ray is not installed, or the cluster has too few cores or too little memory for the run.
    """

    def __init__(self, address: str | None, num_actors: int, needed_bytes: int) -> None:
        store = None if address is not None else max(2 * needed_bytes, 200_000_000)
        self._ray = start_ray(OPTION, INSTEAD, address, num_actors, store, ADDRESS)
        self._actors: dict[int, Any] = {}
        try:
            self._check_resources(num_actors, needed_bytes)
        except UsageError:
            self.close()
            raise
        self._make = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Actor)

    def _check_resources(self, num_actors: int, needed_bytes: int) -> None:
        resources = self._ray.cluster_resources()
        cores, store = int(resources.get("CPU", 0)), int(resources.get("object_store_memory", 0))
        if cores < num_actors:
            raise UsageError(
                f"Every actor has a CPU core of the Ray cluster: expected actors.count of at most {cores}, but got "
                f"{num_actors}; take fewer actors, or more machines."
            )
        if store < needed_bytes:
            raise UsageError(
                f"Rollouts on their way are kept in Ray's object store: expected at least {needed_bytes:,} bytes of "
                f"it, but the cluster has {store:,}; start Ray with more (--object-store-memory), or lower num_envs, "
                "agent.rollout_length or actors.lag."
            )

    def launch(self, seat: Seat) -> None:  # noqa: D102
        former = self._actors.pop(seat.index, None)
        if former is not None:
            self._ray.kill(former)
        self._actors[seat.index] = self._make.remote(seat)

    def put(self, value: Any) -> Any:  # noqa: D102
        return self._ray.put(value)

    def call(self, seat: int, method: str, *arguments: Any, results: int = 1) -> list[Any]:  # noqa: D102
        found = getattr(self._actors[seat], method).options(num_returns=results).remote(*arguments)
        return list(found) if results > 1 else [found]

    def wait(self, handles: Sequence[Any]) -> Any:  # noqa: D102
        while True:
            done, _ = self._ray.wait(list(handles), num_returns=1, timeout=_SLICE_SECONDS, fetch_local=False)
            if done:
                return done[0]

    def get(self, handle: Any) -> Any:  # noqa: D102
        errors = self._ray.exceptions
        try:
            return self._ray.get(handle)
        except errors.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, Exception):
                cause = RuntimeError(f"An actor failed with an error that cannot be sent: {error}")
            # As an instance of its cause an error of Ray has no traceback_str; its text is the traceback.
            raise cause from WorkerTraceback(str(error))
        except errors.RayError as error:
            raise ActorLostError(" ".join(str(error).split())[:300]) from error

    def close(self) -> None:  # noqa: D102
        if self._actors:
            with contextlib.suppress(Exception):  # whoever is gone has nothing to close
                closed = [actor.close.remote() for actor in self._actors.values()]
                self._ray.wait(closed, num_returns=len(closed), timeout=_CLOSE_SECONDS)
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        self._ray.shutdown()
