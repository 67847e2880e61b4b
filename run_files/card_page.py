"""The page that stands before a shared agent, as people and the Hugging Face hub read it: `README.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engram.run_files.agent_card import AgentCard
from engram.run_files.names import CURVE_FILE
from engram.run_files.stored_yaml import yaml_text

_PAGE = """\
---
{front}---
# {agent} with {core} on {task}

**{score}** ({actions}, seed {seed} of the episodes).

| | |
| --- | --- |
| task | `{task}` |
| core | `{core}` |
| agent | `{agent}` |
| parameters | {parameters:,} |
| trained for | {steps} |
| licence | {licence} |
{curve}
## Use it

```text
engram pull from={source} to=pulled/{name}{allow}
engram evaluate run=pulled/{name}{allow}
```

```python
import engram

player = engram.load("pulled/{name}"{allow_argument}).player()
action = player.act(observation, deterministic=True)
```

Nothing in this folder is executed: parameters are safetensors, and what is built of `config.yaml` is what
Engram's table holds (`engram buildable`).

## Configuration

```yaml
{config}```

## Versions it was trained with

{versions}
"""


def card_page(card: AgentCard, config: Mapping[str, Any], place: str, name: str, has_curve: bool) -> str:
    """Write the page of a shared agent.

    Args:
        card: what it is.
        config: what it was made of.
        place: where it is pulled from.
        name: of the folder it is pulled to.
        has_curve: its learning curve lies beside it.

    Returns:
        Markdown, with the header that the hub reads.
    """
    allow = f" allow=[{','.join(card.allow)}]" if card.allow else ""
    return _PAGE.format(
        front=yaml_text(_front(card, name)),
        agent=card.agent,
        core=card.core,
        task=card.task,
        score=card.score_text(),
        actions="most likely actions" if card.deterministic else "actions drawn",
        seed=card.seed,
        parameters=card.parameters,
        steps="not said" if card.env_steps is None else f"{card.env_steps:,} environment steps",
        licence=card.licence,
        curve=f"\n![Learning curve]({CURVE_FILE})\n" if has_curve else "",
        source=place,
        name=name,
        allow=allow,
        allow_argument=f", allow={card.allow!r}" if card.allow else "",
        config=yaml_text(dict(config)),
        versions="\n".join(f"- {package} {version}" for package, version in card.versions.items()),
    )


def _front(card: AgentCard, name: str) -> dict[str, Any]:
    """What the hub reads: licence, tags, and the score in the form it has for agents."""
    error = "" if card.standard_error is None else f" +/- {card.standard_error:.4f}"
    kind = "reinforcement-learning"
    result = {
        "task": {"type": kind, "name": kind},
        "dataset": {"name": card.task, "type": card.task},
        "metrics": [{"type": "mean_reward", "value": f"{card.mean:.4f}{error}", "name": "mean_reward"}],
    }
    return {
        "license": card.licence,
        "library_name": "engram",
        "pipeline_tag": kind,
        "tags": [kind, "engram", card.task, card.core, card.agent],
        "model-index": [{"name": name, "results": [result]}],
    }
