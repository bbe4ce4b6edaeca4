"""Losses that include their softmax or sigmoid, which makes them exact for all logits; they are not reduced."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...apply import apply, as_float, as_floats, cast, kind_of
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike, as_tensor
from ..reduce import sum as _sum
from .softmax import log_softmax

__all__ = [
    "binary_cross_entropy_with_logits", "softmax_cross_entropy",
]  # fmt: skip


def _cross_entropy(logits: Array, targets: Array, out: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    classes = logits.shape[-1]
    rows, labels = logits.reshape(targets.size, classes), targets.reshape(targets.size).astype(np.int64, copy=False)
    if targets.size and np.maximum.reduce(labels.view(np.uint64)) >= classes:  # unsigned, negative ones are largest
        raise IndexError
    loss, p = out or (np.empty(targets.shape, logits.dtype), np.empty(logits.shape, logits.dtype))
    q = p.reshape(rows.shape)
    np.subtract(rows, np.maximum.reduce(rows, axis=1, keepdims=True), q)
    selected = q.take(_flat_index(labels, classes))
    np.exp(q, q)
    total = np.add.reduce(q, axis=1, keepdims=True)
    q /= total
    np.subtract(np.log(total[:, 0]), selected, loss.reshape(-1))
    return loss, p


def _cross_entropy_backward(p: Array, targets: Array, g: Array, out: Array | None = None) -> Array:
    d = np.multiply(p, g[..., None], order="C", out=out)  # contiguous rows, so that reshaping copies nothing
    labels = targets.reshape(targets.size).astype(np.int64, copy=False)
    d.reshape(d.size)[_flat_index(labels, p.shape[-1])] -= g.reshape(targets.size)
    return d


def _flat_index(labels: Array, classes: int) -> Any:
    """Returns the flat position of the target class of each row; one index is three times as fast as two."""
    return np.arange(0, labels.size * classes, classes) + labels


def _add_last_axis(xp: Any, g: Any) -> Any:
    """Appends an axis of length 1 to `g`."""
    return xp.reshape(g, shape=(*g.shape, 1))


def _cross_entropy_rule(xp: Any, g: Any, out: Any, logits: Any, targets: Any) -> Any:
    (to_loss, to_p), p = g, out[1]
    from_loss = None if to_loss is None else xp.cross_entropy_backward(p, targets, to_loss)
    if to_p is None:
        return from_loss
    from_p = p * (to_p - xp.sum(to_p * p, axis=(p.ndim - 1,), keepdims=True))
    return from_p if from_loss is None else from_loss + from_p


def _backward_rule_for_g(xp: Any, v: Any, d: Any, p: Any, targets: Any, g: Any) -> Any:
    target = xp.one_hot(targets, classes=p.shape[-1], dtype=p.dtype)
    return xp.sum(v * (p - target), axis=(p.ndim - 1,), keepdims=False)


_CROSS_ENTROPY = Primitive(
    "softmax_cross_entropy", _cross_entropy, formula="−ln softmax(z)ₜ", derivative=("softmax(z) − [j = t]",),
    vjp=(_cross_entropy_rule, None),
    explain=lambda z, t: f"targets must lie in [0, {z.shape[-1]}), got {t.min()} to {t.max()}" if t.size else "", outputs=2,
    uniform=False, nanoseconds=1.0, rowwise=True,
)  # fmt: skip
Primitive(
    "cross_entropy_backward", _cross_entropy_backward, formula="δ (p − [j = t])", derivative=("δ", "0", "p − [j = t]"),
    vjp=(lambda xp, v, d, p, targets, g: v * _add_last_axis(xp, g), None, _backward_rule_for_g),
    uniform=False, rowwise=True,
)  # fmt: skip


def softmax_cross_entropy(logits: TensorLike, targets: TensorLike) -> Tensor:
    """−ln softmax(z)ₜ for every row of `logits` (…, K) of any size: a loss of shape (…), not reduced.

    In float32 the error is at most 1e-6, relative to the loss if this is larger than 1.
    `targets` are integers (…) in [0, K), or probabilities (…, K): −Σⱼ tⱼ ln softmax(z)ⱼ. Gradient: softmax(z) − [j = t].
    Raises ValueError if shapes do not fit and IndexError for a class outside [0, K).

    >>> import autograd_mini as ag
    >>> z = ag.Tensor([[1000.0, 0.0]], requires_grad=True)
    >>> ag.softmax_cross_entropy(z, [1]).backward()
    >>> z.grad.tolist()
    [[1.0, -1.0]]
    """
    z = as_float(logits)
    integer = kind_of(targets) in "iu"
    t = as_tensor(targets) if integer else cast(targets, z._data.dtype)
    expected = z._data.shape[:-1] if integer else z._data.shape
    if not z._data.ndim or t._data.shape != expected or not z._data.shape[-1]:
        kind = "integer" if integer else "probability"
        raise ValueError(f"softmax_cross_entropy: logits {z.shape} do not fit {kind} targets {t.shape}")
    if not integer:
        return -_sum(t * log_softmax(z), -1)
    return apply(_CROSS_ENTROPY, (z, t))[0]


_BCE_COST: Final = 1.2  # approximate nanoseconds per element
_CHUNK_ELEMENTS: Final = 1 << 14  # elements that stay in the L1 cache between passes


def _bce(z: Array, t: Array, out: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    loss, p = out or (np.empty_like(z), np.empty_like(z))
    if z.size <= _CHUNK_ELEMENTS:
        _bce_chunk(z, t, loss, p)
        return loss, p
    step = max(1, _CHUNK_ELEMENTS * len(z) // z.size)

    def rows(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            chunk = slice(start, min(start + step, part.stop))
            _bce_chunk(z[chunk], t[chunk] if t.ndim else t, loss[chunk], p[chunk])

    split_work(rows, len(z), z.size * _BCE_COST)
    return loss, p


def _bce_chunk(z: Array, t: Array, loss: Array, p: Array) -> None:
    # One tanh and one log: σ(z) = (1 + tanh(z/2)) / 2, and the loss is max(z, 0) − z t − ln σ(|z|).
    np.multiply(z, 0.5, p)
    np.tanh(p, p)
    term = np.absolute(p, np.empty_like(p))
    for a in (p, term):
        np.multiply(a, 0.5, a)
        np.add(a, 0.5, a)
    np.log(term, term)
    np.maximum(z, 0, out=loss)
    np.subtract(loss, term, loss)
    np.multiply(z, t, term)
    np.subtract(loss, term, loss)


def _bce_rule(xp: Any, g: Any, out: Any, z: Any, t: Any) -> Any:
    (to_loss, to_p), p = g, out[1]
    from_loss = None if to_loss is None else (p - t) * to_loss
    if to_p is None:
        return from_loss
    from_p = p * (1 - p) * to_p
    return from_p if from_loss is None else from_loss + from_p


_BCE = Primitive(
    "binary_cross_entropy_with_logits", _bce, formula="−t ln σ(z) − (1 − t) ln(1 − σ(z))", derivative=("σ(z) − t", "−z"),
    vjp=(_bce_rule, lambda xp, g, out, z, t: None if g[0] is None else -z * g[0]),
    outputs=2, nanoseconds=1.0, rowwise=True,
)  # fmt: skip


def binary_cross_entropy_with_logits(logits: TensorLike, targets: TensorLike) -> Tensor:
    """−t ln σ(z) − (1 − t) ln(1 − σ(z)), elementwise and not reduced, for logits of any size.

    In float32 the error is at most 1e-6, relative to the loss if this is larger than 1; that of σ(z) in the gradient is 1e-7.
    `targets` in [0, 1] have the shape of `logits`, or are one number (else ValueError). Gradient with respect to z: σ(z) − t.

    >>> import autograd_mini as ag
    >>> ag.binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 1.0])
    Tensor([   0., 1000.])
    """
    z, t = as_floats(logits, targets)
    if t._data.ndim and t._data.shape != z._data.shape:
        raise ValueError(f"binary_cross_entropy_with_logits: logits {z.shape} and targets {t.shape} differ in shape")
    return apply(_BCE, (z, t))[0]
