"""Where values leave a tensor for plain Python: numbers, copies, pickles. None of these ways may lose a gradient silently.

On an ordinary graph `.item()` and `float()` give the value, as for logging. Inside a transform (`grad`, `vjp`, ...) the result
of such a call would be a constant in the middle of the function, so it is refused for what the transform differentiates.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from .state import modes, running_variables

if TYPE_CHECKING:
    from .tensor import Tensor


def depends_on_variable(tensor: Tensor) -> bool:
    """Returns whether a running transform, in any thread, differentiates `tensor`."""
    if not running_variables or not tensor._requires_grad:
        return False
    wanted = {x._seq for variables in list(running_variables.values()) for x in variables}
    if not wanted:
        return False
    first = min(wanted)
    visited, stack = {tensor._seq}, [tensor]
    while stack:
        node = stack.pop()
        if node._seq in wanted:
            return True
        for x in node._inputs:
            if x._requires_grad and x._seq >= first and x._seq not in visited:
                visited.add(x._seq)
                stack.append(x)
    return False


def check_constant(tensor: Tensor, use: str) -> None:
    """Raises RuntimeError if a number or array made from `tensor` would lose the gradient of a running transform."""
    if depends_on_variable(tensor):
        raise RuntimeError(
            f"{use}: {tensor._describe()} is being differentiated by a transform such as ag.grad, and a plain number or array "
            "made from it would be a constant; use functions of autograd_mini (ag.sin for math.sin, ag.array for a list of "
            "tensors), or .detach() first if you want a constant"
        )


def reduce(tensor: Tensor) -> tuple[Any, ...]:
    """Returns what `pickle` needs: a leaf with its name and the attributes of a subclass."""
    from .tensor import rebuild

    if tensor._primitive is not None:
        raise RuntimeError(f"only leaves can be copied or pickled, not {tensor._describe()}; use .detach() first")
    check_constant(tensor, "pickle")
    tracer = modes().tracer
    if tracer is not None:
        tracer.reject_action("copy, deepcopy or pickle", "do it outside, or use tensor.copy(), which is recorded")
    return rebuild, (type(tensor), tensor._data, tensor._requires_grad, tensor.name), _attributes(tensor) or None


def copy(tensor: Tensor) -> Tensor:
    """Returns a new leaf for a leaf, and a recorded copy, which stays connected, for any other tensor."""
    return _clone(tensor, _attributes(tensor))


def deep_copy(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """Returns `copy(tensor)` with deep copies of its gradient and of the attributes of a subclass."""
    clone = _clone(tensor, {name: deepcopy(value, memo) for name, value in _attributes(tensor).items()})
    memo[id(tensor)] = clone
    if clone._primitive is None:
        clone.grad = None if tensor.grad is None else deep_copy(tensor.grad, memo)
    return clone


def set_attributes(tensor: Tensor, attributes: dict[str, Any]) -> None:
    """Restores the attributes of a subclass."""
    for name, value in attributes.items():
        setattr(tensor, name, value)


def _clone(tensor: Tensor, attributes: dict[str, Any]) -> Tensor:
    if tensor._primitive is not None or depends_on_variable(tensor):
        clone = tensor.copy()
        clone.name = tensor.name
        return clone
    rebuild, arguments, _ = reduce(tensor)
    clone = rebuild(*arguments)
    set_attributes(clone, attributes)
    return clone


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """What a subclass of Tensor stores on an instance, in its `__dict__` or in slots of its own."""
    kinds = type(tensor).__mro__
    base = next(i for i, kind in enumerate(kinds) if kind.__module__ == __name__.replace("leaving", "tensor"))
    slots = [name for kind in kinds[:base] for name in _names(vars(kind).get("__slots__", ()))]
    return {name: getattr(tensor, name) for name in slots if hasattr(tensor, name)} | dict(getattr(tensor, "__dict__", {}))


def _names(slots: Any) -> list[str]:
    return [name for name in ([slots] if isinstance(slots, str) else slots) if name not in ("__dict__", "__weakref__")]
