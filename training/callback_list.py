"""All callbacks of a run: told of every moment in turn, and stored together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from engram.common.errors import UsageError
from engram.common.say import say
from engram.training.callbacks import Callback, Trainer


class CallbackList:
    """The callbacks of a run, in the order in which they are told.

    Args:
        callbacks: of the run.
        trainer: what they see of it.

    Raises:
        UsageError: if one is no `Callback`.
    """

    def __init__(self, callbacks: Sequence[Callback], trainer: Trainer) -> None:
        check_callbacks(callbacks)
        self.trainer = trainer
        self._by_name = _named(callbacks)

    def teller(self, moment: Callable[..., None]) -> Callable[..., None]:
        """Make a function that tells all of a moment, such as `Callback.on_update`, with what belongs to it."""

        def tell(*of_the_moment: Any) -> None:
            for callback in self._by_name.values():
                getattr(callback, moment.__name__)(self.trainer, *of_the_moment)

        return tell

    @contextmanager
    def told_of_start_and_end(self, states: Mapping[str, Any]) -> Iterator[None]:
        """Within the block the run trains; all are told of its end, however it comes.

        Args:
            states: of `state_dict`, where the run is continued.
        """
        with ExitStack() as ends:
            for name, callback in self._by_name.items():
                ends.callback(callback.on_end, self.trainer)
                if name in states:
                    callback.load_state_dict(states[name])
            for name in (name for name in states if name not in self._by_name):
                say(
                    f"note: the run was trained with the callback {name}, which is not given again",
                    file=sys.stderr,
                )
            try:
                self.teller(Callback.on_start)()
                yield
            except BaseException:
                self.trainer.has_failed = True
                raise

    def state_dict(self) -> dict[str, Any]:
        """What those that have a state return, by the name of their class, numbered where it comes again."""
        states = {name: callback.state_dict() for name, callback in self._by_name.items()}
        return {name: state for name, state in states.items() if state}


def check_callbacks(callbacks: Any) -> None:
    """Refuse what is no sequence of `Callback` objects.

    Raises:
        UsageError: names it.
    """
    is_list = isinstance(callbacks, list | tuple)
    wrong = [one for one in callbacks if not isinstance(one, Callback)] if is_list else [callbacks]
    if wrong:
        raise UsageError(
            f"callbacks must be a list of objects of classes derived from engram.Callback, but got {wrong[0]!r}; "
            "derive its class, and give an object of it."
        )


def _named(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    named: dict[str, Callback] = {}
    for callback in callbacks:
        kind = type(callback).__name__
        number = sum(type(one).__name__ == kind for one in named.values())
        named[f"{kind}-{number + 1}" if number else kind] = callback
    return named
