"""Hypothesis strategies for shapes, shapes that broadcast together, arrays in all memory layouts, and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ..tensor import Array, Shape, Tensor


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


@st.composite
def arrays(
    draw: st.DrawFn, shape: Any = None, dtype: Any = np.float64, lo: float = -3.0, hi: float = 3.0, layout: bool = True
) -> Array:
    """Draws arrays whose values lie on a coarse grid, so that ties and kinks occur.

    Parameters
    ----------
    shape : a shape, a strategy for shapes, or None for any shape
    dtype : the dtype of the values
    lo, hi : limits of the values
    layout : draw the memory layout too
    """
    wanted = draw(shapes() if shape is None else shape) if not isinstance(shape, tuple) else shape
    steps = st.integers(0, 48).map(lambda i: lo + (hi - lo) * i / 48)
    array = draw(hnp.arrays(np.float64, wanted, elements=steps, fill=st.nothing())).astype(dtype)
    return draw(layouts(array)) if layout else array


@st.composite
def tensors(
    draw: st.DrawFn,
    shape: Any = None,
    dtypes: Any = (np.float16, np.float32, np.float64),
    lo: float = -3.0,
    hi: float = 3.0,
    requires_grad: bool = True,
) -> Tensor:
    """Draws leaf tensors of any memory layout.

    Parameters
    ----------
    shape : as in `arrays`
    dtypes : the dtypes to choose from
    lo, hi : limits of the values
    requires_grad : whether the tensors require a gradient
    """
    array = draw(arrays(shape, draw(st.sampled_from(dtypes)), lo, hi))
    return Tensor(array, requires_grad=requires_grad)
