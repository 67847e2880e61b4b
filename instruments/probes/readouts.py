"""Read-outs: functions of features that are fitted to targets; linear ones in closed form or to convergence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from engram.common.streams import seeded_initializers, stream_key
from engram.instruments.probes.episodes import Split

Predict = Callable[[Tensor], Tensor]
"""Features `[N, n]` to real numbers `[N, m]`, or to the chosen classes `[N, m]`."""
Readout = Callable[[Tensor, Tensor, int | None, Split], Predict]
"""Fits to features `[N, n]`, targets `[N, m]` and their number of classes, None for real numbers."""

PENALTIES = (1e-4, 1e-2, 1.0)
HIDDEN_SIZE = 64
_STEPS, _PATIENCE = 400, 40


def fit_linear(x: Tensor, target: Tensor, num_classes: int | None, split: Split) -> Predict:
    """Fit a linear map: ridge regression of real numbers, multinomial logistic regression of choices.

    Features are standardised; the penalty is the one of `PENALTIES`, per row, under which the rows `split.choose` have
    the least error.
    """
    scale = _Standard(x[split.train])
    known, held = scale(x[split.train]), scale(x[split.choose])
    fit = _ridge if num_classes is None else _logistic
    fitted = [fit(known, target[split.train], penalty, num_classes) for penalty in PENALTIES]
    errors = [_error(predict(held), target[split.choose], num_classes) for predict in fitted]
    best = fitted[int(torch.stack(errors).argmin())]
    return lambda features: _chosen(best(scale(features)), num_classes)


def fit_mlp(x: Tensor, target: Tensor, num_classes: int | None, split: Split) -> Predict:
    """Fit a perceptron with one hidden layer, stopped where the rows `split.choose` are predicted best."""
    scale = _Standard(x[split.train])
    known, held = scale(x[split.train]), scale(x[split.choose])
    outputs = target.shape[1] * (num_classes or 1)
    with seeded_initializers(stream_key(0, "probe")):
        net = nn.Sequential(nn.Linear(x.shape[1], HIDDEN_SIZE), nn.ReLU(), nn.Linear(HIDDEN_SIZE, outputs))
    net = net.to(x)
    middle = 0.0 if num_classes is not None else target[split.train].mean(0)

    def outputs_of(features: Tensor) -> Tensor:
        found = net(features)
        return found + middle if num_classes is None else found.unflatten(1, (-1, num_classes))

    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    best, kept, waited = torch.inf, {}, 0
    with torch.enable_grad():
        for _ in range(_STEPS):
            optimizer.zero_grad()
            _error(outputs_of(known), target[split.train], num_classes).backward()
            optimizer.step()
            with torch.no_grad():
                error = float(_error(outputs_of(held), target[split.choose], num_classes))
            waited += 1
            if error < best:
                best, waited = error, 0
                kept = {name: value.clone() for name, value in net.state_dict().items()}
            if waited == _PATIENCE:
                break
    net.load_state_dict(kept)

    @torch.no_grad()
    def predict(features: Tensor) -> Tensor:
        return _chosen(outputs_of(scale(features)), num_classes)

    return predict


READOUTS: Mapping[str, Readout] = {"linear": fit_linear, "mlp": fit_mlp}


class _Standard:
    """Brings features to mean 0 and deviation 1, as they are in the rows given; constant ones become 0."""

    def __init__(self, x: Tensor) -> None:
        self.mean, deviation = x.mean(0), x.std(0)
        self.scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale


def _ridge(x: Tensor, target: Tensor, penalty: float, num_classes: int | None) -> Predict:
    x, target = x.double(), target.double()
    middle = target.mean(0)
    gram = x.T @ x + penalty * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(gram, x.T @ (target - middle))
    return lambda features: (features.double() @ weights + middle).float()


def _logistic(x: Tensor, target: Tensor, penalty: float, num_classes: int | None) -> Predict:
    assert num_classes is not None
    columns = target.shape[1] * num_classes
    weights = torch.zeros(x.shape[1], columns, device=x.device, requires_grad=True)
    bias = torch.zeros(columns, device=x.device, requires_grad=True)

    def outputs(features: Tensor) -> Tensor:
        return (features @ weights + bias).unflatten(1, (-1, num_classes))

    optimizer = torch.optim.LBFGS([weights, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = _error(outputs(x), target, num_classes) + 0.5 * penalty * weights.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    weights, bias = weights.detach(), bias.detach()
    return outputs


def _error(predicted: Tensor, target: Tensor, num_classes: int | None) -> Tensor:
    """Half the squared error of real numbers `[N, m]`, or the cross-entropy of `[N, m, classes]`; a mean over rows."""
    if num_classes is None:
        return 0.5 * (predicted - target).square().sum(1).mean()
    return cross_entropy(predicted.flatten(0, 1), target.flatten()) * target.shape[1]


def _chosen(predicted: Tensor, num_classes: int | None) -> Tensor:
    return predicted if num_classes is None else predicted.argmax(-1)
