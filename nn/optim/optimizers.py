"""Optimizers, one in-place kernel each; Adam and its kin are in `adam.py`. Defaults are PyTorch's; others are named.

With w a parameter, g its gradient and η the learning rate, units tell the kinds apart. Plain descent moves by η g, in units of
1/w (for a loss without a unit), so η must carry w². Where g is divided by the root of a mean of g², as in Adagrad, RMSprop
and Adam, η alone carries the units of w. Adadelta's step has the units of w by itself, as Newton's would.

L2 weight decay adds λ w to g, which is 2λ′ w for a penalty λ′‖w‖². Divided by the root of a mean of g², it pulls weights with
large gradients less than others: this is why momentum may beat Adam under L2, and why "decoupled" decay exists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_mini.tensor import Array

from .joint import Group
from .optimizer import Optimizer, Params, averaged, decayed, zeros


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked: v ← μ v + g, w ← w − η v (g + μ v in place of v with `nesterov`).

    `weight_decay` λ adds λ w to g, or takes η λ w from w with `decoupled_weight_decay`. Momentum as in PyTorch, which scales v
    by η after summing; Sutskever et al. 2013 and TensorFlow scale g before. TensorFlow's default η is 1e-2. On y = x² with
    η = 1, steps from 1 go to −1, 1, −1 …, and with μ = 0.9 to −1, −0.8, 0.98.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.5], requires_grad=True)
    """

    elementwise = True
    switchable = frozenset({"momentum_buffer"})

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        decoupled_weight_decay: bool = False,
    ):
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, {**settings, "decoupled_weight_decay": decoupled_weight_decay})

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        return zeros(parameter, "momentum_buffer") if group["momentum"] else {}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        lr, momentum, nesterov = group["lr"], group["momentum"], group["nesterov"]
        if momentum and not state:  # switched on after the first step
            state.update(self.begin(p, group))

        def block(w: Array, d: Array, v: Array, s: Array, t: Array, _: Array) -> None:
            d = decayed(w, d, t, group)
            if momentum:
                v *= momentum
                v += d
                if nesterov:
                    np.multiply(v, momentum, s)
                    s += d
                    d = s
                else:
                    d = v
            np.multiply(d, lr, s)
            w -= s

        self.blockwise(block, p, g, state.get("momentum_buffer", p))


