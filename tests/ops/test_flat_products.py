"""A product of a stack of matrices with one matrix or vector is one product of all rows, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini.ops.linalg import _LARGE, SMALL
from autograd_mini.primitive import arrays, registry

RNG = np.random.default_rng(0)

# name -> (operation, shapes of its operands)
PRODUCTS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "3-D by matrix": (ag.matmul, [(5, 4, 3), (3, 2)]),
    "4-D by matrix": (ag.matmul, [(2, 5, 4, 3), (3, 2)]),
    "3-D by vector": (ag.matmul, [(5, 4, 3), (3,)]),
    "linear": (ag.linear, [(5, 4, 3), (2, 3)]),
    "linear with a bias": (ag.linear, [(2, 5, 4, 3), (2, 3), (2,)]),
    "an empty stack": (ag.matmul, [(0, 4, 3), (3, 2)]),
    "an empty sum": (ag.linear, [(5, 4, 0), (2, 0), (2,)]),
}


class Spy(np.ndarray):
    """An array that notes the shapes of each product that it takes part in."""

    products: ClassVar[list[tuple[Any, ...]]] = []

    def dot(self, other: Any, out: Any = None) -> Any:
        self.products.append((self.shape, other.shape))
        return super().dot(other, out)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            self.products.append(tuple(x.shape for x in inputs))
        plain = [x.view(np.ndarray) if isinstance(x, Spy) else x for x in inputs]
        if "out" in options:
            options["out"] = tuple(x.view(np.ndarray) if isinstance(x, Spy) else x for x in options["out"])
        return getattr(ufunc, method)(*plain, **options)


def products_of(run: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """Returns the shapes of the products that `run` computes with spies."""
    Spy.products.clear()
    run()
    return list(Spy.products)


@pytest.mark.parametrize("name", PRODUCTS)
def test_kernels_and_rules_compute_one_flat_product(name: str) -> None:
    operation, shapes = PRODUCTS[name]
    operands = [RNG.standard_normal(shape).view(Spy) for shape in shapes]
    primitive = registry[operation.__name__]
    y = primitive.kernel(*operands)
    forward = products_of(lambda: primitive.kernel(*operands))
    g = RNG.standard_normal(y.shape).view(Spy)
    for run in [
        forward,
        *[products_of(lambda rule=rule: rule(arrays, g, y, *operands)) for rule in primitive.vjp[:2]],
    ]:
        assert len(run) <= 1, "one product, not one per matrix"
        assert all(len(shape) <= 2 for product in run for shape in product), run
    assert forward


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("strided", [False, True])
def test_values_and_gradients_equal_loops(name: str, strided: bool) -> None:
    """Each matrix of the stack by itself, in float64; also for a stack whose axes were swapped."""
    operation, shapes = PRODUCTS[name]
    operands = [RNG.standard_normal(shape) for shape in shapes]
    x, w, *bias = operands
    if strided:
        x = np.asfortranarray(x)
    matrix = w.T if operation is ag.linear else w
    expected = np.zeros((*x.shape[:-1], *matrix.shape[1:]))
    by_x, by_matrix = np.zeros(x.shape), np.zeros(matrix.shape)
    g = RNG.standard_normal(expected.shape)
    for i in np.ndindex(*x.shape[:-1]):
        expected[i] = sum((x[i][k] * matrix[k] for k in range(len(matrix))), np.zeros(matrix.shape[1:])) + (
            bias[0] if bias else 0
        )
        for k in range(len(matrix)):
            by_x[i][k] = np.sum(matrix[k] * g[i])
            by_matrix[k] += x[i][k] * g[i]
    tensors = [ag.from_numpy(a, requires_grad=True) for a in (x, w, *bias)]
    y = operation(*tensors)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    y.backward(g)
    wanted = [by_x, by_matrix.T if operation is ag.linear else by_matrix, *[g.reshape(-1, len(b)).sum(0) for b in bias]]
    for tensor, gradient in zip(tensors, wanted, strict=True):
        np.testing.assert_allclose(tensor.grad.data, gradient, rtol=1e-12, atol=1e-12)


def test_large_stacks_have_the_bits_of_their_halves_on_any_number_of_threads() -> None:
    """Eager, compiled and on two threads: the same halves of the first axis."""
    rows, inner, columns = 5, 64, 128
    stack = 2 * _LARGE // (rows * inner * columns) + 1
    assert inner * columns >= SMALL
    x = ag.Tensor(RNG.standard_normal((stack, rows, inner)).astype(np.float32))
    w = ag.Tensor(RNG.standard_normal((columns, inner)).astype(np.float32))
    layers = lambda x: ag.tanh(ag.linear(x, w)) @ w
    step = ag.jit(lambda x: ag.sum(layers(x), axis=0), exact=True)
    half = len(x) // 2
    expected = ag.sum(ag.concatenate([layers(part) for part in (x[:half], x[half:])]), axis=0)
    for threads in (1, 2):
        with ag.threads(threads):
            for f in (step.function, step, step, step):
                np.testing.assert_array_equal(f(x).data, expected.data)
    assert [row.kernel for row in step.plan.table() if row.memory != "view"] == ["linear … matmul", "sum"]


def test_a_wrong_inner_length_is_named() -> None:
    with pytest.raises(ValueError, match="inner dimensions differ"):
        ag.ones((2, 3, 4)) @ ag.ones((3, 2))
    with pytest.raises(ValueError, match="expected 4 features"):
        ag.linear(ag.ones((2, 3, 5)), ag.ones((2, 4)))
