"""Pages of the reference: which public name stands where, for mkdocstrings to write from docstrings."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from engram.common import option_types


@dataclass(frozen=True)
class Group:
    """Names that are shown together.

    Attributes:
        title: heading of the group.
        text: a sentence about it.
        names: what is shown, below the page's package.
        members: whether methods are shown, too.
    """

    title: str
    text: str
    names: tuple[str, ...]
    members: bool = True


@dataclass(frozen=True)
class Page:
    """One page of the reference.

    Attributes:
        title: its heading.
        package: whose names it shows, as they are imported from it.
        text: a sentence about it.
        groups: in their order.
    """

    title: str
    package: str
    text: str
    groups: tuple[Group, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TYPES = "reference/types.md"
PAGES = {
    "train": Page(
        "engram",
        "engram",
        "Train, evaluate, load and share; the guide is [Engram from Python](../python.md).",
        (
            Group("Runs", "What the commands do, as functions.", _names("train Run load pull RunError")),
            Group("Callbacks", "Objects that are told of every moment of a run.", _names("Callback Trainer")),
        ),
    ),
    "cores": Page(
        "engram.memory_cores",
        "engram.memory_cores",
        "Every memory, by what runs a sequence; [which one to take](../cores.md#which-one).",
        (
            Group(
                "The contract",
                "What every core is.",
                _names("MemoryCore Resets CoreCard carry.Leaf torchrl_module.CoreModule"),
            ),
            Group(
                "Scan",
                "Recurrences without a matrix in them; whole sequences run in parallel.",
                _names("Aaren AGaLiTe FFM LRU MinGRU MinLSTM RGLRU S4D S5"),
                members=False,
            ),
            Group(
                "Matrix",
                "Decayed sums of outer products: many keys with a value each.",
                _names("DeltaNet FWP GatedDeltaNet GLA GSA HGRN2 LinearAttention Mamba2 MLSTM RetNet XLSTM"),
                members=False,
            ),
            Group(
                "Loop",
                "The next state is any function of the last one; rows go one after the other.",
                _names("BlockGRU CfC DNC Elman GRU IndRNN LEM LMU LSTM RMC SHM SLSTM"),
                members=False,
            ),
            Group(
                "Cache",
                "The last rows themselves are kept.",
                _names("GTrXL HCAM TCN TransformerXL"),
                members=False,
            ),
            Group(
                "Controls and combinations",
                "No memory, or the last few frames; and cores made of cores.",
                _names("MLP PosMLP FrameStack Stack"),
                members=False,
            ),
            Group(
                "To write your own",
                "Bases of the families; [20 lines each](../cores.md#write-your-own-core).",
                _names("ScanCore MatrixCore LoopCore LoopLayer CacheCore LayeredCore Layer"),
            ),
        ),
    ),
    "agents": Page(
        "engram.agents",
        "engram.agents",
        "Learners that act through a memory core; [which one to take](../agents.md).",
        (
            Group(
                "What every agent is",
                "The base, and a trained one.",
                _names("Agent load deployment.player.Player"),
            ),
            Group(
                "On-policy",
                "Learn from rollouts.",
                _names(
                    "PPO ppo.settings.PPOSettings IMPALA impala.settings.IMPALASettings PQN pqn.settings.PQNSettings"
                ),
                members=False,
            ),
            Group(
                "From a replay",
                "Learn from what is stored.",
                _names(
                    "R2D2 r2d2.settings.R2D2Settings SAC sac.settings.SACSettings Dreamer "
                    "world_model.settings.DreamerSettings"
                ),
                members=False,
            ),
            Group(
                "Networks",
                "What agents are made of around their memory.",
                _names("ActorCritic Encoder QNetwork SoftActorCritic WorldModel"),
            ),
        ),
    ),
    "envs": Page(
        "engram.envs",
        "engram.envs",
        "Everything becomes a stream of rows; [the guide](../environments.md).",
        (
            Group("By name", "The table of environments.", _names("make_env find_task TASKS Task")),
            Group(
                "Rows",
                "How environments are stepped and played.",
                _names(
                    "VectorEnv Driver Rollout Act evaluate EvaluationResult EvaluationStoppedError EnvironmentFault"
                ),
            ),
            Group(
                "Diagnostics",
                "Small tasks with a known best return.",
                _names(
                    "RecallFirst CopySequence TMaze MemoryChain DiscountingChain Bandit Parity Permutations RecallPairs"
                ),
                members=False,
            ),
            Group(
                "To write your own",
                "Native batched environments, and what changes them.",
                _names("NativeVectorEnv NativeWrapper Trials Projected Projection Observable"),
            ),
            Group(
                "Gymnasium",
                "Environments of any make, their actions and texts.",
                _names("GymnasiumEnv FlatActions HashedText BoxActions ActionConverter"),
            ),
            Group(
                "For other libraries",
                "Natives as environments of Gymnasium, TorchRL and stable-baselines3.",
                _names("register registered_natives torchrl_env.TorchRLEnv sb3_env.SB3VecEnv"),
                members=False,
            ),
        ),
    ),
    "instruments": Page(
        "engram.instruments",
        "engram.instruments",
        "What a trained memory is asked, and what it holds; [the guide](../analysis.md).",
        (
            Group(
                "Played rows", "What instruments look at.", _names("play_rows play_hidden Played HiddenRows")
            ),
            Group(
                "Saliency and attention",
                "What past rows count now.",
                _names("agent_saliency saliency pixel_saliency Saliency agent_reads"),
            ),
            Group("Recall", "How far back what it does depends on its past.", _names("ForgetfulPolicy")),
            Group(
                "By distance", "Shares of past rows.", _names("by_distance half_distance positions Finding")
            ),
        ),
    ),
}


def reference_pages() -> dict[str, str]:
    """Write the Markdown of all pages, and of the table of contents, by path in the site."""
    pages = {f"reference/{name}.md": _markdown(page) for name, page in PAGES.items()}
    return {"reference/index.md": _contents(), **pages, TYPES: _types()}


def _contents() -> str:
    lines = ["# Reference", "Every public name, written from its docstring."]
    for name, page in PAGES.items():
        lines += [f"## [`{page.title}`]({name}.md)", page.text]
        for group in page.groups:
            links = ", ".join(
                f"[`{one.rpartition('.')[2]}`][{page.package}.{one}]"
                for one in group.names
                if not _is_settings(one)
            )
            lines.append(f"**{group.title}** — {links}")
    lines += [
        "## Options",
        "What the words for types mean, `Size` and the like: [types of options](types.md). "
        "Every option of the commands, with its default and its comment: [`configs`](../source/configs.md). "
        "`engram train --help all` prints them.",
    ]
    return "\n\n".join(lines)


def _types() -> str:
    lines = [
        "# Types of options",
        "An option's annotation says what a value must be, and the sentence about a wrong one is made of it.",
    ]
    for name, kind in vars(option_types).items():
        rules = [rule for rule in getattr(kind, "__metadata__", ()) if hasattr(rule, "expected")]
        if typing.get_origin(kind) is typing.Annotated and rules:
            lines.append(f"## `{name}`\n\nMust be {rules[0].expected}.")
    return "\n\n".join(lines)


def _is_settings(name: str) -> bool:
    return name.endswith("Settings")


def _markdown(page: Page) -> str:
    lines = [f"# `{page.title}`", page.text]
    for group in page.groups:
        lines += [f"## {group.title}", group.text]
        for name in group.names:
            shows_members = group.members or _is_settings(name)
            options = "" if shows_members else "\n    options:\n      members: false"
            lines.append(f"::: {page.package}.{name}{options}")
    return "\n\n".join(lines)
