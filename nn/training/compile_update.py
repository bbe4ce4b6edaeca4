"""Compiles an update with `jit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autograd_mini.jit.api import Backend, Jitted
from autograd_mini.state import modes
from autograd_mini.tensor import Tensor

from ..module import Module
from .update import Update


def compile_update(model: Any, update: Update, backend: Backend = "numpy") -> Callable[..., list[Mapping[str, Tensor]]]:
    """Returns a compiled `update.step_by_sum`; raises TraceError in the step that is recorded if it cannot be compiled.

    With loops in C, each result comes from a replay, so that a resumed run computes what an undisturbed one computes. With
    several ranks too: a rank traces when its shapes are new, and the others must not notice.
    """

    def step(*batches: Any, rows: tuple[int, ...] | None = None) -> list[Mapping[str, Tensor]]:
        if (tracer := modes().tracer) is not None and isinstance(model, Module):
            for part in model.modules():
                part.guard_attributes(tracer)
        return [{name: value.detach() for name, value in losses.items()} for losses in update.step_by_sum(*batches, rows=rows)]

    exact = backend == "numpy"
    return Jitted(step, exact=exact, backend=backend, warm_up=exact and update.reducer is None)
