"""The ballet stated once more, in plain Python and row by row: who moves when, and what an action does."""

DIRECTIONS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
NAMES = "N NE E SE S SW W NW".split()


class PlainBallet:
    """One episode.

    Args:
        places: (row, column) of every dancer, in the order in which they dance.
        dances: the sixteen moves of each, by name.
        target: number of the right dancer.
        delay: from a dance to the next.
        limit: actions after which the episode is truncated.
    """

    def __init__(self, places, dances, target: int, delay: int, limit: int) -> None:
        self.places = [list(place) for place in places]
        self.left = [[NAMES.index(move) for move in dance] for dance in dances]
        self.target, self.delay, self.limit = target, delay, limit
        self.agent, self.row, self.countdown, self.dancing = [5, 5], 0, 0, 0
        self.may_choose = False
        self._dance()

    def _dance(self) -> None:
        if self.dancing is None:
            return
        row, column = DIRECTIONS[self.left[self.dancing].pop(0)]
        self.places[self.dancing][0] += row
        self.places[self.dancing][1] += column
        if not self.left[self.dancing]:
            self.dancing, self.countdown = None, self.delay

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Return reward, whether the episode terminated, and whether it was truncated."""
        self.row += 1
        if self.may_choose:
            row, column = self.agent[0] + DIRECTIONS[action][0], self.agent[1] + DIRECTIONS[action][1]
            if 1 <= row <= 9 and 1 <= column <= 9:
                self.agent = [row, column]
        elif self.dancing is None:
            self.countdown -= 1
            if self.countdown == 0:
                waiting = [number for number, moves in enumerate(self.left) if moves]
                self.may_choose = not waiting
                self.dancing = waiting[0] if waiting else None
        self._dance()
        reached = [number for number, place in enumerate(self.places) if place == self.agent]
        is_over = self.may_choose and bool(reached)
        return float(is_over and reached[0] == self.target), is_over, self.row >= self.limit
