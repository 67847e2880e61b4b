"""The leaderboard of archives that are made up: every figure of it, and which submissions it takes and refuses."""

import csv
import json
import re
import zipfile

import pytest
from synthetic_runs import QUICK, VERSIONS, write_run

from engram.analysis.archive import write_archive
from engram.analysis.folders import find_run_folders
from engram.analysis.runs import read_run
from engram.api.leaderboard import make_leaderboard
from engram.common.errors import UsageError
from engram.scripts import leaderboard
from run_files import TINY

TASK, OTHER = "popgym/repeat_previous_easy", "popgym/autoencode_easy"
WORDS = ("total_env_steps=4000",)
STOPS = (*WORDS, "evaluation.stop_at_return=0.9")


def write(root, core, evaluations, seed=0, env=TASK, words=WORDS, **options):
    """A run of this version with an evaluation every 1,000 steps."""
    folder = write_run(root, core, env, seed, evaluations, evaluations, words=words, **options)
    (folder / "versions.json").write_text(json.dumps({**VERSIONS, "engram-rl": "0.2.0"}))
    return folder


def pack(root, path):
    path.parent.mkdir(exist_ok=True)
    return write_archive(path, [read_run(folder) for folder in find_run_folders([str(root)])[0]])


@pytest.fixture
def ours(tmp_path):
    """Two archives: one task at which runs stop, and two tasks with other settings, of which a core lacks one."""
    stop, rest = tmp_path / "stop", tmp_path / "rest"
    for seed, evaluations in enumerate([(0.1, 0.5, 0.92), (0.1, 0.94), (0.1, 0.2, 0.3, 0.6)]):
        write(stop, "gru", evaluations, seed, words=STOPS)
    write(stop, "mlp", (-0.5, -0.5, -0.5, -0.4), words=STOPS)
    write(stop, "s5", (0.95,), words=STOPS)
    for core, value in (("gru", 0.5), ("s5", 0.7), ("mlp", -0.5)):
        write(rest, core, (0.0, value), env=OTHER, words=(*WORDS, "agent.gamma=0.5"), every=2000)
    for core, value in (("gru", 0.95), ("s5", 0.8)):
        write(rest, core, (0.0, value), words=("total_env_steps=2000", "agent.gamma=0.5"))
    return [pack(stop, tmp_path / "a" / "runs.zip"), pack(rest, tmp_path / "b" / "runs.zip")]


def make(tmp_path, ours, *words):
    named = ",".join(map(str, ours))
    return make_leaderboard(
        [f"archives=[{named}]", f"output={tmp_path / 'out'}", "resamples=100", *words]
    ).document


def cells(board, task):
    """Of every row in order: name, rank, score, seeds, last step, how many reached the threshold and how soon."""
    rows = [(row["name"], row["cells"][task]) for row in board["rows"] if task in row["cells"]]
    return [
        (
            *(name, cell["rank"], cell["score"]["value"], len(cell["seeds"])),
            *(cell["env_steps"][1], cell["reached"], cell["steps_to_threshold"]),
        )
        for name, cell in rows
    ]


