"""Transforms of functions: nesting, trees, forward and reverse mode, checkpoints."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as ag
from autograd_mini import Tensor


def test_grad_nests_and_sees_outer_variables() -> None:
    """∂/∂x of (∂/∂y x·y³ at y = 2) is 12: the inner gradient stays connected to the variable of the outer one."""
    assert ag.grad(lambda x: ag.grad(lambda y: x * y**3)(2.0))(5.0).item() == 12


def test_perturbation_confusion_is_impossible() -> None:
    """d/dx (x · d/dy (x + y)) = 1, not 2 (Siskind & Pearlmutter 2005)."""
    assert ag.grad(lambda x: x * ag.grad(lambda y: x + y)(1.0))(1.0).item() == 1


def test_results_of_the_outermost_transform_have_no_graph() -> None:
    value, gradient = ag.value_and_grad(lambda x: x * x)(3.0)
    assert not value.requires_grad
    assert not gradient.requires_grad


def test_gradients_reach_closed_over_parameters() -> None:
    """A gradient penalty: the derivative of |∂f/∂x|² with respect to a parameter in the closure of f."""
    w = Tensor(3.0, requires_grad=True)
    penalty = ag.square(ag.grad(lambda x: w * x * x)(2.0))
    penalty.backward()
    assert penalty.item() == 144
    assert w.grad.item() == 96


def test_trees_of_arguments() -> None:
    parameters = {
        "layers": [{"w": Tensor(2.0), "b": Tensor(1.0)}, {"w": Tensor(3.0), "b": Tensor(0.0)}],
        "scale": (Tensor(0.5),),
    }

    def f(p: dict, x: float) -> Tensor:
        for layer in p["layers"]:
            x = layer["w"] * x + layer["b"]
        return x * p["scale"][0]

    result = ag.grad(f)(parameters, 10.0)
    assert result["layers"][0]["w"].item() == 15
    assert result["layers"][1]["b"].item() == 0.5
    assert isinstance(result["scale"], tuple)
    first, second = ag.grad(f, argnums=(0, 1))(parameters, Tensor(10.0))
    assert second.item() == 3
    assert first["scale"][0].item() == 63


@pytest.mark.parametrize("mode", ["forward", "reverse", None])
@given(st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=10)
def test_jacobian_is_the_same_by_rows_and_by_columns(mode: str | None, m: int, n: int) -> None:
    a = np.arange(m * n, dtype=np.float64).reshape(m, n) + 1
    result = ag.jacobian(lambda x: ag.square(Tensor(a) @ x), mode=mode)(Tensor(np.linspace(-1, 1, n)))
    x = np.linspace(-1, 1, n)
    np.testing.assert_allclose(result.data, 2 * (a @ x)[:, None] * a, atol=1e-12)
    assert result.shape == (m, n)


def test_hessian_and_hvp_agree_with_the_closed_form() -> None:
    """f = xᵀ A x / 2 + Σ x³ has H = (A + Aᵀ)/2 + diag(6x)."""
    a = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [5.0, 0.0, 2.0]])
    x, v = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])

    def f(x: Tensor) -> Tensor:
        return x @ (Tensor(a) @ x) / 2 + (x**3).sum()

    expected = (a + a.T) / 2 + np.diag(6 * x)
    np.testing.assert_allclose(ag.hessian(f)(Tensor(x)).data, expected)
    np.testing.assert_allclose(ag.hvp(f, (Tensor(x),), (v,))[0].data, expected @ v)


def test_jvp_and_vjp_are_transposes() -> None:
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩."""
    rng = np.random.default_rng(0)
    x, v, u = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal(3)
    w = rng.standard_normal((3, 4))

    def f(x: Tensor) -> Tensor:
        return ag.tanh(Tensor(w) @ ag.exp(x))

    moved = ag.jvp(f, (x,), (v,))[1]
    pulled = ag.vjp(f, x)[1](u)[0]
    assert np.isclose(u @ moved.data, pulled.data @ v)


