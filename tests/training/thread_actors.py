"""Actors that are threads of this process: what Ray's processes do, without any, and runs that are trained by them."""

import threading
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from unittest import mock

import engram.training.actors.making as making
from engram.envs.async_envs import WorkerTraceback
from engram.training.actors.actor import Actor
from engram.training.actors.transport import ActorLostError


class ThreadTransport:
    """Stands in for `RayTransport`: a thread for each actor, which does what it is asked for in turn.

    Args:
        before_call: called with an actor's number and a method's name before each of them; may wait, or raise
            `ActorLostError`, and then the actor is gone.
    """

    def __init__(self, before_call=lambda seat, method: None):
        self._before_call, self._actors = before_call, {}
        self.launches = 0

    def launch(self, seat):
        self.launches += 1
        self._actors[seat.index] = [Actor(seat), ThreadPoolExecutor(1)]

    def put(self, value):
        return _done(value)

    def call(self, seat, method, *arguments, results=1):
        place = self._actors[seat]
        whole = place[1].submit(self._run, place, seat, method, arguments)
        parts = [Future() for _ in range(results)]
        whole.add_done_callback(lambda done: _hand_out(done, parts))
        return parts

    def _run(self, place, seat, method, arguments):
        if place[0] is None:
            raise ActorLostError(f"actor {seat} is gone")
        try:
            self._before_call(seat, method)
        except ActorLostError:
            place[0] = None
            raise
        given = [one.result() if isinstance(one, Future) else one for one in arguments]
        return getattr(place[0], method)(*given)

    def wait(self, handles):
        done, _ = wait(handles, return_when=FIRST_COMPLETED)
        return next(one for one in handles if one in done)

    def get(self, handle):
        error = handle.exception()
        if error is not None and not isinstance(error, ActorLostError):
            raise error from WorkerTraceback("".join(traceback.format_exception(error)))
        return handle.result()

    def close(self):
        for actor, pool in self._actors.values():
            pool.shutdown(wait=True)
            if actor is not None:
                actor.close()
        self._actors.clear()


def _done(value):
    future = Future()
    future.set_result(value)
    return future


def _hand_out(whole, parts):
    """Give every handle its part of what a call returned, or the call's error."""
    error = whole.exception()
    for index, part in enumerate(parts):
        if error is not None:
            part.set_exception(error)
        else:
            part.set_result(whole.result()[index] if len(parts) > 1 else whole.result())


@contextmanager
def threads_for_actors(before_call=lambda seat, method: None):
    """Within the block `sampler=ray` has its actors in threads; gives the transports that were made."""
    made, lock = [], threading.Lock()

    def locked(seat, method):
        with lock:
            call = before_call
        call(seat, method)

    def make(address, num_actors, needed_bytes):
        made.append(ThreadTransport(locked))
        return made[-1]

    found = mock.patch.object(making.importlib.util, "find_spec", return_value=object())
    with found, mock.patch.object(making, "RayTransport", make):
        yield made
