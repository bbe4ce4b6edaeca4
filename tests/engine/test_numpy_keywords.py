"""NumPy's keywords on functions and methods of this library: NumPy's values and dtypes, and the gradient of differences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini.tools.numpy_protocol import numpy_functions

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
    "no difference": (lambda x: ag.diff(x, n=0), lambda x: np.diff(x, n=0)),
    "arrays at both ends": (lambda x: ag.diff(x, prepend=X[:, :2], append=X[:, 1:]), lambda x: np.diff(x, prepend=X[:, :2], append=X[:, 1:])),
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


MIXED = {  # function -> a keyword of NumPy, with a value that changes nothing
    "sum": {"initial": 0.0}, "mean": {"where": True}, "prod": {"initial": 1.0}, "max": {"initial": -9.0}, "min": {"initial": 9.0},
    "any": {"where": True}, "all": {"where": True}, "var": {"mean": None, "where": True}, "std": {"where": True},
    "argmax": {"out": None}, "argmin": {"out": None}, "cumsum": {"out": None}, "cumprod": {"out": None}, "sort": {"kind": None},
    "argsort": {"kind": None}, "diff": {"prepend": np.empty((2, 0))}, "take": {"mode": "raise"}, "concatenate": {"dtype": None},
    "stack": {"dtype": None},
}  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {}, {"axis": 0}, {"axis": 1}, {"dim": 0}, {"dim": -1}, {"axis": 1, "keepdims": True}, {"axis": 0, "keepdim": True}, {"keepdims": True},
    {"descending": True}, {"dim": 1, "keepdim": True}, {"ddof": 1}, {"correction": 1}, {"n": 2},
]  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_the_other_arguments_keep_their_meaning_beside_a_keyword_of_numpy(name: str) -> None:
    """A keyword that changes nothing changes nothing, whatever else is given; PyTorch's pairs of values and indices included."""
    function = getattr(ag, name)
    x = ag.Tensor(X)
    args = ([x, x],) if name in ("concatenate", "stack") else (x, [1, 0]) if name == "take" else (x,)
    numpys = dict(MIXED[name])
    if name == "var":
        numpys.pop("mean")
    checked = 0
    for options in OPTIONS:
        if name == "diff" and options.get("axis", options.get("dim", -1)) == 0:
            continue  # `prepend` has the shape for axis 1
        try:
            plain = function(*args, **options)
        except TypeError:  # it has no such option
            continue
        if not isinstance(plain, ag.Tensor):  # with dim, values and indices
            continue
        mixed = function(*args, **options, **numpys)
        assert mixed.shape == plain.shape, options
        np.testing.assert_allclose(mixed.data, plain.data, rtol=1e-12, err_msg=str(options))
        checked += 1
    assert checked >= 2


OWN_DEFAULTS = {  # where this library follows PyTorch, or a method of NumPy needs no argument
    ("cross", "axis"), ("var", "ddof"), ("std", "ddof"), ("argsort", "stable"), ("sort", "stable"), ("svd", "full_matrices"),
}  # fmt: skip


def test_functions_that_numpy_dispatches_to_have_numpys_defaults() -> None:
    checked = 0
    for numpys, ours in numpy_functions.items():
        try:
            theirs, own = inspect.signature(numpys).parameters, inspect.signature(ours).parameters
        except ValueError:  # written in C
            continue
        for name in theirs.keys() & own.keys():
            a, b = theirs[name].default, own[name].default
            if a in (inspect.Parameter.empty, np._NoValue) or b is inspect.Parameter.empty:  # type: ignore[attr-defined]
                continue
            checked += 1
            assert a == b or (numpys.__name__, name) in OWN_DEFAULTS, (numpys.__name__, name, a, b)
    assert checked > 60


def test_a_split_into_parts_of_length_1() -> None:
    assert [part.tolist() for part in ag.split([1.0, 2.0, 3.0], 1, dim=0)] == [[1.0], [2.0], [3.0]]
