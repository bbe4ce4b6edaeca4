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
    ours.zero_grad()
    theirs.zero_grad()
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


class _WithOptions(nn.Module):
    """Our layer, called with further keyword arguments."""

    def __init__(self, layer: nn.Module, **options: Any):
        self.layer, self.options = layer, options

    def forward(self, *inputs: Any) -> Any:
        return self.layer(*inputs, **{k: ag.Tensor(v) if isinstance(v, np.ndarray) else v for k, v in self.options.items()})


class _TheirsWithOptions(torch.nn.Module):
    """PyTorch's layer, called with further keyword arguments."""

    def __init__(self, layer: Any, **options: Any):
        super().__init__()
        self.layer, self.options = layer, options

    def forward(self, *inputs: Any) -> Any:
        return self.layer(*inputs, **{k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in self.options.items()})


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"batch_first": True}, {"kdim": 5, "vdim": 3}, {"add_bias_kv": True, "add_zero_attn": True}],
    ids=str,
)
def test_multihead_attention(options: dict[str, Any]) -> None:
    length, keys, n, heads = 4, 6, 3, 2
    shapes = [(length, n, 8), (keys, n, options.get("kdim", 8)), (keys, n, options.get("vdim", 8))]
    inputs = [draw(*((s[1], s[0], s[2]) if options.get("batch_first") else s)) for s in shapes]
    masks = [None, ~np.tri(length, keys, dtype=bool), draw(length, keys), draw(n * heads, length, keys)]
    paddings = [None, np.arange(keys) >= np.array([6, 4, 5])[:, None], draw(n, keys)]
    for attn_mask, key_padding_mask in product(masks, paddings):
        for more in ({}, {"average_attn_weights": False}, {"need_weights": False}):
            given = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask, **more}
            check(
                _WithOptions(nn.MultiheadAttention(8, heads, **options), **given),
                _TheirsWithOptions(torch.nn.MultiheadAttention(8, heads, **options), **given),
                *inputs,
            )


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformers(batch_first: bool, norm_first: bool, activation: str) -> None:
    options = {"batch_first": batch_first, "norm_first": norm_first, "activation": activation, "dropout": 0.0}
    x, memory = (draw(*((3, length, 8) if batch_first else (length, 3, 8))) for length in (4, 5))
    encoders, decoders, models = (
        [getattr(module, name)(8, 2, *counts, 16, **options) for module in (nn, torch.nn)]
        for name, counts in (("TransformerEncoderLayer", ()), ("TransformerDecoderLayer", ()), ("Transformer", (2, 1)))
    )
    check(*encoders, x)
    check(*decoders, x, memory)
    check(*models, memory, x)
    mask = np.triu(np.full((4, 4), -np.inf, np.float32), 1)
    padding = np.arange(4) >= np.array([4, 3, 2])[:, None]
    masks = {"src_mask": mask, "src_key_padding_mask": np.where(padding, -np.inf, 0).astype(np.float32)}
    check(_WithOptions(encoders[0], **masks), _TheirsWithOptions(encoders[1], **masks), x)
    stacks = [
        module.TransformerEncoder(layer, 2, module.LayerNorm(8)) for module, layer in zip((nn, torch.nn), encoders, strict=True)
    ]
    check(*stacks, x)
    mine, theirs = (module.Transformer.generate_square_subsequent_mask(4) for module in (nn, torch.nn))
    np.testing.assert_array_equal(mine.data, theirs.numpy())


# name -> (arguments, shape of the input)
SMALL: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    "CELU": ((0.7,), (9,)), "ELU": ((0.7,), (9,)), "SELU": ((), (9,)), "Softsign": ((), (9,)), "Hardsigmoid": ((), (9,)),
    "Hardswish": ((), (9,)), "LogSigmoid": ((), (9,)), "Softmin": ((-1,), (3, 4)), "Softmax2d": ((), (2, 3, 4, 4)),
    "Threshold": ((0.3, -2.0), (9,)), "Tanhshrink": ((), (9,)), "Softshrink": ((), (9,)), "Hardshrink": ((), (9,)),
    "GLU": ((1,), (3, 4, 2)), "PReLU": ((4, 0.1), (3, 4, 2)), "GroupNorm": ((2, 4), (3, 4, 5)), "RMSNorm": (((4, 5),), (3, 4, 5)),
    "InstanceNorm1d": ((4, 1e-5, 0.1, True, True), (3, 4, 5)), "InstanceNorm2d": ((4,), (3, 4, 5, 2)),
    "InstanceNorm3d": ((4, 1e-3, 0.2, True), (3, 4, 5, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small_layers(name: str) -> None:
    """In training, then in evaluation with the statistics of training."""
    arguments, shape = SMALL[name]
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    check(ours, theirs, 3 * draw(*shape))
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-4, atol=1e-6)
    check(ours.eval(), theirs.eval(), 3 * draw(*shape))
