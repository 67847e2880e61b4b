"""Agents that are pushed and pulled: the same scores, whole folders or none, and a card that says what is so."""

import dataclasses
import json
import os
import re
import sys
import types
from pathlib import Path

import pytest
import yaml
from given_envs import OwnCore, Recall
from python_runs import QUIET, TINY, lines

import engram
from engram.run_files.agent_card import AgentCard, read_card, write_card
from engram.run_files.card_page import card_page
from engram.scripts import evaluate, pull, push

CARD = AgentCard("task", "GRU", "PPO", 0.5, 0.1, 40, 1000, True, 1234, 8000, "mit", [], {"torch": "2.13.0"})
SMALL = {"episodes": 8, "num_envs": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return engram.train(**TINY, logging={**QUIET["logging"], "curve": True, "run_dir": folder / "run"})


@pytest.fixture(scope="module")
def shared(trained, tmp_path_factory):
    """A folder that the agent of `trained` was pushed to."""
    folder = tmp_path_factory.mktemp("shared") / "an agent"
    assert trained.push(folder, episodes=200, num_envs=20) == str(folder)
    return folder


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_pulled_agent_has_the_score_of_its_card(shared, tmp_path):
    card = read_card(shared)
    pulled = engram.pull(shared, tmp_path / "pulled")
    assert files_of(pulled.path) == files_of(shared)
    again = pulled.evaluate(episodes=200, num_envs=20)
    assert again["mean"] == card.mean and again["standard_error"] == card.standard_error
    others = pulled.evaluate(episodes=400, num_envs=20, seed=7)
    both = (card.standard_error**2 + others["standard_error"] ** 2) ** 0.5
    assert 0 < both and abs(others["mean"] - card.mean) < 2 * both
    assert pulled.agent.num_updates > 0


def test_a_card_says_what_the_agent_is(shared, trained):
    card = read_card(shared)
    assert (card.task, card.core, card.agent) == ("diagnostic/recall_first", "GRU", "PPO")
    assert card.env_steps in [line["env_steps"] for line in lines(trained)] and 0 < card.env_steps <= 432
    assert card.episodes == 200 and card.licence == "mit" and card.allow == []
    assert card.parameters == json.loads((trained.path / "sizes.json").read_text())["parameters"]
    assert card.versions == json.loads((trained.path / "versions.json").read_text())
    played = json.loads((shared / "evaluation" / "evaluation.json").read_text())
    assert (played["mean"], played["episodes"]) == (card.mean, 200)
    page = (shared / "README.md").read_text()
    front = yaml.safe_load(page.split("---\n")[1])
    assert front["license"] == "mit" and front["library_name"] == "engram"
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == card.task
    for text in (
        card.score_text(),
        "![Learning curve](learning_curve.png)",
        "hidden_size: 8",
        f"{card.env_steps} environment steps",
    ):
        assert text in page
    assert (shared / "learning_curve.png").read_bytes() == (trained.path / "learning_curve.png").read_bytes()
    for content in files_of(shared).values():
        assert str(trained.path).encode() not in content and str(shared.parent).encode() not in content


def test_an_interval_of_known_numbers():
    assert CARD.interval() == pytest.approx((0.30400, 0.69600), abs=1e-5)
    assert CARD.score_text() == "return 0.5000, 95 % interval 0.3040 to 0.6960, 40 episodes"
    alone = dataclasses.replace(CARD, standard_error=None, episodes=1)
    assert alone.interval() is None and alone.score_text() == "return 0.5000, 1 episode"


def test_a_page_names_what_must_be_allowed():
    page = card_page(
        dataclasses.replace(CARD, allow=["mine", "yours"], env_steps=None), {}, "hf://a/b", "b", False
    )
    assert "engram pull from=hf://a/b to=pulled/b allow=[mine,yours]\n" in page
    assert "engram evaluate run=pulled/b allow=[mine,yours]\n" in page and "allow=['mine', 'yours'])" in page
    assert "| trained for | not said |" in page and "![" not in page


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", "high"),
        ("episodes", -1),
        ("versions", {"torch": [1]}),
        ("allow", [1]),
        ("task", None),
        ("more", 1),
    ],
)
def test_a_card_of_another_form_is_refused(tmp_path, name, value):
    write_card(tmp_path, CARD)
    assert read_card(tmp_path) == CARD
    edited = {**json.loads((tmp_path / "card.json").read_text()), name: value}
    (tmp_path / "card.json").write_text(json.dumps(edited))
    with pytest.raises(ValueError, match="was edited or damaged since"):
        read_card(tmp_path)
    edited.pop("checksum")
    (tmp_path / "card.json").write_text(json.dumps(edited))
    with pytest.raises(ValueError, match=rf"card\.json is damaged: .*{name}"):
        read_card(tmp_path)


