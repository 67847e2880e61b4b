"""The native card tasks beside the package's: the same deck gives the same episode."""

import importlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from engram.envs import find_task, make_env
from engram.envs.make import make_gymnasium
from engram.envs.popgym import cards
from engram.envs.popgym.cards import deal_key, draw, full_decks

FAMILIES = ("autoencode", "concentration", "count_recall", "higher_lower", "repeat_first", "repeat_previous")
TASKS = [f"{family}_{difficulty}" for family in FAMILIES for difficulty in ("easy", "medium", "hard")]


def decks_of(family: str, package) -> list[np.ndarray]:
    """The values of the package's shuffled decks, in the order in which they come."""
    if family == "concentration":
        return [package.deck_idx_type[package.deck.idx]]
    if family == "count_recall":
        decks = (package.value_deck, package.query_deck)
        return [package.deck_idx_type[deck.idx[::-1]] for deck in decks]
    field = package.deck.ranks_idx if family == "higher_lower" else package.deck.suits_idx
    return [field[package.deck.idx[::-1]]]


def stacked_draw(next_value: Callable[[int], int]):
    """A `draw` that deals what it is told."""

    def draw(deck, key, count):
        count = int(count) if isinstance(count, int) else int(count[0])
        value = next_value(count)
        left = deck - (torch.arange(deck.shape[1]) >= value).to(deck.dtype)
        return torch.tensor([value]), left

    return draw


class Pair:
    """A task of the package and the native one with the same deck."""

    def __init__(self, name: str, monkeypatch) -> None:
        self.family = name.rpartition("_")[0]
        self.package = make_gymnasium(find_task(f"popgym/{name}").package.id).unwrapped
        self.native = make_env(f"popgym/{name}", 1, backend="native")
        assert self.native.single_observation_space == self.package.observation_space
        assert self.native.single_action_space == self.package.action_space
        module = importlib.import_module(f"engram.envs.popgym.{self.family}")
        for user in (module, cards):
            monkeypatch.setattr(user, "draw", stacked_draw(self.next_value))
        self.action = 0

    def next_value(self, count: int) -> int:
        if self.family == "concentration":
            return int(self.decks[0][self.action])
        deck = self.decks[count % len(self.decks)]
        count //= len(self.decks)
        return int(deck[count]) if count < len(deck) else 0

    def reset(self, seed: int) -> np.ndarray:
        obs, _ = self.package.reset(seed=seed)
        self.decks = decks_of(self.family, self.package)
        row = self.native.reset(seed)
        assert row["is_first"].all()
        self.compare(obs, row)
        return obs

    def step(self, action: int):
        self.action = action
        obs, reward, terminated, truncated, _ = self.package.step(action)
        row = self.native.step(torch.tensor([action]))
        self.compare(obs, row)
        assert row["reward"].item() == np.float32(reward)
        assert row["is_terminal"].item() == terminated
        assert row["is_last"].item() == (terminated or truncated)
        return obs, reward, terminated, truncated

    def compare(self, obs, row) -> None:
        got = row["obs"]
        if isinstance(obs, tuple):
            assert tuple(got[str(index)].item() for index in range(len(obs))) == obs
        else:
            np.testing.assert_array_equal(got[0].numpy(), obs)


