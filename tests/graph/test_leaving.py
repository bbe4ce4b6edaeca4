"""Every way for a value to leave a tensor, with what it gives on an ordinary graph and inside a transform.

A way that is in no table fails the suite: each attribute of Tensor is an operation, or it is listed here.
"""

from __future__ import annotations

import array
import cmath
import copy
import io
import json
import math
import pickle
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import isfunction
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.methods import TABLE

CONNECTED, CONSTANT, REFUSED = "connected", "constant", "refused"


def into_array(x: Any) -> Any:
    array = np.zeros(2)
    array[0] = x
    return float(array[0])


def written(x: Any) -> Any:
    array = np.zeros(())
    np.add(array, x, out=array)
    return float(array)


def in_a_thread(way: Callable[[Any], Any], x: Any) -> Any:
    """The result of `way`, called in a thread of its own; raises what it raises."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(way, x).result()


# Name: (a function of x that should have the value x, the outcome on an ordinary graph, the outcome inside a transform).
WAYS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "item": (lambda x: x.item(), CONSTANT, REFUSED),
    "tolist": (lambda x: x.tolist(), CONSTANT, REFUSED),
    "float": (float, CONSTANT, REFUSED),
    "int": (int, CONSTANT, REFUSED),
    "complex": (lambda x: complex(x).real, CONSTANT, REFUSED),
    "math": (lambda x: math.fsum([x]), CONSTANT, REFUSED),
    "math.floor": (lambda x: math.floor(x), CONSTANT, REFUSED),
    "np.float64": (np.float64, CONSTANT, REFUSED),
    "array[0] =": (into_array, CONSTANT, REFUSED),
    "out=": (written, REFUSED, REFUSED),
    "np.from_dlpack": (lambda x: float(np.from_dlpack(x)), REFUSED, REFUSED),
    "ag.from_dlpack": (lambda x: ag.from_dlpack(x), REFUSED, REFUSED),
    "np.save": (lambda x: np.save(io.BytesIO(), x) or x, REFUSED, REFUSED),
    "np.nanpercentile": (lambda x: float(np.nanpercentile(x, 50)), REFUSED, REFUSED),
    "np.spacing": (lambda x: float(np.spacing(x)) + 2, REFUSED, REFUSED),
    "np.isclose": (lambda x: np.isclose(x, 2.0) * 2.0, CONSTANT, CONSTANT),
    "np.asarray": (lambda x: float(np.asarray(x)), REFUSED, REFUSED),
    "np.array": (lambda x: float(np.array(x)), REFUSED, REFUSED),
    "np.array of a list": (lambda x: float(np.array([x])[0]), REFUSED, REFUSED),
    "np.ma.array": (lambda x: float(np.ma.array(x)), REFUSED, REFUSED),
    "np.ma.getdata": (lambda x: float(np.ma.getdata(x)), CONSTANT, CONSTANT),
    "np.ma.add": (lambda x: float(np.ma.add(x, 0.0)), REFUSED, REFUSED),
    "masked array +": (lambda x: float(np.ma.array(0.0) + x), REFUSED, REFUSED),
    "np.full": (lambda x: float(np.full(1, x)[0]), REFUSED, REFUSED),
    "numpy()": (lambda x: float(x.numpy()), REFUSED, REFUSED),
    "data": (lambda x: float(x.data), CONSTANT, CONSTANT),
    "detach": (lambda x: x.detach(), CONSTANT, CONSTANT),
    "format": (lambda x: float(f"{x:.9f}"), CONSTANT, CONSTANT),
    "%": (lambda x: float("%f" % x), CONSTANT, REFUSED),  # noqa: UP031
    "json": (lambda x: float(json.dumps(x, default=float)), CONSTANT, REFUSED),
    "array.array": (lambda x: array.array("d", [x])[0], CONSTANT, REFUSED),
    "statistics": (lambda x: statistics.fmean([x]), CONSTANT, REFUSED),
    "list index": (lambda x: [0.0, 1.0, 2.0][int(x)], CONSTANT, REFUSED),
    "cmath": (lambda x: cmath.sqrt(x * x).real, CONSTANT, REFUSED),
    "np.insert": (lambda x: np.insert(np.zeros(1), 0, x)[0], REFUSED, REFUSED),
    "np.random": (lambda x: np.random.default_rng(0).normal(x, 0.0), REFUSED, REFUSED),
    "float in a thread": (lambda x: in_a_thread(float, x), CONSTANT, REFUSED),
    "Tensor in a thread": (lambda x: in_a_thread(Tensor, x), CONSTANT, REFUSED),
    "an operation in a thread": (lambda x: in_a_thread(lambda y: y * 1, x), CONNECTED, CONNECTED),
    "sorted": (lambda x: sorted([x * 2, x])[0], CONNECTED, CONNECTED),
    "max": (lambda x: max(x, 0.0), CONNECTED, CONNECTED),
    "sum": (lambda x: sum([x]), CONNECTED, CONNECTED),
    "dict": (lambda x: {x: x}[x], CONNECTED, CONNECTED),
    "array of objects": (lambda x: (a := np.empty(1, object)).__setitem__(0, x) or a.sum(), CONNECTED, CONNECTED),
    "fill_": (lambda x: ag.zeros((), dtype=np.float64).fill_(x), REFUSED, REFUSED),
    "a write in place": (lambda x: ag.zeros((), dtype=np.float64).copy_(x), REFUSED, REFUSED),
    "copy.copy": (copy.copy, CONNECTED, CONNECTED),
    "copy.deepcopy": (copy.deepcopy, CONNECTED, CONNECTED),
    "copy()": (lambda x: x.copy(), CONNECTED, CONNECTED),
    "pickle": (lambda x: pickle.loads(pickle.dumps(x)), REFUSED, REFUSED),
    "Tensor": (Tensor, CONSTANT, REFUSED),
    "Tensor of a list": (lambda x: Tensor([x]).sum(), REFUSED, REFUSED),
    "Parameter": (lambda x: nn.Parameter(x).detach(), CONSTANT, REFUSED),
    "as_tensor": (ag.as_tensor, CONNECTED, CONNECTED),
    "ag.array": (lambda x: ag.array([[x, 0.0], [0.0, 0.0]]).sum(), CONNECTED, CONNECTED),
    "np.sum": (np.sum, CONNECTED, CONNECTED),
    "iteration": (lambda x: next(iter(ag.reshape(x, 1))), CONNECTED, CONNECTED),
}


def outcome(name: str, inside: bool) -> str:
    """d(way(x) · x)/dx at 2: it is 4 if connected and 2 if way(x) is a constant; anything else is wrong."""
    way = WAYS[name][0]
    try:
        if inside:
            slope = ag.grad(lambda x: way(x) * x)(Tensor(2.0, dtype=np.float64)).item()
        else:
            leaf = Tensor(2.0, dtype=np.float64, requires_grad=True)
            x = leaf * 1
            (way(x) * x).backward()
            assert leaf.grad is not None
            slope = leaf.grad.item()
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # NumPy raises one of its own from ours
        return (
            REFUSED
            if any(hint in f"{error} {error.__cause__}" for hint in ("detach", "ag.array", "ag.where"))
            else f"no way out: {error}"
        )
    return {4.0: CONNECTED, 2.0: CONSTANT}.get(slope, f"wrong: {slope}")


@pytest.mark.parametrize("name", WAYS)
def test_a_way_out_has_the_outcome_of_the_table(name: str) -> None:
    assert (outcome(name, inside=False), outcome(name, inside=True)) == WAYS[name][1:]


def test_every_attribute_of_a_tensor_is_an_operation_or_listed() -> None:
    listed = {
        "item", "tolist", "__float__", "__int__", "__array__", "numpy", "data", "detach", "__format__", "__copy__",
        "__deepcopy__", "__reduce__", "__iter__", "__dlpack__",
    }  # fmt: skip
    harmless = {  # no value leaves, or one without a gradient: shapes, comparisons of one element, integers
        "__init__", "__bool__", "__index__", "__len__", "__repr__", "__setitem__", "__setstate__", "__array_ufunc__",
        "__array_function__", "grad", "shape", "dtype", "ndim", "size", "is_leaf", "requires_grad", "retain_grad",
        "register_hook", "name", "__dlpack_device__", "__array_namespace__",
    }  # fmt: skip
    mine = {n for n, v in vars(Tensor).items() if isfunction(v) or isinstance(v, property)}
    mine = {n for n in mine if not (n.startswith("_") and not n.startswith("__"))}
    assert mine - set(TABLE) - listed - harmless == set()


def test_the_example_of_every_beginner() -> None:
    with pytest.raises(RuntimeError, match=r"ag\.sin for math\.sin"):
        ag.grad(lambda x: x * math.sin(x))(1.0)
    assert ag.grad(lambda x: x * ag.sin(x))(1.0).item() == pytest.approx(math.sin(1) + math.cos(1), abs=1e-6)
    assert ag.grad(lambda x: (copy.copy(x) ** 2).sum() + x.sum())(Tensor([1.0, 2.0])).tolist() == [3, 5]


def test_values_that_no_transform_differentiates_may_leave() -> None:
    w = Tensor(3.0, requires_grad=True)
    seen: list[float] = []

    def f(x: Any) -> Any:
        seen.extend([w.item(), (w * 2).item(), x.detach().item()])
        return x * w

    assert ag.grad(f)(2.0).item() == 3.0
    assert seen == [3.0, 6.0, 2.0]


class Tagged(Tensor):
    """A subclass with attributes of its own, in a dict and in a slot."""

    __slots__ = ("__dict__", "unit")


def test_copies_keep_the_attributes_of_subclasses() -> None:
    x = Tagged([1.0], name="x", requires_grad=True)
    x.unit, x.history = "m", [1]
    for clone in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (type(clone), clone.unit, clone.history, clone.name, clone.requires_grad) == (Tagged, "m", [1], "x", True)
    assert copy.copy(x).history is x.history
    assert copy.deepcopy(x).history is not x.history


def test_an_array_of_tensors_decides_its_dtype_from_all_elements() -> None:
    a = Tensor(np.float64(0.1), requires_grad=True)
    built = ag.array([[a, 0.3], [0.7, a * 2]])
    assert built.dtype == np.float64
    assert built.tolist() == [[0.1, 0.3], [0.7, 0.2]]
    with pytest.raises(ValueError, match="ragged"):
        ag.array([[a, 1.0], [2.0]])