def test_a_card_of_a_later_format_is_refused(tmp_path):
    write_card(tmp_path, CARD)
    edited = {**json.loads((tmp_path / "card.json").read_text()), "format": 2}
    edited.pop("checksum")
    (tmp_path / "card.json").write_text(json.dumps(edited))
    with pytest.raises(ValueError, match=r"has format 1 here, but .* has 2"):
        read_card(tmp_path)


def test_the_commands_say_what_was_pushed_and_pulled(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["episodes=4", "num_envs=2", "licence=cc-by-4.0"]
    assert push.command([f"run={trained.path}", "to=shared/one", *words]) == 0
    assert re.search(r"recall_first: return .* 4 episodes\npushed: shared/one\n$", capsys.readouterr().out)
    (tmp_path / "shared" / "one" / "notes.txt").write_text("mine")
    assert pull.command(["from=shared/one"]) == 0
    said = capsys.readouterr().out
    assert (
        "left out, being no part of an agent: notes.txt\nPPO with GRU on diagnostic/recall_first: return"
        in said
    )
    assert said.endswith(
        "licence cc-by-4.0\npulled: pulled/one\nevaluate it: engram evaluate run=pulled/one\n"
    )
    assert not (tmp_path / "pulled" / "one" / "notes.txt").exists()
    assert evaluate.command(["run=pulled/one", "episodes=4", "num_envs=2"]) == 0
    assert push.command(["run=pulled/one", "to=shared/two", *words]) == 0  # on it goes, with its history
    first, second = (read_card(tmp_path / "shared" / name) for name in ("one", "two"))
    assert second == first
    assert {path.name for path in tmp_path.rglob(".*")} == set()  # no scratch folder is left


def test_folders_that_hold_something_are_left_alone(trained, shared, tmp_path):
    (tmp_path / "letter").write_text("dear friend")
    for call in (lambda: trained.push(tmp_path, **SMALL), lambda: engram.pull(shared, tmp_path)):
        with pytest.raises(engram.RunError, match="An agent gets a folder of its own, but to names"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]
    (tmp_path / "empty").mkdir()
    assert engram.pull(shared, tmp_path / "empty").path == tmp_path / "empty"
    mode = os.umask(0)
    os.umask(mode)
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o777 & ~mode


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["from=nowhere"], "An agent is pulled from a folder that is there, but 'nowhere' is none"),
        (["from=hf://one"], "written hf://<owner>/<name>, but from is 'hf://one'"),
        (["from=hf://a/../b"], "written hf://<owner>/<name>"),
        (["from=.", "revision=v1"], "A folder has no revisions"),
        (["from=.", "to=new"], "A shared agent has a card.json, but . has none"),
        ([], "from has no default, so it must be given"),
    ],
)
def test_what_cannot_be_pulled(words, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pull.command(words) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir()) or [path.name for path in tmp_path.iterdir()] == ["pulled"]


