"""Compiles an update with `jit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import autograd_mini as ag
from autograd_mini.jit.api import Backend, Jitted
from autograd_mini.state import modes
from autograd_mini.tensor import Tensor

from ..module import Module
from .update import Update


def compile_update(model: Any, update: Update, backend: Backend = "numpy") -> Callable[..., list[Mapping[str, Tensor]]]:
    """Returns a compiled `update.step_by_sum`; raises TraceError in the step that is recorded if it cannot be compiled.

    With loops in C, each result comes from a replay, so that a resumed run computes what an undisturbed one computes.
    """

    def step(*batches: Any) -> list[Mapping[str, Tensor]]:
        if (tracer := modes().tracer) is not None and isinstance(model, Module):
            for part in model.modules():
                part.guard_attributes(tracer)
        return [{name: value.detach() for name, value in losses.items()} for losses in update.step_by_sum(*batches)]

    return ag.jit(step, exact=True) if backend == "numpy" else Jitted(step, backend=backend, warm_up=False)
