"""What of a run is recorded as CUDA graphs: rollouts, updates, both or nothing."""

from __future__ import annotations

import sys

from engram.agents.trainable import Trainable
from engram.common.option_types import Capture
from engram.common.ranks import ALONE, Ranks
from engram.common.say import say
from engram.common.vector_env import VectorEnv
from engram.envs.captured import check_capture, why_no_captured_rollouts


def capture(choice: Capture, agent: Trainable, env: VectorEnv, ranks: Ranks = ALONE) -> bool:
    """Let an agent record its updates, if it is to, and say whether rollouts are recorded.

    Args:
        choice: true: rollouts are, and updates as far as they can be. auto: on a CUDA device both are where it is
            possible and pays, and one sentence says what is not and why; elsewhere nothing is. false: nothing is.
        agent: of the run.
        env: its environments.
        ranks: its processes; where there are several, updates are not recorded.

    Raises:
        ValueError: if rollouts cannot be recorded, with true.
    """
    if choice is False or (choice == "auto" and env.device.type != "cuda"):
        return False
    rollouts = why_no_captured_rollouts(env) or agent.why_no_captured_rollouts()
    updates = agent.why_no_captured_updates()
    if ranks.is_many:
        updates = "the processes of the run wait for one another in them"
    if choice is True:
        check_capture(rollouts)
    if updates is None or (choice is True and not ranks.is_many):
        agent.capture_updates()
    reasons = {"rollouts": rollouts, "updates": updates}
    found = [f"{name} are not ({reason})" for name, reason in reasons.items() if reason]
    if choice == "auto" and found:
        say(f"note: of what CUDA graphs can hold, {', and '.join(found)}", file=sys.stderr)
    return rollouts is None
