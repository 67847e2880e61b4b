"""Options are held against the annotations of what takes them: one sentence, in one wording, for all that is wrong."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest

from engram.agents.replay.settings import PrioritizedReplaySettings
from engram.agents.sac import SACSettings
from engram.common.checked import (
    OptionError,
    check_arguments,
    check_options,
    check_value,
    checked,
    refusal,
    settings,
)
from engram.common.option_types import (
    Count,
    Fitting,
    Fraction,
    NotNegative,
    Packages,
    Positive,
    Rate,
    Seed,
    Whole,
)

if TYPE_CHECKING:
    from nowhere import Unknown


@settings("Learner", "agent.")
class Learner:
    """Options of every kind."""

    length: Count = 128
    share: Fraction = 0.5
    slowness: Rate = 0.01
    rate: Positive = 3e-4
    limit: Positive | None = None
    kind: Literal["adam", "muon"] = "adam"
    sizes: Sequence[Count] = (64, 64)
    classes: Annotated[int, Whole(2, 256)] = 32
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    switch: bool = False
    make: Callable[..., Any] | None = None

    def check(self):
        """Hold what depends on two options."""
        if self.length % self.classes:
            raise refusal(
                "classes", f"a divisor of length ({self.length})", self.classes, "", "Learner", "agent."
            )


def test_values_become_what_is_meant():
    made = Learner(length=1e3, classes=4.0, sizes=[1e1, 8], limit=2, rate=1, make=print)
    assert (made.length, made.classes, made.sizes, made.limit, made.rate) == (1000, 4, [10, 8], 2.0, 1.0)
    assert [type(value) for value in (made.length, made.classes, made.rate)] == [int, int, float]
    assert Learner() == Learner(**dataclasses.asdict(Learner()))


@pytest.mark.parametrize(
    ("option", "value", "expected", "what_to_do"),
    [
        ("length", 0, "a whole number of at least 1", "set agent.length=128"),
        ("length", "10k", "a whole number of at least 1", "set agent.length=10_000"),
        ("length", True, "a whole number of at least 1", "set agent.length=128"),
        ("length", 2.5, "a whole number of at least 1", "set agent.length=128"),
        ("share", 1.5, "a number from 0 to 1", "set agent.share=0.5"),
        ("share", math.nan, "a number from 0 to 1", "set agent.share=0.5"),
        ("slowness", 0, "a number above 0 and at most 1", "set agent.slowness=0.01"),
        ("rate", math.inf, "a number above 0", "set agent.rate=0.0003"),
        ("rate", "fast", "a number above 0", "set agent.rate=0.0003"),
        ("limit", 0, "a number above 0, or null", "set agent.limit=1.0"),
        ("limit", math.inf, "a number above 0, or null", "set agent.limit=1.0"),
        ("kind", "sgd", "one of adam, muon", "set agent.kind=adam"),
        (
            "sizes",
            64,
            "a list whose parts are each a whole number of at least 1",
            r"set agent.sizes=\[64,64\]",
        ),
        (
            "sizes",
            [0],
            "a list whose parts are each a whole number of at least 1",
            r"set agent.sizes=\[64,64\]",
        ),
        ("classes", 1, "a whole number from 2 to 256", "set agent.classes=32"),
        ("extras", [], "a mapping", "change agent.extras"),
        ("switch", 1, "true or false", "set agent.switch=false"),
        (
            "make",
            3,
            "a class or function, in a configuration a _target_ with _partial_: true, or null",
            "change",
        ),
        ("classes", 3, r"a divisor of length \(128\)", "change agent.classes"),
    ],
)
def test_what_is_wrong_is_one_sentence(option, value, expected, what_to_do):
    sentence = rf"^{option} of Learner must be {expected}, but got .*; {what_to_do}"
    with pytest.raises(OptionError, match=sentence):
        Learner(**{option: value})


class Layer:
    """With a constructor that is checked."""

    @checked
    def __init__(
        self, input_size: Count, hidden_size: Count = 8, *, bias: bool = True, **others: Any
    ) -> None:
        self.sizes, self.bias, self.others = (input_size, hidden_size), bias, others


def test_a_constructor_is_checked_at_every_call():
    made = Layer(3.0, hidden_size=1e1, unit="x")
    assert made.sizes == (3, 10) and made.others == {"unit": "x"}
    for arguments, options in (((0,), {}), ((3, 0), {}), ((3,), {"bias": None})):
        with pytest.raises(OptionError, match=r"of Layer must be .*, but got"):
            Layer(*arguments, **options)
    with pytest.raises(TypeError, match="input_size"):
        Layer()

    class Named(Layer):
        """The sentence names the class that is made."""

    with pytest.raises(OptionError, match="hidden_size of Named"):
        Named(3, 0)


def test_names_that_are_not_taken():
    class Strict:
        """Takes two arguments."""

        @checked
        def __init__(self, hidden_size: Count = 8, num_layers: Count = 1) -> None:
            self.sizes = hidden_size, num_layers

    with pytest.raises(
        OptionError, match=r"but got an unexpected keyword argument 'hiden_size'; did you mean hidden_size\?"
    ):
        Strict(hiden_size=3)
    with pytest.raises(
        OptionError, match=r"takes the arguments hidden_size, num_layers, but got .* 'x'; leave it out"
    ):
        check_arguments(Strict, {"x": 3}, "Strict")


def test_errors_inside_a_constructor_stay_what_they_are():
    class Faulty:
        """With a fault of its own."""

        @checked
        def __init__(self, size: Count = 1) -> None:
            raise TypeError(f"a fault of mine, {size}")

    with pytest.raises(TypeError, match="a fault of mine, 1"):
        Faulty()


def test_an_annotation_that_cannot_be_read_is_taken_to_fit():
    def make(thing: "Unknown", size: Count = 1):
        return thing, size

    assert check_arguments(make, {"thing": 3, "size": 2.0}, "make") == {"thing": 3, "size": 2}
    assert check_arguments(lambda a, b: None, {"a": object}, "lambda") == {"a": object}


@settings()
class Inner:
    """A group."""

    every: Count | None = 100
    words: Packages = ()


@settings()
class Outer:
    """A command's options, with a group."""

    run: Annotated[str, Fitting("a word", lambda value: isinstance(value, str), "<name>")]
    seed: Seed = 0
    weight: NotNegative = 1.0
    inner: Inner = Inner()