class Adagrad(Optimizer):
    """Adagrad: n ← n + g², w ← w − η′ g / (√n + ε), with η′ = η / (1 + (t − 1) `lr_decay`) (Duchi, Hazan & Singer 2011).

    n starts at `initial_accumulator_value`. ε keeps a weight whose gradient was always 0 where it is: without it 0/0. The paper
    has it (δ) but names no value; TensorFlow's defaults are η 1e-3, n₀ 0.1, ε 1e-7.

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
    ):
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "initial_accumulator_value": initial_accumulator_value, "eps": eps})

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        return {"step": 0, "sum": np.full_like(parameter, group["initial_accumulator_value"])}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        rate = group["lr"] / (1 + state["step"] * group["lr_decay"])
        state["step"] += 1

        def block(w: Array, d: Array, n: Array, s: Array, t: Array, _: Array) -> None:
            d = decayed(w, d, t, group)
            np.multiply(d, d, s)
            n += s
            np.sqrt(n, s)
            s += group["eps"]
            np.divide(d, s, s)
            s *= rate
            w -= s

        self.blockwise(block, p, g, state["sum"])


class RMSprop(Optimizer):
    """RMSprop: n ← α n + (1 − α) g², w ← w − η g / (√n + ε) (Tieleman & Hinton 2012, lecture 6e, with α = 0.9).

    With `momentum` μ, v ← μ v + g / (√n + ε) and w ← w − η v. `centered` takes n − m², m being the same mean of g (Graves 2013,
    eq. 40). TensorFlow's defaults are η 1e-3, α 0.9, ε 1e-7.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.RMSprop([w], lr=0.05)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()  # g / √(0.01 g²) = 10
    >>> round(w.item(), 4)
    0.5
    """

    elementwise = True
    switchable = frozenset({"momentum_buffer", "grad_avg"})

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**settings, "centered": centered})

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        return zeros(parameter, *self._names(group))

    def _names(self, group: Group) -> list[str]:
        return ["square_avg"] + ["momentum_buffer"] * bool(group["momentum"]) + ["grad_avg"] * bool(group["centered"])

    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        share, momentum = 1 - group["alpha"], group["momentum"]
        state.update(zeros(p, *(name for name in self._names(group) if name not in state)))  # what was switched on later
        held = (state["square_avg"], state.get("momentum_buffer", p), state.get("grad_avg", p))

        def block(w: Array, d: Array, n: Array, v: Array, m: Array, s: Array, t: Array, u: Array) -> None:
            d = decayed(w, d, t, group)
            np.multiply(d, d, s)
            averaged(n, s, share, s)
            if group["centered"]:
                averaged(m, d, share, s)
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

        self.blockwise(block, p, g, *held)


class Adadelta(Optimizer):
    """Adadelta: n ← ρ n + (1 − ρ) g², Δ = √(a + ε) / √(n + ε) · g, a ← ρ a + (1 − ρ) Δ², w ← w − η Δ (Zeiler 2012, alg. 1).

    a averages the squares of its own steps Δ, not those of g: so Δ has the units of w, and η may be 1, the paper's implicit
    value and PyTorch's default. The paper has ρ 0.95, ε 1e-6; TensorFlow η 1e-3, ρ 0.95, ε 1e-7.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.Adadelta([w], eps=1e-2)
    >>> (w * 3).backward([1.0])
    >>> optimizer.step()  # √0.01 / √(0.9 + 0.01) · 3
    >>> w
    Tensor([0.68551457], requires_grad=True)
    """

    elementwise = True

    def __init__(self, params: Params, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        return zeros(parameter, "square_avg", "acc_delta")

    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        share, eps = 1 - group["rho"], group["eps"]

        def block(w: Array, d: Array, n: Array, a: Array, s: Array, t: Array, u: Array) -> None:
            d = decayed(w, d, t, group)
            np.multiply(d, d, s)
            averaged(n, s, share, s)
            np.add(a, eps, s)
            np.add(n, eps, u)
            s /= u
            np.sqrt(s, s)
            s *= d
            np.multiply(s, s, u)
            averaged(a, u, share, u)
            s *= group["lr"]
            w -= s

        self.blockwise(block, p, g, state["square_avg"], state["acc_delta"])


class FTRL(Optimizer):
    """Follow the regularised leader: n′ = n + g², z ← z + g − (√n′ − √n)/η · w, and w is the minimiser of its linear bound.

    w = 0 where |z| ≤ l₁, else (sgn(z) l₁ − z) / ((β + √n′)/η + 2 l₂): l₁ makes weights exactly 0. TensorFlow's form and
    defaults; McMahan et al. 2013, algorithm 1, has l₂ in place of 2 l₂ and β = 1. n starts at n₀ = `initial_accumulator_value`
    and z at −w₀ (β + √n₀)/η, so that the first step does not erase the weights that are there. Without l₁ and l₂ a step is
    −η g / (β + √n′). η should stay as it is: all of w is scaled by it. ValueError where both n₀ and β are 0, which gives 0/0
    for a weight whose gradient never comes.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0, 0.001], requires_grad=True)
    >>> optimizer = nn.FTRL([w], lr=0.5, initial_accumulator_value=1.0, l1=0.1)
    >>> (w * 0).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.95, 0.  ], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        initial_accumulator_value: float = 0.1,
        beta: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        settings = {"lr": lr, "initial_accumulator_value": initial_accumulator_value, "beta": beta, "l1": l1, "l2": l2}
        super().__init__(params, settings)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        settings = {**self.defaults, **group}
        if not (settings["lr"] and (settings["initial_accumulator_value"] or settings["beta"])):
            raise ValueError("FTRL: lr, and one of initial_accumulator_value and beta, must be greater than 0")
        super().add_param_group(group)

    def begin(self, parameter: Array, group: Group) -> dict[str, Any]:
        start = group["initial_accumulator_value"]
        z = parameter * (-(group["beta"] + math.sqrt(start)) / group["lr"])
        return {"accumulator": np.full_like(parameter, start), "linear": np.asarray(z)}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None:
        lr, l1 = group["lr"], group["l1"]

        def block(w: Array, d: Array, n: Array, z: Array, s: Array, t: Array, u: Array) -> None:
            np.sqrt(n, t)
            np.multiply(d, d, s)
            n += s
            np.sqrt(n, s)
            np.subtract(s, t, t)
            t *= w
            t /= lr
            z += d
            z -= t
            # sgn(z) l₁ − z where |z| > l₁, else 0: what is left of −z when it is drawn towards 0 by l₁
            np.clip(z, -l1, l1, u)
            u -= z
            s += group["beta"]
            s /= lr
            s += 2 * group["l2"]
            np.divide(u, s, w)

        self.blockwise(block, p, g, state["accumulator"], state["linear"])
