"""What tests of `jit` share: batches, steps, and the comparison of a compiled function with the same one run eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import nn


def batches(*shapes: tuple[int, ...], count: int = 6) -> list[tuple[ag.Tensor, ...]]:
    random = np.random.default_rng(1)
    return [tuple(ag.Tensor(random.standard_normal(s).astype(np.float32)) for s in shapes) for _ in range(count)]


def agree(make: Callable[[], Callable[..., Any]], calls: list[tuple[Any, ...]], replayed: bool = True) -> Any:
    """Two instances, one compiled, give the same bits call by call; returns the compiled one."""
    ag.manual_seed(3)
    plain = make()
    wanted = [[np.copy(t._data) for t in flat(plain(*args))] for args in calls]
    after = ag.rand(2).tolist()
    ag.manual_seed(3)
    compiled = ag.jit(make(), exact=True)
    for number, (args, expected) in enumerate(zip(calls, wanted, strict=True)):
        given = [t._data for t in flat(compiled(*args))]
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(given, expected, strict=True)), f"call {number}"
    assert ag.rand(2).tolist() == after  # the stream stands where it would
    assert bool(compiled.plans) == replayed
    return compiled


def flat(result: Any) -> list[ag.Tensor]:
    if isinstance(result, ag.Tensor):
        return [result]
    return [t for x in (result.values() if isinstance(result, dict) else result) for t in flat(x)]


def training(net: nn.Module, optimizer: Any, loss_of: Callable[..., ag.Tensor]) -> Callable[..., Any]:
    """A step that gives its loss, all gradients and all weights."""

    def step(*batch: ag.Tensor) -> list[ag.Tensor]:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        grads = [p.grad.copy() for p in net.parameters() if p.grad is not None]
        return [loss.detach(), *grads, *[p.detach().copy() for p in net.parameters()]]

    return step
