"""Tools that test gradients, for our operations and for yours.

`gradcheck` compares any function's gradient with finite differences; `primitive_check` puts a registered operation through
all the properties that ours obey; the strategies draw tensors, layouts and whole programs for hypothesis (which they alone
need).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .check import GradientError, Report, gradcheck, gradgradcheck
from .properties import primitive_check

if TYPE_CHECKING:
    from .program import Program, programs
    from .strategies import arrays, broadcastable, layouts, shapes, tensors

_DRAWN = {
    **dict.fromkeys(("arrays", "broadcastable", "layouts", "shapes", "tensors"), "strategies"),
    **dict.fromkeys(("Program", "programs"), "program"),
}
__all__ = [
    "GradientError",
    "Program",
    "Report",
    "arrays",
    "broadcastable",
    "gradcheck",
    "gradgradcheck",
    "layouts",
    "primitive_check",
    "programs",
    "shapes",
    "tensors",
]


def __getattr__(name: str) -> Any:
    # Drawing needs hypothesis; checking does not.
    if name in _DRAWN:
        return getattr(import_module(f"{__name__}.{_DRAWN[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
