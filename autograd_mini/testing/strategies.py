"""Hypothesis strategies for shapes, shapes that broadcast together, arrays in all memory layouts, and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ..create import from_numpy
from ..tensor import Array, Shape, Tensor

_STEPS = 48


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy[Shape]:
    """Draws shapes, including () and lengths 0 and 1.

    Parameters
    ----------
    min_dims, max_dims : limits of the number of axes
    min_side, max_side : limits of each length
    """
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable(count: int = 2, max_dims: int = 3, max_side: int = 4) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Draws `count` shapes that broadcast together."""
    family = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, min_side=0, max_side=max_side)
    return family.map(lambda drawn: drawn.input_shapes)


@st.composite
def layouts(draw: st.DrawFn, array: Array) -> Array:
    """Draws copies in another memory layout: Fortran order, permuted axes, negative strides, or gaps between elements."""
    array = np.asarray(array)
    kind = draw(st.sampled_from(["C", "F", "permuted", "reversed", "gaps"]))
    if kind == "C" or array.ndim == 0:
        return np.ascontiguousarray(array).reshape(array.shape)
    if kind == "F":
        return np.asfortranarray(array)
    if kind == "permuted":
        order = draw(st.permutations(range(array.ndim)))
        return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
    if kind == "reversed":
        flipped: Array = np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        return flipped
    wide = np.repeat(array, 2, axis=-1)
    gaps: Array = wide[..., ::2]
    return gaps


def arrays(
    shape: Any = None, dtype: Any = np.float64, lo: float | None = None, hi: float | None = None, layout: bool = True
) -> st.SearchStrategy[Array]:
    """Draws arrays whose values lie on a coarse grid, so that ties and kinks occur.

    Parameters
    ----------
    shape : a shape, a length, a strategy for shapes, or None for any shape
    dtype : the dtype of the values
    lo, hi : limits of the values, −3 and 3 by default; a single limit beyond them gives an interval of length 6
    layout : draw the memory layout too

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from autograd_mini.testing import arrays
    >>> @given(arrays(4, lo=5.0))
    ... @settings(max_examples=5, database=None, derandomize=True)
    ... def test(array):
    ...     assert array.shape == (4,) and (array >= 5).all()
    >>> test()
    """
    return _arrays(_shape_strategy(shape), np.dtype(dtype), _grid(np.dtype(dtype), lo, hi), layout)


@st.composite
def _arrays(draw: st.DrawFn, shape: st.SearchStrategy[Shape], dtype: np.dtype[Any], grid: Array, layout: bool) -> Array:
    chosen = draw(hnp.arrays(np.intp, draw(shape), elements=st.integers(0, len(grid) - 1), fill=st.nothing()))
    array = np.asarray(grid[chosen], dtype)
    return draw(layouts(array)) if layout else array


def _shape_strategy(shape: Any) -> st.SearchStrategy[Shape]:
    if shape is None:
        return shapes()
    if isinstance(shape, st.SearchStrategy):
        return shape
    return st.just((int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape))


def _grid(dtype: np.dtype[Any], lo: float | None, hi: float | None) -> Array:
    """Returns 49 values of `dtype` from `lo` to `hi`, simple ones first, none outside after rounding; fewer integers."""
    low = min(-3.0, hi - 6) if lo is None and hi is not None else -3.0 if lo is None else lo
    high = max(3.0, low + 6) if hi is None and lo is not None else 3.0 if hi is None else hi
    if dtype.kind == "b":
        return np.array([False, True])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"arrays: lo and hi must be finite, got lo={lo} and hi={hi}")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = max(math.ceil(low), int(limits.min)), min(math.floor(high), int(limits.max))
        values = np.array(sorted({low + (high - low) * i // _STEPS for i in range(_STEPS + 1)} if low <= high else []), dtype)
    else:
        values = (low + (high - low) * np.arange(_STEPS + 1) / _STEPS).astype(dtype)
        # Rounding may have moved the ends outside.
        values = np.where(values.astype(np.float64) < low, np.nextafter(values, dtype.type(np.inf)), values)
        values = np.where(values.astype(np.float64) > high, np.nextafter(values, dtype.type(-np.inf)), values)
    if low > high or (values.astype(np.float64) < low).any():
        raise ValueError(f"arrays: no value of {dtype} lies between lo={lo} and hi={hi}")
    # Hypothesis shrinks to the first values: whole numbers near 0.
    return values[np.lexsort((values < 0, np.abs(values), values != np.round(values)))]


@st.composite
def _tensors(draw: st.DrawFn, choices: Sequence[st.SearchStrategy[Array]], requires_grad: bool) -> Tensor:
    return from_numpy(draw(draw(st.sampled_from(choices))), requires_grad=requires_grad)


def tensors(
    shape: Any = None,
    dtypes: Any = (np.float16, np.float32, np.float64),
    lo: float | None = None,
    hi: float | None = None,
    requires_grad: bool = True,
) -> st.SearchStrategy[Tensor]:
    """Draws leaf tensors of any memory layout.

    Parameters
    ----------
    shape : as in `arrays`
    dtypes : the dtypes to choose from, or a single one
    lo, hi : limits of the values, as in `arrays`
    requires_grad : whether the tensors require a gradient
    """
    choices = dtypes if isinstance(dtypes, (list, tuple)) else [dtypes]
    return _tensors([arrays(shape, dtype, lo, hi) for dtype in choices], requires_grad)
