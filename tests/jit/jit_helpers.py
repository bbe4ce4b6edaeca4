"""What the tests of `jit` share: batches, training steps, and the comparison of compiled and eager results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn


def batches(*shapes: tuple[int, ...], count: int = 6) -> list[tuple[ag.Tensor, ...]]:
    random = np.random.default_rng(1)
    return [tuple(ag.Tensor(random.standard_normal(s).astype(np.float32)) for s in shapes) for _ in range(count)]


def check_same_bits(make: Callable[[], Callable[..., Any]], calls: list[tuple[Any, ...]], replayed: bool = True) -> Any:
    """Checks call by call that two instances, one compiled and one eager, give the same bits; returns the compiled one."""
    ag.manual_seed(3)
    eager = make()
    expected = [[np.copy(t._data) for t in tensors_in(eager(*args))] for args in calls]
    next_draw = ag.rand(2).tolist()
    ag.manual_seed(3)
    compiled = ag.jit(make(), exact=True)
    for number, (args, arrays) in enumerate(zip(calls, expected, strict=True)):
        results = [t._data for t in tensors_in(compiled(*args))]
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(results, arrays, strict=True)), f"call {number}"
    assert ag.rand(2).tolist() == next_draw  # both have used the random stream equally
    assert bool(compiled.plans) == replayed
    return compiled


def tensors_in(result: Any) -> list[ag.Tensor]:
    if isinstance(result, ag.Tensor):
        return [result]
    return [t for x in (result.values() if isinstance(result, dict) else result) for t in tensors_in(x)]


def training_step(net: nn.Module, optimizer: Any, loss_of: Callable[..., ag.Tensor]) -> Callable[..., Any]:
    """Returns a training step that returns its loss, all gradients and all weights."""

    def step(*batch: ag.Tensor) -> list[ag.Tensor]:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        grads = [p.grad.copy() for p in net.parameters() if p.grad is not None]
        return [loss.detach(), *grads, *[p.detach().copy() for p in net.parameters()]]

    return step
