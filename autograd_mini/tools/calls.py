"""Records which module or function computed a tensor, so that pictures show modules as they were called.

A call is recorded at its outputs only, as an interval of creation numbers: every operation with a number in between ran inside.
An operation itself costs nothing. References to modules are weak, so a graph keeps no module alive, and a record ends with its
tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import ref

from ..state import tick

if TYPE_CHECKING:
    from ..tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Mark = tuple[Any, Any, int, int, Any]
"""A weak reference to the module (or to the tensor that was detached), its class or the name of the function, the first and
the last creation number of the call, and the mark of the call inside that returned the same tensor, or None."""

DETACH: Final = object()
"""Stands in a mark for the class of a module, if `detach` made the tensor."""

_PLAIN: Final = (int, float, str, bytes, type(None))


def mark_outputs(owner: Any, kind: Any, first: int, output: T) -> T:
    """Records a call at the tensors that it created and returned, also in tuples, lists, dicts and dataclasses.

    Returns `output`.

    Parameters
    ----------
    owner : a weak reference to the module, or None
    kind : the class of the module, or the name of the function
    first : the creation number at the start of the call
    output : what the call returned
    """
    last = tick()
    stack: list[Any] = [output]
    for value in stack:
        if hasattr(value, "_seq"):
            if value._seq > first:
                value._calls = owner, kind, first, last, getattr(value, "_calls", None)
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, (tuple, list)):
            stack += value
        elif not isinstance(value, _PLAIN) and hasattr(value, "__dataclass_fields__"):
            stack += vars(value).values()
    return output


def record_calls(function: F) -> F:
    """Decorates a function on tensors, such as a loss: pictures then show each of its calls as a box with its name.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> from autograd_mini.tools.calls import record_calls
    >>> @record_calls
    ... def penalty(w):
    ...     return (w * w).sum()
    >>> "penalty" in viz.draw(penalty(ag.Tensor([1.0], requires_grad=True))).source
    True
    """
    *_, owner, name = f".{function.__qualname__}".split(".")
    name = f"{name} loss" if owner.isidentifier() else name  # a method of a loss

    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        first = tick()
        return mark_outputs(None, name, first, function(*args, **kwargs))

    return recorded  # type: ignore[return-value]


def mark_detached(origin: Tensor, detached: Tensor) -> None:
    """Records that a leaf is what `detach` returned for `origin`: a cut, if `origin` required a gradient."""
    mark = getattr(origin, "_calls", None)
    if origin._requires_grad:
        mark = ref(origin), DETACH, detached._seq, detached._seq, mark
    if mark is not None:
        detached._calls = mark


def marks_of(tensor: Tensor) -> list[Mark]:
    """Returns the recorded calls that returned `tensor`, the outermost first."""
    marks, mark = [], getattr(tensor, "_calls", None)
    while mark is not None:
        marks.append(mark)
        mark = mark[4]
    return marks