def actor(pair: Pair, episode: int, rng: np.random.Generator) -> Callable[[int], int]:
    """A policy, another one for every episode: random, or one that reaches the rare branches."""
    size = int(pair.native.single_action_space.n)
    if pair.family == "concentration":
        return concentration_actor(pair.decks[0], episode, rng)
    if pair.family == "count_recall" and episode % 2:
        values, queries = pair.decks
        # Right two times in three.
        right = lambda t: int((values[: t + 1] == queries[t]).sum())  # noqa: E731
        return lambda t: right(t) if rng.random() < 0.67 else int(rng.integers(size))
    if episode % 2:
        return lambda t: int(pair.decks[0][t // 2 % len(pair.decks[0])]) % size
    return lambda t: int(rng.integers(size))


def concentration_actor(deck: np.ndarray, episode: int, rng: np.random.Generator) -> Callable[[int], int]:
    """Pairs it knows, cards twice in a row, cards already up, and random ones, in shares that vary."""
    size, kind = len(deck), episode % 4
    order = np.argsort(deck, kind="stable")
    state = {"next": 0, "last": 0}

    def act(t: int) -> int:
        chance = rng.random()
        if kind == 3 or (kind == 2 and chance < 0.6):
            action = int(order[state["next"] % size])
            state["next"] += 1
        elif (kind == 1 and chance < 0.3) or chance < 0.05:
            action = state["last"]
        elif kind == 2 and chance < 0.8:
            action = int(order[rng.integers(max(1, min(size, state["next"])))])
        else:
            action = int(rng.integers(size))
        state["last"] = action
        return action

    return act


# Of every task at least; the slow ones are more than 60,000 steps of all.
@pytest.mark.parametrize("at_least", [600, pytest.param(3_600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TASKS)
def test_the_same_deck_gives_the_same_episode(name: str, at_least: int, monkeypatch) -> None:
    pair = Pair(name, monkeypatch)
    rng = np.random.default_rng(5)
    steps, episode, ends, rewards = 0, 0, set(), set()
    while steps < at_least or episode < 4:
        pair.reset(episode)
        act, done, t = actor(pair, episode, rng), False, 0
        while not done:
            _, reward, terminated, truncated = pair.step(act(t))
            rewards.add(round(float(reward), 6))
            done, t = terminated or truncated, t + 1
        ends.add((terminated, truncated))
        steps, episode = steps + t, episode + 1
    if pair.family == "concentration":
        assert ends == {(True, False), (False, True)} and len(rewards) == 4
    else:
        assert ends == {(True, False)}
        assert len(rewards) == (2 if pair.family in ("repeat_first", "count_recall") else 3)


def dealt(num_cards: int, num_values: int, count: int, cards: int) -> torch.Tensor:
    """The first cards of many decks, [count, cards]."""
    index = torch.arange(count)
    key = deal_key(torch.full_like(index, 3), index, torch.zeros_like(index))
    deck = full_decks(count, num_cards, num_values, torch.device("cpu"))
    values = []
    for number in range(cards):
        value, deck = draw(deck, key, number)
        values.append(value)
    return torch.stack(values, 1)


def chi_square(observed: torch.Tensor, expected: torch.Tensor) -> float:
    """The statistic, scaled to be about standard normal."""
    freedom = observed.numel() - 1
    statistic = ((observed - expected) ** 2 / expected).sum().item()
    return (statistic - freedom) / (2 * freedom) ** 0.5


@pytest.mark.parametrize("num_cards, num_values", [(52, 2), (52, 4), (104, 4), (52, 13), (208, 13)])
def test_a_deck_holds_every_value_equally_often(num_cards: int, num_values: int) -> None:
    cards = dealt(num_cards, num_values, 200, num_cards)
    for value in range(num_values):
        assert ((cards == value).sum(1) == num_cards // num_values).all()


@pytest.mark.parametrize("num_cards, num_values", [(52, 2), (52, 4), (104, 4), (52, 13)])
def test_cards_come_as_from_a_shuffled_deck(num_cards: int, num_values: int) -> None:
    count, each = 40_000, num_cards // num_values
    cards = dealt(num_cards, num_values, count, num_cards)
    same = (each - 1) / (num_cards * (num_cards - 1)) * each
    other = each * each / (num_cards * (num_cards - 1))
    expected = torch.full((num_values, num_values), other).fill_diagonal_(same) * count
    for place in (0, 1, num_cards // 2, num_cards - 1):
        single = torch.bincount(cards[:, place], minlength=num_values).float()
        assert chi_square(single, torch.full_like(single, count / num_values)) < 5
    for first, second in ((0, 1), (0, num_cards - 1), (num_cards // 2, num_cards // 2 + 1), (7, 20)):
        pairs = torch.bincount(
            cards[:, first] * num_values + cards[:, second], minlength=num_values**2
        ).float()
        assert chi_square(pairs, expected.flatten()) < 5


def test_concentration_lays_cards_as_from_a_shuffled_deck() -> None:
    """Whatever the order in which they are turned."""
    count = 20_000
    env = make_env("popgym/concentration_hard", count)
    env.reset(1)
    action = torch.randint(52, (count, 2), generator=torch.Generator().manual_seed(0))
    seen = [env.step(action[:, turn])["obs"] for turn in range(2)][1]
    values = seen.gather(1, action)
    apart = action[:, 0] != action[:, 1]
    pairs = torch.bincount((values[:, 0] * 13 + values[:, 1])[apart], minlength=169).float()
    expected = torch.full((13, 13), 16 / (52 * 51)).fill_diagonal_(12 / (52 * 51)).flatten() * apart.sum()
    assert chi_square(pairs, expected) < 5
    assert chi_square(pairs.view(13, 13).sum(1), torch.full((13,), apart.sum() / 13)) < 5