def test_products_with_jacobians_can_be_differentiated_with_respect_to_the_vector() -> None:
    """The gradients of J v and Jᵀ u with respect to v and u are products with Jᵀ and J; the results have no graph."""
    x, v, u = np.array([0.3, 0.7]), np.array([1.0, 2.0]), np.array([2.0, -1.0])

    def f(x: Tensor) -> Tensor:
        return ag.sin(x) * x[::-1]

    by_v = ag.grad(lambda v: (ag.jvp(f, (x,), (v,))[1] * u).sum())(v)
    by_u = ag.grad(lambda u: (ag.vjp(f, x)[1](u)[0] * v).sum())(u)
    np.testing.assert_allclose(by_v.data, ag.vjp(f, x)[1](u)[0].data)
    np.testing.assert_allclose(by_u.data, ag.jvp(f, (x,), (v,))[1].data)
    assert not by_v.requires_grad
    assert not ag.jvp(f, (x,), (v,))[1].requires_grad
    with ag.no_grad():
        assert not ag.vjp(f, x)[1](Tensor(u, requires_grad=True))[0].requires_grad


def test_tangents_and_cotangents_have_the_structure_of_their_tree() -> None:
    """Numbers in a tuple are 0-d tensors, lists of numbers are vectors, and dicts are read by key."""

    def f(d: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return d["a"] * 2, d["b"] * 3

    x = {"a": Tensor([1.0, 2.0]), "b": Tensor([3.0, 4.0])}
    moved = ag.jvp(f, (x,), ({"b": [1.0, 0.0], "a": [0.0, 1.0]},))[1]
    assert [y.tolist() for y in moved] == [[0, 2], [3, 0]]
    (pulled,) = ag.vjp(f, x)[1](([1.0, 0.0], [0.0, 1.0]))
    assert {k: g.tolist() for k, g in pulled.items()} == {"a": [2, 0], "b": [0, 3]}
    _, pull = ag.vjp(lambda a, b: (a * 2, b * 3), 1.0, 1.0)
    assert [g.item() for g in pull((1.0, 10.0))] == [2, 30]


def test_the_fourth_derivative_of_tanh_equals_the_difference_of_the_third() -> None:
    third = ag.grad(ag.grad(ag.grad(ag.tanh)))
    fourth = ag.grad(third)
    x, eps = 0.4, 1e-5
    difference = (third(np.array(x + eps)).item() - third(np.array(x - eps)).item()) / (2 * eps)
    assert np.isclose(fourth(np.array(x)).item(), difference, rtol=1e-6)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: ag.grad(lambda x: x * 2)([1.0, 2.0]), "scalar"),
        (lambda: ag.grad(lambda x: x.sum())(np.array([1, 2])), r"tensor of int(32|64)"),
        (lambda: ag.grad(lambda x: 3.0)(1.0), "must return tensors"),
        (lambda: ag.grad(lambda x: x, argnums=1)(1.0), "argnums 1"),
        (lambda: ag.jvp(lambda x: x, (1.0,), (1.0, 2.0)), "expected one tangent for each of 1 primals"),
        (lambda: ag.jvp(lambda x: x, ([1.0, 2.0],), (1.0,)), r"expected shape \(2,\), got \(\)"),
        (lambda: ag.jvp(lambda d: d["a"], ({"a": Tensor(1.0)},), ({"b": 1.0, "c": 2.0},)), "in the structure of dict, got 2"),
        (lambda: ag.jacobian(lambda x: x, mode="sideways"), "sideways"),
        (lambda: ag.checkpoint(lambda x: 1.0, 1.0), "must return one tensor"),
    ],
)
def test_wrong_arguments_raise_clear_errors(use: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        use()  # type: ignore[operator]


def test_anomaly_errors_name_the_place_of_the_forward_operation() -> None:
    x = Tensor([1.0, 0.0], requires_grad=True)
    with np.errstate(all="ignore"):
        with ag.detect_anomaly(), pytest.raises(FloatingPointError, match=r"log computed -inf .*test_transform\.py:\d+"):
            ag.log(x)
        with (
            ag.detect_anomaly(),
            pytest.raises(FloatingPointError, match=r"gradient rule of sqrt computed inf.*test_transform\.py"),
        ):
            ag.sqrt(x).sum().backward()


def test_detect_anomaly_finds_an_array_that_was_modified_in_place() -> None:
    array = np.ones(3)
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with ag.detect_anomaly():
        y = (w * ag.from_numpy(array)).sum()
        y.backward()
        array[0] = 5
        with pytest.raises(RuntimeError, match="modified in place after multiply"):
            y.backward()


def f(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (a * b * b * c * c * c).sum()


def test_a_negative_argnum_counts_from_the_last_argument() -> None:
    """Also in a tuple, in any order, and in every transform that has `argnums`."""
    at = (2.0, 3.0, 5.0)
    by_a, by_b, by_c = 9 * 125, 2 * 2 * 3 * 125, 2 * 9 * 3 * 25
    assert [ag.grad(f, argnums=n)(*at).item() for n in (0, 1, 2, -3, -2, -1)] == [by_a, by_b, by_c] * 2
    assert [g.item() for g in ag.grad(f, argnums=(-1, 0))(*at)] == [by_c, by_a]
    assert [g.item() for g in ag.value_and_grad(f, argnums=(-1, -3))(*at)[1]] == [by_c, by_a]
    assert ag.jacobian(f, argnums=-2)(*at).item() == by_b
    assert ag.hessian(f, argnums=-1)(*at).item() == 2 * 9 * 6 * 5
    for wrong in (3, -4):
        with pytest.raises(ValueError, match=f"argnums {wrong} is out of range; the function was called with 3 arguments"):
            ag.grad(f, argnums=wrong)(*at)


INTEGERS = [3, True, np.int64(3), np.arange(3), Tensor([1, 2]), np.array([True])]


@pytest.mark.parametrize("value", INTEGERS, ids=lambda v: type(v).__name__)
def test_an_integer_is_no_variable_but_may_be_an_argument(value: object) -> None:
    """Differentiating with respect to an integer raises in every transform; beside a variable, an integer is a constant."""
    scaled = lambda x, n: (x * n).sum()
    for use in (
        lambda: ag.grad(scaled, argnums=1)(1.0, value),
        lambda: ag.jacobian(scaled, argnums=1)(1.0, value),
        lambda: ag.hessian(scaled, argnums=1)(1.0, value),
        lambda: ag.vjp(scaled, 1.0, value),
        lambda: ag.jvp(scaled, (1.0, value), (1.0, value)),
        lambda: ag.hvp(scaled, (1.0, value), (1.0, value)),
    ):
        with pytest.raises(TypeError, match=r"cannot differentiate with respect to a tensor of (int64|int32|bool)"):
            use()
    assert ag.grad(scaled)(2.0, value).item() == np.sum(np.asarray(value))


def test_integer_outputs_have_no_gradient_and_zero_tangents() -> None:
    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        return x * x, ag.argmax(x)

    x = np.array([1.0, 3.0])
    (y, k), (dy, dk) = ag.jvp(both, (x,), ([1.0, 1.0],))
    assert (y.tolist(), k.item(), dy.tolist(), dk.item()) == ([1, 9], 1, [2, 6], 0)
    _, pull = ag.vjp(both, x)
    assert pull(([1.0, 1.0], 7))[0].tolist() == [2, 6]


def test_keyword_arguments_reach_the_function() -> None:
    """Transforms differentiate with respect to positional arguments; keywords are passed on."""

    def power(x: Tensor, *, scale: float = 1.0, offset: float = 0.0) -> Tensor:
        return (x * x * scale + offset).sum()

    options = {"scale": 5.0, "offset": 7.0}
    assert ag.grad(power)(3.0, **options).item() == 30
    assert [v.item() for v in ag.value_and_grad(power)(3.0, **options)] == [52, 30]
    assert ag.jacobian(power)(3.0, **options).item() == 30
    assert ag.hessian(power)(3.0, **options).item() == 10


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 6), (6, 1), (2, 5), (5, 2)])
def test_a_jacobian_without_a_mode_takes_the_smaller_number_of_passes(
    inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward mode differentiates once per input element, reverse mode once per output element."""
    passes: list[int] = []
    module = import_module("autograd_mini.jacobian")
    run = module._unit_passes

    def count(run_pass: Any, likes: Any, results: Any) -> Any:
        passes.append(sum(x.size for x in likes))
        return run(run_pass, likes, results)

    monkeypatch.setattr(module, "_unit_passes", count)
    a = np.arange(1.0, 1 + inputs * outputs).reshape(outputs, inputs)
    for mode in ("reverse", "forward", None):
        result = ag.jacobian(lambda x: Tensor(a) @ (x * 2), mode=mode)(np.ones(inputs))
        np.testing.assert_array_equal(result.data, 2 * a)
    assert passes == [outputs, inputs, min(inputs, outputs)]


def test_grad_of_a_function_takes_no_inputs_and_grad_of_tensors_needs_them() -> None:
    x = Tensor(1.0, requires_grad=True)
    for wrong in (lambda: ag.grad(lambda x: x, x), lambda: ag.grad(lambda x: x, gradients=x)):
        with pytest.raises(TypeError, match="call the function that it returns"):
            wrong()
    with pytest.raises(TypeError, match="got only a Tensor"):
        ag.grad(x * x)
