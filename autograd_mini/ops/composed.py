"""NumPy's functions that are short compositions of others here, and so need no rule of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, TensorLike, as_tensor
from ._make import implements
from .contraction import tensordot
from .elementwise import multiply, where
from .index import getitem
from .rearrange import flip
from .reduce import canonical_axis
from .shape import reshape, stack, swapaxes

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "cross", "fliplr", "flipud", "inner", "kron", "nan_to_num", "rot90"]


@implements(np.inner)
def inner(a: TensorLike, b: TensorLike) -> Tensor:
    """Products of last axes: Σₖ a[…, k] b[…, k]; the plain product where one is 0-d.

    >>> import autograd_mini as ag
    >>> ag.inner([1.0, 2.0], [3.0, 4.0])
    Tensor(11.0)
    """
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"inner: last axes differ: {a.shape} and {b.shape}")
    return tensordot(a, b, axes=(a.ndim - 1, b.ndim - 1))


@implements(np.kron)
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """Kronecker product: each element of `a` times all of `b`, laid out as blocks.

    >>> import autograd_mini as ag
    >>> ag.kron([1.0, 10.0], [1.0, 2.0])
    Tensor([ 1.,  2., 10., 20.])
    """
    a, b = as_tensor(a), as_tensor(b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - t.ndim) + t.shape for t in (a, b))
    # (a₁, 1, a₂, 1, …) · (1, b₁, 1, b₂, …), then each pair of axes joined
    spread = reshape(a, tuple(n for size in left for n in (size, 1))) * reshape(
        b, tuple(n for size in right for n in (1, size))
    )
    return reshape(spread, tuple(m * n for m, n in zip(left, right, strict=True)))


@implements(np.cross)
def cross(a: TensorLike, b: TensorLike, axis: int = -1) -> Tensor:
    """Vector product of 3-vectors along `axis`.

    >>> import autograd_mini as ag
    >>> ag.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    Tensor([0., 0., 1.])
    """
    a, b = as_tensor(a), as_tensor(b)
    for t in (a, b):
        if t.shape[canonical_axis("cross", axis, t.ndim)] != 3:
            raise ValueError(f"cross: expected 3 elements along axis {axis}, got shapes {a.shape} and {b.shape}")
    x, y = (swapaxes(t, axis, -1) for t in (a, b))
    u, v = ([getitem(t, (..., i)) for i in range(3)] for t in (x, y))
    product = stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], axis=-1)
    return swapaxes(product, axis, -1)


@implements(np.rot90)
def rot90(x: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of two axes, from the first towards the second.

    >>> import autograd_mini as ag
    >>> ag.rot90([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 4.],
            [1., 3.]], shape=(2, 2))
    """
    x = as_tensor(x)
    first, second = (canonical_axis("rot90", axis, x.ndim) for axis in axes)
    if first == second:
        raise ValueError(f"rot90: the axes {axes} must differ")
    for _ in range(k % 4):
        x = flip(swapaxes(x, first, second), axis=first)
    return x


@implements(np.fliplr)
def fliplr(x: TensorLike) -> Tensor:
    """The second axis reversed.

    >>> import autograd_mini as ag
    >>> ag.fliplr([[1.0, 2.0]])
    Tensor([[2., 1.]], shape=(1, 2))
    """
    return flip(x, axis=1)


@implements(np.flipud)
def flipud(x: TensorLike) -> Tensor:
    """The first axis reversed.

    >>> import autograd_mini as ag
    >>> ag.flipud([1.0, 2.0])
    Tensor([2., 1.])
    """
    return flip(x, axis=0)


@implements(np.nan_to_num)
def nan_to_num(x: TensorLike, nan: float = 0.0) -> Tensor:
    """`x` with `nan` where it is nan; the gradient there is 0. Infinities stay (NumPy would make them large).

    >>> import autograd_mini as ag
    >>> ag.nan_to_num([1.0, float("nan")])
    Tensor([1., 0.])
    """
    x = as_tensor(x)
    return where(x == x, x, nan) if x._data.dtype.kind == "f" else x


def _at_least(x: Tensor, shapes: dict[int, Any]) -> Tensor:
    return reshape(x, shapes[x.ndim]) if x.ndim in shapes else x


@implements(np.atleast_1d)
def atleast_1d(x: TensorLike) -> Tensor:
    """With at least one axis.

    >>> import autograd_mini as ag
    >>> ag.atleast_1d(3.0)
    Tensor([3.])
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1,)})


@implements(np.atleast_2d)
def atleast_2d(x: TensorLike) -> Tensor:
    """With at least two axes; a vector becomes a row.

    >>> import autograd_mini as ag
    >>> ag.atleast_2d([1.0, 2.0]).shape
    (1, 2)
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1, 1), 1: (1, -1)})


@implements(np.atleast_3d)
def atleast_3d(x: TensorLike) -> Tensor:
    """With at least three axes, as NumPy places them: a vector lies along the second.

    >>> import autograd_mini as ag
    >>> ag.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    x = as_tensor(x)
    return _at_least(x, {0: (1, 1, 1), 1: (1, -1, 1), 2: (*x.shape, 1)})
