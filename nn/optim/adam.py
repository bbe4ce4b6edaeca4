"""Adam and its variants: steps by a mean of the gradient over the root of a mean of its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.tensor import Array

from .optimizer import Optimizer, Params, apply_weight_decay, update_mean, zeros


class Adam(Optimizer):
    """Adam: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − η m̂ / (√v̂ + ε), with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ).

    Kingma & Ba 2015, algorithm 1, whose defaults are also PyTorch's (TensorFlow's ε is 1e-7). m and v start from 0, so
    E[mₜ] = (1 − β₁ᵗ) E[g]; the division corrects this bias.

    Parameters
    ----------
    params                  tensors, or dicts of parameter groups
    lr                      learning rate η
    betas                   decay rates (β₁, β₂) of the means m and v
    eps                     ε
    weight_decay            λ: λ w is added to g
    amsgrad                 whether the largest v so far replaces v (Reddi, Kale & Kumar 2018)
    decoupled_weight_decay  whether η λ w is subtracted from w instead of adding λ w to g
    maximize                whether w moves along g instead of against it
    foreach, fused          without an effect: PyTorch's choices between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, -3.0], requires_grad=True)
    >>> optimizer = nn.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # the first step has the length of the learning rate, whatever the gradient's
    >>> w
    Tensor([ 0.5, -2.5], requires_grad=True)
    """

    elementwise = True
    optional_state = frozenset({"max_exp_avg_sq"})

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {**settings, "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return {"step": 0, **zeros(parameter, "exp_avg", "exp_avg_sq", *self.optional_state if group["amsgrad"] else ())}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        state["step"] += 1
        beta1, beta2 = group["betas"]
        root = math.sqrt(1 - beta2 ** state["step"])
        # m̂ / (√v̂ + ε) with both corrections drawn out of the arrays
        rate, eps = group["lr"] * root / (1 - beta1 ** state["step"]), group["eps"] * root
        amsgrad = group["amsgrad"]
        if amsgrad and "max_exp_avg_sq" not in state:  # set later
            state.update(zeros(p, "max_exp_avg_sq"))

        def block(w: Array, d: Array, m: Array, v: Array, top: Array, s: Array, t: Array, _: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            np.subtract(d, m, s)
            s *= 1 - beta1
            m += s
            np.multiply(d, d, s)
            update_mean(v, s, 1 - beta2, s)
            if amsgrad:
                v = np.maximum(top, v, out=top)
            np.sqrt(v, s)
            s += eps
            np.divide(m, s, s)
            s *= rate
            w -= s

        self.run_in_blocks(block, p, g, state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"] if amsgrad else p)


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← w − η λ w, then Adam's step by the gradient alone (Loshchilov & Hutter 2019).

    The parameters are those of `Adam`. The default λ is 1e-2 as in PyTorch (TensorFlow's is 4e-3).

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.AdamW([w], lr=0.5, weight_decay=0.1)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()  # 1 − 0.5 · 0.1 − 0.5
    >>> w
    Tensor([0.45], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, maximize=maximize)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: w ← w − η (μₜ₊₁ m / (1 − Π μ₁…ₜ₊₁) + (1 − μₜ) g / (1 − Π μ₁…ₜ)) / (√v̂ + ε) (Dozat 2016).

    μₜ = β₁ (1 − ½ · 0.96^(t ψ)); m, v and v̂ as in Adam. TensorFlow's η is 1e-3, its ε 1e-7.

    Parameters
    ----------
    params          tensors, or dicts of parameter groups
    lr              learning rate η
    betas           decay rates (β₁, β₂) of the means m and v
    eps             ε
    weight_decay    λ: λ w is added to g
    momentum_decay  ψ
    maximize        whether w moves along g instead of against it
    foreach         without an effect: PyTorch's choice between kernels

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.NAdam([w], lr=0.1)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.8944
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "momentum_decay": momentum_decay, "maximize": maximize})

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        return {"step": 0, "mu_product": 1.0, **zeros(parameter, "exp_avg", "exp_avg_sq")}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        state["step"] += 1
        step, lr, (beta1, beta2) = state["step"], group["lr"], group["betas"]
        now, coming = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        state["mu_product"] *= now
        by_g = lr * (1 - now) / (1 - state["mu_product"])
        by_m = lr * coming / (1 - state["mu_product"] * coming)
        root = math.sqrt(1 - beta2**step)

        def block(w: Array, d: Array, m: Array, v: Array, s: Array, t: Array, u: Array) -> None:
            d = apply_weight_decay(w, d, t, group)
            update_mean(m, d, 1 - beta1, s)
            np.multiply(d, d, s)
            update_mean(v, s, 1 - beta2, s)
            np.sqrt(v, s)
            s /= root
            s += group["eps"]
            np.multiply(d, by_g, u)
            u /= s
            w -= u
            np.multiply(m, by_m, u)
            u /= s
            w -= u

        self.run_in_blocks(block, p, g, state["exp_avg"], state["exp_avg_sq"])
