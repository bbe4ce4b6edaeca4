"""Attention: means of values, weighted by how well keys fit a query."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from ...apply import apply, as_floats, as_number, cast
from ...primitive import registry
from ...tensor import Tensor, TensorLike, as_tensor
from ..elementwise import where
from ..linalg import matmul, matrix_transpose
from ..random import dropout
from .softmax import softmax

__all__ = ["scaled_dot_product_attention"]

_NAME: Final = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Computes softmax(Q Kᵀ · scale + mask) V: for each query a weighted mean of the values (Vaswani et al. 2017, eq. 1).

    A query that may attend to no key gets 0. Raises ValueError if shapes do not fit.

    Parameters
    ----------
    query, key, value : (…, L, E), (…, S, E) and (…, S, V); the result has the shape (…, L, V)
    attn_mask : broadcasts to (…, L, S); bools say which keys a query may attend to, floats are added to the scores
    dropout_p : probability with which a weight becomes 0; it acts in evaluation too
    is_causal : query i may attend to the keys 0 … i only
    scale : factor of the scores; 1/√E by default

    Examples
    --------
    >>> import autograd_mini as ag
    >>> x = ag.Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> ag.scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    Tensor([1., 0.])
    """
    q, k, v = as_floats(query, key, value)
    _check_shapes(q, k, v)
    p = as_number(f"{_NAME}: dropout_p", dropout_p, "a draw has no gradient with respect to its probability; use .detach()")
    if not 0 <= p <= 1:
        raise ValueError(f"{_NAME}: expected dropout_p in [0, 1], got {dropout_p=}")
    return matmul(dropout(attention_weights(q, k, attn_mask, is_causal, scale), p), v)


def attention_weights(
    q: Tensor, k: Tensor, attn_mask: TensorLike | None = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """Returns softmax(Q Kᵀ · scale + mask), of shape (…, L, S); arguments as in `scaled_dot_product_attention`."""
    factor = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else as_number(f"{_NAME}: scale", scale, "scale the query")
    if not isinstance(is_causal, (bool, np.bool_)):
        raise TypeError(f"{_NAME}: is_causal must be True or False, got {is_causal!r}")
    scores = matmul(q * factor, matrix_transpose(k))
    if is_causal:
        if attn_mask is not None:
            raise ValueError(f"{_NAME}: expected attn_mask=None with is_causal=True; use one of them")
        attn_mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if attn_mask is None:
        return softmax(scores)
    return apply(registry["softmax_or_zero"], (mask_scores(scores, as_tensor(attn_mask)),), {"axis": (scores.ndim - 1,)})


def mask_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """Adds a floating mask to the scores, or sets them to −∞ where a boolean mask is False. Raises ValueError for others."""
    try:
        fits = np.broadcast_shapes(scores.shape, mask.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits or mask.dtype.kind not in "bf":
        raise ValueError(
            f"{_NAME}: expected a mask of bools or floats that broadcasts to {scores.shape}, got {mask.dtype} {mask.shape}"
        )
    if mask.dtype.kind == "b":
        return where(mask, scores, -np.inf)
    return scores + cast(mask, scores.dtype)


def _check_shapes(q: Tensor, k: Tensor, v: Tensor) -> None:
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"{_NAME}: expected a query (…, L, E), a key (…, S, E) and a value (…, S, V), "
            f"got {q.shape}, {k.shape} and {v.shape}"
        )
