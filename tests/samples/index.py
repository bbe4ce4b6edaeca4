"""Samples of indexing: slices, ints, None and Ellipsis, integer arrays with repeats, masks, and combinations."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import apply, recorded
from autograd_mini.ops.index import INDEX_ADD, parse
from samples.call import Call
from samples.strategies import SHAPES, values


@st.composite
def _mixed_index(draw: Any, shape: tuple[int, ...]) -> Any:
    """For each axis an int, a slice, a mask or an integer array; the arrays broadcast together (masks choose two)."""
    entries: list[Any] = []
    for n in shape:
        mask = np.arange(n) < 2
        choices = [st.slices(n)]
        if n:
            choices += [st.integers(-n, n - 1), hnp.arrays(np.int64, (2,), elements=st.integers(-n, n - 1))]
        if n >= 2:
            choices.append(st.permutations(mask).map(np.array))
        entries.append(draw(st.one_of(choices)))
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), None)
    return tuple(entries)


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    kinds = [hnp.basic_indices(shape, allow_newaxis=True), _mixed_index(shape), hnp.arrays(bool, shape)]
    if shape and 0 not in shape:
        kinds.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
        index_shape = draw(hnp.array_shapes(max_dims=2, max_side=4))
        kinds.append(hnp.arrays(np.int64, index_shape, elements=st.integers(-shape[0], shape[0] - 1)))
    return draw(st.one_of(kinds))


@st.composite
def _getitem(draw: Any) -> Call:
    x = draw(SHAPES.flatmap(values))
    index = draw(indices(x.shape))
    return Call(lambda t: ag.getitem(t, index), (x,), f"getitem {index!r}")


@st.composite
def _assigned_value(draw: Any, shape: tuple[int, ...], index: Any) -> np.ndarray:
    """A value for `x[index]`, of its shape or of one that broadcasts to it."""
    full = np.zeros(shape)[index].shape
    return draw(values(draw(st.sampled_from([full, full[1:], tuple(1 for _ in full), ()]))))


@st.composite
def _index_put(draw: Any) -> Call:
    x = draw(SHAPES.flatmap(values))
    index = draw(indices(x.shape))
    return Call(lambda t, v: ag.index_put(t, index, v), (x, draw(_assigned_value(x.shape, index))), f"index_put {index!r}")


@st.composite
def _index_put_value(draw: Any) -> Call:
    g = draw(SHAPES.flatmap(values))
    index = draw(indices(g.shape))
    template, arrays = parse(index)
    v = np.zeros(draw(_assigned_value(g.shape, index)).shape)
    return Call(
        lambda t: recorded.index_put_value(t, v.astype(t.dtype), *arrays, index=template), (g,), f"index_put_value {index!r}"
    )


@st.composite
def _index_add(draw: Any) -> Call:
    shape = draw(SHAPES)
    index = draw(indices(shape))
    template, arrays = parse(index)
    v = draw(values(np.zeros(shape)[index].shape))
    params = {"index": template, "shape": shape}
    return Call(lambda t: apply(INDEX_ADD, (t, *arrays), params), (v,), f"index_add {index!r} {shape}")


@st.composite
def _add_at(draw: Any) -> Call:
    x = draw(SHAPES.flatmap(values))
    index = draw(indices(x.shape))
    template, arrays = parse(index)
    v = draw(values(x[index].shape))
    return Call(lambda t, u: recorded.add_at(t, u, *arrays, index=template), (x, v), f"add_at {index!r}")


@st.composite
def _scatter_extreme(draw: Any, name: str) -> Call:
    """Elements that are never equal, because ties are kinks."""
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    numbers = 0.37 * np.array(draw(st.permutations(range(n + m))), float) - 2
    places = np.array(draw(st.lists(st.integers(0, n - 1), min_size=m, max_size=m)))
    return Call(lambda x, s: getattr(recorded, name)(x, s, places), (numbers[:n], numbers[n:]), f"{name} {places}")


SAMPLES: dict[str, st.SearchStrategy[Call]] = {
    "scatter_max": _scatter_extreme("scatter_max"),
    "scatter_min": _scatter_extreme("scatter_min"),
    "add_at": _add_at(),
    "getitem": _getitem(),
    "index_add": _index_add(),
    "index_put": _index_put(),
    "index_put_value": _index_put_value(),
}
