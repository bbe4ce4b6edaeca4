"""Losses that include their softmax or sigmoid, which makes them exact for all logits; they are not reduced."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...apply import apply, as_float, as_floats, cast, kind_of
from ...batching import rules
from ...memory.threads import split_work
from ...primitive import Primitive
from ...tensor import Array, Tensor, TensorLike, as_tensor
from ..reduce import sum as _sum
from .channels import in_float32, store
from .softmax import log_softmax

__all__ = [
    "binary_cross_entropy_with_logits", "softmax_cross_entropy",
]  # fmt: skip


def _cross_entropy(logits: Array, targets: Array, out: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    if logits.dtype.itemsize == 2:
        found = [a.astype(logits.dtype) for a in _cross_entropy(logits.astype(np.float32), targets)]
        return tuple(map(store, found, out or (None, None)))  # type: ignore[return-value]
    classes = logits.shape[-1]
    rows, labels = logits.reshape(targets.size, classes), targets.reshape(targets.size).astype(np.int64, copy=False)
    if targets.size and np.maximum.reduce(labels.view(np.uint64)) >= classes:  # unsigned, negative ones are largest
        raise IndexError
    loss, slope = out or (np.empty(targets.shape, logits.dtype), np.empty(logits.shape, logits.dtype))
    # One index is three times as fast as two. `take` needs it in NumPy's index type, which has 32 bits in a browser.
    e, at = slope.reshape(rows.shape), np.add(np.arange(0, rows.size, classes), labels, dtype=np.intp, casting="same_kind")
    np.subtract(rows, np.maximum.reduce(rows, axis=1, keepdims=True), e)
    selected, flat = e.take(at), e.reshape(e.size)
    np.exp(e, e)
    # The sum of all is that of the others plus eₜ. If eₜ is 1 and the others are small, their digits are those of the result.
    target = flat.take(at)
    flat[at] = 0
    others = np.add.reduce(e, axis=1)
    excess = others + (target - 1)
    np.subtract(np.log1p(excess), selected, loss.reshape(-1))
    flat[at] = -others  # pₜ − 1 is −Σ pⱼ of the other classes
    e /= (excess + 1)[:, None]
    return loss, slope


def _add_last_axis(xp: Any, g: Any) -> Any:
    """Appends an axis of length 1 to `g`."""
    return xp.reshape(g, shape=(*g.shape, 1))


def _cross_entropy_rule(xp: Any, g: Any, out: Any, logits: Any, targets: Any) -> Any:
    (to_loss, to_slope), slope = g, out[1]
    from_loss = None if to_loss is None else slope * _add_last_axis(xp, to_loss)
    if to_slope is None:
        return from_loss
    p = slope + xp.one_hot(targets, classes=slope.shape[-1], dtype=slope.dtype)
    from_slope = p * (to_slope - xp.sum(to_slope * p, axis=(p.ndim - 1,), keepdims=True))
    return from_slope if from_loss is None else from_loss + from_slope


_CROSS_ENTROPY = Primitive(
    "softmax_cross_entropy", _cross_entropy, formula="−ln softmax(z)ₜ", derivative=("softmax(z) − [j = t]",),
    vjp=(_cross_entropy_rule, None),
    explain=lambda z, t: f"targets must lie in [0, {z.shape[-1]}), got {t.min()} to {t.max()}" if t.size else "", outputs=2,
    uniform=False, nanoseconds=1.0, rowwise=True, batch=rules.same,
)  # fmt: skip


def softmax_cross_entropy(logits: TensorLike, targets: TensorLike) -> Tensor:
    """−ln softmax(z)ₜ for every row of `logits` (…, K) of any size: a loss of shape (…), not reduced.

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


@in_float32
def _bce(z: Array, t: Array, out: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    loss, slope = out or (np.empty_like(z), np.empty_like(z))
    if z.size <= _CHUNK_ELEMENTS:
        _bce_chunk(z, t, loss, slope)
        return loss, slope
    step = max(1, _CHUNK_ELEMENTS * len(z) // z.size)

    def rows(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            chunk = slice(start, min(start + step, part.stop))
            _bce_chunk(z[chunk], t[chunk] if t.ndim else t, loss[chunk], slope[chunk])

    split_work(rows, len(z), z.size * _BCE_COST)
    return loss, slope


def _bce_chunk(z: Array, t: Array, loss: Array, slope: Array) -> None:
    # With e = exp(−|z|) the loss is max(z, 0) − z t + ln(1 + e). Its slope σ(z) − t is (½ + ½ sgn z − t) − sgn z · e/(1 + e).
    # On the right side of a target 0 or 1 the bracket is 0, so that a small loss and a small slope keep all their digits.
    np.maximum(z, 0, out=loss)
    e = np.multiply(z, t, np.empty_like(z))
    np.subtract(loss, e, loss)
    np.absolute(z, e)
    np.negative(e, e)
    np.exp(e, e)
    np.add(e, 1, slope)
    np.divide(e, slope, slope)
    np.log1p(e, e)
    np.add(loss, e, loss)
    side = np.sign(z, e)
    np.multiply(slope, side, slope)
    np.multiply(side, 0.5, side)
    np.add(side, 0.5, side)
    np.subtract(side, t, side)
    np.subtract(side, slope, slope)


def _bce_rule_logits(xp: Any, g: Any, out: Any, z: Any, t: Any) -> Any:
    to_loss, to_slope = g
    from_loss = None if to_loss is None else out[1] * to_loss
    if to_slope is None:
        return from_loss
    from_slope = xp.sigmoid(z) * xp.sigmoid(-z) * to_slope
    return from_slope if from_loss is None else from_loss + from_slope


def _bce_rule_targets(xp: Any, g: Any, out: Any, z: Any, t: Any) -> Any:
    to_loss, to_slope = g
    from_loss = None if to_loss is None else -z * to_loss
    if to_slope is None:
        return from_loss
    return -to_slope if from_loss is None else from_loss - to_slope


_BCE = Primitive(
    "binary_cross_entropy_with_logits", _bce, formula="−t ln σ(z) − (1 − t) ln(1 − σ(z))", letters="zt",
    derivative=("σ(z) − t", "−z"),
    vjp=(_bce_rule_logits, _bce_rule_targets),
    outputs=2, nanoseconds=1.0, rowwise=True, batch=rules.repeated,
)  # fmt: skip


def binary_cross_entropy_with_logits(logits: TensorLike, targets: TensorLike) -> Tensor:
    """−t ln σ(z) − (1 − t) ln(1 − σ(z)), elementwise and not reduced, for logits of any size.

    `targets` in [0, 1] have the shape of `logits`, or are one number (else ValueError). Gradient with respect to z: σ(z) − t.

    >>> import autograd_mini as ag
    >>> ag.binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 1.0])
    Tensor([   0., 1000.])
    """
    z, t = as_floats(logits, targets)
    if t._data.ndim and t._data.shape != z._data.shape:
        raise ValueError(f"binary_cross_entropy_with_logits: logits {z.shape} and targets {t.shape} differ in shape")
    return apply(_BCE, (z, t))[0]
