"""Sums of products over named axes: `einsum`, and its special cases `dot`, `vdot`, `outer` and `tensordot`."""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..apply import apply, as_operands
from ..batching import rules
from ..primitive import Primitive
from ..tensor import Array, Shape, Tensor, TensorLike
from ..tools.arguments import one_int
from . import reduce
from ._make import implements, numpys_keywords
from .elementwise import multiply
from .index import getitem
from .linalg import matmul
from .rearrange import diagonal
from .reduce import canonical_axis, one_axis
from .shape import expand_dims, ravel, reshape, stack, swapaxes, transpose

__all__ = [
    "cross", "dot", "einsum", "inner", "kron", "outer", "tensordot", "vdot",
]  # fmt: skip

AxisPairs: TypeAlias = "int | tuple[int | tuple[int, ...], int | tuple[int, ...]]"


@implements(np.tensordot)
def tensordot(a: TensorLike, b: TensorLike, axes: AxisPairs = 2) -> Tensor:
    """Sum of products over pairs of axes: the last n of a and the first n of b, or axes given as (axes of a, axes of b).

    The result has the other axes of a, then those of b.

    >>> import autograd_mini as ag
    >>> ag.tensordot([[1.0, 2.0]], [[3.0, 4.0]], axes=(1, 1))
    Tensor([[11.]], shape=(1, 1))
    """
    a, b = as_operands(a, b)
    if hasattr(axes, "__index__"):
        n = one_int("tensordot", "axes", axes, least=0)
        axes = (tuple(range(-n, 0)), tuple(range(n)))
    elif not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise TypeError(f"tensordot: axes must be an int or a pair (axes of a, axes of b), got {axes!r}")
    (out_a, sum_a), (out_b, sum_b) = (_split_axes(t, pair) for t, pair in zip((a, b), axes, strict=True))
    shapes = a._data.shape, b._data.shape
    if [shapes[0][i] for i in sum_a] != [shapes[1][i] for i in sum_b]:
        raise ValueError(f"tensordot: axes {sum_a} of shape {shapes[0]} do not match axes {sum_b} of shape {shapes[1]}")
    inner = math.prod(shapes[0][i] for i in sum_a)
    left, right = [shapes[0][i] for i in out_a], [shapes[1][i] for i in out_b]
    rows = reshape(transpose(a, (*out_a, *sum_a)), math.prod(left), inner)
    columns = reshape(transpose(b, (*sum_b, *out_b)), inner, math.prod(right))
    return reshape(matmul(rows, columns), (*left, *right))


