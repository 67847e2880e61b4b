"""The ballet: dances shown one after the other, and one of the dancers asked for."""

from engram.envs.ballet.ballet import Ballet
from engram.envs.task import Task

TASKS = (
    Task("ballet/ballet", Ballet, ids=("engram/Ballet-v0",), is_scaled=True),
    *(
        Task(
            f"ballet/{dancers}_delay{delay}",
            Ballet,
            fixed={"num_dancers": dancers, "delay": delay},
            general="ballet/ballet",
            ids=(f"engram/ballet-{dancers}-delay{delay}-v0",),
            is_scaled=True,
        )
        for delay in (16, 48)
        for dancers in (2, 4, 8)
    ),
)

__all__ = ["TASKS", "Ballet"]