def test_every_figure(tmp_path, ours):
    document = make(tmp_path, ours)
    assert document["skipped"] == [] and document["runs"] == 10
    second, first = document["boards"]
    assert first["title"] == f"ppo on {TASK}" and first["sources"] == ["a"]
    assert cells(first, TASK) == [
        ("s5", 1, 0.95, 1, 1000, 1, 1000.0),
        ("gru", 2, 0.82, 3, 4000, 2, 3000.0),
        ("mlp", 3, -0.4, 1, 4000, 0, None),
    ]
    assert first["thresholds"] == {TASK: 0.9} and first["mean_rank"] is False and first["notes"] == []
    gru = first["rows"][1]["cells"][TASK]
    assert gru["score"]["low"] >= 0.6 and gru["score"]["high"] <= 0.94 and gru["solved"] == 2
    assert first["rows"][0]["cells"][TASK]["score"] == {"value": 0.95, "low": None, "high": None}
    assert first["rows"][2]["control"] and not first["rows"][1]["control"]
    assert first["rows"][0]["parameters"] == [12345, 12345] and first["rows"][0]["carry_bytes"] == [512, 512]
    assert second["tasks"] == [OTHER, TASK] and second["thresholds"] == {OTHER: None, TASK: 0.9}
    assert cells(second, OTHER) == [
        ("s5", 1, 0.7, 1, 4000, 0, None),
        ("gru", 2, 0.5, 1, 4000, 0, None),
        ("mlp", 3, -0.5, 1, 4000, 0, None),
    ]
    assert cells(second, TASK) == [("s5", 2, 0.8, 1, 2000, 0, None), ("gru", 1, 0.95, 1, 2000, 1, 2000.0)]
    assert second["notes"] == [
        "No mean rank over the tasks, as not all cores have runs on all of them: mlp has not."
    ]
    assert [task for task in document["tasks"] if task["name"] == TASK] == [
        {"name": TASK, "chance": -0.496, "threshold": 0.9}
    ]
    coverage = {one["task"]: one["cores"] for one in document["coverage"]}
    assert (coverage[TASK], coverage[OTHER], coverage["memory_maze/tiny"]) == (3, 3, 0) and len(
        coverage
    ) == 26


def test_a_mean_rank_where_all_cores_have_all_tasks(tmp_path, ours):
    write(tmp_path / "more", "mlp", (0.0, -0.5), words=("total_env_steps=1000", "agent.gamma=0.5"))
    more = pack(tmp_path / "more", tmp_path / "c" / "mine.zip")
    (board,) = (one for one in make(tmp_path, [*ours, more])["boards"] if one["mean_rank"])
    assert [(row["name"], row["mean_rank"]) for row in board["rows"]] == [
        ("gru", 1.5),
        ("s5", 1.5),
        ("mlp", 3.0),
    ]
    assert board["notes"] == [f"{TASK}: budgets differ, 1,000 (mlp), 2,000 (gru, s5) environment steps."]


def test_a_mean_rank_over_the_tasks_that_all_cores_have(tmp_path):
    for core, value in (("gru", 0.1), ("lstm", 0.2), ("mlp", 0.0)):
        for task in ("repeat_previous_easy", "autoencode_easy", "count_recall_easy"):
            if (core, task) != ("mlp", "count_recall_easy"):
                write(tmp_path / "runs", core, (0.0, 0.0, 0.0, value), env=f"popgym/{task}")
    (board,) = make(tmp_path, [pack(tmp_path / "runs", tmp_path / "a" / "runs.zip")])["boards"]
    assert [(row["name"], row["mean_rank"]) for row in board["rows"]] == [
        ("lstm", 1.0),
        ("gru", 2.0),
        ("mlp", 3.0),
    ]
    assert board["notes"] == [
        f"The mean rank is over {OTHER} and {TASK} alone, as not all cores have runs on all of them: mlp has not."
    ]


def test_a_core_that_forgets_is_behind_one_that_does_not(tmp_path):
    for core, evaluations in (("gru", (0.95, 0.95, 0.2, 0.1)), ("lstm", (0.1, 0.1, 0.1, 0.3))):
        write(tmp_path / "runs", core, evaluations)
    write(tmp_path / "runs", "s5", (0.9,), words=(*STOPS, "agent.gamma=0.5"))
    (board, _) = make(tmp_path, [pack(tmp_path / "runs", tmp_path / "a" / "runs.zip")])["boards"]
    assert cells(board, TASK) == [("lstm", 1, 0.3, 1, 4000, 0, None), ("gru", 2, 0.1, 1, 4000, 1, 1000.0)]


