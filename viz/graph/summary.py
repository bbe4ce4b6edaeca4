"""Arrays in a few characters: what a node or a row can show of its values and its gradient."""

from __future__ import annotations

import math

import numpy as np

from autograd_mini.tensor import Array

MISSING = "—"  # a gradient not yet computed; 0 would say that it had been


def number(value: float, digits: int = 4) -> str:
    """A number with that many significant digits; whole numbers stay whole.

    >>> from autograd_mini.viz.graph.summary import number
    >>> number(82944.0), number(0.123456), number(float("nan"))
    ('82944', '0.1235', 'nan')
    """
    if math.isfinite(value) and value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.{digits}g}"


def values(array: Array) -> str:
    """The numbers themselves up to four of them; otherwise mean ± standard deviation, or the range of integers and bools.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.summary import values
    >>> values(np.array([1.0, 2.5])), values(np.arange(10)), values(np.ones((3, 4)))
    ('[1, 2.5]', '0 … 9', '1 ± 0')
    """
    if array.size == 0:
        return "empty"
    if array.size <= 4:
        return _nested(array)
    if array.dtype.kind != "f":
        return f"{number(array.min())} … {number(array.max())}"
    if bad := array.size - int(np.isfinite(array).sum()):
        return f"{bad} of {array.size} not finite"
    return " ± ".join(number(moment(dtype=np.float64), 3) for moment in (array.mean, array.std))


def _nested(array: Array) -> str:
    if array.ndim == 0:
        return str(bool(array)) if array.dtype.kind == "b" else number(float(array))
    return "[" + ", ".join(_nested(part) for part in array) + "]"


def magnitude(grad: Array) -> str:
    """|δ|: the root mean square of a gradient, which for a scalar is its absolute value.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.summary import magnitude
    >>> magnitude(np.array([3.0, -3.0]))
    '3'
    """
    return number(rms(grad)) if grad.size else "empty"


def rms(array: Array) -> float:
    """The root mean square, in float64; 0 for an empty array."""
    return float(np.sqrt(np.square(array, dtype=np.float64).mean())) if array.size else 0.0
