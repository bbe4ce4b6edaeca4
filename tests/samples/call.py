"""One random call of a primitive; `test_primitives.py` checks every property on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Call(NamedTuple):
    """`function(*tensors)` gives one tensor or a tuple of them; `operands` are float64 arrays, each of which gets a gradient.

    `function` contains everything else that the call needs (axes, integer indices, strides); `note` shows it on failure.
    """

    function: Callable[..., Any]
    operands: tuple[np.ndarray, ...]
    note: str = ""

    def __repr__(self) -> str:
        shown = ", ".join(f"array{x.shape} {x.ravel()[:8].tolist()}{' …' * (x.size > 8)}" for x in self.operands)
        return f"{self.note or getattr(self.function, '__name__', 'function')}({shown})"