def test_what_ended_early_and_what_has_no_evaluation_is_told(tmp_path):
    write(tmp_path / "runs", "gru", (0.1, 0.2))
    write(tmp_path / "runs", "lstm", (0.1, 0.2, 0.3, 0.4))
    folder = write_run(tmp_path / "runs", "s5", words=WORDS)
    document = make(tmp_path, [pack(tmp_path / "runs", tmp_path / "a" / "runs.zip")])
    assert document["boards"][0]["notes"] == [f"{TASK}: ended before their budget was spent: gru."]
    (skipped,) = document["skipped"]
    assert folder.name in skipped["name"] and skipped["reason"] == "no evaluation in its metrics"


def test_the_files(tmp_path, ours):
    document = make(tmp_path, ours)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        *("index.html", "leaderboard.csv", "leaderboard.json", "tables.md")
    ]
    assert json.loads((out / "leaderboard.json").read_text()) == document
    with (out / "leaderboard.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8
    (s5,) = (line for line in lines if line["core"] == "s5" and line["score"] == "0.95")
    assert {key: s5[key] for key in ("rank", "low", "seeds", "steps_to_threshold", "task")} == {
        **{"rank": "1", "low": "", "seeds": "1", "steps_to_threshold": "1000.0", "task": TASK}
    }
    tables = (out / "tables.md").read_text()
    assert "| `mlp`, control | 3 | \N{MINUS SIGN}0.400 | 1 | 4,000 | not reached | 12,345 |\n" in tables
    page = (out / "index.html").read_text()
    assert '<th scope="row">mlp<span class="mark">control</span></th>' in page
    assert page.count('<section class="board"') == 2 and "3,000 (2 of 3)" in page and "{{" not in page


def submission(tmp_path, *seeds, core="lstm", evaluations=(0.1, 0.91), words=STOPS, env=TASK, **options):
    for seed in seeds:
        write(tmp_path / "mine", core, evaluations, seed, env, words, **options)
    return pack(tmp_path / "mine", tmp_path / "mine.zip")


def test_a_submission_appears_beside_ours(tmp_path, ours, capsys):
    """A learning rate is its own; one that lies beside the leaderboard is shown again without being named."""
    path = submission(tmp_path, 0, 1, words=(*STOPS, "agent.learning_rate=0.002", "core.hidden_size=32"))
    named = ",".join(map(str, ours))
    words = [f"archives=[{named}]", f"output={tmp_path / 'out'}", "resamples=100"]
    leaderboard.main([*words, f"submission={path}"])
    said = capsys.readouterr().out.splitlines()[0]
    assert said == f"ppo on {TASK}: lstm has rank 2 of 4, score 0.910 [0.910, 0.910], 2 seeds"
    (tmp_path / "out" / "submissions").mkdir()
    path.rename(tmp_path / "out" / "submissions" / "mine.zip")
    board = make_leaderboard(words).document["boards"][0]
    assert [(row["name"], row["submitted"]) for row in board["rows"]] == [
        *(("s5", None), ("lstm", "mine"), ("gru", None), ("mlp", None))
    ]
    mine = board["rows"][1]
    assert mine["versions"] == ["0.2.0"] and mine["own"] == {"agent.learning_rate": ["0.002"]}
    assert cells(board, TASK)[1] == ("lstm", 2, 0.91, 2, 2000, 2, 2000.0)
    assert '<tr class="submitted">' in (tmp_path / "out" / "index.html").read_text()


def test_a_run_that_was_trained_is_packed_and_submitted(run, trained, tmp_path):
    """All that a stranger does, by the commands."""
    words = [word for word in TINY if word != "core=lstm"]
    mine = run("train", "core=gru", "seed=1", *words, f"logging.runs_dir={tmp_path / 'runs'}")
    assert mine.code == 0, mine.err
    for runs, output in ((trained, "ours"), (tmp_path / "runs", "mine")):
        packed = run("plot", f"runs={runs}", f"output={tmp_path / output}", "archive=true", *QUICK)
        assert packed.code == 0, packed.err
    archives = [f"archives={tmp_path / 'ours' / 'runs.zip'}", f"submission={tmp_path / 'mine' / 'runs.zip'}"]
    result = run("leaderboard", *archives, f"output={tmp_path / 'out'}", "resamples=100")
    assert result.code == 0, result.err
    assert re.match(rf"ppo on {TASK}: gru has rank [12] of 2, score .*, 1 seed\n", result.out)


WRONG = {
    "of settings": (
        {"words": (*STOPS, "agent.entropy_coef=0.5", "evaluation.episodes=7")},
        "differs from ours in its core alone, but in .*mine.zip/.* agent.entropy_coef is 0.5 where ours has 0, "
        "evaluation.episodes is 7 where ours has 100; train it with your core in the place of ours: engram train core=",
    ),
    "of an unknown task": (
        {"env": "popgym/count_recall_easy"},
        "is of a task of the leaderboard, expected one of .*, but .* is of popgym/count_recall_easy; train it on one",
    ),
    "of other options of a task": (
        {"words": (*STOPS, "env.backend=package")},
        "has the same task as ours, expected that of .*, but in .* backend is package where ours has native",
    ),
    "unfinished": (
        {"evaluations": (0.1, 0.2)},
        "spends its budget or reaches its evaluation.stop_at_return, expected 4,000 environment steps, but .* has 2,",
    ),
    "of another budget": (
        {"words": ("total_env_steps=2000", "evaluation.stop_at_return=0.9"), "evaluations": (0.1, 0.2)},
        "has the budget of ours, expected total_env_steps=4,000, but .* has 2,000; train it so",
    ),
    "of another agent": (
        {"words": (*STOPS, "agent=impala")},
        "has an agent that the leaderboard has on its task, expected ppo, but .* has impala; train it with agent=ppo",
    ),
    "ours already": (
        {"core": "s5"},
        "is one that the leaderboard does not have, .* submit another core, or other",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_submission_is_refused_in_a_sentence(tmp_path, ours, kind):
    options, sentence = WRONG[kind]
    path = submission(tmp_path, 0, **options)
    with pytest.raises(UsageError, match=sentence) as refused:
        make(tmp_path, ours, f"submission={path}")
    assert str(refused.value).count(". ") == 0 and not (tmp_path / "out").exists()


def test_several_submissions(tmp_path, ours):
    """Each is a row of its own, whatever its file is called; what is there already is refused."""
    for core in ("lstm", "lru"):
        write(tmp_path / core, core, (0.1, 0.91), words=STOPS)
    paths = [
        pack(tmp_path / core, tmp_path / place / "x.zip") for core, place in (("lstm", "c"), ("lru", "d"))
    ]
    board = make(tmp_path, ours, f"submission=[{paths[0]},{paths[1]}]")["boards"][0]
    assert [(row["name"], row["submitted"]) for row in board["rows"] if row["submitted"]] == [
        *(("lru", "x (2)"), ("lstm", "x (1)"))
    ]
    again = pack(tmp_path / "lstm", tmp_path / "e" / "again.zip")
    with pytest.raises(
        UsageError, match=r"again\.zip has the core, the settings and the seed of one that is there"
    ):
        make(tmp_path, ours, f"submission=[{paths[0]},{again}]")


def test_two_runs_of_one_seed_are_refused(tmp_path, ours):
    submission(tmp_path, 0)
    path = submission(tmp_path, 0, name="0-again")
    with pytest.raises(
        UsageError, match=r"have different seeds, but .*mine\.zip has 2 of seed 0; leave all but one"
    ):
        make(tmp_path, ours, f"submission={path}")


def rewritten(path, change):
    """An archive whose entries went through a function of name and bytes; None leaves one out."""
    with zipfile.ZipFile(path) as stored:
        texts = {name: change(name, stored.read(name)) for name in stored.namelist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, text in texts.items():
            if text is not None:
                target.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda name, text: text.replace(b"0.91", b"0.99") if name.endswith("metrics.jsonl") else text,
            r"holds whole runs that were not edited, .* \(.*metrics.jsonl.*\); write it again: engram plot",
        ),
        (
            lambda name, text: text.replace(b"12345", b"1") if "sizes" in name else text,
            r"sizes\.json was edited",
        ),
        (lambda name, text: None if name.endswith("config.yaml") else text, r"config\.yaml missing"),
    ],
)
def test_a_submission_that_was_edited_is_refused(tmp_path, ours, change, sentence):
    path = rewritten(submission(tmp_path, 0), change)
    with pytest.raises(UsageError, match=sentence):
        make(tmp_path, ours, f"submission={path}")


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "sizes.json",
            "{}",
            "says how many parameters it has, expected parameters in sizes.json, but .* has none",
        ),
        (
            "versions.json",
            '{"python": "3.11.7"}',
            "says which version of Engram made it, expected engram-rl in",
        ),
    ],
)
def test_a_submission_says_size_and_version(tmp_path, ours, file, text, sentence):
    folder = write(tmp_path / "mine", "lstm", (0.1, 0.91), words=STOPS)
    (folder / file).write_text(text)
    path = pack(tmp_path / "mine", tmp_path / "mine.zip")
    with pytest.raises(UsageError, match=sentence):
        make(tmp_path, ours, f"submission={path}")


