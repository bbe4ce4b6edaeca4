"""Gradient clipping, between `backward` and the optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply, as_number
from autograd_mini.primitive import Primitive
from autograd_mini.state import modes
from autograd_mini.tensor import Array, Tensor

from ..module import parameter_list

_CONSTANT: Final = "use .detach() for a constant"


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Any:
    """Scales all gradients by one factor so that their joint norm is at most `max_norm`; returns the norm before that.

    `norm_type` is p in (Σ |g|ᵖ)^(1/p) over all elements of all gradients, or inf. The direction does not change (Pascanu et al.
    2013). Returns a 0-d tensor inside `jit`, else a float. Raises ValueError if `max_norm` is < 0 or the norm is inf or nan.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> nn.clip_grad_norm([w], 1.0)
    5.0
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    return scale_to_norm(parameters, max_norm, norm_type, ValueError)


def scale_to_norm(parameters: Iterable[Tensor], max_norm: float, norm_type: float, error: type[Exception]) -> Any:
    """Does what `clip_grad_norm` does; raises `error` if the norm is inf or nan."""
    max_norm, norm_type = (as_number(f"clip_grad_norm: {name}", value, _CONSTANT)
                           for name, value in (("max_norm", max_norm), ("norm_type", norm_type)))  # fmt: skip
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be ≥ 0, got {max_norm}")
    gradients = [(p, p.grad) for p in parameter_list("clip_grad_norm", parameters) if p.grad is not None]
    with ag.no_grad():
        norms = [ag.norm(g.astype(np.float64), norm_type) for _, g in gradients]
        total = ag.norm(ag.stack(norms or [ag.zeros((), dtype=np.float64)]), norm_type)
        factor = apply(_FACTOR, (total,), {"max_norm": max_norm, "error": error})
        for p, g in gradients:
            p.grad = g * factor.astype(g.dtype)
    return total if modes().tracer is not None else total.item()


def _factor(total: Array, max_norm: float, error: type[Exception]) -> Array:
    if not np.isfinite(total):
        raise error(f"norm of the gradients became {total}")
    return np.asarray(max_norm / total if total > max_norm else 1.0)


_FACTOR: Final = Primitive(
    "clip_factor", _factor, formula="min(1, bound/‖g‖)", constant=True,
    explain=lambda total, **_: f"the norm of the gradients is {total}",
)  # fmt: skip


def clip_grad_value(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Limits each element of each gradient to [−clip_value, clip_value]. Raises ValueError if `clip_value` is negative.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * [3.0, -0.5]).sum().backward()
    >>> nn.clip_grad_value([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    clip_value = as_number("clip_grad_value: clip_value", clip_value, _CONSTANT)
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value: clip_value must be ≥ 0, got {clip_value}")
    with ag.no_grad():
        for p in parameter_list("clip_grad_value", parameters):
            if p.grad is not None:
                p.grad = ag.clip(p.grad, -clip_value, clip_value)
