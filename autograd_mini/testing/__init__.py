"""Tools that test gradients, for the operations of this library and for yours.

`gradcheck` compares the gradient of any function with finite differences; `primitive_check` checks all properties that a
registered operation must have; the strategies draw tensors, memory layouts and whole programs and need hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .check import GradientError, Report, gradcheck, gradgradcheck
from .properties import primitive_check

if TYPE_CHECKING:
    from .program import Program, programs
    from .strategies import arrays, broadcastable, layouts, shapes, tensors

_STRATEGIES = {
    **dict.fromkeys(("arrays", "broadcastable", "layouts", "shapes", "tensors"), "strategies"),
    **dict.fromkeys(("Program", "programs"), "program"),
}
__all__ = [
    "GradientError", "Program", "Report", "arrays", "broadcastable", "gradcheck", "gradgradcheck", "layouts", "primitive_check",
    "programs", "shapes", "tensors",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Only the strategies need hypothesis.
    if name in _STRATEGIES:
        return getattr(import_module(f"{__name__}.{_STRATEGIES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
