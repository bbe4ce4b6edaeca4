"""NumPy's statistics that consist of other operations: weighted means, sums without nan, covariances and correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...apply import as_float, as_floats, as_operands
from ...tensor import Axis, Tensor, TensorLike, as_tensor
from ...tools.arguments import flag
from .._make import implements, numpys_keywords
from ..elementwise import clip, isnan, sqrt, where
from ..index import getitem
from ..linalg import matmul
from ..moments import _ddof
from ..reduce import canonical_axes, mean, sum
from ..shape import astype, atleast_2d, broadcast_to, concatenate, expand_dims, reshape, squeeze, transpose

__all__ = [
    "average", "corrcoef", "cov", "nanmean", "nansum",
]  # fmt: skip


@implements(np.nansum)
def nansum(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Sum along `axis` of the elements that are not nan, which get gradient 1; nan gets 0.

    >>> import autograd_mini as ag
    >>> ag.nansum([1.0, float("nan"), 3.0])
    Tensor(4.0)
    """
    if numpy:
        return numpys_keywords(nansum, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    x = as_tensor(x)
    return sum(where(isnan(x), 0.0, x) if x._data.dtype.kind == "f" else x, axis, keepdims, dim=dim, keepdim=keepdim)


@implements(np.nanmean)
def nanmean(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False, **numpy: Any
) -> Tensor:
    """Mean along `axis` of the elements that are not nan; nan if there are none. Elements that are nan get gradient 0.

    >>> import autograd_mini as ag
    >>> ag.nanmean([1.0, float("nan"), 3.0])
    Tensor(2.0)
    """
    if numpy:
        return numpys_keywords(nanmean, (x,), numpy, axis=axis, dim=dim, keepdims=keepdims, keepdim=keepdim)
    x = as_float(x)
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims, "dim": dim, "keepdim": keepdim}
    missing = isnan(x)
    total, share = sum(where(missing, 0.0, x), **options), mean(astype(missing, x.dtype), **options)
    n = x._data.size / max(total._data.size, 1)
    count = n - share * n
    return total / where(count == 0, np.nan, count)


# -- weights ------------------------------------------------------------------------------------------------------------------


def _weights_of(x: Tensor, weights: Tensor, axis: Axis) -> Tensor:
    """Returns weights that broadcast against `x`: of its shape, or of the lengths of `axis`, in the order of `axis`."""
    if weights._data.shape == x._data.shape:
        return weights
    axes = canonical_axes("average", axis, x._data.ndim)
    order = axes if not isinstance(axis, tuple) else tuple(a % x._data.ndim for a in axis)
    lengths = tuple(x._data.shape[a] for a in order)
    if axis is None or weights._data.shape != lengths:
        expected = f"{x.shape}" if axis is None else f"{x.shape} or {lengths}"
        raise ValueError(f"average: expected weights of shape {expected} for axis={axis}, got {weights.shape}")
    sorted_weights = transpose(weights, tuple(np.argsort(order).tolist()))
    return reshape(sorted_weights, tuple(n if i in axes else 1 for i, n in enumerate(x._data.shape)))


