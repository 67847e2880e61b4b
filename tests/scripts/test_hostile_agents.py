"""A pulled agent is data: whatever its folder holds, nothing of it runs, and what is refused leaves nothing."""

import os
import re
import shutil
import sys

import pytest
import yaml
from hostile_descriptions import PAYLOAD, planted, watched

import engram
from engram.run_files.manifest import adopt_texts

# What making, filling and moving the new folder consists of.
_OF_COPYING = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
# A tree is removed by names within folders that are open.
_WITHIN = re.compile(r"os\.(remove|rmdir) \('[^/]*', \d+\)")


@pytest.fixture(scope="module")
def shared(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "agent"
    engram.Run(trained).push(folder, episodes=4, num_envs=2)
    return folder


@pytest.fixture
def copied(shared, tmp_path):
    return shutil.copytree(shared, tmp_path / "copied")


def reseal(folder, config):
    """Write a configuration, and a manifest that fits it: checksums are no defence against whoever writes both."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "manifest.json").unlink()
    adopt_texts(folder)


def pull_watched(folder, target):
    """Pull, and return what was done beside copying."""
    with watched() as seen:
        try:
            engram.pull(folder, target)
        except engram.RunError as error:
            caught = error
        else:
            caught = None
    done = [
        line
        for line in seen
        if not (line.startswith(_OF_COPYING) and str(target.parent) in line) and not _WITHIN.fullmatch(line)
    ]
    return done, caught


def test_the_watch_sees_a_harmless_pull(shared, tmp_path):
    done, caught = pull_watched(shared, tmp_path / "pulled")
    assert caught is None and not done and (tmp_path / "pulled" / "card.json").is_file()


def test_planted_descriptions_do_nothing(copied, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    (tmp_path / f"{PAYLOAD}.py").write_text(f"open({str(trace)!r}, 'w')\ndef run(**arguments): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = yaml.safe_load((copied / "config.yaml").read_text())
    cases = list(planted(trace).items())
    kinds = {name.partition(" as ")[0] for name, _ in cases}
    places = {name.partition(" as ")[2] for name, _ in cases}
    # Each kind once, in another place each time.
    chosen = cases[:: len(places) + 1]
    assert len({name.partition(" as ")[0] for name, _ in chosen}) >= len(kinds) - 2
    assert {name.partition(" as ")[2] for name, _ in chosen} == places
    for name, changes in chosen:
        reseal(copied, {**config, "allow": ["os", "posix", "subprocess", PAYLOAD], **changes})
        done, caught = pull_watched(copied, tmp_path / "pulled")
        assert not done, name
        assert caught is not None and "\n" not in str(caught), name
        assert not (tmp_path / "pulled").exists() and not trace.exists() and PAYLOAD not in sys.modules


@pytest.mark.parametrize(
    "name", ["card.json", "checkpoints/latest.safetensors", "README.md", "more/anything"]
)
def test_links_are_refused(copied, tmp_path, name):
    letter = tmp_path / "letter"
    letter.write_text("dear friend")
    (copied / name).unlink(missing_ok=True)
    (copied / name).parent.mkdir(exist_ok=True)
    (copied / name).symlink_to(letter)
    done, caught = pull_watched(copied, tmp_path / "pulled")
    assert not done and "holds files and folders alone" in str(caught)
    assert not (tmp_path / "pulled").exists()


def test_a_pickle_in_the_place_of_parameters_is_refused(copied, tmp_path):
    import pickle

    (copied / "checkpoints" / "latest.safetensors").write_bytes(pickle.dumps(os.getcwd))
    done, caught = pull_watched(copied, tmp_path / "pulled")
    assert not done and "is damaged" in str(caught) and str(copied) in str(caught)
    assert not (tmp_path / "pulled").exists()


def test_an_edited_agent_is_refused_unless_it_is_trusted(copied, tmp_path):
    path = copied / "config.yaml"
    path.write_text(path.read_text() + "\n# mine\n")
    with pytest.raises(engram.RunError, match="was edited, damaged or removed since"):
        engram.pull(copied, tmp_path / "pulled")
    with pytest.warns(UserWarning, match=r"config\.yaml was edited"):
        engram.pull(copied, tmp_path / "pulled", trust_edited=True)


def test_code_beside_an_agent_is_left_where_it_is(copied, tmp_path):
    (copied / f"{PAYLOAD}.py").write_text("raise SystemExit")
    (copied / "checkpoints" / "best.pt").write_bytes(b"\x80\x04.")
    pulled = engram.pull(copied, tmp_path / "pulled")
    names = {path.name for path in pulled.path.rglob("*")}
    assert f"{PAYLOAD}.py" not in names and "best.pt" not in names