def test_what_the_reader_must_allow_is_on_the_card(tmp_path):
    options = {**TINY, "core": OwnCore, "logging": {**QUIET["logging"], "run_dir": tmp_path / "run"}}
    run = engram.train(**options)
    run.push(tmp_path / "shared", **SMALL)
    assert read_card(tmp_path / "shared").allow == ["given_envs"]
    with pytest.raises(engram.RunError, match=r"allow=\[my_package\]"):
        engram.pull(tmp_path / "shared", tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    pulled = engram.pull(tmp_path / "shared", tmp_path / "pulled", allow=["given_envs"])
    assert pulled.evaluate(**SMALL)["mean"] == read_card(pulled.path).mean


def test_an_environment_that_was_given_is_given_again(tmp_path):
    options = {**TINY, "env": Recall, "logging": {**QUIET["logging"], "run_dir": tmp_path / "run"}}
    run = engram.train(**options)
    run.push(tmp_path / "shared", **SMALL)
    pulled = engram.pull(tmp_path / "shared", tmp_path / "pulled")
    with pytest.raises(engram.RunError, match="was given from Python"):
        pulled.evaluate(**SMALL)
    again = engram.Run(pulled, env=Recall).evaluate(**SMALL)
    assert again["mean"] == read_card(pulled.path).mean


class Hub:
    """Stands in for the library of the hub: repositories are folders of names and contents."""

    def __init__(self):
        self.repositories, self.asked = {}, []

    def module(self):
        hub = self

        class HfApi:
            def __init__(self, library_name):
                assert library_name == "engram"

            def create_repo(self, repo_id, *, private, exist_ok):
                assert exist_ok
                hub.repositories.setdefault(repo_id, {"private": private})

            def upload_folder(self, *, repo_id, folder_path, commit_message):
                assert commit_message
                hub.repositories[repo_id] |= files_of(Path(folder_path))

        def snapshot_download(repo_id, *, revision, local_dir, allow_patterns):
            hub.asked.append((repo_id, revision, tuple(allow_patterns)))
            if repo_id not in hub.repositories:
                raise LookupError("404 Client\nError")
            for name, content in hub.repositories[repo_id].items():
                if name in allow_patterns:
                    path = Path(local_dir, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)

        module = types.ModuleType("huggingface_hub")
        module.HfApi, module.snapshot_download = HfApi, snapshot_download
        return module


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub.module())
    return hub


def test_an_agent_goes_to_the_hub_and_back(hub, trained, tmp_path):
    assert trained.push("hf://me/mine", private=True, **SMALL) == "hf://me/mine"
    stored = hub.repositories["me/mine"]
    assert stored.pop("private") is True and "checkpoints/latest.safetensors" in stored
    assert "engram pull from=hf://me/mine to=pulled/mine\n" in stored["README.md"].decode()
    stored["../evil.py"] = stored["evil.py"] = b"import os"
    pulled = engram.pull("hf://me/mine", tmp_path / "pulled", revision="v1")
    assert hub.asked == [("me/mine", "v1", hub.asked[0][2])] and "config.yaml" in hub.asked[0][2]
    assert files_of(pulled.path).keys() == stored.keys() - {"evil.py", "../evil.py"}
    assert pulled.evaluate(**SMALL)["mean"] == read_card(pulled.path).mean
    assert {path.name for path in tmp_path.iterdir()} == {"pulled"}


def test_what_the_hub_says_is_told_in_a_sentence(hub, trained, tmp_path, monkeypatch):
    sentence = r"hf://me/none could not be \(LookupError: 404 Client Error\); see to the name"
    with pytest.raises(engram.RunError, match=sentence):
        engram.pull("hf://me/none", tmp_path / "pulled")
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: engram.pull("hf://a/b", tmp_path / "x"), lambda: trained.push("hf://a/b", **SMALL)):
        with pytest.raises(engram.RunError, match=r"pip install 'engram-rl\[hub\]'"):
            call()