@implements(np.average)
def average(
    x: TensorLike, axis: Axis = None, weights: TensorLike | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Weighted mean Σ w x / Σ w along `axis`.

    Parameters
    ----------
    x : the tensor
    axis : an int, a tuple, or None for all axes
    weights : one weight for each element, or for each position along `axis`; by default all are equal
    returned : True to return the pair (mean, Σ w)
    keepdims : keep the reduced axes at length 1

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.average([1.0, 4.0], weights=[2.0, 1.0])
    Tensor(2.0)
    """
    keepdims, returned = flag("average", "keepdims", keepdims), flag("average", "returned", returned)
    if weights is None:
        x = as_float(x)
        result = mean(x, axis, keepdims)
        total = as_float(np.asarray(x._data.size / max(result._data.size, 1), x.dtype))
    else:
        x, w = as_floats(x, weights)
        x, w = as_operands(x, w)
        w = _weights_of(x, w, axis)
        w = broadcast_to(w, x._data.shape)
        total = sum(w, axis, keepdims)
        result = sum(x * w, axis, keepdims) / total
    return (result, broadcast_to(total, result._data.shape)) if returned else result


# -- covariances --------------------------------------------------------------------------------------------------------------


def _variables(name: str, x: TensorLike, y: TensorLike | None, rowvar: bool) -> Tensor:
    """Returns a matrix with a variable in each row and an observation in each column."""
    tensors = as_floats(x) if y is None else as_operands(*as_floats(x, y))
    if any(t._data.ndim > 2 for t in tensors):
        raise ValueError(f"{name}: expected at most two axes, got shapes {[t.shape for t in tensors]}")
    rows = [t if rowvar or t._data.ndim < 2 else transpose(t) for t in tensors]
    matrices = [atleast_2d(t) for t in rows]
    if len({m._data.shape[1] for m in matrices}) > 1:
        raise ValueError(f"{name}: x and y need equal numbers of observations, got shapes {[t.shape for t in tensors]}")
    return matrices[0] if y is None else concatenate(matrices)


def _observation_weights(argument: str, weights: TensorLike, like: Tensor, whole: bool) -> Tensor:
    w = as_tensor(weights)
    n = like._data.shape[1]
    if w._data.shape != (n,) or (whole and w._data.dtype.kind not in "iu"):
        kind = "integers" if whole else "numbers"
        raise ValueError(f"cov: {argument} must hold {kind} of shape ({n},), got {w.dtype} of shape {w.shape}")
    return astype(w, like.dtype)


@implements(np.cov)
def cov(
    x: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: TensorLike | None = None,
    aweights: TensorLike | None = None,
    *,
    correction: int | None = None,
    **numpy: Any,
) -> Tensor:
    """Covariance matrix of the variables in the rows of `x`, each with one observation per column.

    Parameters
    ----------
    x : a matrix, or a vector for one variable
    y : more variables, with the same observations
    rowvar : False if variables are columns
    bias : True to divide by n instead of n − 1
    ddof : divide by n − ddof instead
    fweights : how many times each observation counts, integers
    aweights : the weight of each observation
    correction : PyTorch's name of `ddof`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    Tensor([[ 1., -1.],
            [-1.,  1.]], shape=(2, 2))
    """
    if numpy:
        given = {"y": y, "bias": bias, "ddof": ddof, "fweights": fweights, "aweights": aweights, "correction": correction}
        return numpys_keywords(cov, (x,), {**numpy, "rowvar": rowvar}, **given)
    rows, unbiased = flag("cov", "rowvar", rowvar), not flag("cov", "bias", bias)
    freedom = _ddof("cov", ddof, None, correction, unbiased if ddof is None and correction is None else None)
    matrix = _variables("cov", x, y, rows)
    factors = [
        _observation_weights(argument, weights, matrix, whole)
        for argument, weights, whole in (("fweights", fweights, True), ("aweights", aweights, False))
        if weights is not None
    ]
    if not factors:
        centred = matrix - mean(matrix, 1, True)
        return squeeze(matmul(centred, transpose(centred)) / _divisor(matrix._data.shape[1] - freedom))
    weight = factors[0] if len(factors) == 1 else factors[0] * factors[1]
    total = sum(weight)
    centred = matrix - expand_dims(matmul(matrix, weight) / total, 1)
    # Weights of reliability count as a fraction of an observation: NumPy's divisor.
    count = total - freedom if aweights is None else total - freedom * sum(weight * factors[-1]) / total
    return squeeze(matmul(centred * weight, transpose(centred)) / count)


def _divisor(count: float) -> float:
    """Returns a divisor, or nan if there are too few observations."""
    return count if count > 0 else np.nan


@implements(np.corrcoef)
def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True, **numpy: Any) -> Tensor:
    """Correlation coefficients of the variables in the rows of `x`: the covariances divided by the standard deviations.

    Parameters
    ----------
    x, y, rowvar : as in `cov`

    Examples
    --------
    >>> import autograd_mini as ag
    >>> ag.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    Tensor([[ 1., -1.],
            [-1.,  1.]], shape=(2, 2))
    """
    if numpy:
        return numpys_keywords(corrcoef, (x,), {**numpy, "rowvar": rowvar}, y=y)
    matrix = atleast_2d(cov(_variables("corrcoef", x, y, flag("corrcoef", "rowvar", rowvar))))
    diagonal = np.arange(matrix._data.shape[0])
    deviation = sqrt(getitem(matrix, (diagonal, diagonal)))
    return squeeze(clip(matrix / expand_dims(deviation, 1) / deviation, -1.0, 1.0))
