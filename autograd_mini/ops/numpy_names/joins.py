"""NumPy's functions that join, split and choose: `append`, `column_stack`, `hsplit`, `meshgrid`, `select` and others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...apply import as_operands
from ...tensor import Tensor, TensorLike, as_tensor
from ...tools.arguments import flag, one_of
from .._make import implements
from ..elementwise import where
from ..index import getitem
from ..rearrange import _split
from ..reduce import canonical_axis, one_axis
from ..shape import atleast_3d, broadcast_to, check_not_empty, concatenate, copy, ravel, reshape, swapaxes

__all__ = [
    "append", "column_stack", "dsplit", "dstack", "hsplit", "meshgrid", "select", "unstack", "vsplit",
]  # fmt: skip


@implements(np.append)
def append(x: TensorLike, values: TensorLike, axis: int | None = None) -> Tensor:
    """Joins `values` to the end of `x` along `axis`; without `axis`, both are flattened first.

    >>> import autograd_mini as ag
    >>> ag.append([1.0, 2.0], [[3.0], [4.0]])
    Tensor([1., 2., 3., 4.])
    """
    x, values = as_operands(x, values)
    return concatenate([ravel(x), ravel(values)]) if axis is None else concatenate([x, values], axis)


@implements(np.column_stack)
def column_stack(tensors: Sequence[TensorLike]) -> Tensor:
    """Joins tensors along their second axis; vectors count as columns.

    >>> import autograd_mini as ag
    >>> ag.column_stack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]], shape=(2, 2))
    """
    xs = as_operands(*check_not_empty("column_stack", tensors))
    return concatenate([reshape(t, -1, 1) if t._data.ndim < 2 else t for t in xs], 1)


@implements(np.dstack)
def dstack(tensors: Sequence[TensorLike]) -> Tensor:
    """Joins tensors along their third axis, after `atleast_3d`.

    >>> import autograd_mini as ag
    >>> ag.dstack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[[1., 3.],
             [2., 4.]]], shape=(1, 2, 2))
    """
    return concatenate([atleast_3d(t) for t in as_operands(*check_not_empty("dstack", tensors))], 2)


# -- splits -------------------------------------------------------------------------------------------------------------------


def _split_along(name: str, x: TensorLike, sections: Any, axis: int, least: int) -> list[Tensor]:
    x = as_tensor(x)
    if x._data.ndim < least:
        raise ValueError(f"{name}: expected at least {least} {'axis' if least == 1 else 'axes'}, got shape {x.shape}")
    return _split(name, x, sections, min(axis, x._data.ndim - 1), even=True)


@implements(np.hsplit)
def hsplit(x: TensorLike, sections: int | Sequence[int]) -> list[Tensor]:
    """`split` along the second axis, or along the only axis of a vector.

    >>> import autograd_mini as ag
    >>> ag.hsplit([1.0, 2.0, 3.0], [1])
    [Tensor([1.]), Tensor([2., 3.])]
    """
    return _split_along("hsplit", x, sections, axis=1, least=1)


@implements(np.vsplit)
def vsplit(x: TensorLike, sections: int | Sequence[int]) -> list[Tensor]:
    """`split` along the first of at least two axes.

    >>> import autograd_mini as ag
    >>> ag.vsplit([[1.0], [2.0]], 2)
    [Tensor([[1.]], shape=(1, 1)), Tensor([[2.]], shape=(1, 1))]
    """
    return _split_along("vsplit", x, sections, axis=0, least=2)


@implements(np.dsplit)
def dsplit(x: TensorLike, sections: int | Sequence[int]) -> list[Tensor]:
    """`split` along the third axis.

    >>> import autograd_mini as ag
    >>> [part.shape for part in ag.dsplit(ag.zeros(2, 2, 4), 2)]
    [(2, 2, 2), (2, 2, 2)]
    """
    return _split_along("dsplit", x, sections, axis=2, least=3)


_UNSTACK: Final = [np.unstack] if hasattr(np, "unstack") else []  # since NumPy 2.1


@implements(*_UNSTACK)
def unstack(x: TensorLike, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """Returns the slices along `axis`, without that axis: what `stack` joins.

    >>> import autograd_mini as ag
    >>> ag.unstack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    (Tensor([1., 3.]), Tensor([2., 4.]))
    """
    x = as_tensor(x)
    along = canonical_axis("unstack", axis if dim is None else one_axis("unstack", axis, dim, 0), x._data.ndim)
    return tuple(getitem(x, (slice(None),) * along + (i,)) for i in range(x._data.shape[along]))


# -- grids and choices --------------------------------------------------------------------------------------------------------

_COPY = copy


@implements(np.meshgrid)
def meshgrid(*xi: TensorLike, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Returns the coordinates of a grid: one tensor for each vector, which repeats it along the axes of the others.

    Parameters
    ----------
    *xi : the coordinates along each axis, vectors or numbers
    copy : False for views that share memory
    sparse : True for tensors that broadcast to the grid instead
    indexing : "xy", where the first vector runs along the second axis (rows are y), or "ij", where it runs along the first

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x, y = ag.meshgrid([0.0, 1.0], [5.0, 6.0, 7.0])
    >>> x
    Tensor([[0., 1.],
            [0., 1.],
            [0., 1.]], shape=(3, 2))
    >>> y[:, 0]
    Tensor([5., 6., 7.])
    """
    one_of("meshgrid", "indexing", indexing, ("xy", "ij"))
    copied, sparse = flag("meshgrid", "copy", copy), flag("meshgrid", "sparse", sparse)
    lines = [ravel(x) for x in xi]
    grids = [reshape(x, *(-1 if i == k else 1 for i in range(len(lines)))) for k, x in enumerate(lines)]
    if indexing == "xy" and len(grids) > 1:
        grids = [swapaxes(x, 0, 1) for x in grids]
    if not sparse:
        shape = np.broadcast_shapes(*(x._data.shape for x in grids))
        grids = [broadcast_to(x, shape) for x in grids]
    return tuple(_COPY(x) for x in grids) if copied else tuple(grids)


@implements(np.select)
def select(condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> Tensor:
    """Returns at each place the element of the first choice whose condition is true there, else `default`.

    >>> import autograd_mini as ag
    >>> x = ag.arange(4.0)
    >>> ag.select([x < 1, x > 2], [-x, x**2], default=0.5)
    Tensor([-0. ,  0.5,  0.5,  9. ])
    """
    conditions = [as_tensor(c) for c in check_not_empty("select", condlist)]
    choices = check_not_empty("select", choicelist)
    if len(conditions) != len(choices):
        raise ValueError(
            f"select: expected one choice for each condition, got {len(conditions)} conditions and {len(choices)} choices"
        )
    if wrong := [c._data.dtype for c in conditions if c._data.dtype.kind != "b"]:
        raise TypeError(f"select: conditions must hold bools, got {wrong[0]}; write x != 0")
    *values, result = as_operands(*choices, default)
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = where(condition, value, result)
    return result
