"""Matrix products: `matmul` and `linear`. Other products are composed of them in `contraction.py`."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..apply import apply, as_operands
from ..batching import rules
from ..memory.threads import MIN_SPLIT_NS, split_work
from ..primitive import Primitive, arrays
from ..tensor import Array, Tensor, TensorLike, as_tensor
from ._make import implements, numpy_functions, two_operands
from .shape import swapaxes

__all__ = [
    "linear", "matmul", "matrix_transpose",
]  # fmt: skip


SPEED: Final = 100  # approximate floating-point operations per nanosecond on one thread
_LARGE: Final = MIN_SPLIT_NS * SPEED // 2  # multiplications from which two threads are faster than one
_LONG_ROWS: Final = 4  # features for each row from which transposing the rows and the result is faster than transposing weights
SMALL: Final = 1 << 11  # a right operand with fewer elements is never split; this settles most products with one comparison


def _matmul(a: Array, b: Array, out: Array | None = None) -> Any:
    if 0 < a.ndim <= 2 and 0 < b.ndim <= 2:  # the fixed cost of `dot` is less than half of matmul's
        return a.dot(b, out) if b.size < SMALL or a.size * b.shape[-1] < _LARGE else _dot(a, b, out)
    if a.ndim > 2 and 0 < b.ndim <= 2:
        return _flat_product(a, b, out)
    return np.matmul(a, b, out=out)


def _dot(a: Array, b: Array, out: Array | None = None) -> Any:
    """Multiplies two matrices (or vectors); large products are computed in two halves of the rows."""
    if not _splits(a, b):
        return (
            a.dot(b, out) if a.flags.forc else np.matmul(a, b, out=out)
        )  # dot would copy an operand that is contiguous in neither order
    product = np.empty((len(a), b.shape[1]), a.dtype) if out is None else out
    split_work(lambda rows: np.matmul(a[rows], b, product[rows]), len(a), 2 * a.size * b.shape[1] / SPEED)
    return product


def _flat_product(a: Array, b: Array, out: Array | None) -> Array:
    """Multiplies a stack of matrices by one matrix or vector: a single product of all rows, which BLAS computes fastest."""
    product = np.empty((*a.shape[:-1], *b.shape[1:]), a.dtype) if out is None else out

    def multiply(part: slice) -> None:
        rows = _as_matrix(arrays, a[part])
        np.matmul(rows, b, product[part].reshape(len(rows), *b.shape[1:]))

    split_work(multiply, len(a), 2 * a.size * b.shape[1] / SPEED if _splits(a, b) else 0)
    return product


def _splits(a: Array, b: Array) -> bool:
    """Returns whether the rows of `a` are divided: a large product of one or many matrices with one matrix."""
    return b.ndim == 2 <= a.ndim and b.size >= SMALL and a.size * b.shape[1] >= _LARGE


def is_single_dot(a: Array, b: Array) -> bool:
    """Returns whether a product is a single `a.dot(b)`: matrices or vectors that are not split."""
    return 0 < a.ndim <= 2 and 0 < b.ndim <= 2 and not _splits(a, b)


def swap_last_axes(xp: Any, x: Any) -> Any:
    """Transposes each matrix of a stack."""
    return x.T if x.ndim == 2 else xp.transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _matmul_left_rule(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 == b.ndim:
        return g.dot(b.T) if b.size < SMALL or g.size * b.shape[0] < _LARGE else xp.matmul(g, b.T)
    if b.ndim == 1:
        return g * b if a.ndim == 1 else xp.reshape(g, shape=(*g.shape, 1)) * b
    if a.ndim == 1:
        column = xp.matmul(b, xp.reshape(g, shape=(*g.shape, 1)))
        return xp.reshape(column, shape=column.shape[:-1])
    return xp.matmul(g, swap_last_axes(xp, b))


def _matmul_right_rule(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 == b.ndim:
        return a.T.dot(g) if g.size < SMALL or a.size * g.shape[1] < _LARGE else xp.matmul(a.T, g)
    if a.ndim == 1:
        return (
            g * a if b.ndim == 1 else xp.reshape(a, shape=(*a.shape, 1)) * xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        )
    if b.ndim <= 2 < a.ndim:
        # One product over all rows replaces a stack of products that would be summed.
        g = xp.reshape(g, shape=(math.prod(a.shape[:-1]), *b.shape[1:]))
        a = _as_matrix(xp, a)
    return xp.matmul(swap_last_axes(xp, a), g)


def _explain_matmul(a: Array, b: Array) -> str:
    if not a.ndim or not b.ndim:
        return f"operands need at least one axis: {a.shape} @ {b.shape}; multiply by a scalar with *"
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        return f"inner dimensions differ: {a.shape} @ {b.shape}"
    return f"batch dimensions do not broadcast: {a.shape} @ {b.shape}"


_MATMUL = Primitive(
    "matmul", _matmul, formula="A B", derivative=("δ Bᵀ", "Aᵀ δ"),
    vjp=(_matmul_left_rule, _matmul_right_rule),
    explain=_explain_matmul, symbol="@", ordered=True, role="affine",
    products=(("{out} ← {g} @ {1T}", 1), ("{out} ← {0T} @ {g}", 0)), fast_arity=2,
    flops=lambda inputs, outputs, params: 2 * outputs[0].size * inputs[0].shape[-1], rowwise=(True, False),
    splits=_splits, specialize=lambda a, b: np.ndarray.dot if is_single_dot(a, b) else None,
    batch=rules.matmul,
)  # fmt: skip


matmul = two_operands(_MATMUL, _matmul)
matmul.__name__ = matmul.__qualname__ = "matmul"
matmul.__module__ = __name__
matmul.__doc__ = """Matrix product `a @ b` with NumPy's rules: 1-D operands are vectors, leading axes are batches and broadcast.

    Gradients: δ Bᵀ for a, Aᵀ δ for b.

    >>> import autograd_mini as ag
    >>> ag.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor([[11.]], shape=(1, 1))
    """
numpy_functions[np.matmul] = matmul


def _linear(x: Array, weight: Array, bias: Array | None = None, out: Array | None = None) -> Array:
    if x.ndim == 1:
        y = x.dot(weight.T, out)
        return y if bias is None else np.add(y, bias, y)
    y = np.empty((*x.shape[:-1], len(weight)), x.dtype) if out is None else out

    def rows(part: slice) -> None:
        h, u = (x[part], y[part]) if x.ndim == 2 else (_as_matrix(arrays, x[part]), _as_matrix(arrays, y[part]))
        if h.shape[1] >= _LONG_ROWS * len(h):
            # W hᵀ takes a fifth less time than h Wᵀ, where BLAS transposes W; adding the bias transposes the result back.
            np.add(weight.dot(h.T).T, 0 if bias is None else bias, u)
        else:
            np.matmul(h, weight.T, u)
            if bias is not None:
                np.add(u, bias, u)

    split_work(rows, len(x), _nanoseconds(x, weight))
    return y


def _nanoseconds(x: Array, weight: Array) -> float:
    """Estimates the time of the product x Wᵀ on one thread."""
    return 2 * x.size * len(weight) / SPEED


def _as_matrix(xp: Any, x: Any) -> Any:
    """Reshapes (…, features) to (rows, features)."""
    return x if x.ndim == 2 else xp.reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_weight_rule(xp: Any, g: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    return xp.matmul(xp.transpose(_as_matrix(xp, g), axes=(1, 0)), _as_matrix(xp, x))


def _explain_linear(x: Array, weight: Array, bias: Array | None = None) -> str:
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        return f"expected a weight (out, in) and a bias (out,), got {weight.shape} and {None if bias is None else bias.shape}"
    return f"expected {weight.shape[1]} features, got {x.shape}" if x.shape[-1:] != weight.shape[1:] else ""


_LINEAR = Primitive(
    "linear", _linear, formula="h Wᵀ + b", derivative=("δ W", "δᵀ h", "Σ δ"),
    vjp=(
        lambda xp, g, y, x, weight, bias=None: xp.matmul(g, weight),
        _linear_weight_rule,
        lambda xp, g, y, x, weight, bias: xp.sum(_as_matrix(xp, g), axis=(0,), keepdims=False),
    ),
    explain=_explain_linear, role="affine",
    products=(("{out} ← {g} @ {1}", 1), ("{out} ← {gT} @ {0}", 0), ("{out} ← Σ {g}", None)),
    flops=lambda inputs, outputs, params: outputs[0].size * (2 * inputs[0].shape[-1] + len(inputs[2:])),
    rowwise=(True, False, False), splits=lambda x, weight, bias=None: _nanoseconds(x, weight) >= MIN_SPLIT_NS,
    batch=rules.linear,
)  # fmt: skip


def linear(x: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor:
    """Computes u = h Wᵀ + b for every row h of `x`: (…, in) → (…, out), with weight (out, in) and bias (out,).

    Gradients, with δ = ∂L/∂u: δ W for x, δᵀ h for the weight, δ summed over rows for the bias.

    >>> import autograd_mini as ag
    >>> ag.linear([[1.0, 2.0]], [[1.0, 0.0], [1.0, 1.0]], [10.0, 20.0])
    Tensor([[11., 23.]], shape=(1, 2))
    """
    operands = as_operands(x, weight) if bias is None else as_operands(x, weight, bias)
    h, w = operands[0]._data, operands[1]._data
    if not h.ndim or w.ndim != 2 or h.shape[-1] != w.shape[1] or (bias is not None and operands[2]._data.shape != w.shape[:1]):
        raise ValueError(f"linear: {_explain_linear(*[t._data for t in operands])}")
    return apply(_LINEAR, operands)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: TensorLike) -> Tensor:
    """Swaps the last two axes: the transpose of each matrix in a stack. Also written `x.mT`.

    >>> import autograd_mini as ag
    >>> ag.ones((5, 2, 3)).mT.shape
    (5, 3, 2)
    """
    x = as_tensor(x)
    if x._data.ndim < 2:
        raise ValueError(f"matrix_transpose: expected at least two axes, got shape {x._data.shape}; use ag.transpose")
    return swapaxes(x, -1, -2)
