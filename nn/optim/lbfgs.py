"""L-BFGS: a quasi-Newton method, which estimates the curvature of the loss from its last steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_mini.memory.flat_group import ParamGroup
from autograd_mini.state import enable_grad
from autograd_mini.tensor import Array

from .optimizer import Optimizer, Params

_STATE = ("n_iter", "direction", "length", "previous", "steps", "changes")


class LBFGS(Optimizer):
    """L-BFGS without a line search: w ← w + t d, where d is −g times an estimate of the inverse Hessian (Nocedal 1980).

    One `step(closure)` does up to `max_iter` iterations; `closure` sets the gradients to None, computes the loss, calls
    `backward` and returns the loss. All parameters must be in one group. t is `lr`, and min(1, 1/Σ|g|) · `lr` in the very first
    iteration.

    Parameters
    ----------
    params            tensors
    lr                t
    max_iter          iterations per step
    max_eval          evaluations of the loss per step; None: 1.25 max_iter
    tolerance_grad    stop if no element of g is larger
    tolerance_change  stop if neither the loss nor any element of w changes by more
    history_size      how many steps the estimate uses
    line_search_fn    None; ValueError for PyTorch's "strong_wolfe"

    >>> from autograd_mini import Tensor, nn
    >>> w = Tensor([5.0, -3.0], requires_grad=True)
    >>> optimizer = nn.LBFGS([w], lr=1.0)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w * w * [1.0, 10.0]).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    115.0
    >>> bool((abs(w) < 1e-3).all())
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        if line_search_fn is not None:
            raise ValueError(f"LBFGS: line_search_fn must be None, got {line_search_fn!r}; use a smaller lr instead")
        settings = {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size}
        super().__init__(params, {**settings, **tolerances})
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: expected one group of parameters, got {len(self.param_groups)}")
        self.n_iter = 0
        self.direction = self.previous = np.zeros(0)
        self.length = 0.0
        self.steps: list[Array] = []
        self.changes: list[Array] = []

    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None:
        raise NotImplementedError("LBFGS updates all parameters together")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Does up to `max_iter` iterations; returns the loss before them. Raises TypeError without a `closure`."""
        if closure is None:
            raise TypeError("LBFGS.step: closure is missing; pass a function that computes the loss and calls backward")
        group = self.param_groups[0]

        def evaluate() -> Any:
            with enable_grad():
                return closure()

        first = evaluate()
        loss, g, evaluations = float(first), self._gradient(), 1
        for i in range(1, group["max_iter"] + 1):
            if np.abs(g).max(initial=0) <= group["tolerance_grad"]:
                break
            self._choose_direction(g, group["history_size"])
            self.length = group["lr"] * (min(1.0, 1 / np.abs(g).sum()) if self.n_iter == 1 else 1.0)
            self.previous = g
            if g @ self.direction > -group["tolerance_change"]:
                break
            self._move(self.length * self.direction)
            before = loss
            if i < group["max_iter"]:
                loss, g, evaluations = float(evaluate()), self._gradient(), evaluations + 1
            change = max(np.abs(self.length * self.direction).max(), 0)
            if evaluations >= group["max_eval"] or change <= group["tolerance_change"]:
                break
            if i < group["max_iter"] and abs(loss - before) < group["tolerance_change"]:
                break
        return first

    def _choose_direction(self, g: Array, size: int) -> None:
        """Computes −H g, where H is the estimate of the inverse Hessian, by the recursion of two loops."""
        self.n_iter += 1
        if self.n_iter == 1:
            self.direction = -g
            return
        change, step = g - self.previous, self.length * self.direction
        if change @ step > 1e-10:
            self.steps = [*self.steps, step][-size:]
            self.changes = [*self.changes, change][-size:]
        d, weights = -g, []
        pairs = list(zip(self.steps, self.changes, strict=True))
        for s, y in reversed(pairs):
            weights.append((s @ d) / (y @ s))
            d = d - weights[-1] * y
        if pairs:
            s, y = pairs[-1]
            d = d * ((y @ s) / (y @ y))
        for (s, y), a in zip(pairs, reversed(weights), strict=True):
            d = d + s * (a - (y @ d) / (y @ s))
        self.direction = d

    def _gradient(self) -> Array:
        params = self.param_groups[0]["params"]
        return np.concatenate(
            [np.zeros(p._data.size, p._data.dtype) if p.grad is None else p.grad.data.ravel() for p in params]
        )

    def _move(self, step: Array) -> None:
        start = 0
        for p in self.param_groups[0]["params"]:
            p.data = p._data + step[start : start + p._data.size].reshape(p._data.shape)
            start += p._data.size

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the history and the settings."""
        history = {name: np.array(getattr(self, name)) for name in _STATE}
        return {**super().state_dict(), "state": {0: history}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads what `state_dict` returned."""
        super().load_state_dict({**state, "state": {}})
        saved = state["state"].get(0) or state["state"]["0"]
        self.n_iter, self.length = int(saved["n_iter"]), float(saved["length"])
        self.direction, self.previous = np.array(saved["direction"]), np.array(saved["previous"])
        self.steps, self.changes = list(np.array(saved["steps"])), list(np.array(saved["changes"]))