def _split_axes(x: Tensor, axes: int | tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Returns the axes of `x` that remain, and `axes`, which are summed over."""
    summed = [canonical_axis("tensordot", a, x._data.ndim) for a in (axes if isinstance(axes, (tuple, list)) else (axes,))]
    if len(set(summed)) != len(summed):
        raise ValueError(f"tensordot: axes must be distinct, got {axes}")
    return [i for i in range(x._data.ndim) if i not in summed], summed


@implements(np.dot)
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """NumPy's dot: `matmul` for up to two axes, the product for a 0-d operand, else sums over a's last, b's second-last axis.

    >>> import autograd_mini as ag
    >>> ag.dot([1.0, 2.0], [3.0, 4.0])
    Tensor(11.0)
    """
    a, b = as_operands(a, b)
    if not a._data.ndim or not b._data.ndim:
        return multiply(a, b)
    if b._data.ndim <= 2 and a._data.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, (-1, -min(2, b._data.ndim)))


@implements(np.vdot)
def vdot(a: TensorLike, b: TensorLike) -> Tensor:
    """Sum of the products of all elements, both operands flattened.

    >>> import autograd_mini as ag
    >>> ag.vdot([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor(11.0)
    """
    a, b = as_operands(a, b)
    return matmul(ravel(a), ravel(b))


@implements(np.outer)
def outer(a: TensorLike, b: TensorLike) -> Tensor:
    """Every element of a times every element of b, both flattened: shape (a.size, b.size).

    >>> import autograd_mini as ag
    >>> ag.outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]], shape=(2, 2))
    """
    a, b = as_operands(a, b)
    return multiply(expand_dims(ravel(a), 1), ravel(b))


# -- einsum. In the primitive, a letter occurs at most once per operand, and in another operand or in the result ------------


def _einsum(*xs: Array, subscripts: str) -> Any:
    inputs, output = _split_subscripts(subscripts)
    if len(xs) == 2:
        a, b = inputs
        both = [i for i in a if i in b]
        summed, batch = [i for i in both if i not in output], [i for i in both if i in output]
        if summed and len(both) < len(set(a + b)):  # a product of matrices, which BLAS computes fastest
            return _einsum_as_matmul(*xs, a, b, output, batch, summed)
    return np.einsum(subscripts, *xs, optimize=len(xs) > 2)


def _einsum_as_matmul(x: Array, y: Array, a: str, b: str, output: str, batch: list[str], summed: list[str]) -> Array:
    rows, columns = ([i for i in axes if i not in batch + summed] for axes in (a, b))
    size = dict(zip(a + b, x.shape + y.shape, strict=True))
    stack, inner = [size[i] for i in batch], math.prod(size[i] for i in summed)
    left = x.transpose([a.index(i) for i in batch + rows + summed]).reshape(*stack, math.prod(size[i] for i in rows), inner)
    right = y.transpose([b.index(i) for i in batch + summed + columns])
    right = right.reshape(*stack, inner, math.prod(size[i] for i in columns))
    order = batch + rows + columns
    return np.matmul(left, right).reshape([size[i] for i in order]).transpose([order.index(i) for i in output])


def _split_subscripts(subscripts: str) -> tuple[list[str], str]:
    inputs, output = subscripts.split("->")
    return inputs.split(","), output


def _einsum_rule(xp: Any, needs: list[bool], g: Any, y: Any, *xs: Any, subscripts: str) -> list[Any]:
    """Computes the gradient of each operand as an einsum in which the upstream gradient replaces the operand."""
    inputs, output = _split_subscripts(subscripts)

    def gradient(k: int) -> Any:
        others = [output, *inputs[:k], *inputs[k + 1 :]]
        return xp.einsum(g, *xs[:k], *xs[k + 1 :], subscripts=f"{','.join(others)}->{inputs[k]}")

    return [gradient(k) if need else None for k, need in enumerate(needs)]


def _einsum_flops(inputs: Sequence[Array], outputs: Sequence[Array], params: dict[str, Any]) -> int:
    names, _ = _split_subscripts(params["subscripts"])
    sizes = {letter: n for axes, x in zip(names, inputs, strict=True) for letter, n in zip(axes, x.shape, strict=True)}
    return len(inputs) * math.prod(sizes.values())


_EINSUM = Primitive(
    "einsum", _einsum, formula="Σ of products", derivative=("the product of the others, summed",),
    vjp=_einsum_rule,
    flops=_einsum_flops, batch=rules.einsum,
)  # fmt: skip


def _parse(subscripts: str, shapes: list[Shape]) -> tuple[list[str], str]:
    """Returns the letters of each operand and of the result; "..." and a missing result are replaced by letters."""
    operands, arrow, result = subscripts.replace(" ", "").partition("->")
    inputs = operands.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r} expects {len(inputs)} operands, got {len(shapes)}")
    unused = [c for c in string.ascii_letters if c not in subscripts]
    unnamed = [len(shape) - len(names.replace("...", "")) for names, shape in zip(inputs, shapes, strict=True)]
    for names, shape, n in zip(inputs, shapes, unnamed, strict=True):
        if n < 0 or (n > 0 and "..." not in names):
            raise ValueError(f"einsum: {names!r} needs one letter for each axis of shape {shape}")
    dots = "".join(unused[: max(unnamed)])  # broadcasting aligns axes at the end
    inputs = [names.replace("...", dots[len(dots) - n :]) for names, n in zip(inputs, unnamed, strict=True)]
    if arrow:
        output = result.replace("...", dots)
    else:
        occurrences = Counter("".join(inputs))
        output = dots + "".join(sorted(i for i in occurrences if occurrences[i] == 1 and i not in dots))
    if not set("".join(inputs) + output) <= set(string.ascii_letters):
        raise ValueError(f"einsum: subscripts must be letters, got {subscripts!r}")
    if len(set(output)) != len(output) or not set(output) <= set("".join(inputs)):
        raise ValueError(f"einsum: the result of {subscripts!r} must consist of letters of the operands, each once")
    return inputs, output


@implements(np.einsum)
def einsum(subscripts: Any, *operands: Any, **numpy: Any) -> Tensor:
    """Einstein summation: letters name axes; sums products over all letters that are not after "->".

    The notation is that of `np.einsum`: letters, or operands that alternate with lists of numbers, `einsum(a, [0, 1], [1])`.
    Without "->", letters that occur once remain, in alphabetical order. The gradient of an operand is an einsum in which the
    upstream gradient replaces it. Raises ValueError if shapes do not match.

    >>> import autograd_mini as ag
    >>> a = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ag.einsum("ij,jk->ik", a, a)
    Tensor([[ 7., 10.],
            [15., 22.]], shape=(2, 2))
    >>> ag.einsum("ii", a)
    Tensor(5.0)
    """
    if numpy:
        return numpys_keywords(einsum, (subscripts, *operands), numpy)
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists(subscripts, *operands)
    xs = list(as_operands(*operands)) if operands else []
    inputs, output = _parse(subscripts, [x._data.shape for x in xs])
    size: dict[str, int] = {}
    for names, x in zip(inputs, xs, strict=True):
        for i, n in zip(names, x._data.shape, strict=True):
            if size.setdefault(i, n) != n and 1 not in (n, size[i]):
                raise ValueError(f"einsum: axis {i!r} has lengths {size[i]} and {n} in {', '.join(str(t.shape) for t in xs)}")
            size[i] = n if size[i] == 1 else size[i]
    terms = [_merge_repeated(names, x, size) for names, x in zip(inputs, xs, strict=True)]
    occurrences = Counter("".join(names for names, _ in terms) + output)
    terms = [_sum_unshared(names, x, occurrences) for names, x in terms]
    if len(terms) == 1:
        names, x = terms[0]
        return transpose(x, [names.index(i) for i in output])
    return apply(_EINSUM, tuple(x for _, x in terms), {"subscripts": f"{','.join(names for names, _ in terms)}->{output}"})


def _from_lists(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """Returns NumPy's other form, operands that alternate with lists of axis numbers, as letters and operands."""
    operands, lists = arguments[::2], list(arguments[1::2])
    output = []
    if len(operands) > len(lists):
        *operands, last = operands  # type: ignore[assignment]
        output = [last]
    try:
        names = ["".join("..." if i is Ellipsis else string.ascii_letters[i] for i in axes) for axes in (*lists, *output)]
    except (TypeError, IndexError):
        names = []
    if not names or not lists:
        raise TypeError(
            "einsum: expected a string such as 'ij,jk->ik' and operands, or operands that alternate with lists of axis numbers "
            f"below {len(string.ascii_letters)}, got arguments of the types {', '.join(type(a).__name__ for a in arguments)}"
        )
    return ",".join(names[: len(lists)]) + ("->" + names[-1] if output else ""), tuple(operands)


