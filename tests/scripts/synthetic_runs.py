"""Run folders as training writes them, with metrics that are made up."""

import functools
import json

import yaml

from engram.command_line.config import compose_config
from engram.run_files.run_command import asked_for, command_text

SIZES = {"parameters": 12_345, "core_parameters": 10_000, "carry_bytes_per_env": 512}
QUICK = ("resamples=200", "points=5", "figures=false")
VERSIONS = {"python": "3.11.7", "torch": "2.13.0", "git_commit": "0" * 40, "device": "cpu"}


@functools.cache
def composed(*words):
    return compose_config("train", words)


def write_run(
    root,
    core="gru",
    env="popgym/repeat_previous_easy",
    seed=0,
    returns=(0.0, 0.1, 0.2, 0.3),
    evaluations=(),
    every=1000,
    seconds=(1.0, 2.0),
    words=(),
    name=None,
):
    """Write a run with a line of metrics every `every` steps; `evaluations` belong to the last lines."""
    folder = root / env / f"ppo-{core}" / (name or f"{seed}-20260101-000000")
    folder.mkdir(parents=True)
    words = (f"core={core}", f"env={env}", *words)
    config = {**composed(*words).values, "seed": seed}
    (folder / "command.json").write_text(command_text(asked_for(words, composed(*words).choices)))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "versions.json").write_text(json.dumps(VERSIONS))
    (folder / "sizes.json").write_text(json.dumps(SIZES))
    lines = []
    for index, value in enumerate(returns):
        line = {"env_steps": (index + 1) * every, "charts/episodic_return": value}
        if seconds:
            line |= {"time/collect_seconds": seconds[0], "time/update_seconds": seconds[1]}
        late = index - (len(returns) - len(evaluations))
        if late >= 0:
            line["eval/episodic_return"] = evaluations[late]
        lines.append(json.dumps(line) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def write_comparison(root, cores=("gru", "mlp"), tasks=("repeat_previous_easy", "autoencode_easy"), seeds=5):
    """Runs of several cores, tasks and seeds: each core 0.1 better than the next."""
    for place, core in enumerate(cores):
        for task in tasks:
            for seed in range(seeds):
                base = 0.5 - 0.1 * place + 0.01 * seed
                returns = [base * share for share in (0.25, 0.5, 0.75, 1.0)]
                write_run(root, core, f"popgym/{task}", seed, returns, (base + 0.05,))


def plot(run, runs, output, *words):
    """Compare; returns how the command ended and its document."""
    result = run("plot", f"runs={runs}", f"output={output}", *QUICK, *words)
    assert result.code == 0, result.err
    return result, json.loads((output / "results.json").read_text())


def row_of(document, group, task="popgym/repeat_previous_easy"):
    (row,) = (row for row in document["table"] if row["group"] == group and row["task"] == task)
    return row
