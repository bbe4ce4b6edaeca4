"""Textbook formulas of the optimizers, in float64, and the cases in which optimizers are compared with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_mini import Tensor, nn

STEPS = 10


def sgd(
    w: Any, g: Callable[[Any], Any], lr: float, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False,
    decoupled_weight_decay: bool = False,
) -> Any:  # fmt: skip
    v = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w * (not decoupled_weight_decay)
        w = w * (1 - lr * weight_decay * decoupled_weight_decay)
        v = momentum * v + d
        w = w - lr * (d + momentum * v if nesterov else v)
    return w


def adam(
    w: Any, g: Callable[[Any], Any], lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        d = g(w) + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        w = w - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def adamw(w: Any, g: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2) -> Any:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        d = g(w)
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        step = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        w = w - lr * weight_decay * w - lr * step
    return w


def nadam(
    w: Any, g: Any, lr: float = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
) -> Any:  # fmt: skip
    m = v = 0.0
    mu = [betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in range(1, STEPS + 2)]
    for t in range(1, STEPS + 1):
        d = g(w) + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d**2
        ahead = mu[t] * m / (1 - np.prod(mu[: t + 1])) + (1 - mu[t - 1]) * d / (1 - np.prod(mu[:t]))
        w = w - lr * ahead / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def adagrad(
    w: Any, g: Any, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> Any:  # fmt: skip
    n = initial_accumulator_value
    for t in range(STEPS):
        d = g(w) + weight_decay * w
        n = n + d**2
        w = w - lr / (1 + t * lr_decay) * d / (np.sqrt(n) + eps)
    return w


def rmsprop(
    w: Any, g: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
    centered: bool = False,
) -> Any:  # fmt: skip
    n = m = v = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w
        n = alpha * n + (1 - alpha) * d**2
        m = alpha * m + (1 - alpha) * d
        v = momentum * v + d / (np.sqrt(n - m**2 * centered) + eps)
        w = w - lr * v
    return w


def adadelta(w: Any, g: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0) -> Any:
    squares_of_g = squares_of_steps = 0.0
    for _ in range(STEPS):
        d = g(w) + weight_decay * w
        squares_of_g = rho * squares_of_g + (1 - rho) * d**2
        step = np.sqrt(squares_of_steps + eps) / np.sqrt(squares_of_g + eps) * d
        squares_of_steps = rho * squares_of_steps + (1 - rho) * step**2
        w = w - lr * step
    return w


def ftrl(
    w: Any,
    g: Any,
    lr: float = 1e-3,
    initial_accumulator_value: float = 0.1,
    beta: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
) -> Any:
    n = np.full_like(w, initial_accumulator_value)
    z = -w * (beta + np.sqrt(n)) / lr
    for _ in range(STEPS):
        d = g(w)
        s = (np.sqrt(n + d**2) - np.sqrt(n)) / lr
        n = n + d**2
        z = z + d - s * w
        w = np.where(abs(z) <= l1, 0, (np.sign(z) * l1 - z) / ((beta + np.sqrt(n)) / lr + 2 * l2))
    return w


CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (nn.SGD, sgd, {"lr": 0.1}),
    (nn.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (nn.SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (nn.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.3, "nesterov": True}),
    (nn.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    (nn.Adagrad, adagrad, {}),
    (nn.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.3, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    (nn.RMSprop, rmsprop, {}),
    (nn.RMSprop, rmsprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.3, "momentum": 0.9, "centered": True}),
    (nn.RMSprop, rmsprop, {"momentum": 0.5}),
    (nn.RMSprop, rmsprop, {"lr": 0.02, "eps": 1e-3, "centered": True}),
    (nn.Adadelta, adadelta, {}),
    (nn.Adadelta, adadelta, {"lr": 0.5, "rho": 0.95, "eps": 1e-2, "weight_decay": 0.3}),
    (nn.FTRL, ftrl, {}),
    (nn.FTRL, ftrl, {"lr": 0.1, "initial_accumulator_value": 0.0, "beta": 1.0, "l1": 0.5, "l2": 0.2}),
    (nn.AdamW, adamw, {}),
    (nn.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
    (nn.NAdam, nadam, {}),
    (nn.NAdam, nadam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2, "momentum_decay": 0.1}),
    (nn.Adam, adam, {}),
    (nn.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
]
ADAM = CASES[-1]
A, B = np.linspace(0.5, 2, 12).reshape(3, 4), np.linspace(-1, 1, 12).reshape(3, 4)


def loss(w: Tensor) -> Tensor:
    """½ A (w − B)², summed, with gradient A (w − B)."""
    return (Tensor(A.astype(w.dtype)) * (w - Tensor(B.astype(w.dtype))).square()).sum() * 0.5


def run(make: Any, options: dict[str, Any], start: Any, dtype: str = "float64", steps: int = STEPS) -> tuple[Tensor, Any]:
    w = Tensor(start.astype(dtype), requires_grad=True)
    optimizer = make([w], **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
    return w, optimizer
