"""NumPy's keywords on functions and methods of this library: NumPy's values and dtypes, and the gradient of differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag

X = np.array([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]])
LARGE = X > 2
Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]  # ours on a tensor, and NumPy's on an array

CALLS: dict[str, Pair] = {
    "transpose": (lambda x: ag.transpose(x, axes=(1, 0)), lambda x: x.T),
    "x.transpose": (lambda x: x.transpose(axes=(1, 0)), lambda x: x.T),
    "clip": (lambda x: ag.clip(x, min=1.5, max=4.5), lambda x: np.clip(x, 1.5, 4.5)),
    "clip, older names": (lambda x: ag.clip(x, a_min=1.5, a_max=4.5), lambda x: np.clip(x, 1.5, 4.5)),
    "x.clip": (lambda x: x.clip(min=2.5), lambda x: np.clip(x, 2.5, None)),
    "dtype": (lambda x: ag.sum(x, axis=0, dtype="float32"), lambda x: np.sum(x, axis=0, dtype="f4")),
    "x.sum": (lambda x: x.sum(1, initial=10.0, dtype="float32"), lambda x: x.sum(1, initial=10.0, dtype="f4")),
    "PyTorch's dim with dtype": (lambda x: x.sum(dim=0, dtype="float32"), lambda x: np.sum(x, axis=0, dtype="f4")),
    "initial": (lambda x: ag.prod(x, axis=1, initial=2.0), lambda x: np.prod(x, axis=1, initial=2.0)),
    "initial of max": (lambda x: ag.max(x, axis=0, initial=4.5), lambda x: np.max(x, axis=0, initial=4.5)),
    "initial of min": (lambda x: x.min(initial=2.5), lambda x: np.min(x, initial=2.5)),
    "where": (lambda x: ag.sum(x, 0, where=LARGE), lambda x: np.sum(x, 0, where=LARGE)),
    "where with initial": (lambda x: ag.sum(x, 0, where=LARGE, initial=10.0), lambda x: np.sum(x, 0, where=LARGE, initial=10.0)),
    "where of prod with initial": (lambda x: np.prod(x, 1, initial=2.0, where=LARGE), lambda x: np.prod(x, 1, initial=2.0, where=LARGE)),
    "where of min": (lambda x: x.min(0, initial=5.5, where=LARGE), lambda x: np.min(x, 0, initial=5.5, where=LARGE)),
    "where by the protocol": (lambda x: np.sum(x, axis=0, where=LARGE), lambda x: np.sum(x, 0, where=LARGE)),
    "where of prod": (lambda x: ag.prod(x, axis=0, where=LARGE), lambda x: np.prod(x, axis=0, where=LARGE)),
    "where of mean": (lambda x: ag.mean(x, axis=0, where=LARGE), lambda x: np.mean(x, axis=0, where=LARGE)),
    "where of mean by the protocol": (lambda x: np.mean(x, where=LARGE), lambda x: np.mean(x, where=LARGE)),
    "where of max": (lambda x: ag.max(x, 0, initial=0.5, where=LARGE), lambda x: np.max(x, 0, initial=0.5, where=LARGE)),
    "where of any": (lambda x: ag.any(x, where=X > 5), lambda x: np.any(x, where=X > 5)),
    "shape": (lambda x: ag.reshape(x, shape=(3, 2)), lambda x: x.reshape(3, 2)),
    "newshape": (lambda x: ag.reshape(x, newshape=-1), lambda x: x.reshape(-1)),
    "order": (lambda x: ag.reshape(x, (3, 2), order="F"), lambda x: x.reshape((3, 2), order="F")),
    "x.reshape": (lambda x: x.reshape(3, 2, order="F"), lambda x: x.reshape((3, 2), order="F")),
    "ravel": (lambda x: ag.ravel(x, order="F"), lambda x: x.ravel("F")),
    "x.flatten": (lambda x: x.flatten("F") + x.flatten(order="F"), lambda x: 2 * x.flatten("F")),
    "copy": (lambda x: x.copy("F"), lambda x: x.copy("F")),
    "kind": (lambda x: ag.sort(x, kind="stable"), lambda x: np.sort(x, kind="stable")),
    "x.sort": (lambda x: x.sort(axis=0, kind="quicksort"), lambda x: np.sort(x, axis=0)),
    "argsort": (lambda x: ag.argsort(x, kind="stable"), lambda x: np.argsort(x, kind="stable")),
    "optimize": (lambda x: ag.einsum("ij,kj->ik", x, x, optimize=True), lambda x: np.einsum("ij,kj->ik", x, x)),
    "squeeze": (lambda x: ag.squeeze(ag.expand_dims(x, axis=(0, 3)), axis=(0, 3)), lambda x: x),
    "expand_dims": (lambda x: ag.expand_dims(x, axis=[0, 3]), lambda x: np.expand_dims(x, [0, 3])),
    "correction": (lambda x: ag.var(x, axis=0, correction=1, dtype="float64"), lambda x: np.var(x, axis=0, ddof=1)),
    "cumsum": (lambda x: ag.cumsum(x, axis=0, dtype="float32"), lambda x: np.cumsum(x, axis=0, dtype="f4")),
    "concatenate": (lambda x: ag.concatenate([x, x], dtype="float32"), lambda x: np.concatenate([x, x], dtype="f4")),
    "stack": (lambda x: ag.stack([x, x], axis=1, dtype="float32"), lambda x: np.stack([x, x], axis=1, dtype="f4")),
    "mode wrap": (lambda x: ag.take(x, [7, -8], mode="wrap"), lambda x: np.take(x, [7, -8], mode="wrap")),
    "mode clip": (lambda x: np.take(x, [7, 1], axis=1, mode="clip"), lambda x: np.take(x, [7, 1], axis=1, mode="clip")),
    "prepend": (lambda x: ag.diff(x, prepend=0.0, append=x[:, :1]), lambda x: np.diff(x, prepend=0.0, append=x[:, :1])),
    "prepend by the protocol": (lambda x: np.diff(x, axis=0, prepend=1.0), lambda x: np.diff(x, axis=0, prepend=1.0)),
    "no out": (lambda x: ag.sum(x, 0, out=None), lambda x: np.sum(x, 0)),
    "Frobenius norm": (lambda x: ag.norm(x, "fro"), lambda x: np.linalg.norm(x, "fro")),
    "fill_value": (lambda x: x * ag.full((2, 3), fill_value=2.0, dtype="float64"), lambda x: x * np.full((2, 3), fill_value=2.0)),
    "num": (lambda x: x * ag.linspace(0, 1, num=3, dtype="float64"), lambda x: x * np.linspace(0, 1, num=3)),
    "endpoint": (lambda x: x * ag.linspace(0, 1, 3, "float64", endpoint=False), lambda x: x * np.linspace(0, 1, 3, endpoint=False)),
    "k": (lambda x: x * ag.eye(2, 3, k=1, dtype="float64"), lambda x: x * np.eye(2, 3, k=1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_keyword_means_the_same_as_in_numpy(name: str) -> None:
    ours, numpys = CALLS[name]
    x = ag.Tensor(X, requires_grad=True)
    result, expected = ours(x), np.asarray(numpys(X))
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(result.detach().data, expected, rtol=1e-6)
    if expected.dtype.kind != "f":
        return
    weights, eps = np.random.default_rng(0).uniform(1, 2, expected.shape), 1e-3
    slopes = [
        float(((numpys(X + eps * unit) - numpys(X - eps * unit)) * weights).sum()) / (2 * eps)
        for unit in np.eye(X.size).reshape(-1, *X.shape)
    ]
    np.testing.assert_allclose(ag.grad((result * weights).sum(), x).data.ravel(), slopes, rtol=5e-3, atol=5e-3)


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "out": (lambda x: ag.sum(x, out=np.zeros(())), TypeError, r"ag\.sum: out= would write into an array"),
    "x.sum": (lambda x: x.sum(out=np.zeros(())), TypeError, r"ag\.sum: out= would write"),
    "np.sum": (lambda x: np.sum(x, out=np.zeros(())), TypeError, r"np\.sum: out= would write"),
    "unknown": (lambda x: ag.sum(x, axes=1), TypeError, r"ag\.sum: unknown keyword 'axes'; it takes x, axis, keepdims"),
    "unsupported": (lambda x: ag.var(x, mean=0.0), TypeError, r"ag\.var on a Tensor does not support mean=0\.0; it takes"),
    "where without initial": (lambda x: ag.max(x, where=LARGE), ValueError, "ag.max: where= needs initial="),
    "order": (lambda x: ag.ravel(x, "X"), ValueError, "ravel: order must be one of 'C', 'F', got 'X'"),
    "mode": (lambda x: ag.take(x, [0], mode="a"), ValueError, "mode must be 'raise', 'wrap' or 'clip', got 'a'"),
    "both names": (lambda x: ag.clip(x, 0, 1, min=0), TypeError, "lo=0 and min=0 mean the same"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_keyword_that_is_not_supported_is_named(name: str) -> None:
    use, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        use(ag.Tensor(X, requires_grad=True))
