"""Each fault of the machine is one sentence; what stood stands, and the run goes on to the bit once it is gone.

The disks are real, a few megabytes each, in a namespace of the tests' own (`mounts`). Each test names the moment at
which a fault begins: just before the command touches a file.
"""

import re
import shlex

import pytest
from machine_faults import FAULTS, NUMBERS
from mounts import Disks, folder_without_rights

from run_files import RECALL, TINY, TINY_WORLD_MODEL, assert_same_run

SHORT = [word for word in TINY if not word.startswith(("total_env_steps", "logging.curve"))]
PPO = (*RECALL, *SHORT, "total_env_steps=320", "checkpoint.interval=100")
WORLD_MODEL = (
    *RECALL,
    *TINY_WORLD_MODEL,
    *[word for word in SHORT if word.startswith(("threads", "evaluation", "logging"))],
    "agent.train_ratio=4",
    "agent.replay.capacity_bytes=200_000",
    "agent.replay.prefill=120",
    "checkpoint.interval=100",
    "total_env_steps=320",
)
LATEST, REPLAY = "run/checkpoints/latest.safetensors", "run/replay/row+obs.bin"


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    with folder_without_rights(tmp_path_factory.mktemp("disks")) as folder:
        disks = Disks(folder)
        yield disks
        disks.close()


class Whole:
    """A run that nothing disturbed: its folder as this process reaches it, and the moments of its writing."""

    def __init__(self, disks, words):
        disk, moments = disks.mount(), disks.folder / "moments"
        result = disks.run(
            "train", *words, f"logging.run_dir={disk}/run", fault={"disk": str(disk), "record": str(moments)}
        )
        assert result.code == 0, result.err
        self.words, self.folder = words, disks.outside(disk / "run")
        self.moments = moments.read_text().splitlines()
        moments.unlink()

    def find(self, start, index):
        """The number, from 1, of one of the moments whose name starts so."""
        return [number for number, name in enumerate(self.moments, 1) if name.startswith(start)][index]


@pytest.fixture(scope="module")
def ppo(disks):
    return Whole(disks, PPO)


@pytest.fixture(scope="module")
def world_model(disks):
    return Whole(disks, WORLD_MODEL)


def assert_one_sentence(result):
    """Assert exit code 2 and one sentence, which is the last thing said; returns it."""
    assert result.code == 2, result.err
    said = [
        line for line in result.err.splitlines() if line.startswith(("error", "Traceback", "Exception", "  "))
    ]
    assert said == result.err.splitlines()[-1:] and said[0].startswith("error: "), result.err
    return said[0]


def assert_survived(disks, whole, fault, number):
    """Assert that a run meets a fault with one sentence, and that what this says to do leads to the same run."""
    disk = disks.mount()
    fault = {"disk": str(disk), "fault": fault, "moment": number}
    result = disks.run("train", *whole.words, f"logging.run_dir={disk}/run", fault=fault)
    disks.mend(disk)
    if result.code != 0:  # else what was replaced has made room for the last file
        command = re.findall(r"then: engram train (.*)", assert_one_sentence(result))
        words = shlex.split(command[0]) if command else [*whole.words, f"logging.run_dir={disk}/run"]
        again = disks.run("train", *words)
        assert again.code == 0, again.err
    assert_same_run(disks.outside(disk / "run"), whole.folder)
    disks.unmount(disk)
    return result


@pytest.mark.parametrize(
    ("fault", "moment", "index", "says"),
    [
        (
            "full",
            f"fsync {LATEST}.tmp",
            1,
            r"the last checkpoint of .*/run is intact: free space, then: python -m",
        ),
        (
            "moved",
            f"os.rename {LATEST}",
            0,
            r"latest\.safetensors.*' cannot be written any more \(No such file",
        ),
        (
            "EIO",
            "fsync run/metrics.jsonl",
            1,
            r"run needs a disk that works, but got: Input/output error, /.*jsonl",
        ),
        (
            "read-only",
            "open run/checkpoints/best",
            0,
            r"best\.safetensors\.tmp' cannot be written any more \(Read-only",
        ),
    ],
)
def test_a_training(disks, ppo, fault, moment, index, says):
    result = assert_survived(disks, ppo, fault, ppo.find(moment, index))
    assert re.search(says, result.err), result.err