def test_a_commands_options():
    values = {"run": "x", "seed": 1e3, "weight": 1, "inner": {"every": None, "words": ["a"]}, "other": object}
    assert check_options(values, Outer) == {**values, "seed": 1000, "weight": 1.0}
    for changes, sentence in (
        ({"seed": -1}, "^seed must be a whole number from 0 to 2.*63 - 1, but got -1; set seed=0"),
        (
            {"inner": {"every": 0, "words": []}},
            "^inner.every must be .*, or null, but got 0; set inner.every=100",
        ),
        ({"inner": {"every": 1, "words": "a"}}, r"^inner.words must be .*; set inner.words=\[a\]"),
        ({"inner": 3}, "^inner must be a group of options, but got 3"),
    ):
        with pytest.raises(OptionError, match=sentence):
            check_options(values | changes, Outer)
    del values["inner"]["words"]
    with pytest.raises(OptionError, match=r"must hold inner\.words, but has none; give inner\.words="):
        check_options(values, Outer)


def test_a_single_value():
    assert check_value(1e6, Count, "steps") == 1_000_000
    with pytest.raises(
        OptionError,
        match=r"^steps must be .*, but got '1\.5M'; set steps=1_500_000",
    ):
        check_value("1.5M", Count, "steps")


def test_a_group_keeps_what_a_mapping_does_not_name():
    """As it is where nothing is given, which may differ from the group's own defaults."""
    assert SACSettings().replay.sampling == "uniform" != PrioritizedReplaySettings().sampling
    given = SACSettings(replay={"prefill": 40}).replay
    assert (given.prefill, given.sampling, given.prefill_policy) == (40, "uniform", "random")
