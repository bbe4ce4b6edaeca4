"""Runs a recorded program again: with the parameters of the next iteration, or with one element changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from autograd_mini.apply import CAST, ITEM, apply
from autograd_mini.state import enable_grad
from autograd_mini.tensor import Array, Tensor

MAX_CALLS: Final = 20_000  # of kernels, for one numerical gradient
STEP: Final = 1e-6


def recorded(loss: Tensor) -> list[Tensor]:
    """Returns all tensors that `loss` depends on: leaves first, then results in the order of their computation."""
    found = {id(loss): loss}
    stack = [loss]
    while stack:
        for x in stack.pop()._inputs:
            if id(x) not in found:
                found[id(x)] = x
                stack.append(x)
    return sorted(found.values(), key=lambda t: (t._primitive is not None, t._seq))


def rerun(loss: Tensor, leaves: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Runs the recorded operations again, with `leaves` in place of the leaves with these creation numbers.

    Returns the new tensor for each old creation number. Random numbers that were drawn stay as they are.
    """
    new: dict[int, Any] = {}
    with enable_grad():
        for t in recorded(loss):
            if t._primitive is None:
                new[t._seq] = leaves.get(t._seq, t)
            elif t._primitive is ITEM:
                new[t._seq] = new[t._inputs[0]._seq][t._params["index"]]
            else:
                new[t._seq] = apply(t._primitive, tuple(new[x._seq] for x in t._inputs), t._params)
    return {seq: t[0]._inputs[0] if isinstance(t, tuple) else t for seq, t in new.items()}


def numerical_gradient(loss: Tensor, seq: int) -> Array | None:
    """Returns central differences of the loss with respect to the tensor with this creation number, in float64.

    None if that takes too long, or if an operation cannot be repeated in float64.
    """
    order = recorded(loss)
    target = next(t for t in order if t._seq == seq)
    later = _depending(order, seq)
    if target._data.dtype.kind != "f" or 2 * target._data.size * len(later) > MAX_CALLS:
        return None
    values = {t._seq: _widen(t._data) for t in order}
    point = values[seq]
    slopes = np.zeros(point.shape)
    try:
        for index in np.ndindex(point.shape):
            h = STEP * max(1.0, abs(float(point[index])))
            above, below = (_loss_at(later, values, seq, index, point, sign * h) for sign in (1, -1))
            slopes[index] = (above - below) / (2 * h)
    except Exception:  # a kernel that knows only the dtype of the program
        return None
    return slopes


def _depending(order: Iterable[Tensor], seq: int) -> list[Tensor]:
    """Returns the results that depend on a tensor, in the order of their computation."""
    reached, later = {seq}, []
    for t in order:
        if t._seq != seq and any(x._seq in reached for x in t._inputs):
            reached.add(t._seq)
            later.append(t)
    return later


def _loss_at(
    later: list[Tensor], values: Mapping[int, Any], seq: int, index: tuple[int, ...], point: Array, change: float
) -> float:
    changed = point.copy()
    changed[index] += change
    now = dict(values) | {seq: changed}
    with np.errstate(all="ignore"):
        for t in later:
            now[t._seq] = _value(t, [now[x._seq] for x in t._inputs])
    return float(np.asarray(now[later[-1]._seq] if later else changed).reshape(-1)[0])


def _value(t: Tensor, operands: list[Any]) -> Any:
    assert t._primitive is not None
    if t._primitive is ITEM:
        return operands[0][t._params["index"]]
    if t._primitive is CAST and t._data.dtype.kind == "f":
        return operands[0]
    return t._primitive.kernel(*operands, **t._params)


def _widen(data: Any) -> Any:
    if isinstance(data, tuple):
        return tuple(map(_widen, data))
    return data.astype(np.float64) if data.dtype.kind == "f" else data