def test_a_submission_without_a_manifest_is_refused(tmp_path, ours):
    folder = write(tmp_path / "mine", "lstm", (0.1, 0.91), words=STOPS)
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as target:
        for path in folder.iterdir():
            target.write(path, f"a/b/{path.name}")
    with pytest.raises(
        UsageError, match=r"has a manifest\.json, by which changes are noticed, but .* has none"
    ):
        make(tmp_path, ours, f"submission={tmp_path / 'mine.zip'}")


def test_names_of_others_are_text(tmp_path, ours):
    """A class of any name is neither HTML nor Markdown."""
    folder = write(tmp_path / "mine", "lstm", (0.1, 0.91), words=STOPS)
    for file, old in (("command.json", '"core": "lstm"'), ("config.yaml", "engram.memory_cores.LSTM")):
        text = (folder / file).read_text()
        assert old in text
        new = '"core": "custom"' if "json" in file else "'mine.<img src=x>|`y'"
        (folder / file).write_text(text.replace(old, new))
    make(tmp_path, ours, f"submission={pack(tmp_path / 'mine', tmp_path / 'mine.zip')}")
    page, tables = ((tmp_path / "out" / name).read_text() for name in ("index.html", "tables.md"))
    assert "&lt;img src=x&gt;|`y" in page and "<img" not in page
    assert "| `<img src=x>/'y`, submitted: `mine` |" in tables


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["archives=nothing/*.zip"],
            r"archives must name archives of runs, but nothing/\*\.zip does not exist; in a",
        ),
        (["archives={folder}"], r"archives must name archives of runs, whose names end in \.zip, but got"),
        (
            ["archives={archive}", "submission=no.zip"],
            r"submission must be an archive of runs, but no\.zip does not",
        ),
        (
            ["archives={archive}", "submission={text}"],
            r"submission must name archives of runs, whose names end in",
        ),
        (
            ["archives={archive}", "submission={empty}"],
            r"An archive of runs holds run folders, but .* holds none",
        ),
        (["archives={archive}", "output={text}"], r"output must be a folder that can be written to"),
        (["archives={archive}", "free=agent.gamma"], r"free must be a list"),
    ],
)
def test_wrong_options(tmp_path, ours, words, sentence):
    (tmp_path / "text.txt").touch()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as empty:
        empty.writestr("readme.txt", "no run")
    places = {"folder": tmp_path, "archive": ours[0], "text": tmp_path / "text.txt", "empty": empty.filename}
    words = [word.format(**places) for word in words]
    with pytest.raises(UsageError, match=sentence):
        make_leaderboard([f"output={tmp_path / 'out'}", *words])
