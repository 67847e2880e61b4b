"""Tests marked `gpu` on the pretended device: `PRETEND_CUDA=1 python -m pytest -m gpu`.

A variable of the environment and no option, because torch may not be imported before it is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pretended_cuda.guard import NoGuardError, load_guard

IS_ASKED_FOR = os.environ.get("PRETEND_CUDA") == "1"
NEEDS_A_CARD = "needs a real card: too large for the pretended one, or compiled past it"
PRETENDING = ExitStack()  # never closed: what is patched stays patched
WHY_NOT: str | None = None

if IS_ASKED_FOR:
    try:
        load_guard()
    except NoGuardError as error:
        WHY_NOT = str(error)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to pretend when everything has been collected; where that cannot be, every test says why not."""
    if not IS_ASKED_FOR:
        return
    for item in session.items:
        if WHY_NOT or item.get_closest_marker("card"):
            item.add_marker(pytest.mark.skip(reason=WHY_NOT or NEEDS_A_CARD))
    if WHY_NOT is None:
        from pretended_cuda.device import pretend

        PRETENDING.enter_context(pretend())


@pytest.fixture
def machine() -> Iterator[Any]:
    """The pretended device, its counts at zero."""
    if not IS_ASKED_FOR:
        pytest.skip("counts on the pretended device: PRETEND_CUDA=1")
    from pretended_cuda.machine import MACHINE

    MACHINE.reset()
    yield MACHINE
    MACHINE.reset()
