"""`torchrun` as a user calls it: a process is killed, the run says so in one sentence and goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc"),
]
WORDS = [
    *("agent=impala", "core=gru", "core.hidden_size=8", "env=diagnostic/recall_first", "num_envs=6"),
    *("evaluation.interval=null", "logging.curve=false", "logging.to=[]"),
]


def launch(count, *words):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.Popen(
        [*command, "-m", "engram.scripts.train", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def process_of(rank, launcher):
    """The process that is this rank of a launcher."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                is_child = f"PPid:\t{launcher.pid}\n" in (entry / "status").read_text()
                if is_child and f"\0RANK={rank}\0".encode() in b"\0" + (entry / "environ").read_bytes():
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError(f"there is no rank {rank}")


def wait_for_lines(run_dir, count):
    for _ in range(1200):
        if (run_dir / "metrics.jsonl").exists() and len(
            (run_dir / "metrics.jsonl").read_text().splitlines()
        ) >= count:
            return
        time.sleep(0.1)
    raise AssertionError("the run does not come on")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_in_one_sentence_and_it_goes_on(rank, tmp_path):
    run_dir = tmp_path / "run"
    launcher = launch(2, *WORDS, f"logging.run_dir={run_dir}", "total_env_steps=100_000_000")
    try:
        wait_for_lines(run_dir, 3)
        os.kill(process_of(rank, launcher), signal.SIGKILL)
        said = launcher.communicate(timeout=120)[1]
    finally:
        launcher.kill()
    (sentence,) = re.findall("^error: .*$", said, re.MULTILINE)
    assert sentence == (
        f"error: All 2 processes of a run are there to its end, but one is gone or does not answer; the last "
        f"checkpoint of {run_dir} is intact; go on, with as many processes or others, with: torchrun "
        f"--nproc-per-node 2 -m engram.scripts.train resume={run_dir}"
    )
    assert launcher.returncode == 1
    launcher = launch(3, f"resume={run_dir}", "total_env_steps=2000")
    assert "done after" in launcher.communicate(timeout=300)[1]
    assert launcher.returncode == 0
    assert json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])["env_steps"] >= 2000


def test_a_signal_saves_and_a_wrong_option_is_one_sentence(tmp_path):
    run_dir = tmp_path / "run"
    launcher = launch(2, *WORDS, f"logging.run_dir={run_dir}", "total_env_steps=100_000_000")
    wait_for_lines(run_dir, 3)
    launcher.send_signal(signal.SIGTERM)
    said = launcher.communicate(timeout=120)[1]
    assert "stopped; it goes on from step" in said and "error:" not in said
    launcher = launch(2, *WORDS, f"logging.run_dir={tmp_path / 'other'}", "num_envs=5")
    said = launcher.communicate(timeout=120)[1]
    (sentence,) = re.findall("^error: .*$", said, re.MULTILINE)
    assert sentence.startswith("error: All processes of a run have as many environments: expected num_envs")
    assert launcher.returncode == 1
