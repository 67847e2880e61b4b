"""What a process of a run does that is not its leader: it collects and learns along, and writes nothing."""

from __future__ import annotations

from engram.api.starting import Started
from engram.training.schedule import Hooks, ignore
from engram.training.stop_request import StopRequest


def follow(started: Started, stop: StopRequest) -> bool:
    """Train along with the leader; whatever all must do together stands here and in `train_run` in the same order.

    Args:
        started: the run.
        stop: whether this process is asked to stop.

    Returns:
        Whether the run has come to its end, and not been asked to stop.
    """
    session, run_dir, ranks = started.session, started.run_dir, started.session.ranks
    hooks = Hooks(
        log=ignore,
        evaluate=session.evaluate,
        save=lambda name: session.save(run_dir, name),
        log_media=ignore,
        should_stop=lambda: ranks.any(stop.is_asked()),
        is_checkpoint_due=lambda: ranks.any(False),
        before_rollout=session.follow_curriculum,
        on_rollout=session.note_episodes,
    )
    with stop:
        if ranks.share(False):
            session.save(run_dir, "latest")
        return session.train(hooks)