@pytest.mark.slow
@pytest.mark.parametrize("shift", range(len(FAULTS) + len(NUMBERS)))
@pytest.mark.parametrize("kind", ["ppo", "world_model"])
def test_each_fault_before_each_kind_of_moment(disks, request, kind, shift):
    """A fault at the first and at the last moment of every kind; over all shifts each fault meets each of them."""
    whole, faults = request.getfixturevalue(kind), [*FAULTS, *NUMBERS]
    kinds = dict.fromkeys(re.sub(r"\d{6}.*", "", name) for name in whole.moments)
    numbers = sorted({whole.find(name, index) for name in kinds for index in (0, -1)})
    assert len(numbers) > 50
    for place, number in enumerate(numbers):
        assert_survived(disks, whole, faults[(place + shift) % len(faults)], number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "moment", "index", "says"),
    [
        ("full", "os.mkdir run/replay", 0, "A replay reserves all its room on the disk at once"),
        ("full", f"fsync {REPLAY}", 1, "the last checkpoint of .* is intact: free space"),
        (
            "EDQUOT",
            f"open {REPLAY}",
            -1,
            "needs room on the disk.*quota.*row.obs.bin.*ask for a larger quota",
        ),
        ("moved", f"open {REPLAY}", -1, r"row\+obs\.bin' cannot be written any more \(No such file"),
    ],
)
def test_a_replay(disks, world_model, fault, moment, index, says):
    result = assert_survived(disks, world_model, fault, world_model.find(moment, index))
    assert re.search(says, result.err), result.err


def test_a_disk_that_is_read_only(disks):
    """What only reads goes on, given a place for its results; what writes says where it cannot."""
    disk, other = disks.mount(), disks.mount()
    run_dir, words = disk / "run", (*PPO, "evaluation.interval=null", "logging.curve=false")
    assert disks.run("train", *words, f"logging.run_dir={run_dir}").code == 0
    disks.break_down(disk, "become_read_only")
    evaluate = ("evaluate", f"run={run_dir}", "episodes=2", "num_envs=2")
    plot = ("plot", f"runs={disk}", "figures=false")
    grid = [word for word in words if not word.startswith("core=")]
    for command, says in [
        (
            evaluate,
            rf"output must be .* but {run_dir}/evaluation cannot \(Read-only .*; set output=<folder>\.$",
        ),
        ((*plot, f"output={disk}/report"), rf"output must be .* but {disk}/report cannot \(Read-only"),
        (
            ("train", f"resume={run_dir}"),
            rf"but {run_dir} does not \(Read-only .*copy it to a place of your own",
        ),
        (
            ("train", *words, f"logging.run_dir={disk}/new"),
            r"folder must be one that can be made.*/new cannot",
        ),
        (
            ("sweep", *grid, "core=gru", f"sweep.dir={disk}/sweep"),
            r"sweep's folder must be one that can be made",
        ),
        (("sweep", *grid, "core=gru", f"sweep.dir={disk}"), rf"but {disk} does not \(Read-only"),
    ]:
        assert re.search(says, assert_one_sentence(disks.run(*command))), command
    for command in ((*evaluate, f"output={other}/evaluation"), (*plot, f"output={other}/report")):
        result = disks.run(*command)
        assert (result.code, result.err) == (0, ""), result.err
    assert disks.outside(other / "evaluation" / "evaluation.json").is_file()


def test_results_of_before_survive_a_full_disk(disks):
    """Results that took long are printed when there is no room for them."""
    disk = disks.mount()
    run_dir, report, sweep = disk / "run", disk / "report", disk / "sweep"
    words = (*PPO, "evaluation.interval=null", "logging.curve=false")
    assert disks.run("train", *words, f"logging.run_dir={run_dir}").code == 0
    evaluate = ("evaluate", f"run={run_dir}", "num_envs=2")
    plot = ("plot", f"runs={run_dir}", f"output={report}", "figures=false", "archive=true")
    grid = [word for word in words if not word.startswith("core=")]
    assert disks.run(*evaluate, "episodes=2").code == disks.run(*plot).code == 0
    kept = [
        run_dir / "evaluation" / "evaluation.json",
        *(report / name for name in ("index.html", "runs.zip")),
    ]
    before = [disks.outside(path).read_bytes() for path in kept]
    disks.break_down(disk, "fill")
    result = disks.run(*evaluate, "episodes=3")
    assert re.search(
        r"evaluation\.json, but it cannot be written to \(No space.*printed above",
        assert_one_sentence(result),
    )
    assert '"returns": [' in result.out
    for command in (plot, ("sweep", *grid, "core=gru", f"sweep.dir={sweep}")):
        assert "needs room on the disk, but got: No space left on device, " in assert_one_sentence(
            disks.run(*command)
        )
    assert [disks.outside(path).read_bytes() for path in kept] == before
    assert not list(disks.outside(disk).rglob("*.tmp"))


ASYNC = (*TINY, "env=gymnasium", "env.id=CartPole-v1", "env.vectorization=async", "env.start_method=fork")


def test_shared_memory_and_open_files_run_out(disks):
    """Environments in processes of their own need both; none of their processes is left."""
    result = disks.run("train", *ASYNC, "logging.runs_dir=nowhere", limits={"RLIMIT_NOFILE": 25})
    assert "needs more open files than the system allows it, but got: Too many open" in assert_one_sentence(
        result
    )
    disks.system("mount", "-t", "tmpfs", "-o", "size=4k", "none", "/dev/shm")
    result = disks.run("train", *ASYNC, "logging.runs_dir=nowhere")
    disks.system("umount", "/dev/shm")
    assert "need room in shared memory, but /dev/shm has none left; free it" in assert_one_sentence(result)
    assert not (disks.folder / "nowhere").exists()
