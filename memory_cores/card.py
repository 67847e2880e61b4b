"""What a core costs and when to choose it, in words: the rows of the table in `docs/cores.md`."""

from __future__ import annotations

from typing import Literal

from engram.common.checked import settings

Family = Literal["scan", "matrix", "loop", "cache", "other"]


@settings("CoreCard")
class CoreCard:
    """A core's card. Costs are per environment; T rows, I inputs, H hidden units, and the core's own sizes.

    Attributes:
        family: what runs a sequence: "scan" (only an elementwise recurrence goes from row to row), "loop" (a
            matrix product does), "matrix" (outer products are written to a matrix, by chunks of rows), "cache" (rows
            look up a bounded store), or "other".
        step_cost: time of one row while acting.
        training_cost: time of T rows, and what in it is serial.
        memory_length: how far back the core can remember.
        choose_when: the reason to take it, as a sentence that begins "take it when" would go on, and the reason not to.
        shown_by: a task of Engram that shows what it can do, as `env=` names it.
    """

    family: Family
    step_cost: str
    training_cost: str
    memory_length: str
    choose_when: str
    shown_by: str = ""
