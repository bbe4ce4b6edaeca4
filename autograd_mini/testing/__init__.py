"""Tools that test gradients, for the operations of this library and for yours.

`gradcheck` compares the gradient of any function with finite differences; `primitive_check` checks all properties that a
registered operation must have; `grade` gives points to a student's gradient, layer or primitive; the strategies draw tensors,
memory layouts and whole programs. `grade` and the strategies need hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .check import GradientError, Report, gradcheck, gradgradcheck
from .properties import primitive_check

if TYPE_CHECKING:
    from .grading.grade import grade
    from .grading.result import Grade
    from .grading.submission import load_submission
    from .program import Program, programs
    from .strategies import arrays, broadcastable, layouts, shapes, tensors

_STRATEGIES = {
    **dict.fromkeys(("arrays", "broadcastable", "layouts", "shapes", "tensors"), "strategies"),
    **dict.fromkeys(("Program", "programs"), "program"),
    "grade": "grading.grade",
    "Grade": "grading.result",
    "load_submission": "grading.submission",
}
__all__ = [
    "Grade",
    "GradientError",
    "Program",
    "Report",
    "arrays",
    "broadcastable",
    "gradcheck",
    "grade",
    "gradgradcheck",
    "layouts",
    "load_submission",
    "primitive_check",
    "programs",
    "shapes",
    "tensors",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Only the strategies and `grade` need hypothesis.
    if name in _STRATEGIES:
        return getattr(import_module(f"{__name__}.{_STRATEGIES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
