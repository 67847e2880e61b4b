"""Auxiliary losses by themselves: by hand, beside plain loops, and what must not reach them."""

import functools
import math

import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from ppo_cases import make_agent
from small_cores import make_small
from world_model_cases import ACTIONS, IMAGE, MIXED, SYMBOLS, VECTOR, make_rows, scramble

from engram.agents import ActorCritic, Encoder
from engram.agents.auxiliary import (
    AuxiliarySettings,
    GradientNorms,
    ReconstructionSettings,
    SelfPredictionSettings,
    Window,
    make_auxiliary_losses,
)
from engram.agents.auxiliary.reconstruction import Reconstruction
from engram.agents.auxiliary.self_prediction import SelfPrediction, distance
from engram.agents.auxiliary.window import of_one_episode
from engram.envs import RecallFirst

SMALL = {"units": 8}
STARTS = (0, 4, 9)


def make_network(obs=SYMBOLS, action=ACTIONS["discrete"], **encoder):
    make_encoder = functools.partial(Encoder, hidden_sizes=(8,), image_depth=2, image_features=8, **encoder)
    network = ActorCritic(obs, action, make_small("gru"), make_encoder=make_encoder, head_hidden_sizes=(8,))
    # Those who make random rows ask an agent for its spaces.
    network.observation_space = obs
    return network


def make_window(network, burn_in=0, rows=None, mask=None):
    """Rows of three episodes of four environments, of which the first `burn_in` only warm the memory up."""
    rows = make_rows(network, starts=STARTS) if rows is None else rows
    carry = network.initial_carry(len(rows))
    y = network.encode(rows, carry).y[:, burn_in:]
    return Window(rows, carry, y, torch.ones(y.shape[:2], dtype=torch.bool) if mask is None else mask)


def make_reconstruction(network, **options):
    loss = Reconstruction(ReconstructionSettings(coef=1.0, image_depth=2, **SMALL | options), network)
    scramble(loss)
    return loss


def make_self_prediction(network, **options):
    options = {"steps": 3} | SMALL | options
    loss = SelfPrediction(SelfPredictionSettings(coef=1.0, **options), network, network.action_space)
    scramble(loss.transition)
    return loss


