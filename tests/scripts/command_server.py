"""Runs commands in forks of a process that has imported everything: like a fresh process, but in no time.

The server reads a request per line, {command, words, cwd, path, out, err}; it answers the process id at
once and the exit code when the process has ended. A command runs in a process of its own, so it can be
killed at any moment.
"""

import contextlib
import functools
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import machine_faults

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def run_dir(self):
        """The folder that a training command named."""
        line = next(line for line in self.err.splitlines() if line.startswith(("training in", "continuing")))
        return Path(line.split(" in ", 1)[1])


class CommandRunner:
    """Starts the server, and asks it to run commands.

    Args:
        directory: where the commands' output is put.
        prefix: words in front of the server's own, such as those of `unshare`.
    """

    def __init__(self, directory: Path, prefix=()):
        self._directory = directory
        self._count = 0
        environment = os.environ | {"GLIBC_TUNABLES": "", "COLUMNS": "200"}
        self._server = subprocess.Popen(
            [*prefix, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __call__(
        self,
        command,
        *words,
        cwd=None,
        path=(),
        kill_after=None,
        kill_when=None,
        number=signal.SIGKILL,
        after_start=False,
        disk_seconds=0.0,
        fault=None,
        limits=None,
    ):
        """Run `command` (`train`, `evaluate`, `sweep`, `plot`) with `words`.

        `path` holds folders put in front of the module search path. The process is sent signal `number` after
        `kill_after` seconds, counted from the first line of its training if `after_start`, or once
        `kill_when()` holds, if it still runs then. Renames and waits for the disk take `disk_seconds` more.
        `fault` is for `machine_faults.install`, and `limits` maps names of the module `resource` to numbers.
        """
        self._count += 1
        out, err = (self._directory / f"{self._count}.{kind}" for kind in ("out", "err"))
        request = {
            "command": command,
            "words": [str(word) for word in words],
            "cwd": str(cwd or self._directory),
            "path": [str(folder) for folder in path],
            "out": str(out),
            "err": str(err),
            "disk_seconds": disk_seconds,
            "fault": fault,
            "limits": limits or {},
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        pid = self._answer()["pid"]
        ended = threading.Event()
        begun = functools.partial(has_begun, err) if after_start else None
        killer = threading.Thread(target=kill, args=(pid, ended, kill_after, kill_when, number, begun))
        killer.start()
        code = self._answer()["code"]
        ended.set()
        killer.join()
        return Result(code, out.read_text(), err.read_text())

    def _answer(self):
        return json.loads(self._server.stdout.readline())

    def system(self, *words):
        """Run another command as the server's user, where it is; returns the exit code and what it complained of."""
        self._server.stdin.write(json.dumps({"system": [str(word) for word in words]}) + "\n")
        self._server.stdin.flush()
        answer = self._answer()
        return answer["code"], answer["err"]

    @property
    def pid(self):
        """Process id of the server."""
        return self._server.pid

    def close(self):
        """End the server."""
        self._server.stdin.close()
        self._server.wait()


def has_begun(err):
    """Whether a command has said that it trains."""
    text = err.read_text() if err.exists() else ""
    return "training in " in text or "continuing in " in text


def kill(pid, ended, seconds, condition, number=signal.SIGKILL, begun=None):
    """Send a process a signal after so many seconds or once the condition holds, unless it ended before."""
    while begun is not None and not begun():
        if ended.wait(0.002):
            return
    start = time.monotonic()
    while not ended.wait(0.002):
        is_late = seconds is not None and time.monotonic() - start >= seconds
        if is_late or (condition is not None and condition()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            return


def serve():
    """Answer requests until the input ends."""
    for command in ("train", "evaluate", "sweep", "plot"):
        importlib.import_module(f"engram.scripts.{command}")
    # Hydra's parser and the table of names are made at the first composition: a third of what a tiny run takes.
    importlib.import_module("engram.command_line.config").compose_config("train", [])
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if "system" in request:
            done = subprocess.run(
                request["system"], capture_output=True, text=True, cwd=Path(__file__).parent
            )
            print(json.dumps({"code": done.returncode, "err": done.stderr}), file=answers, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            become(request)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        status = os.waitpid(pid, 0)[1]
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


def become(request):
    """Turn this process into the command's; does not return."""
    import traceback

    code = 1
    try:
        for name, descriptor in (("out", 1), ("err", 2)):
            file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        slow_the_disk(request["disk_seconds"])
        for name, limit in request["limits"].items():
            number = getattr(resource, name)
            resource.setrlimit(number, (limit, resource.getrlimit(number)[1]))
        if request["fault"]:
            machine_faults.install(request["fault"])
        os.chdir(request["cwd"])
        sys.path[:0] = request["path"]
        importlib.invalidate_caches()
        code = importlib.import_module(f"engram.scripts.{request['command']}").command(request["words"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def slow_the_disk(seconds):
    """Let what makes a checkpoint durable take longer, so that a signal can meet it."""

    def slowed(function):
        def call(*arguments, **options):
            time.sleep(seconds)
            return function(*arguments, **options)

        return call

    if seconds:
        os.fsync, os.replace, os.rename = slowed(os.fsync), slowed(os.replace), slowed(os.rename)


if __name__ == "__main__":
    serve()
