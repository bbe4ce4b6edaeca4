"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.tensor import Array

from .optimizer import Optimizer, Params, apply_weight_decay, zeros


class SGD(Optimizer):
    """Stochastic gradient descent, with optional momentum: v ← μ v + g, w ← w − η v.

    As in PyTorch, η scales the sum v; Sutskever et al. 2013 and TensorFlow scale each g. TensorFlow's default η is 1e-2.
    On y = x² with η = 1, steps from 1 go to −1, 1, −1 …, and with μ = 0.9 to −1, −0.8, 0.98.

    Parameters
    ----------
    params                  tensors, or dicts of parameter groups
    lr                      learning rate η
    momentum                μ; 0 is plain descent
    dampening               the first g is added to v as it is, later ones are multiplied by 1 − dampening
    weight_decay            λ: λ w is added to g
    nesterov                whether w moves by g + μ v instead of v
    decoupled_weight_decay  whether η λ w is subtracted from w instead of adding λ w to g
    maximize                whether w moves along g instead of against it
    foreach, fused          without an effect: PyTorch's choices between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.5], requires_grad=True)
    """

    elementwise = True
    optional_state = frozenset({"momentum_buffer"})

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ):
        if nesterov and not momentum:
            raise ValueError(f"SGD: nesterov=True needs a momentum above 0, got {momentum}")
        if nesterov and dampening:
            raise ValueError(f"SGD: nesterov=True needs dampening=0, got {dampening}")
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, {**settings, "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return zeros(parameter, "momentum_buffer") if group["momentum"] and not group["dampening"] else {}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        lr, momentum, nesterov = group["lr"], group["momentum"], group["nesterov"]
        share = 1 - group["dampening"] if state else 1.0
        if momentum and not state:  # the first step with dampening, or with a momentum that was set later
            state.update(zeros(p, "momentum_buffer"))

        def block(w: Array, d: Array, v: Array, s: Array, t: Array, _: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            if momentum:
                v *= momentum
                if share == 1:
                    v += d
                else:
                    np.multiply(d, share, s)
                    v += s
                if nesterov:
                    np.multiply(v, momentum, s)
                    s += d
                    d = s
                else:
                    d = v
            np.multiply(d, lr, s)
            w -= s

        self.run_in_blocks(block, p, g, state.get("momentum_buffer", p))