def _merge_repeated(names: str, x: Tensor, size: dict[str, int]) -> tuple[str, Tensor]:
    """Takes diagonals until each letter occurs once, and removes axes of length 1 that only broadcast."""
    for i in dict.fromkeys(names):
        while names.count(i) > 1:
            first, second = names.index(i), names.rindex(i)
            if x._data.shape[first] != x._data.shape[second]:
                raise ValueError(f"einsum: {names!r} takes a diagonal, which needs equal lengths, got shape {x._data.shape}")
            x = diagonal(x, 0, first, second)
            names = names[:first] + names[first + 1 : second] + names[second + 1 :] + i
    remaining = [k for k, i in enumerate(names) if x._data.shape[k] == size[i]]
    if len(remaining) == len(names):
        return names, x
    return "".join(names[k] for k in remaining), reshape(x, [x._data.shape[k] for k in remaining])


def _sum_unshared(names: str, x: Tensor, occurrences: Counter[str]) -> tuple[str, Tensor]:
    """Sums the operand over letters that occur nowhere else."""
    unshared = tuple(k for k, i in enumerate(names) if occurrences[i] == 1)
    return "".join(i for i in names if occurrences[i] > 1), reduce.sum(x, unshared) if unshared else x


@implements(np.inner)
def inner(a: TensorLike, b: TensorLike) -> Tensor:
    """Sum of products over the last axes: Σₖ a[…, k] b[…, k]; the product a · b if one operand is 0-d.

    >>> import autograd_mini as ag
    >>> ag.inner([1.0, 2.0], [3.0, 4.0])
    Tensor(11.0)
    """
    a, b = as_operands(a, b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"inner: the last axes must have equal lengths, got shapes {a.shape} and {b.shape}")
    return tensordot(a, b, axes=(a.ndim - 1, b.ndim - 1))


@implements(np.kron)
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """Kronecker product: each element of `a` times all of `b`, arranged in blocks.

    >>> import autograd_mini as ag
    >>> ag.kron([1.0, 10.0], [1.0, 2.0])
    Tensor([ 1.,  2., 10., 20.])
    """
    a, b = as_operands(a, b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - t.ndim) + t.shape for t in (a, b))
    # (a₁, 1, a₂, 1, …) · (1, b₁, 1, b₂, …); then each pair of axes becomes one.
    blocks = reshape(a, [n for size in left for n in (size, 1)]) * reshape(b, [n for size in right for n in (1, size)])
    return reshape(blocks, tuple(m * n for m, n in zip(left, right, strict=True)))


@implements(np.cross)
def cross(a: TensorLike, b: TensorLike, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """Vector product of 3-vectors along `axis`.

    >>> import autograd_mini as ag
    >>> ag.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    Tensor([0., 0., 1.])
    """
    a, b = as_operands(a, b)
    axis = axis if dim is None else one_axis("cross", axis, dim, -1)
    for t in (a, b):
        if t.shape[canonical_axis("cross", axis, t.ndim)] != 3:
            raise ValueError(f"cross: expected 3 elements along axis {axis}, got shapes {a.shape} and {b.shape}")
    x, y = (swapaxes(t, axis, -1) for t in (a, b))
    u, v = ([getitem(t, (..., i)) for i in range(3)] for t in (x, y))
    product = stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], axis=-1)
    return swapaxes(product, axis, -1)
