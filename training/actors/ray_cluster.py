"""Joining a Ray cluster, or starting Ray on this machine for one command."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from engram.common.errors import UsageError


def import_ray(option: str, instead: str) -> Any:
    """Import Ray, an extra that takes seconds to import.

    Args:
        option: that needs it, `launcher=ray`.
        instead: what needs none, `launcher=local`.

    Raises:
        UsageError: if it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"{option} needs Ray, which is not installed; pip install -e '.[ray]', or set {instead}."
        ) from error
    return ray


def start_ray(
    option: str,
    instead: str,
    address: str | None,
    num_cpus: int,
    object_store_bytes: int | None = None,
    address_option: str = "address",
) -> Any:
    """Start Ray on this machine, or join the cluster of an address; returns the module.

    Args:
        option: as of `import_ray`.
        instead: as of `import_ray`.
        address: of the cluster, `auto` for the one that runs here; None starts Ray on this machine alone.
        num_cpus: that Ray may give away on this machine.
        object_store_bytes: of this machine; None leaves it to Ray.
        address_option: name of the option that says the address.

    Raises:
        UsageError: if Ray is not installed, does not come up, or there is no such cluster.
    """
    if address is None:
        _ask_for_a_token()
    ray = import_ray(option, instead)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": 40}
    try:
        with _own_signals():
            if address is not None:
                ray.init(address, **quiet)
            else:
                ray.init(
                    "local",
                    num_cpus=num_cpus,
                    object_store_memory=object_store_bytes,
                    include_dashboard=False,
                    **quiet,
                )
    except (ConnectionError, ValueError) as error:
        raise UsageError(
            f"{address_option} must be that of a running Ray cluster, but {address!r} gave: "
            f"{' '.join(str(error).split())[:200]}; start one with ray start --head, or leave {address_option} out."
        ) from error
    except Exception as error:  # of Ray's own, without a kind, where a part of it does not come up in time
        raise UsageError(
            f"{option} needs Ray to come up, but it gave: {' '.join(str(error).split())[:200]}; try again when the "
            f"machine is less busy, or set {instead}."
        ) from error
    return ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does at SIGTERM: Ray would end it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ask_for_a_token() -> None:
    """Let Ray on this machine obey this process and its children alone, unless the user has arranged otherwise.

    Ray listens on all interfaces, and whoever reaches it may run code.

    Raises:
        UsageError: if Ray is imported already, which has read what is set here.
    """
    if "RAY_AUTH_MODE" not in os.environ and "ray" in sys.modules:
        raise UsageError(
            "Ray on this machine is started with a token, which must be there before Ray is imported, but it was "
            "imported already; import it later, or set RAY_AUTH_MODE yourself before Python starts."
        )
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
