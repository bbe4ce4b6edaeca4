"""Options of transforms: has_aux, several argnums, lists of numbers, missing values, and errors that name the argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor


def f(x: Any, y: Any) -> Any:
    """A scalar function whose derivatives are easy: ∂x = y³, ∂y = 3 x y², ∂x∂y = 3y², ∂y∂y = 6 x y."""
    return (x * y**3).sum()


def with_aux(x: Any) -> tuple[Any, dict[str, Any]]:
    return (x**3).sum(), {"seen": x * 2, "text": "kept", "count": 7}


X = np.array([1.0, 2.0])
AUX: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "grad": (lambda: ag.grad(with_aux, has_aux=True)(X), [3.0, 12.0]),
    "value_and_grad": (lambda: ag.value_and_grad(with_aux, has_aux=True)(X)[::-1], [3.0, 12.0]),
    "vjp": (lambda: (lambda y, pull, aux: (pull(1.0)[0], aux))(*ag.vjp(with_aux, X, has_aux=True)), [3.0, 12.0]),
    "jvp": (lambda: ag.jvp(with_aux, (X,), (np.ones(2),), has_aux=True)[1:], 15.0),
    "jacobian": (lambda: ag.jacobian(with_aux, has_aux=True)(X), [3.0, 12.0]),
    "hessian": (lambda: ag.hessian(with_aux, has_aux=True)(X), [[6.0, 0.0], [0.0, 12.0]]),
    "hvp": (lambda: (lambda hv, aux: (hv[0], aux))(*ag.hvp(with_aux, (X,), (np.ones(2),), has_aux=True)), [6.0, 12.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", AUX)
def test_has_aux_returns_what_else_the_function_computed(name: str) -> None:
    """The derivative is the same, and the tensors among the rest have values but no graph."""
    call, expected = AUX[name]
    result, aux = call()
    aux = aux[1] if isinstance(aux, tuple) else aux  # value_and_grad returns (value, aux)
    assert result.tolist() == expected
    assert aux["text"] == "kept"
    assert aux["count"] == 7
    assert aux["seen"].tolist() == [2.0, 4.0]
    assert not aux["seen"].requires_grad


def test_aux_stays_connected_to_an_outer_transform() -> None:
    """d/dx (g + aux) with g = 3x² and aux = 2x is 6x + 2."""

    def outer(x: Any) -> Any:
        gradient, aux = ag.grad(with_aux, has_aux=True)(x)
        return gradient + aux["seen"]

    assert ag.grad(outer)(2.0).item() == 14


@pytest.mark.parametrize("one", [0, np.int64(0), np.uint8(0), -2])
def test_argnums_may_be_any_integer(one: Any) -> None:
    assert ag.grad(f, argnums=one)(2.0, 3.0).item() == 27
    assert ag.value_and_grad(f, argnums=one)(2.0, 3.0)[1].item() == 27
    assert ag.jacobian(f, argnums=one)(2.0, 3.0).item() == 27
    assert ag.hessian(f, argnums=one)(2.0, 3.0).item() == 0


@pytest.mark.parametrize("several", [(0, 1), [0, 1], np.array([0, 1]), range(2), (-2, 1)])
def test_several_argnums_give_tuples_in_every_transform(several: Any) -> None:
    x, y = 2.0, 3.0
    assert [g.item() for g in ag.grad(f, argnums=several)(x, y)] == [27, 54]
    assert [g.item() for g in ag.value_and_grad(f, argnums=several)(x, y)[1]] == [27, 54]
    assert [g.item() for g in ag.jacobian(f, argnums=several)(x, y)] == [27, 54]
    assert [g.item() for g in ag.elementwise_grad(f, argnums=several)(x, y)] == [27, 54]
    assert [[h.item() for h in row] for row in ag.hessian(f, argnums=several)(x, y)] == [[0, 27], [27, 36]]


def test_the_blocks_of_a_jacobian_have_the_shape_of_output_and_argument() -> None:
    a, x = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    by_a, by_x = ag.jacobian(lambda a, x: a @ x, argnums=(0, 1))(a, x)
    np.testing.assert_array_equal(by_x.data, a)
    np.testing.assert_array_equal(by_a.data, np.einsum("ij,k->ijk", np.eye(2), x))


def test_a_list_of_numbers_is_one_tensor_in_every_transform() -> None:
    """A list would be repeated by `x * 2`, and `x + x` would join two lists."""
    seen: list[Any] = []

    def g(x: Any) -> Any:
        seen.append(x)
        return (x * x * 2).sum()

    assert ag.grad(g)([1.0, 2.0]).tolist() == [4, 8]
    assert ag.grad(g)(((1.0, 2.0), (3.0, 4.0))).tolist() == [[4, 8], [12, 16]]
    assert ag.jacobian(g)([1.0, 2.0]).tolist() == [4, 8]
    assert ag.hessian(g)([1.0, 2.0]).tolist() == [[4, 0], [0, 4]]
    assert ag.vjp(g, [1.0, 2.0])[1](1.0)[0].tolist() == [4, 8]
    assert ag.jvp(g, ([1.0, 2.0],), ([1.0, 0.0],))[1].item() == 4
    assert ag.hvp(g, ([1.0, 2.0],), ([1.0, 0.0],))[0].tolist() == [4, 0]
    assert all(isinstance(x, Tensor) for x in seen)


def test_a_list_of_numbers_inside_a_tree_is_one_tensor() -> None:
    result = ag.grad(lambda p: (p["w"] * p["layers"][0]).sum())({"w": [1.0, 2.0], "layers": [Tensor([3.0, 4.0])]})
    assert result["w"].tolist() == [3, 4]
    assert [g.tolist() for g in result["layers"]] == [[1, 2]]


def test_none_in_a_tree_stays_none() -> None:
    """As for a layer without a bias."""
    p = {"w": Tensor([1.0, 2.0]), "bias": None}

    def g(p: dict[str, Any]) -> Any:
        assert p["bias"] is None
        return (p["w"] ** 2).sum()

    assert ag.grad(g)(p)["bias"] is None
    assert ag.grad(g)(p)["w"].tolist() == [2, 4]
    assert ag.jvp(g, (p,), ({"w": [1.0, 0.0], "bias": None},))[1].item() == 2
    assert ag.vjp(g, p)[1](1.0)[0]["bias"] is None


@pytest.mark.parametrize("function", [ag.tanh, ag.sigmoid, lambda x: ag.sin(x) * ag.exp(-x)])
def test_elementwise_grad_is_the_diagonal_of_the_jacobian(function: Callable[[Any], Any]) -> None:
    x = np.linspace(-2, 2, 7)
    first, second = ag.elementwise_grad(function), ag.elementwise_grad(ag.elementwise_grad(function))
    np.testing.assert_allclose(first(x).data, np.diag(ag.jacobian(function)(x).data), rtol=1e-12)
    np.testing.assert_allclose(second(x).data, np.diag(ag.jacobian(first)(x).data), rtol=1e-12)
    assert first(x[:0]).shape == (0,)


@pytest.mark.parametrize("function", [ag.softmax, ag.cumsum, lambda x: x[::-1], lambda x: x * x.mean()])
def test_elementwise_grad_refuses_functions_that_are_not_elementwise(function: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"not elementwise.*ag\.jacobian"):
        ag.elementwise_grad(function)([1.0, 2.0, 3.0])


def test_elementwise_grad_works_in_a_compiled_function() -> None:
    compiled = ag.jit(ag.elementwise_grad(ag.square))
    for value in (1.0, 2.0, 3.0):
        assert compiled(Tensor([value, 4.0])).tolist() == [2 * value, 8]


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "argnums of another type": (lambda: ag.grad(f, argnums=1.0)(1.0, 2.0), TypeError, "int or a sequence of ints, got 1.0"),
    "argnums of strings": (lambda: ag.grad(f, argnums="x")(1.0, 2.0), TypeError, "got 'x'"),
    "argnums twice": (lambda: ag.grad(f, argnums=(1, -1))(1.0, 2.0), ValueError, r"each of them once, got \(1, -1\)"),
    "no argnums": (lambda: ag.grad(f, argnums=())(1.0, 2.0), ValueError, "at least one"),
    "keyword arguments": (lambda: ag.grad(f)(x=1.0, y=2.0), ValueError, "0 arguments by position"),
    "an integer": (lambda: ag.grad(f)(3, 1.0), TypeError, r"tensor of int64: argument 0 has 3.*3\.0"),
    "an integer list": (lambda: ag.grad(f, argnums=1)(3.0, [1, 2]), TypeError, r"int64: argument 1 has Tensor\(\[1, 2\]\)"),
    "a string": (lambda: ag.grad(lambda d: d["x"])({"x": Tensor(1.0), "act": "relu"}), TypeError, "argument 0.*'relu' of type str"),
    "an object": (lambda: ag.grad(f)(object(), 1.0), TypeError, "argument 0.*of type object"),
    "None returned": (lambda: ag.grad(lambda x: None)(1.0), TypeError, "return` missing"),
    "a pair without has_aux": (lambda: ag.grad(lambda x: (x, "aux"))(1.0), TypeError, "has_aux=True"),
    "has_aux without a pair": (lambda: ag.grad(lambda x: x, has_aux=True)(1.0), TypeError, r"must return a pair \(output, aux\)"),
    "primals that are not a tuple": (lambda: ag.jvp(ag.sin, Tensor([1.0]), Tensor([1.0])), TypeError, r"write \(x,\)"),
    "tangents that are not a tuple": (lambda: ag.hvp(ag.sum, (X,), X), TypeError, "tangents must be a tuple"),
    "several outputs of grad": (lambda: ag.grad(lambda x: x)([1.0, 2.0]), ValueError, "one scalar"),
    "another shape": (lambda: ag.elementwise_grad(ag.sum)([1.0, 2.0]), ValueError, r"got shapes \(\), \(2,\)"),
    **{
        f"{transform.__name__} of a number": (partial(transform, 3.0), TypeError, f"{transform.__name__}: expected .*function")
        for transform in (ag.grad, ag.value_and_grad, ag.elementwise_grad, ag.jacobian, ag.hessian)
    },
    "vjp of a number": (lambda: ag.vjp(3.0, 1.0), TypeError, "vjp: expected a function, got 3.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_arguments_of_transforms_raise_errors_that_name_them(name: str) -> None:
    use, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        use()
