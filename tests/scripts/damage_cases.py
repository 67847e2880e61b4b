"""The cases of the campaign: which file of which folder is damaged how, and what is then done with it."""

from __future__ import annotations

import functools
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from damage_edits import edits, leaves, parse, unparse, with_value
from damage_folders import ARCHIVE, RUN, SWEEP, Base
from damage_kinds import ANY_FILE, ONCE, TEXT_FILE, damaged

from engram.command_line.config import compose_plain
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint

TEXTS = (
    "config.yaml",
    "metrics.jsonl",
    "spaces.json",
    "versions.json",
    "sizes.json",
    "command.json",
    "manifest.json",
)
LATEST, PREVIOUS, BEST = (f"checkpoints/{name}.safetensors" for name in ("latest", "latest.previous", "best"))
TRUSTING = ("trust_edited=true",)


@dataclass(frozen=True)
class Case:
    """One damage, and what is done with it.

    Attributes:
        base: name of the folder.
        file: below it; `a.zip!b` is the member `b` of an archive.
        kind: of damage.
        number: which of its kind; the name of an edit.
        consumers: names of `CONSUMERS`.
        is_lenient: only tracebacks are faults: the damage is not to be noticed, or its user asked for it.
    """

    base: str
    file: str
    kind: str
    number: str
    consumers: tuple[str, ...]
    is_lenient: bool = False

    @property
    def name(self) -> str:
        return f"{self.base}/{self.file}:{self.kind}:{self.number}"

    @property
    def more(self) -> tuple[str, ...]:
        """Further words of the commands."""
        return TRUSTING if self.kind == "trusted" else ()


# Base, files, how many cases of each kind of damage, consumers.
Row = tuple[str, Sequence[str], int, tuple[str, ...]]


def _in(folder: str, files: Sequence[str]) -> list[str]:
    return [f"{folder}/{file}" for file in files]


def rows(bases: dict[str, Base]) -> list[Row]:
    """What is damaged, and what reads it."""
    made = _rows_of_runs()
    if "archive" in bases:
        made += [
            ("archive", [ARCHIVE], 6, ("plot archive",)),
            ("archive", _members(bases["archive"]), 1, ("plot archive",)),
        ]
    if "world_model" in bases:
        folder = bases["world_model"].whole / RUN / "replay"
        replay = sorted(f"replay/{path.name}" for path in folder.iterdir())
        made += [
            ("world_model", _in(RUN, replay), 3, ("resume",)),
            ("world_model", _in(RUN, [LATEST, *TEXTS]), 1, ("resume",)),
        ]
    return made + _rows_of_a_sweep(bases["sweep"]) if "sweep" in bases else made


def _rows_of_a_sweep(base: Base) -> list[Row]:
    trials = [one.parent for one in sorted(base.whole.glob(f"{SWEEP}/**/config.yaml"))]
    trial_files = [
        (trial / file).relative_to(base.whole).as_posix()
        for trial in trials
        for file in (*TEXTS, LATEST, PREVIOUS)
    ]
    return [
        ("sweep", [f"{SWEEP}/sweep.yaml"], 4, ("sweep",)),
        ("sweep", trial_files, 1, ("sweep",)),
    ]


def _rows_of_runs() -> list[Row]:
    return [
        ("killed", _in(RUN, TEXTS), 2, ("unfinished", "resume")),
        ("finished", _in(RUN, TEXTS), 2, ("load", "evaluate", "plot")),
        ("killed", _in(RUN, [LATEST]), 5, ("unfinished", "resume")),
        ("killed", _in(RUN, [PREVIOUS]), 2, ("unfinished", "resume")),
        ("killed without latest", _in(RUN, [PREVIOUS]), 3, ("unfinished", "resume")),
        ("finished", _in(RUN, [BEST]), 5, ("load", "evaluate")),
        ("finished", _in(RUN, [LATEST]), 3, ("load latest", "evaluate latest")),
        ("finished", _in(RUN, ["evaluation/evaluation.json"]), 5, ("against",)),
        ("finished", _in(RUN, ["evaluation/probe_delay.json"]), 1, ("evaluate", "plot")),
    ]


def _members(base: Base) -> list[str]:
    with zipfile.ZipFile(base.whole / ARCHIVE) as archive:
        return [f"{ARCHIVE}!{name}" for name in archive.namelist()]


def damages(bases: dict[str, Base]) -> Iterator[Case]:
    """Every kind of damage to every file."""
    for base, files, repeats, consumers in rows(bases):
        for file in files:
            if read(bases[base].whole, file) is None:
                continue
            binary = file.endswith((".safetensors", ".bin", ".zip"))
            for kind in ANY_FILE if binary else TEXT_FILE:
                for number in range(1 if kind in ONCE else repeats):
                    yield Case(base, file, kind, str(number), consumers)
            yield Case(base, file, "missing", "0", consumers)
            yield Case(base, file, "earlier", "0", consumers)
            # Another archive in the place of one is another archive, and as good.
            for number in range(0 if file == ARCHIVE else len(bases[base].others)):
                yield Case(base, file, "other", str(number), consumers)


