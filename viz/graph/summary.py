"""Short texts for arrays: what a node or a table row shows of values and gradients."""

from __future__ import annotations

import math

import numpy as np

from autograd_mini.tensor import Array

from ..language import translate

MISSING = "—"  # a gradient that is not computed yet; 0 would look like a computed one


def format_number(value: float, digits: int = 4) -> str:
    """Formats a number with this many significant digits; integers without a decimal point.

    >>> from autograd_mini.viz.graph.summary import format_number
    >>> format_number(82944.0), format_number(0.123456), format_number(float("nan"))
    ('82944', '0.1235', 'nan')
    """
    if math.isfinite(value) and value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.{digits}g}"


def format_values(array: Array, digits: int = 3) -> str:
    """Formats up to four numbers one by one; otherwise mean ± standard deviation, or the range of integers and bools.

    Mean and deviation have this many significant `digits`; with fewer than three, more than two single numbers have so, too.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.summary import format_values
    >>> format_values(np.array([1.0, 2.5])), format_values(np.arange(10)), format_values(np.ones((3, 4)))
    ('[1, 2.5]', '0 … 9', '1 ± 0')
    """
    if array.size == 0:
        return translate("empty")
    if array.size <= 4:
        return _format_nested(array, digits if digits < 3 and array.size > 2 else 4)
    if array.dtype.kind != "f":
        return f"{format_number(array.min())} … {format_number(array.max())}"
    if bad := array.size - int(np.isfinite(array).sum()):
        return translate("{bad} of {size} not finite", bad=bad, size=array.size)
    return " ± ".join(format_number(moment(dtype=np.float64), digits) for moment in (array.mean, array.std))


def _format_nested(array: Array, digits: int) -> str:
    if array.ndim == 0:
        return str(bool(array)) if array.dtype.kind == "b" else format_number(float(array), digits)
    return "[" + ", ".join(_format_nested(part, digits) for part in array) + "]"


def format_rms(grad: Array) -> str:
    """Formats the root mean square (RMS) of a gradient; for a scalar this is its absolute value.

    >>> import numpy as np
    >>> from autograd_mini.viz.graph.summary import format_rms
    >>> format_rms(np.array([3.0, -3.0]))
    '3'
    """
    return format_number(rms(grad)) if grad.size else translate("empty")


def rms(array: Array) -> float:
    """Returns the root mean square, in float64; 0 for an empty array."""
    return float(np.sqrt(np.square(array, dtype=np.float64).mean())) if array.size else 0.0
