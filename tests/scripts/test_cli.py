"""The installed command sees the working directory for code of the user's own, and only for that."""

import os
import subprocess
import sys

import pytest

from engram.scripts.cli import names_own_code

# As the console script does: the first entry of the path is the script's folder, not the working directory.
SCRIPT = "import sys; sys.path.pop(0); from engram.scripts.cli import main; sys.exit(main())"
CORE = "core=custom core._target_=my_cores.MyCore".split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["allow=[my_cores]"], True),
        (["core=s5", "+allow=[a,b]"], True),
        (["env=gymnasium", "env.id=my_envs:My-v0"], True),
        (["allow=[]"], False),
        (["allow=null"], False),
        (["env.id=CartPole-v1", "core=s5"], False),
        ([], False),
    ],
)
def test_what_names_code_of_the_users_own(words, expected):
    assert names_own_code(words) is expected


def test_the_working_directory_is_seen_for_the_users_own_code(tmp_path):
    (tmp_path / "my_cores.py").write_text(
        "import my_parts\nfrom engram.memory_cores import GRU\nclass MyCore(GRU):\n    pass\n"
    )
    (tmp_path / "my_parts.py").write_text("")
    # Nothing of the folder takes the place of a library.
    (tmp_path / "omegaconf.py").write_text("raise ImportError('not this one')")
    environment = os.environ | {"GLIBC_TUNABLES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, "train", "--help", "allow=[my_cores]", *CORE]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "+core.hidden_size=" in result.stdout