def test_pairs_by_hand():
    """Row 3 of 7 is an episode's last: of nine pairs of rows up to three apart each is of one episode."""
    is_first = torch.zeros(1, 7, dtype=torch.bool)
    is_first[0, [0, 4]] = True
    found = [F.pad(of_one_episode(is_first, apart), (0, apart)).int() for apart in (1, 2, 3)]
    expected = [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert torch.stack(found, dim=-1)[0].tolist() == expected


def test_distances_by_hand():
    p, z = torch.tensor([1.0, 2.0, 2.0]), torch.tensor([2.0, 1.0, 2.0])
    assert distance(p, z, "cosine").item() == pytest.approx(0.222222222)
    apart = F.normalize(p, dim=0) - F.normalize(z, dim=0)
    assert distance(p, z, "cosine").item() == pytest.approx(apart.square().sum().item())
    assert distance(p, z, "l2").item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", ["cosine", "l2"])
@pytest.mark.parametrize("target", ["stop_gradient", "ema"])
@pytest.mark.parametrize("burn_in", [0, 2])
def test_self_prediction_is_a_plain_loop(kind, target, burn_in):
    network = make_network()
    scramble(network)
    loss = make_self_prediction(network, distance=kind, target=target)
    targets = network.encode(make_rows(network, starts=STARTS), network.initial_carry(4)).y
    if target == "ema":
        scramble(loss.target_core, seed=1)
        rows = make_rows(network, starts=STARTS)
        x = loss.target_encoder(rows)
        targets, _ = loss.target_core(x, network.initial_carry(4)["core"], rows["is_first"])
    mask = torch.rand(4, 12 - burn_in) < 0.8
    window = make_window(network, burn_in, mask=mask)
    found, logged = loss(network, window)
    one_hot = F.one_hot(window.rows["action"], 3).float()
    total, count = 0.0, 0
    for b in range(4):
        for t in range(burn_in, 12):
            z = window.y[b, t - burn_in]
            for k in (1, 2, 3):
                if t + k >= 12 or window.rows["is_last"][b, t + k - 1]:
                    break
                z = loss.transition(torch.cat([z, one_hot[b, t + k - 1]]))
                if mask[b, t - burn_in] and mask[b, t + k - burn_in]:
                    total, count = total + distance(z, targets[b, t + k], kind), count + 1
    # A pair counts by its ends alone, whatever of the rows between them counts.
    assert count > 20
    torch.testing.assert_close(found, total / count)
    counted = targets[:, burn_in:][mask]
    deviation = counted.std(0, correction=0).mean()
    torch.testing.assert_close(logged["self_prediction_target_std"], deviation)


@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("burn_in", [0, 2])
@pytest.mark.parametrize("obs", [SYMBOLS, VECTOR, MIXED], ids=["symbols", "vector", "mixed"])
def test_reconstruction_is_a_plain_loop(obs, lag, burn_in):
    network = make_network(obs)
    loss = make_reconstruction(network, lag=lag)
    mask = torch.rand(4, 12 - burn_in) < 0.8
    window = make_window(network, burn_in, mask=mask)
    found, logged = loss(network, window)
    total, count = 0.0, 0
    for b in range(4):
        for t in range(burn_in, 12):
            episode = window.rows["is_first"][b].cumsum(0)
            if t < lag or episode[t] != episode[t - lag] or not mask[b, t - burn_in]:
                continue
            y, seen = window.y[b, t - burn_in], window.rows["obs"][b, t - lag]
            total, count = total + plain_loss(loss.decoder, y, seen), count + 1
    assert count > 3
    torch.testing.assert_close(found, total / count)
    torch.testing.assert_close(logged, {"reconstruction_share": count / mask.sum()})


def plain_loss(decoder, y, obs):
    """The mean over parts of an observation of the mean over their numbers."""
    losses = []
    for leaf, output in zip(decoder.leaves, decoder.outputs_of(y.reshape(1, 1, -1)), strict=True):
        output, truth = output[0, 0], leaf.read(obs)
        if leaf.kind == "image":
            losses.append(F.binary_cross_entropy(output.sigmoid(), truth / 255))
        elif leaf.kind == "categories":
            parts = zip(output.split(leaf.sizes), truth.reshape(-1), strict=True)
            losses.append(torch.stack([F.cross_entropy(logits, index) for logits, index in parts]).mean())
        elif isinstance(leaf.space, spaces.MultiBinary):
            losses.append(F.binary_cross_entropy(output.sigmoid(), truth.float()))
        else:
            losses.append((output - truth).square().mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("image_loss", "expected"), [("bce", math.log(2)), ("mse", 0.25)])
def test_a_grey_picture_by_hand(image_loss, expected):
    """Of a white one, whatever its size: the weight of the loss does not depend on the number of pixels."""
    for side in (16, 20):
        network = make_network(spaces.Box(0, 255, (side, side, 3), "uint8"))
        loss = make_reconstruction(network, image_loss=image_loss)
        for parameter in loss.parameters():
            torch.nn.init.zeros_(parameter)
        rows = make_rows(network)
        rows["obs"] = torch.full_like(rows["obs"], 255)
        assert loss(network, make_window(network, rows=rows))[0].item() == pytest.approx(expected)


def test_vectors_are_reconstructed_as_they_are_read():
    network = make_network(VECTOR, normalize=True)
    rows = make_rows(network)
    rows["obs"] = rows["obs"].double() * 100 + 7
    network.update_normalizers(rows)
    loss = make_reconstruction(network)
    for parameter in loss.parameters():
        torch.nn.init.zeros_(parameter)
    # Numbers of deviation 1 around 0 are what 0 is held against.
    found, _ = loss(network, make_window(network, rows=rows))
    assert found.dtype == torch.float32 and found.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("make", [make_reconstruction, make_self_prediction])
@pytest.mark.parametrize("obs", [VECTOR, MIXED], ids=["vector", "mixed"])
@pytest.mark.parametrize("episode", [0, 2])
def test_other_episodes_reach_nothing(make, obs, episode):
    """Neither a loss nor a gradient, whatever they hold; the rows that count are those of one episode."""
    found = []
    own = torch.zeros(4, 12, dtype=torch.bool)
    own[:, slice(*(0, 4) if episode == 0 else (9, 12))] = True
    for poison in (False, True):
        torch.manual_seed(0)
        network = make_network(obs, ACTIONS["box"])
        scramble(network)
        loss = make(network, **{"lag": 1} if make is make_reconstruction else {"target": "ema"})
        window = make_window(network, mask=own)
        y = window.y.detach()
        if poison:
            y = torch.where(own.unsqueeze(-1), y, math.nan)
            window.rows["action"][~own] = math.nan
            vector = window.rows["obs"] if obs is VECTOR else window.rows["obs", "vector"]
            vector[~own] = math.nan
        y.requires_grad_()
        value, _ = loss(network, window.with_output(y))
        value.backward()
        found.append([value, y.grad, *(p.grad for p in loss.parameters() if p.requires_grad)])
    assert value > 0
    for clean, poisoned in zip(*found, strict=True):
        assert torch.equal(clean, poisoned)


def test_a_target_takes_no_gradient_and_follows():
    network = make_network()
    loss = make_self_prediction(network, target="ema", target_update_rate=0.25)
    loss(network, make_window(network))[0].backward()
    copies = [*loss.target_core.parameters(), *loss.target_encoder.parameters()]
    assert all(copy.grad is None and not copy.requires_grad for copy in copies)
    assert all(p.grad is not None for p in loss.transition.parameters())
    before, present = loss.target_core.state_dict(), network.core.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    scramble(network)
    loss.follow(network)
    for name, value in loss.target_core.state_dict().items():
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * present[name])


