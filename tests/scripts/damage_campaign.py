"""The campaign: damage a copy, do with it what a user would, and judge what came of it.

`python tests/scripts/damage_campaign.py` tries all cases and prints a table; with words, only those cases whose
names hold one of them: `python tests/scripts/damage_campaign.py killed/run/metrics.jsonl:flip:1`. `every=9` takes
every ninth, `from=1` begins with the second.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damage_cases import LATEST, Case, damages, edited, forged, inflict
from damage_commands import Said, in_a_fork, quick_commands
from damage_consumers import CONSUMERS, Outcome
from damage_folders import ARCHIVE, PPO, RUN, SWEEP, WORLD_MODEL, Base, Workshop

LATEST_FILE = f"{RUN}/{LATEST}"
SAME, REFUSED = "same result", "refused by name"
SILENT, NO_NAME, TRACEBACK = "SILENT DIFFERENCE", "REFUSED WITHOUT A NAME", "TRACEBACK"
# Of a checkpoint whose checksum was made to fit, or an edit that its user asked for, only that.
NO_TRACEBACK = "no traceback"
FAULTS = (SILENT, NO_NAME, TRACEBACK)


@dataclass(frozen=True)
class Judged:
    """A case, what did worst with it, and what that said."""

    case: Case
    verdict: str
    consumer: str
    said: Said


class Campaign:
    """The folders, and what is done with them undamaged.

    Args:
        shop: where they are made.
        bases: by name.
    """

    def __init__(self, shop: Workshop, bases: dict[str, Base]) -> None:
        self.shop, self.bases = shop, bases
        self._controls: dict[tuple[str, str], Outcome] = {}

    def control(self, base: str, consumer: str) -> Outcome:
        """What a consumer gives of a whole copy."""
        key = (base, consumer)
        if key not in self._controls:
            self._controls[key] = CONSUMERS[consumer](self.shop.lay_out(self.bases[base]), ())
            said = self._controls[key].said
            assert said.code == 0 and said.value is not False, f"{base} {consumer}: {said.text} {said.trace}"
        return self._controls[key]

    def judge(self, case: Case) -> Judged | None:
        """Try a case; None where its damage changes nothing."""
        worst = None
        base = self.bases[case.base]
        for consumer in case.consumers:
            control = self.control(case.base, consumer)
            work = self.shop.lay_out(base)
            if not inflict(case, base, work):
                return None
            consume = functools.partial(CONSUMERS[consumer], work, case.more)
            # A checkpoint that lies about shapes could bring this process down.
            outcome = Outcome(in_a_fork(consume)) if case.kind == "forged" else consume()
            verdict = self.verdict(case, outcome, control.result, consumer)
            if worst is None or _RANK[verdict] > _RANK[worst.verdict]:
                worst = Judged(case, verdict, consumer, outcome.said)
        return worst

    def verdict(self, case: Case, outcome: Outcome, control: Any, consumer: str) -> str:
        """Judge what came of a case, by the result of the whole folder."""
        said = outcome.said
        if said.code is None or "Traceback" in said.text:
            return TRACEBACK
        if case.is_lenient and (said.code == 0 or "error: " in said.text):
            return NO_TRACEBACK
        if said.code == 0 and outcome.is_left_out:
            return REFUSED
        if said.code == 0:
            if outcome.result == control or self._is_of_previous(case, outcome, consumer):
                return SAME
            return SILENT
        lines = [line for line in said.text.splitlines() if line.startswith("error: ")]
        is_named = len(lines) == 1 and any(name in lines[0] for name in _names(case))
        return REFUSED if said.code == 2 and is_named else NO_NAME

    def _is_of_previous(self, case: Case, outcome: Outcome, consumer: str) -> bool:
        """Whether a warning names the checkpoint, and the result is that of the one before it."""
        if not case.file.endswith("latest.safetensors") or "latest.safetensors" not in outcome.said.text:
            return False
        return bool(outcome.result == self.control(f"{case.base} without latest", consumer).result)


_RANK = {name: rank for rank, name in enumerate((SAME, NO_TRACEBACK, REFUSED, NO_NAME, SILENT, TRACEBACK))}


def _names(case: Case) -> Iterable[str]:
    """What names the damage: the file, or the folder that it lies in."""
    file = case.file.partition("!")[0]
    yield file.rsplit("/", 1)[-1]
    if file != ARCHIVE:
        yield f"/{SWEEP if file.startswith(SWEEP) else RUN}"


def make_runs(root: Path, others: int = 1) -> Campaign:
    """Make the runs of PPO and the archive, within `quick_commands`."""
    shop = Workshop(root)
    bases: dict[str, Base] = {}
    bases["killed"], bases["finished"] = shop.make_runs(["core=gru", *PPO], "ppo", (6, 9), others)
    for name in ("killed", "finished"):
        bases[f"{name} without latest"] = shop.without(bases[name], LATEST_FILE)
    bases["archive"] = shop.make_archive(bases["finished"])
    return Campaign(shop, bases)


def make_all(root: Path) -> Campaign:
    """Make all bases, within `quick_commands`."""
    campaign = make_runs(root, others=3)
    shop, bases = campaign.shop, campaign.bases
    bases["world_model"], _ = shop.make_runs(WORLD_MODEL, "world_model", (7, 9), 3)
    bases["world_model without latest"] = shop.without(bases["world_model"], LATEST_FILE)
    bases["sweep"] = shop.make_sweep()
    return campaign


def sample_cases(bases: dict[str, Base]) -> list[Case]:
    """A sample of a few seconds: every file, the kinds of damage, and some of the edits."""
    cases = list(damages(bases))
    chosen: dict[str, Case] = {}
    for case in cases:
        chosen.setdefault(f"{case.base}/{case.file}", case)  # each once
    for case in cases[::7]:
        chosen.setdefault(case.kind, case)
    # What is whole, but not what belongs there.
    swapped = [case for case in cases if case.kind in ("missing", "earlier", "other") and case.number == "0"]
    chosen |= {case.name: case for case in swapped if "checkpoints" in case.file}
    return [*chosen.values(), *list(edited(bases))[::200], *list(forged(bases))[::150]]


def damage_in(campaign: Campaign, cases: Iterable[Case]) -> list[Judged]:
    """Judge cases, but those whose damage changes nothing."""
    return [one for case in cases if (one := campaign.judge(case)) is not None]


def all_cases(bases: dict[str, Base]) -> list[Case]:
    """Every case, with a name of its own."""
    return [*damages(bases), *edited(bases), *forged(bases)]


def table(judged: Sequence[Judged]) -> str:
    """How many cases of each file and kind came to which verdict."""
    verdicts = [SAME, REFUSED, NO_TRACEBACK, *FAULTS]
    counts = Counter((_file_kind(one.case), one.case.kind, one.verdict) for one in judged)
    lines = [f"| file | damage | {' | '.join(verdicts)} |", f"|---|---|{'---|' * len(verdicts)}"]
    for file, kind in dict.fromkeys((_file_kind(one.case), one.case.kind) for one in judged):
        cells = [str(counts[file, kind, verdict] or "") for verdict in verdicts]
        lines.append(f"| {file} | {kind} | {' | '.join(cells)} |")
    totals = Counter(one.verdict for one in judged)
    lines.append(f"| all | {len(judged)} | {' | '.join(str(totals[verdict]) for verdict in verdicts)} |")
    return "\n".join(lines)


def _file_kind(case: Case) -> str:
    """A file's name, the same in all folders; the columns of a replay are one."""
    file = case.file.rsplit("/", 1)[-1]
    within = {"sweep": "sweep: ", "archive": "archive: "}.get(case.base, "")
    return within + ("replay" if file.endswith(".bin") else file)


def main(words: Sequence[str]) -> int:
    """Try the cases whose names hold one of the words; returns how many faults there are."""
    with tempfile.TemporaryDirectory() as root, quick_commands():
        campaign = make_all(Path(root))
        numbers = dict(word.split("=") for word in words if word.startswith(("every=", "from=")))
        parts = [word for word in words if "=" not in word]
        cases = all_cases(campaign.bases)[int(numbers.get("from", 0)) :: int(numbers.get("every", 1))]
        cases = [case for case in cases if not parts or any(part in case.name for part in parts)]
        judged = []
        for case in cases:
            if (one := campaign.judge(case)) is None:
                continue
            judged.append(one)
            if one.verdict in FAULTS or len(cases) <= 10:
                print(f"{one.verdict}: {case.name} ({one.consumer}): {last_line(one.said)}", flush=True)
                if len(cases) <= 10:
                    print(one.said.text + one.said.trace)
    print(table(judged))
    return sum(one.verdict in FAULTS for one in judged)


def last_line(said: Said) -> str:
    lines = (said.trace or said.text).strip().splitlines()
    return lines[-1][:300] if lines else ""


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
