"""Follow the regularised leader, which sets weights to exactly 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.tensor import Array

from .optimizer import Optimizer, Params


class FTRL(Optimizer):
    """Follow the regularised leader: n′ = n + g², z ← z + g − (√n′ − √n)/η · w, and w minimises its linear bound.

    w = 0 if |z| ≤ l₁, else (sgn(z) l₁ − z) / ((β + √n′)/η + 2 l₂): l₁ makes weights exactly 0. This is TensorFlow's form, with
    its defaults; McMahan et al. 2013, algorithm 1, has l₂ instead of 2 l₂, and β = 1. z starts from −w₀ (β + √n₀)/η: the first
    step keeps the initial weights. Without l₁ and l₂ a step is −η g / (β + √n′). Keep η constant: it scales all of w.
    Raises ValueError if n₀ and β are both 0, which gives 0/0 for a weight whose gradient stays 0.

    Parameters
    ----------
    params                     tensors, or dicts of parameter groups
    lr                         learning rate η
    initial_accumulator_value  n₀, the value of n before the first step
    beta                       β
    l1                         l₁
    l2                         l₂

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
            names = ("lr", "initial_accumulator_value", "beta")
            got = ", ".join(f"{name}={settings[name]}" for name in names)
            raise ValueError(f"FTRL: lr, and one of initial_accumulator_value and beta, must be above 0, got {got}")
        super().add_param_group(group)

    def init_state(self, parameter: Array, group: ParamGroup) -> dict[str, Any]:
        start = group["initial_accumulator_value"]
        z = parameter * (-(group["beta"] + math.sqrt(start)) / group["lr"])
        return {"accumulator": np.full_like(parameter, start), "linear": np.asarray(z)}

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
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

        self.run_in_blocks(block, p, g, state["accumulator"], state["linear"])