def test_nothing_to_compare_is_no_loss():
    network = make_network()
    rows = make_rows(network, starts=range(12))
    for loss in (make_reconstruction(network, lag=1), make_self_prediction(network)):
        assert loss(network, make_window(network, rows=rows))[0].item() == 0


def test_norms_by_hand():
    y = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    core, norms = y * 1, GradientNorms()
    loss = 3 * norms.branch("agent", core)[0, 0] + (norms.branch("other", core) ** 2).sum() / 2
    loss.backward()
    assert norms.read() == {"core_gradient/agent": 3.0, "core_gradient/other": pytest.approx(30**0.5)}
    assert torch.equal(y.grad, torch.tensor([[4.0, 2.0], [3.0, 4.0]]))


def test_several_losses_are_a_weighted_sum():
    network = make_network(IMAGE)
    past = ReconstructionSettings(coef=2.0, image_depth=2)
    future = SelfPredictionSettings(coef=0.5, target="ema")
    settings = AuxiliarySettings(reconstruction=past, self_prediction=future)
    auxiliary = make_auxiliary_losses(settings, network, network.action_space)
    total, terms = auxiliary(network, make_window(network), GradientNorms())
    logged = {"reconstruction_share", "self_prediction_target_std"}
    assert set(terms) == {"reconstruction", "self_prediction", *logged}
    torch.testing.assert_close(total, 2 * terms["reconstruction"] + 0.5 * terms["self_prediction"])
    copies = sum(p.numel() for part in (network.core, network.encoder) for p in part.parameters())
    assert sum(p.numel() for p in auxiliary.parameters()) - copies == sum(
        p.numel() for p in auxiliary.trained_parameters()
    )
    assert make_auxiliary_losses(AuxiliarySettings(), network, network.action_space) is None


@pytest.mark.parametrize(
    ("options", "burn_in", "sentence"),
    [
        (
            {"reconstruction": {"coef": 1, "lag": 12}},
            0,
            "lag of reconstruction must be less than the 12 rows of the agent's sequences, but got 12; change "
            "agent.auxiliary.reconstruction.lag.",
        ),
        (
            {"reconstruction": {"coef": 1, "lag": 16}},
            4,
            "lag of reconstruction must be less than the 16 rows of the agent's sequences and their burn-in, but got "
            "16; change agent.auxiliary.reconstruction.lag.",
        ),
        (
            {"self_prediction": {"coef": 1, "steps": 13}},
            4,
            "steps of self_prediction must be less than the 12 rows of the agent's sequences, but got 13; change "
            "agent.auxiliary.self_prediction.steps.",
        ),
    ],
)
def test_what_no_sequence_holds_is_refused(options, burn_in, sentence):
    with pytest.raises(ValueError) as caught:
        AuxiliarySettings(**options).check_length(12, burn_in)
    assert str(caught.value) == sentence
    off = {name: {**values, "coef": 0} for name, values in options.items()}
    AuxiliarySettings(**off).check_length(12, burn_in)


@pytest.mark.parametrize(
    ("group", "options", "sentence"),
    [
        ("reconstruction", {"coef": -1}, "coef of reconstruction must be a number of at least 0, but got -1"),
        ("reconstruction", {"image_loss": "l1"}, "image_loss of reconstruction must be one of bce, mse"),
        (
            "self_prediction",
            {"target": "slow"},
            "target of self_prediction must be one of stop_gradient, ema",
        ),
        ("self_prediction", {"step": 3}, "did you mean agent.auxiliary.self_prediction.steps?"),
        ("rebuild", {}, "unexpected keyword argument 'auxiliary.rebuild'; leave it out"),
    ],
)
def test_a_wrong_option_is_one_sentence(group, options, sentence):
    with pytest.raises(ValueError) as caught:
        make_agent(RecallFirst(num_envs=2), auxiliary={group: options})
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
