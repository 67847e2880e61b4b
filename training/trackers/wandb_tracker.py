"""Weights & Biases: `pip install -e ".[wandb]"`."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from engram.run_files.pictures import encoded, side_by_side
from engram.training.trackers.tracker import Line


class WandbTracker:
    """Keeps a run at Weights & Biases, or in a folder `wandb/` to be sent there later.

    Args:
        project: None: `WANDB_PROJECT`, or `engram`.
        entity: a team; None: `WANDB_ENTITY`, or the user's own.
        group: of runs that belong together; None: `WANDB_RUN_GROUP`, or none.
        mode: `online` or `offline`; None: `WANDB_MODE`, or online.
    """

    name, title = "wandb", "Weights & Biases"

    def __init__(
        self,
        project: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        mode: str | None = None,
    ) -> None:
        self._given: dict[str, Any] = {"entity": entity, "group": group, "mode": mode}
        self._project = project or os.environ.get("WANDB_PROJECT") or "engram"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """See `Tracker`."""
        import wandb

        return (wandb.Error,)

    def open(self, run_name: str, config: Mapping[str, Any], id: str | None) -> str:
        """See `Tracker`; a run that the user has open stays so."""
        import wandb  # seconds to import

        own = secrets.token_hex(8) if id is None else id
        self._run = wandb.init(
            project=self._project,
            name=run_name,
            id=own,
            resume=None if id is None else "allow",
            config=dict(config),
            allow_val_change=True,  # a continued run may be given more steps or another learning rate
            reinit="create_new",
            **self._given,
        )
        return own

    def last_step(self) -> int | None:
        """See `Tracker`; a run that is kept in a folder does not know of those before it."""
        return int(self._run.step) - 1 if self._run.resumed else None

    def log(self, lines: Sequence[Line]) -> None:
        """See `Tracker`."""
        for line in lines:
            media = {name: _shown(picture) for name, picture in line.media.items()}
            # Without `commit` the last line would wait for the next one's step.
            self._run.log({**line.metrics, **media}, step=line.env_steps, commit=True)

    def close(self, has_failed: bool) -> None:
        """See `Tracker`."""
        self._run.finish(exit_code=int(has_failed))


def _shown(picture: Tensor) -> Any:
    import wandb
    from PIL import Image

    content, kind = encoded(side_by_side(picture))
    file = io.BytesIO(content)
    return wandb.Image(Image.open(file)) if kind == "png" else wandb.Video(file, format="gif")
