"""The page on cores tells the truth: its tables are the code's, and the cores it shows keep the contract."""

import re
import sys
from pathlib import Path

import pytest
import torch

from engram.common.errors import UsageError
from engram.envs.table import TASKS
from engram.memory_cores import CacheCore, LoopCore, MatrixCore, ScanCore
from engram.scripts import train
from engram.tools.core_files import core_maker, core_names
from engram.tools.document_cores import PAGE, cards, make_tables, with_tables

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
OWN = {"QRNN": "scan", "FadingAttention": "matrix", "MGU": "loop", "Lookup": "cache"}  # a core of each family
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    for line in block.splitlines()
]
# The page's commands as written, but for budgets that fit a test.
SMALL = {
    "train": ["total_env_steps=600", "num_envs=8", "agent.rollout_length=20", "evaluation.interval=null"],
    "benchmark": [
        "lengths=[4]",
        "batch_size=2",
        "peers=false",
        "repeats=1",
        "acting_rows=[]",
        "hidden_size=8",
    ],
}
BATCH, LENGTH = 3, 12


@pytest.mark.parametrize("name", core_names())
def test_every_core_has_a_card(name):
    card = core_maker(name).func.card
    assert card is not None, (
        f"{name} has a file, configs/core/{name}.yaml, but no card: set the class attribute "
        "card = CoreCard(…) as memory_cores/cores/gru.py does, then run python -m engram.tools.document_cores"
    )
    assert card.shown_by in TASKS, f"shown_by of {name}'s card must be a task, as env= names it"


def test_the_table_is_the_code_s():
    page = PAGE.read_text()
    assert page == with_tables(page, make_tables()), "run python -m engram.tools.document_cores"


def test_the_guide_names_cores_that_there_are():
    guide = PAGE.read_text().split("## Which one")[1].split("\n\n")[1]
    named = re.findall(r"`(\w+)`", guide)
    assert len(named) > 10 and set(named) <= set(core_names())


def test_a_core_without_a_card_is_named():
    core = core_maker("gru", hidden_size=8)(input_size=3)
    core.card = None
    with pytest.raises(UsageError, match="must have a card, but GRU has none"):
        cards({"gru": core})


def test_a_page_without_markers_is_refused():
    with pytest.raises(UsageError, match="must hold the lines"):
        with_tables("no markers", "table")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The page's cores as a module of the user's own."""
    (tmp_path / "my_cores.py").write_text("\n\n".join(BLOCKS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield __import__("my_cores")
    sys.modules.pop("my_cores")


def test_own_cores_are_short_and_of_each_family(module):
    assert len(BLOCKS) == len(OWN)
    assert all(len([line for line in code.splitlines() if line.strip()]) <= 40 for code in BLOCKS)
    bases = {"scan": ScanCore, "matrix": MatrixCore, "loop": LoopCore, "cache": CacheCore}
    assert all(issubclass(getattr(module, name), bases[family]) for name, family in OWN.items())


def run_steps(core, x, carry, is_first):
    outputs = []
    for t in range(x.shape[1]):
        y, carry = core.step(x[:, t], carry, is_first[:, t])
        outputs.append(y)
    return torch.stack(outputs, dim=1), carry


def run_split(core, x, carry, is_first):
    outputs = []
    for part, first in zip(x.split(5, dim=1), is_first.split(5, dim=1), strict=True):
        y, carry = core(part, carry, first)
        outputs.append(y)
    return torch.cat(outputs, dim=1), carry


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("run", [run_steps, run_split])
@pytest.mark.parametrize("resets", [0.0, 0.3])
def test_own_cores_keep_the_contract(module, name, run, resets):
    torch.manual_seed(0)
    core = getattr(module, name)(input_size=4, hidden_size=8).double()
    x = torch.randn(BATCH, LENGTH, 4, dtype=torch.float64, requires_grad=True)
    is_first = torch.rand(BATCH, LENGTH) < resets
    weights = torch.randn(BATCH, LENGTH, 8, dtype=torch.float64)
    none_first = torch.zeros(BATCH, 1, dtype=torch.bool)

    def results(run):
        _, carry = core(x[:, :1], core.initial_carry(BATCH), none_first)
        y, last = run(core, x, carry, is_first)
        features = core.carry_features(last)
        total = (y * weights).sum() + features.sin().sum()
        return [y, features, *torch.autograd.grad(total, [x, *core.parameters()])]

    for actual, expected in zip(results(run), results(lambda core, *rows: core(*rows)), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", OWN)
def test_own_cores_forget_a_poisoned_carry(module, name):
    core = getattr(module, name)(input_size=4)
    carry = core.initial_carry(BATCH).apply(
        lambda leaf: leaf * torch.nan if leaf.is_floating_point() else leaf
    )
    x, is_first = torch.randn(BATCH, 1, 4), torch.ones(BATCH, 1, dtype=torch.bool)
    for y, after in (core(x, carry, is_first), core.step(x[:, 0], carry, is_first[:, 0])):
        assert torch.isfinite(y).all() and torch.isfinite(core.carry_features(after)).all()


@pytest.mark.parametrize("name", OWN)
def test_own_cores_take_half_precision(module, name):
    core = getattr(module, name)(input_size=4, hidden_size=8).bfloat16()
    y, _ = core(
        torch.randn(BATCH, LENGTH, 4).bfloat16(),
        core.initial_carry(BATCH),
        torch.zeros(BATCH, LENGTH, dtype=torch.bool),
    )
    assert y.dtype == torch.bfloat16 and torch.isfinite(y).all()


def test_own_core_trains(module, tmp_path):
    line = next(line for line in COMMANDS if line.startswith("engram train"))
    assert train.command([*line.split()[2:], *SMALL["train"], "logging.progress=false"]) == 0
    (config,) = tmp_path.glob("runs/diagnostic/recall_first/*/*/config.yaml")
    assert "my_cores.QRNN" in config.read_text()


def test_own_core_is_benchmarked(module, capsys):
    from engram.benchmarks import command as benchmark

    line = next(line for line in COMMANDS if "my_cores" in line and "benchmark" in line)
    assert benchmark.command([*line.split()[3:], *SMALL["benchmark"]]) == 0
    assert "my_cores.QRNN" in capsys.readouterr().out


def test_the_page_is_linked():
    assert "docs/cores.md" in (ROOT / "README.md").read_text()
