"""Compiles an update with `jit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import autograd_mini as ag
from autograd_mini.state import modes
from autograd_mini.tensor import Tensor

from ..module import Module
from .update import Update


def compile_update(model: Any, update: Update) -> Callable[[Any], Mapping[str, Tensor]]:
    """Returns a compiled `update.step`; raises TraceError in the step that is recorded if it cannot be compiled."""

    def step(batch: Any) -> Mapping[str, Tensor]:
        if (tracer := modes().tracer) is not None and isinstance(model, Module):
            for part in model.modules():
                part.guard_attributes(tracer)
        return {name: value.detach() for name, value in update.step(batch).items()}

    return ag.jit(step, exact=True)
