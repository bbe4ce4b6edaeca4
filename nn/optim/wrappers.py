"""Optimizers that wrap other optimizers: sharpness-aware minimisation, and a switch from one optimizer to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini.apply import apply_effect
from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.tensor import Array, Tensor

from .optimizer import UPDATE, Optimizer


class SAM:
    """Sharpness-aware minimisation: another optimizer steps by the gradient at w + ρ g / ‖g‖₂ (Foret et al. 2021, eq. 2).

    The norm is over all parameters. A step needs two passes, so `step` takes a `closure` that clears the gradients, computes
    the loss, calls its `backward` and returns it; `step` returns the loss at w. The paper's ρ is 0.05. State and groups are
    those of the wrapped optimizer. Raises ValueError if ρ is negative.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.SAM(nn.SGD([w], lr=0.5), rho=0.25)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w * w).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    Tensor(1.0, op=sum)
    >>> w  # 1 − 0.5 · 2 · 1.25
    Tensor([-0.25], requires_grad=True)
    """

    def __init__(self, optimizer: Optimizer, rho: float = 0.05):
        if not rho >= 0:
            raise ValueError(f"SAM: rho must be ≥ 0, got {rho}")
        self.optimizer, self.rho = optimizer, rho

    @property
    def param_groups(self) -> list[ParamGroup]:
        """The groups of the wrapped optimizer."""
        return self.optimizer.param_groups

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """Computes the gradient at w, moves to w + ε, computes the gradient there, and steps from w by the second gradient."""
        loss = closure()
        trained = [p for group in self.param_groups for p in group["params"] if p.requires_grad and p.grad is not None]
        with ag.no_grad():
            values = [p.copy() for p in trained]
            squares = [ag.sum(ag.square(p.grad.astype(np.float64))) for p in trained]
            norm = ag.sqrt(sum(squares, ag.zeros((), dtype=np.float64)))
            climb = self.rho / ag.where(norm == 0, 1, norm)
            for p, value in zip(trained, values, strict=True):
                p.data = value + p.grad * climb
        try:
            closure()
        finally:
            for p, value in zip(trained, values, strict=True):
                p.data = value
        self.optimizer.step()
        return loss

    def zero_grad(self) -> None:
        """Sets the gradients to None."""
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the wrapped optimizer; SAM itself has none."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned; raises the errors of the wrapped optimizer."""
        self.optimizer.load_state_dict(state)


class SwitchOptimizer:
    """Uses one optimizer for the first `at` steps and another afterwards: Adam, then momentum SGD (Keskar & Socher 2017).

    `param_groups` are those of the active optimizer. Raises ValueError if the optimizers have different parameters.

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = nn.SwitchOptimizer(nn.Adam([w], lr=0.5), nn.SGD([w], lr=0.25), at=1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    ...     round(w.item(), 4)
    0.5
    0.25
    """

    def __init__(self, first: Optimizer, second: Optimizer, at: int):
        ids = [{id(p) for group in optimizer.param_groups for p in group["params"]} for optimizer in (first, second)]
        if ids[0] != ids[1]:
            raise ValueError("SwitchOptimizer: the two optimizers have different parameters; expected the same")
        if at < 0:
            raise ValueError(f"SwitchOptimizer: at must be ≥ 0, got {at}")
        self.first, self.second, self.at, self.steps = first, second, at, 0

    @property
    def active(self) -> Optimizer:
        """The optimizer of the next step."""
        return self.first if self.steps < self.at else self.second

    @property
    def param_groups(self) -> list[ParamGroup]:
        """The groups of the active optimizer."""
        return self.active.param_groups

    @property
    def all_param_groups(self) -> list[ParamGroup]:
        """The groups of both optimizers, whose rates a schedule sets together."""
        return self.first.param_groups + self.second.param_groups

    def step(self) -> None:
        """Does a step of the active optimizer."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and p.requires_grad:
                    states = [s for o in (self.first, self.second) for s in (o.state, o.state.get(p, {}))]
                    apply_effect(UPDATE, (p, p.grad), {"function": partial(self._update, p)}, (p._data, *states))
        apply_effect(UPDATE, (), {"function": self._count}, (self,))

    def _update(self, parameter: Tensor, p: Array, g: Array) -> None:
        # Found at each step, because the two optimizers may have different groups.
        group = next(group for group in self.param_groups if any(other is parameter for other in group["params"]))
        self.active.update_parameter(parameter, group, p, g)

    def _count(self) -> None:
        self.steps += 1

    def zero_grad(self) -> None:
        """Sets the gradients to None."""
        self.first.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of steps and the state of both optimizers."""
        return {"steps": self.steps, "first": self.first.state_dict(), "second": self.second.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned; raises the errors of the optimizers."""
        self.first.load_state_dict(state["first"])
        self.second.load_state_dict(state["second"])
        self.steps = int(state["steps"])
