"""This library as a namespace of the Python array API standard: what `x.__array_namespace__()` returns.

Functions that create arrays are ours. All others are NumPy's, which follow the standard and run our operations on tensors.

>>> import autograd_mini as ag
>>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
>>> xp = x.__array_namespace__()
>>> xp.sum(xp.pow(x, xp.asarray(2.0))).backward()
>>> x.grad
Tensor([2., 4.])
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import numpy as np

from .. import create
from ..tensor import Tensor


def _on_cpu(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Returns a function that creates a tensor, with the standard's parameter `device`."""

    @wraps(function)
    def create_on_cpu(*args: Any, device: str | None = None, **kwargs: Any) -> Tensor:
        if device not in (None, "cpu"):
            raise ValueError(f"{function.__name__}: the only device is 'cpu', got {device!r}")
        return function(*args, **kwargs)

    return create_on_cpu


def _asarray(obj: Any, /, *, dtype: Any = None, copy: bool | None = None) -> Tensor:
    x = create.array(obj, dtype)
    return x.copy() if copy else x


CREATION: Final = {
    "asarray": _on_cpu(_asarray),
    "from_dlpack": create.from_dlpack,
    **{name: _on_cpu(getattr(create, name)) for name in ("arange", "eye", "full", "linspace", "ones", "zeros")},
    "empty": _on_cpu(create.zeros),
}


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return CREATION[name] if name in CREATION else getattr(np, name)
