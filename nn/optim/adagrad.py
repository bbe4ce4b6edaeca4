"""Optimizers that divide the gradient by the root of a sum or mean of its squares; Adam and its variants are in `adam.py`.

Let w be a parameter, g its gradient and η the learning rate. Plain descent moves w by η g; for a loss without a unit, g has the
units of 1/w, so η must have the units of w². After the division, η has the units of w.
Adadelta's step has the units of w without η, as Newton's has.

L2 weight decay adds λ w to g, which is 2λ′ w for a penalty λ′‖w‖². Divided by the root, it shrinks weights with large gradients
less than others. This is why momentum may beat Adam under L2, and why "decoupled" decay exists.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.tensor import Array

from .optimizer import Optimizer, Params, apply_weight_decay, update_mean, zeros


class Adagrad(Optimizer):
    """Adagrad: n ← n + g², w ← w − η′ g / (√n + ε), with η′ = η / (1 + (t − 1) `lr_decay`) (Duchi, Hazan & Singer 2011).

    The paper has ε (as δ) but names no value. TensorFlow's defaults are η 1e-3, n₀ 0.1, ε 1e-7.

    Parameters
    ----------
    params                     tensors, or dicts of parameter groups
    lr                         learning rate η
    lr_decay                   how fast η′ falls with the step number t
    weight_decay               λ: λ w is added to g
    initial_accumulator_value  n₀, the value of n before the first step
    eps                        ε; without it, a weight whose gradient was always 0 becomes 0/0
    maximize                   whether w moves along g instead of against it
    foreach, fused             without an effect: PyTorch's choices between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = nn.Adagrad([w], lr=0.5)
    >>> (w[0] * 7).backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.5, 2. ], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ):
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, {**settings, "initial_accumulator_value": initial_accumulator_value, "eps": eps})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return {"step": 0, "sum": np.full_like(parameter, group["initial_accumulator_value"])}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        rate = group["lr"] / (1 + state["step"] * group["lr_decay"])
        state["step"] += 1

        def block(w: Array, d: Array, n: Array, s: Array, t: Array, _: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            np.multiply(d, d, s)
            n += s
            np.sqrt(n, s)
            s += group["eps"]
            np.divide(d, s, s)
            s *= rate
            w -= s

        self.run_in_blocks(block, p, g, state["sum"])


class RMSprop(Optimizer):
    """RMSprop: n ← α n + (1 − α) g², w ← w − η g / (√n + ε) (Tieleman & Hinton 2012, lecture 6e, with α = 0.9).

    TensorFlow's defaults are η 1e-3, α 0.9, ε 1e-7.

    Parameters
    ----------
    params        tensors, or dicts of parameter groups
    lr            learning rate η
    alpha         decay rate α of the mean n
    eps           ε
    weight_decay  λ: λ w is added to g
    momentum      μ: v ← μ v + g / (√n + ε) and w ← w − η v
    centered      whether n − m² replaces n, where m is the same mean of g (Graves 2013, eq. 40)
    maximize      whether w moves along g instead of against it
    foreach       without an effect: PyTorch's choice between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.RMSprop([w], lr=0.05)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()  # g / √(0.01 g²) = 10
    >>> round(w.item(), 4)
    0.5
    """

    elementwise = True
    optional_state = frozenset({"momentum_buffer", "grad_avg"})

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ):
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**settings, "centered": centered, "maximize": maximize})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return zeros(parameter, *self._names(group))

    def _names(self, group: ParamGroup) -> list[str]:
        optional = {"momentum_buffer": group["momentum"], "grad_avg": group["centered"]}
        return ["square_avg", *(name for name, used in optional.items() if used)]

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        share, momentum = 1 - group["alpha"], group["momentum"]
        state.update(zeros(p, *(name for name in self._names(group) if name not in state)))  # set later
        held = (state["square_avg"], state.get("momentum_buffer", p), state.get("grad_avg", p))

        def block(w: Array, d: Array, n: Array, v: Array, m: Array, s: Array, t: Array, u: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            np.multiply(d, d, s)
            update_mean(n, s, share, s)
            if group["centered"]:
                update_mean(m, d, share, s)
                np.multiply(m, m, u)
                np.subtract(n, u, s)
                np.maximum(s, 0, out=s)  # rounding may go below
                np.sqrt(s, s)
            else:
                np.sqrt(n, s)
            s += group["eps"]
            np.divide(d, s, s)
            if momentum:
                v *= momentum
                v += s
                np.multiply(v, group["lr"], s)
            else:
                s *= group["lr"]
            w -= s

        self.run_in_blocks(block, p, g, *held)


class Adadelta(Optimizer):
    """Adadelta: n ← ρ n + (1 − ρ) g², Δ = √(a + ε) / √(n + ε) · g, a ← ρ a + (1 − ρ) Δ², w ← w − η Δ (Zeiler 2012, alg. 1).

    a averages the squares of the steps Δ, not of g. So Δ has the units of w, and η can be 1, the paper's implicit value and
    PyTorch's default. The paper has ρ 0.95, ε 1e-6; TensorFlow has η 1e-3, ρ 0.95, ε 1e-7.

    Parameters
    ----------
    params        tensors, or dicts of parameter groups
    lr            learning rate η
    rho           decay rate ρ of the means n and a
    eps           ε
    weight_decay  λ: λ w is added to g
    maximize      whether w moves along g instead of against it
    foreach       without an effect: PyTorch's choice between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.Adadelta([w], eps=1e-2)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()  # √0.01 / √(0.9 + 0.01) · 3
    >>> w
    Tensor([0.68551457], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return zeros(parameter, "square_avg", "acc_delta")

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        share, eps = 1 - group["rho"], group["eps"]

        def block(w: Array, d: Array, n: Array, a: Array, s: Array, t: Array, u: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            np.multiply(d, d, s)
            update_mean(n, s, share, s)
            np.add(a, eps, s)
            np.add(n, eps, u)
            s /= u
            np.sqrt(s, s)
            s *= d
            np.multiply(s, s, u)
            update_mean(a, u, share, u)
            s *= group["lr"]
            w -= s

        self.run_in_blocks(block, p, g, state["square_avg"], state["acc_delta"])
