"""Gradients held in bounds between `backward` and the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

import autograd_mini as ag
from autograd_mini.tensor import Tensor


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> float:
    """Scales all gradients by one factor so that their joint norm is at most `max_norm`; returns what it was.

    `norm_type` is p in (Σ |g|ᵖ)^(1/p) over all elements of all gradients, or inf. The direction stays (Pascanu et al. 2013).
    ValueError for a negative `max_norm`, and where the norm is inf or nan: no factor would help.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> nn.clip_grad_norm([w], 1.0)
    5.0
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be ≥ 0, got {max_norm}")
    gradients = [(p, p.grad) for p in parameters if p.grad is not None]
    with ag.no_grad():
        norms = [ag.norm(g.astype(np.float64), norm_type).item() for _, g in gradients]
        total = ag.norm(np.array(norms or [0.0]), norm_type).item()
        if not math.isfinite(total):
            raise ValueError(f"clip_grad_norm: the norm of the gradients is {total}")
        if total > max_norm:
            for p, g in gradients:
                p.grad = g * (max_norm / total)
    return float(total)


def clip_grad_value(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Limits each element of each gradient to [−clip_value, clip_value]. ValueError for a negative `clip_value`.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * [3.0, -0.5]).sum().backward()
    >>> nn.clip_grad_value([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value: clip_value must be ≥ 0, got {clip_value}")
    with ag.no_grad():
        for p in parameters:
            if p.grad is not None:
                p.grad = ag.clip(p.grad, -clip_value, clip_value)
