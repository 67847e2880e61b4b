"""In what runs differ that are called alike, and names that tell them apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engram.analysis.names import learning_config
from engram.analysis.runs import Run
from engram.common.printable import short_name

# These decide how a run is measured, not what it learns: a comparison says that they differ, and pools the runs.
_MEASURED_BY = "evaluation."


def tell_apart(runs: Sequence[Run], tasks: Sequence[str], names: Sequence[str]) -> list[str]:
    """Add to names what runs of one name and task differ in.

    Only as many keys are added as it takes. A key that some runs lack, as those of an older version do, tells
    nothing of them.

    Args:
        runs: all of them.
        tasks: of each.
        names: of each.
    """
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, place in enumerate(zip(names, tasks, strict=True)):
        alike[place].append(index)
    keys: dict[str, list[str]] = defaultdict(list)
    for (name, _), members in alike.items():
        configs = [_without_measuring(learning_config(runs[index])) for index in members]
        keys[name] += [key for key in enough_keys(configs) if key not in keys[name]]
    return [
        " · ".join(
            [name, *(name_part(key, learning_config(run).get(key, "none"), keys[name]) for key in keys[name])]
        )
        for run, name in zip(runs, names, strict=True)
    ]


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys, in order, under which flat configurations hold different values, or some hold none."""
    keys = {key for config in configs for key in config}
    return sorted(key for key in keys if len({str(config.get(key)) for config in configs}) > 1)


def name_part(key: str, value: Any, others: Iterable[str] = ()) -> str:
    """A key and its value as a part of a name.

    Args:
        key: with dots.
        value: what it holds.
        others: keys that stand in names too; as much of the key is said as tells it from these.
    """
    words, known = key.split("."), {tuple(other.split(".")) for other in others if other != key}
    count = 1
    while count < len(words) and any(other[-count:] == tuple(words[-count:]) for other in known):
        count += 1
    return short_name(f"{'.'.join(words[-count:])}={value}")


def _without_measuring(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith(_MEASURED_BY)}


def enough_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Few keys that tell different configurations apart, each time the one that tells most."""
    keys = [key for key in differing_keys(configs) if all(key in config for config in configs)]
    chosen: list[str] = []
    parts, most = 1, _parts(configs, keys)
    while parts < most:
        best = max(keys, key=lambda key: _parts(configs, [*chosen, key]))
        chosen.append(best)
        parts = _parts(configs, chosen)
    return chosen


def _parts(configs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    """Into how many parts the values under some keys divide configurations."""
    return len({tuple(str(config[key]) for key in keys) for config in configs})
