"""Sequence layers exchange their states with PyTorch and compute the same values and gradients (skipped without PyTorch)."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

RNG = np.random.default_rng(0)


def exchange(ours: nn.Module, theirs: Any) -> None:
    """Loads our state in PyTorch, changes it there, and loads it back; names, order and shapes must agree."""
    state = ours.state_dict()
    assert [(name, value.shape) for name, value in state.items()] == [
        (name, tuple(value.shape)) for name, value in theirs.state_dict().items()
    ]
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=True)
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.1 * torch.randn(p.shape)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})


def flatten(results: Any) -> list[Any]:
    return [r for result in results for r in flatten(result)] if isinstance(results, (tuple, list)) else [results]


def check(ours: nn.Module, theirs: Any, *arrays: Any, pack: Any = lambda *x: x, atol: float = 1e-5) -> None:
    """Compares all outputs, and the gradients of floating inputs and of parameters; `pack` arranges the inputs as arguments."""
    exchange(ours, theirs)
    a = [ag.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    b = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    mine, other = (flatten(f(*pack(*x))) for f, x in ((ours, a), (theirs, b)))
    mine, other = [y for y in mine if y is not None], [y for y in other if y is not None]
    assert len(mine) == len(other)
    for y, z in zip(mine, other, strict=True):
        np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-4, atol=atol)
    sum((ag.sum(y * y * (k + 1)) for k, y in enumerate(mine)), ag.Tensor(0.0)).backward()
    sum((z * z * (k + 1)).sum() for k, z in enumerate(other)).backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    pairs = [*zip(a, [x.grad for x in b], strict=True), *((p, gradients[name]) for name, p in ours.named_parameters())]
    for x, gradient in pairs:
        if gradient is not None:
            np.testing.assert_allclose(x.grad.data, gradient.numpy(), rtol=1e-3, atol=10 * atol)


def draw(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_recurrent_layers(kind: str, num_layers: int) -> None:
    for bias, batch_first, bidirectional, batched, extra in product((True, False), repeat=5):
        options: dict[str, Any] = {
            "num_layers": num_layers,
            "bias": bias,
            "batch_first": batch_first,
            "bidirectional": bidirectional,
        }
        options |= {"RNN": {"nonlinearity": "relu"}, "LSTM": {"proj_size": 2}, "GRU": {}}[kind] if extra else {}
        batch = (2,) if batched else ()
        x = draw(2, 5, 3) if batch_first and batched else draw(5, *batch, 3)
        lead, size = num_layers * (1 + bidirectional), options.get("proj_size", 4)
        states = [draw(lead, *batch, s) for s in (size, 4)[: 1 + (kind == "LSTM")]]
        pack = (lambda x, h, c: (x, (h, c))) if kind == "LSTM" else (lambda x, h: (x, h))
        check(getattr(nn, kind)(3, 4, **options), getattr(torch.nn, kind)(3, 4, **options), x, *states, pack=pack)
        check(getattr(nn, kind)(3, 4, **options), getattr(torch.nn, kind)(3, 4, **options), x)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_cells(kind: str) -> None:
    for bias, batch in product((True, False), ((2,), ())):
        states = [draw(*batch, 4) for _ in range(1 + (kind == "LSTM"))]
        pack = (lambda x, h, c: (x, (h, c))) if kind == "LSTM" else (lambda x, h: (x, h))
        pair = [getattr(module, f"{kind}Cell")(3, 4, bias=bias) for module in (nn, torch.nn)]
        check(*pair, draw(*batch, 3), *states, pack=pack)
        check(*pair, draw(*batch, 3))