def edited(bases: dict[str, Base]) -> Iterator[Case]:
    """Every value of every text edited, without and with the word that takes an edited folder."""
    has_word = "trust_edited" in compose_plain("evaluate", []).values
    for base, files, _, consumers in rows(bases):
        for file in files:
            text = read(bases[base].whole, file)
            if text is None or file.endswith((".safetensors", ".bin", ".zip")):
                continue
            document = parse(file, text.decode())
            names = [name for name, _ in edits(document)]
            share = _share(base, file)
            for place, name in enumerate(names):
                if place % share == (base == "finished") % share:
                    yield Case(base, file, "edit", name, consumers)
                if (
                    has_word
                    and (place + 1) % (2 * share) == 0
                    and base in ("killed", "finished")
                    and "probe" not in file
                ):
                    yield Case(base, file, "trusted", name, consumers, is_lenient=True)


def _share(base: str, file: str) -> int:
    """One of so many edits is tried: many lines of a log are alike, and so are the runs."""
    if file.endswith("sweep.yaml"):
        return 3
    if base in ("world_model", "sweep", "archive"):
        return 40 if file.endswith(".jsonl") else 9
    return 17 if file.endswith(".jsonl") else 1 if "evaluation" in file else 2


def forged(bases: dict[str, Base]) -> Iterator[Case]:
    """Every value of a checkpoint edited, and its checksum made to fit."""
    consumers = {LATEST: ("unfinished", "resume"), BEST: ("load", "evaluate")}
    for base, file, share in (
        ("killed", LATEST, 2),
        ("finished", BEST, 3),
        ("world_model", LATEST, 11),
    ):
        if base not in bases:
            continue
        state = load_checkpoint(bases[base].whole / RUN / file)
        readers = consumers[file] if base != "world_model" else ("resume",)
        for place, (name, _) in enumerate(_forgeries(state)):
            if place % share == 0:
                yield Case(base, f"{RUN}/{file}", "forged", name, readers, is_lenient=True)


def _forgeries(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A name, and the function that gives the forged copy of a state."""
    tensors = {".".join(map(str, p)): p for p in leaves(state) if isinstance(_at(state, p), torch.Tensor)}
    for name, change in edits(state):
        leaf, _, kind = name.rpartition(":")
        if leaf in tensors and kind == "another":
            for number in range(2):
                yield f"{leaf}:tensor{number}", functools.partial(_put, path=tensors[leaf], number=number)
        else:
            yield name, change


def _put(state: Any, path: tuple[Any, ...], number: int) -> Any:
    """A copy with another tensor under a path."""
    return with_value(state, path, _other_tensor(_at(state, path), f"{path}:{number}"))


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    return functools.reduce(lambda inner, key: inner[key], path, node)


def _other_tensor(tensor: torch.Tensor, name: str) -> torch.Tensor:
    """A tensor of another shape, of another kind or of other values."""
    flat = tensor.flatten()
    choices = [
        tensor[None],
        flat[:-1],
        torch.cat([flat, flat]),
        tensor.to(torch.float64 if tensor.dtype != torch.float64 else torch.float32),
        tensor.ne(0) if tensor.dtype != torch.bool else tensor.to(torch.int32),
        tensor.new_zeros(0),
        flat[0] if tensor.ndim and tensor.numel() else tensor.expand(3),
        torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor + 100,
        torch.full_like(tensor, -1) if tensor.dtype != torch.bool else ~tensor,
    ]
    return random.Random(name).choice(choices)


def read(folder: Path, file: str) -> bytes | None:
    """A file's content; None where there is none."""
    archive, _, member = file.partition("!")
    if not (folder / archive).is_file():
        return None
    if not member:
        return (folder / file).read_bytes()
    with zipfile.ZipFile(folder / archive) as opened:
        return opened.read(member) if member in opened.namelist() else None


def write(folder: Path, file: str, content: bytes | None) -> None:
    """Replace a file; None removes it."""
    archive, _, member = file.partition("!")
    path = folder / archive
    if member:
        with zipfile.ZipFile(path) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
        members.pop(member) if content is None else members.update({member: content})
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, text in members.items():
                opened.writestr(name, text)
    elif content is None:
        path.unlink()
    else:
        path.unlink()
        path.write_bytes(content)


def inflict(case: Case, base: Base, work: Path) -> bool:
    """Damage a copy of a base; returns whether it differs now."""
    content = read(work, case.file)
    assert content is not None
    if case.kind == "forged":
        state = load_checkpoint(work / case.file)
        change = dict(_forgeries(state))[case.number]
        save_checkpoint(work / case.file, change(state))
        return True
    changed: bytes | None
    if case.kind in ("edit", "trusted"):
        change = dict(edits(parse(case.file, content.decode())))[case.number]
        changed = unparse(case.file, change(parse(case.file, content.decode()))).encode()
    elif case.kind == "missing":
        changed = None
    elif case.kind in ("earlier", "other"):
        source = base.earlier if case.kind == "earlier" else base.others[int(case.number)]
        changed = None if source is None else read(source, case.file)
        if changed is None:
            return False
    else:
        changed = damaged(content, case.kind, case.name)
        if changed is None:
            return False
    if changed == content:
        return False
    write(work, case.file, changed)
    return True
