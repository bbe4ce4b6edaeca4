"""Constructors that take shape, dtype and device as PyTorch does: `zeros_like`, `randn_like`, `normal` and `randperm`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..create import full
from ..dtypes import supported
from ..ops import elementwise as e
from ..ops.random import Stream, check_stream, permutation, rand, randn
from ..ops.random import generator as process_stream
from ..ops.shape import astype, ints
from ..state import modes
from ..tensor import Tensor, TensorLike, as_tensor, leaf
from ..tools.arguments import flag, one_int
from .devices import check_device

__all__ = [
    "empty_like", "full_like", "multinomial", "normal", "ones_like", "rand_like", "randn_like", "randperm", "zeros_like",
]  # fmt: skip


def _like(name: str, make: Callable[..., Tensor], x: TensorLike, dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    check_device(name, device)
    like = as_tensor(x)
    created = make(like)
    if dtype is not None:
        created = astype(created, dtype)
    if requires_grad is not False:
        created.requires_grad = requires_grad
    return created


def zeros_like(x: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros with x's shape and, unless another one is given, its dtype.

    >>> import autograd_mini as ag
    >>> ag.zeros_like([1.0, 2.0])
    Tensor([0., 0.])
    """
    return _like("zeros_like", e.zeros_like, x, dtype, requires_grad, device)


def ones_like(x: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones with x's shape and, unless another one is given, its dtype.

    >>> import autograd_mini as ag
    >>> ag.ones_like([3, 4])
    Tensor([1, 1])
    """
    return _like("ones_like", e.ones_like, x, dtype, requires_grad, device)


def empty_like(x: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be filled, with x's shape and, unless another one is given, its dtype; it starts with zeros.

    >>> import autograd_mini as ag
    >>> ag.empty_like([3.0, 4.0]).fill_(1)
    Tensor([1., 1.])
    """
    return _like("empty_like", e.zeros_like, x, dtype, requires_grad, device)


def full_like(
    x: TensorLike, value: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A tensor that repeats one value, with x's shape and, unless another one is given, its dtype.

    Parameters
    ----------
    x : the tensor with the shape and dtype
    value : the value of all elements
    dtype, requires_grad, device : as in `full`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.full_like([1.0, 2.0], 7)
    Tensor([7., 7.])
    """
    like = as_tensor(x)._data
    return full(like.shape, value, like.dtype if dtype is None else dtype, requires_grad=requires_grad, device=device)


def rand_like(x: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Uniform numbers from [0, 1) with x's shape and, unless another one is given, its dtype.

    >>> import autograd_mini as ag
    >>> ag.rand_like(ag.zeros(2, 3)).shape
    (2, 3)
    """
    like = as_tensor(x)._data
    return rand(like.shape, dtype=like.dtype if dtype is None else dtype, requires_grad=requires_grad, device=device)


def randn_like(x: TensorLike, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Numbers from N(0, 1) with x's shape and, unless another one is given, its dtype.

    >>> import autograd_mini as ag
    >>> ag.randn_like(ag.zeros(2, 3)).shape
    (2, 3)
    """
    like = as_tensor(x)._data
    return randn(like.shape, dtype=like.dtype if dtype is None else dtype, requires_grad=requires_grad, device=device)


def normal(
    mean: TensorLike = 0.0, std: TensorLike = 1.0, size: Any = None, *, generator: Stream | None = None, device: Any = None
) -> Tensor:
    """Draws from N(mean, std²), of the shape `size`, or of the common shape of `mean` and `std`.

    Parameters
    ----------
    mean, std : numbers or tensors
    size : an int or a tuple
    generator : the stream to draw from instead of the process's
    device : "cpu" or None

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.normal(0, 1, size=(2, 3)).shape
    (2, 3)
    """
    shape = np.broadcast_shapes(as_tensor(mean).shape, as_tensor(std).shape) if size is None else ints("normal", (size,))
    return e.add(e.multiply(randn(shape, generator=generator, device=device), std), mean)


def randperm(n: int, *, dtype: Any = None, generator: Stream | None = None, device: Any = None) -> Tensor:
    """The numbers 0 … n − 1 in random order, int64 unless another dtype is given.

    >>> import autograd_mini as ag
    >>> sorted(ag.randperm(3).tolist())
    [0, 1, 2]
    """
    check_device("randperm", device)
    order = permutation(n, generator=generator)
    return order if dtype is None else astype(order, supported(dtype))


def multinomial(input: TensorLike, num_samples: int, replacement: bool = False, *, generator: Stream | None = None) -> Tensor:
    """Draws indices with probabilities in proportion to the weights `input`: a vector, or one row of weights per draw.

    Parameters
    ----------
    input : weights that are not negative, of shape (n,) or (rows, n)
    num_samples : how many indices per row
    replacement : whether an index can be drawn more than once
    generator : the stream to draw from instead of the process's

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.multinomial([0.0, 3.0, 0.0], 2, replacement=True)
    Tensor([1, 1])
    """
    if (tracer := modes().tracer) is not None:
        tracer.reject_action("multinomial", "call it outside the compiled function")
    num_samples = one_int("multinomial", "num_samples", num_samples, least=0)
    replacement = flag("multinomial", "replacement", replacement)
    check_stream("multinomial", generator)
    weights = np.asarray(as_tensor(input).detach().numpy(), np.float64)
    if weights.ndim not in (1, 2) or not weights.size or not (weights >= 0).all() or not np.isfinite(weights).all():
        raise ValueError(f"multinomial: expected weights ≥ 0 of shape (n,) or (rows, n), got shape {weights.shape}")
    rows = weights.reshape(-1, weights.shape[-1])
    if not (rows > 0).any(-1).all():
        raise ValueError("multinomial: a row of weights has the sum 0; expected at least one weight above 0")
    if not replacement and ((rows > 0).sum(-1) < num_samples).any():
        raise ValueError(f"multinomial: {num_samples=} exceeds the number of weights above 0; pass replacement=True")
    stream = generator or process_stream()
    draws = [stream.choice(len(row), num_samples, replacement, row / row.sum()) for row in rows]
    return leaf(np.array(draws, np.int64).reshape(*weights.shape[:-1], num_samples))
