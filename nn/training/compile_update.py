"""Compiles an update with `jit`, unless its step changes the model's attributes in Python, which a replay would not repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import autograd_mini as ag
from autograd_mini.jit.guards import GUARDED_TYPES
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
        before = _python_state(model) if ag.is_recording() else {}
        losses = {name: value.detach() for name, value in update.step(batch).items()}
        if ag.is_recording() and (
            changed := [key for key, value in _python_state(model).items() if _summary(before.get(key)) != _summary(value)]
        ):
            _restore(model, before, changed)
            names = ", ".join(sorted(".".join(filter(None, key)) for key in changed))
            raise ag.TraceError(f"jit: the step changes {names} in Python, and a replay would not: change it in a callback")
        return losses

    return ag.jit(step, exact=True)


def _python_state(model: Any) -> dict[tuple[str, str], Any]:
    """Returns the numbers, texts and copies of lists among the attributes of a model and its modules.

    `jit` itself guards numbers and texts of modules, but not lists, new attributes, or models that are not a Module.
    """
    parts = model.named_modules() if isinstance(model, Module) else [("", model)]
    return {
        (path, name): list(value) if isinstance(value, list) else value
        for path, part in parts
        for name, value in vars(part).items()
        if isinstance(value, (*GUARDED_TYPES, list)) and name != "_training"
    }


def _summary(value: Any) -> Any:
    """Returns what is compared: a number or text itself, or the length of a list, whose items may not be comparable."""
    return len(value) if isinstance(value, list) else value


def _restore(model: Any, before: Mapping[tuple[str, str], Any], changed: Iterable[tuple[str, str]]) -> None:
    parts = dict(model.named_modules()) if isinstance(model, Module) else {"": model}
    for path, name in changed:
        value = vars(parts[path])[name]
        if isinstance(value, list):
            value[:] = before.get((path, name), [])
        elif (path, name) in before:
            setattr(parts[path], name, before[path, name])
        else:
            delattr(parts[path], name)
