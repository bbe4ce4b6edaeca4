"""Numbers among the arguments of a compiled function act as in eager code: their values, types, errors and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn

X = Tensor([1.0, 2.0])

FLOATS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "negative_slope": lambda x, s: ag.leaky_relu(x, s),
    "alpha": lambda x, s: ag.elu(x, s),
    "bounds": lambda x, s: ag.hardtanh(x, -s, s),
    "upper bound": lambda x, s: ag.clip(x, None, s),
    "lower bound": lambda x, s: ag.clip(x, s, None),
    "p": lambda x, s: ag.dropout(x, s),
    "beta": lambda x, s: nn.smooth_l1_loss(x, X * 0, beta=s),
    "pad value": lambda x, s: ag.pad(x, 1, constant_values=s),
    "fill": lambda x, s: ag.full((2,), s) * x,
    "exponent": lambda x, s: ag.abs(x) ** s,
    "ord": lambda x, s: ag.norm(x, 1 + s),
    "float()": lambda x, s: x * float(s),
    "branch": lambda x, s: x if s > 0.3 else -x,
    "factor": lambda x, s: x * s,
    "eps": lambda x, s: ag.layer_norm(ag.stack([x, x]), 2, eps=s),
    "label_smoothing": lambda x, s: nn.cross_entropy(ag.stack([x, -x]), np.array([0, 1]), label_smoothing=s),
    "isinstance": lambda x, s: x * (s if isinstance(s, float) else 7.0),
    "type": lambda x, s: x * (s if type(s) is float else 7.0),
    "match": lambda x, s: x * len(f"{s:.3}"),
    "attribute": lambda x, s: x * s.real,
    "method": lambda x, s: x * float(np.float64(s).is_integer() + s),
    "key": lambda x, s: x * {0.5: 1.0, 0.25: 2.0, 0.75: 3.0}[float(s)],
    "hash": lambda x, s: x * hash(float(s) * 4),
    "NumPy": lambda x, s: x * float(np.sin(s) + np.array([s, 1.0]).sum()),
    "list": lambda x, s: x * ag.array([s, 1.0]),
    "alone": lambda x, s: x + ag.sin(s) * ag.sum([s, 1.0]) + ag.add(s, 1),
    "nested operators": lambda x, s: x * (1 - s) ** 3 + 2 / (s - s * 0.5) - -s // 0.2 % 0.3,
    "Python arithmetic": lambda x, s: x * (1 / (s + 1)),
}


@pytest.mark.parametrize("use", FLOATS)
@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.array])
def test_a_float_argument_works_in_every_call(use: str, number: Callable[[float], Any]) -> None:
    """Values and gradients are those of eager code, also at kinks: x has elements at the bounds 0.5 and -0.5."""
    w, function = Tensor([0.5, -0.5], requires_grad=True), FLOATS[use]

    def step(x: Tensor, s: Any) -> list[Tensor]:
        w.grad = None
        y = function(w * x, s)
        y.sum().backward()
        return [y.detach(), w.grad.copy()]

    def run(compile: Callable[..., Any]) -> list[Any]:
        ag.manual_seed(0)
        f = compile(step)
        return [[t.tolist() for t in f(Tensor([1.0, 1.0]), number(s))] for s in (0.5, 0.5, 0.25, 0.25, 0.5, 0.75)]

    assert run(ag.jit) == run(lambda f: f)


@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_a_function_of_numbers_alone_gives_numbers_in_every_call(number: Callable[[float], Any]) -> None:
    """Types and bits are those of Python, for Python's operators and for operations on tensors."""

    def step(s: Any) -> Any:
        return s, -s * 2, 1 / s**1.5, abs(s % 0.3) // 0.1, ag.sin(s), ag.stack([s, s]), ag.maximum(s, 0.3), ag.full((2,), s)

    f = ag.jit(step)
    for value in (0.5, 0.7, 0.1, 1.9, 0.3):
        for found, expected in zip(f(number(value)), step(number(value)), strict=True):
            assert type(found) is type(expected)
            assert repr(found) == repr(expected)
    assert len(f.plans) == 1


def test_python_errors_of_numbers_are_raised_in_replays() -> None:
    """Python divides by zero loudly, NumPy does not; a square root of a negative number is complex in Python."""
    f, g = ag.jit(lambda x, s: x * (1 / s)), ag.jit(lambda x, s: x * s**0.5)
    for s in (1.0, 2.0, 4.0):
        assert f(X, s).tolist() == (X * (1 / s)).tolist()
        assert g(X, s).tolist() == (X * s**0.5).tolist()
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        f(X, 0.0)
    with pytest.raises(TypeError, match=r"pow gave .*j.*; a compiled step needs float"):
        g(X, -1.0)
    assert (len(f.plans), len(g.plans)) == (1, 1)


def test_numbers_of_which_only_the_value_counts_share_a_plan() -> None:
    """nan equals nan here, and new objects of equal value are as good as the same one."""
    for make in (lambda: complex("1+2j"), lambda: range(int("3")), lambda: np.longdouble("nan"), lambda: np.dtype("f4")):
        f = ag.jit(lambda x, s: x * 2)
        for _ in range(4):
            f(X, make())
        assert len(f.plans) == 1
