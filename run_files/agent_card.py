"""`card.json` beside a shared agent: what it is, what it has scored, and what it was made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from engram.common.state_form import Kind, ListOf, MapOf, OrNull, Real, StateError, Whole, check_like
from engram.run_files.bounded_text import read_mapping
from engram.run_files.json_text import json_text
from engram.run_files.names import CARD_FILE
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import check_seal, sealed

FORMAT = 1
# Standard errors on either side of a mean within which 95 % of a normal distribution lie.
_WIDTH = 1.959964


@dataclass(frozen=True)
class AgentCard:
    """What whoever takes an agent wants to know of it.

    Attributes:
        task: name of its environment.
        core: class of its memory.
        agent: class of the agent.
        mean: of the returns of its evaluation.
        standard_error: of that mean; None after a single episode.
        episodes: of the evaluation.
        seed: of these episodes.
        deterministic: whether the most likely actions were taken.
        parameters: of the agent.
        env_steps: environment steps it was trained for; None where its folder does not say.
        licence: of the parameters, an SPDX identifier.
        allow: packages beside Engram's own that its reader must allow.
        versions: of the packages and the code it was trained with.
    """

    task: str
    core: str
    agent: str
    mean: float
    standard_error: float | None
    episodes: int
    seed: int
    deterministic: bool
    parameters: int
    env_steps: int | None
    licence: str
    allow: list[str]
    versions: dict[str, str]

    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean return, by the normal distribution; None after a single episode."""
        if self.standard_error is None:
            return None
        half = _WIDTH * self.standard_error
        return self.mean - half, self.mean + half

    def score_text(self) -> str:
        """The score in one line."""
        interval = self.interval()
        between = "" if interval is None else f", 95 % interval {interval[0]:.4f} to {interval[1]:.4f}"
        noun = "episode" if self.episodes == 1 else "episodes"
        return f"return {self.mean:.4f}{between}, {self.episodes} {noun}"


def write_card(folder: Path, card: AgentCard) -> None:
    """Write an agent's card, sealed by its checksum."""
    text = json_text(sealed({"format": FORMAT, **asdict(card)}), indent=1) + "\n"
    replace_file(folder / CARD_FILE, text)


def read_card(folder: Path, trust_edited: bool = False) -> AgentCard:
    """Read an agent's card.

    Args:
        folder: the agent's.
        trust_edited: take an edited one with a warning.

    Raises:
        EditedFileError: a ValueError, if it is not what was written.
        ValueError: if there is none, or it is damaged.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise ValueError(
            f"A shared agent has a {CARD_FILE}, but {folder} has none; give a folder that engram push wrote."
        )
    values = check_seal(read_mapping(path), path, trust_edited)
    number = values.pop("format", None)
    if number != FORMAT:
        raise ValueError(
            f"A {CARD_FILE} has format {FORMAT} here, but {path} has {json_text(number)[:20]}; read it with the "
            "version that wrote it."
        )
    try:
        check_like(_FORM, values)
    except StateError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return AgentCard(**values)


_FORM = {
    "task": Kind(str),
    "core": Kind(str),
    "agent": Kind(str),
    "mean": Real(),
    "standard_error": OrNull(Real()),
    "episodes": Whole(),
    "seed": Whole(),
    "deterministic": Kind(bool),
    "parameters": Whole(),
    "env_steps": OrNull(Whole()),
    "licence": Kind(str),
    "allow": ListOf(Kind(str)),
    "versions": MapOf(Kind(str)),
}
