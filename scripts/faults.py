"""A fault that ends a training says how to go on: what is on disk is from before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from envs.errors import EnvironmentFault
from scripts.errors import UsageError
from scripts.user_code import place_in_user_code


@contextmanager
def faults_of_environments(command: str) -> Iterator[None]:
    """Mark the block in which a run trains: its faults are told with the command that continues it.

    An error of code of the user's own stays as it is; a line before its traceback says how to go on.

    Args:
        command: continues the run.

    Raises:
        UsageError: in place of a fault of an environment or its process.
    """
    try:
        yield
    except EnvironmentFault as error:
        if place_in_user_code(error) is not None:
            raise
        raise UsageError(f"{error} {_hint(command)}") from error
    except FloatingPointError as error:
        raise FloatingPointError(f"{error} Then go on with: {command}") from error
    except Exception as error:
        if place_in_user_code(error) is not None:
            print(_hint(command), file=sys.stderr)
        raise


def _hint(command: str) -> str:
    return f"The run's last checkpoint is intact; once this is mended, go on with: {command}"
