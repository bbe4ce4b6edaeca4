"""SciPy's optimizers with functions of this library: known minima, constraints, and trees of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor

optimize = pytest.importorskip("scipy.optimize")


def rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


START = [1.3, 0.7, 0.8, 1.9]
DERIVATIVES = {
    "BFGS": ("jac",),
    "L-BFGS-B": ("jac",),
    "SLSQP": ("jac",),
    "Newton-CG": ("jac", "hessp"),
    "trust-krylov": ("jac", "hessp"),
    "trust-exact": ("jac", "hess"),
}


@pytest.mark.parametrize("method", DERIVATIVES)
def test_minimize_finds_the_minimum(method: str) -> None:
    f = ag.scipy_function(rosenbrock, START)
    result = optimize.minimize(f, f.x0, method=method, **{name: getattr(f, name) for name in DERIVATIVES[method]})
    assert result.success
    np.testing.assert_allclose(f.unflatten(result.x).data, np.ones(4), atol=1e-3)


def test_derivatives_equal_scipys_own() -> None:
    f, x, p = ag.scipy_function(rosenbrock, START), np.array([0.3, -0.7, 1.1, 0.2]), np.array([1.0, 2.0, -1.0, 0.5])
    assert f(x) == pytest.approx(optimize.rosen(x), rel=1e-14)
    np.testing.assert_allclose(f.jac(x), optimize.rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(f.hess(x), optimize.rosen_hess(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(f.hessp(x, p), optimize.rosen_hess_prod(x, p), rtol=1e-12)
    value, gradient = f.value_and_grad(x)
    assert (value, gradient.tolist()) == (f(x), f.jac(x).tolist())


def test_value_and_gradient_of_one_pass_serve_minimize_with_jac_true() -> None:
    f = ag.scipy_function(rosenbrock, START)
    result = optimize.minimize(f.value_and_grad, f.x0, jac=True, method="L-BFGS-B")
    np.testing.assert_allclose(result.x, np.ones(4), atol=1e-3)


def test_a_constraint_is_a_function_with_a_jacobian() -> None:
    """The point of the line x + y = 1, x − z = 0 with the smallest norm is (1/3, 2/3, 1/3)."""
    f = ag.scipy_function(lambda x: (x * x).sum(), [0.0, 0.0, 0.0])
    c = ag.scipy_function(lambda x: ag.stack([x[0] + x[1] - 1, x[0] - x[2]]), [0.0, 0.0, 0.0])
    assert c.jac(c.x0).tolist() == [[1, 1, 0], [1, 0, -1]]
    result = optimize.minimize(
        f, f.x0, jac=f.jac, method="SLSQP", constraints=[{"type": "eq", "fun": c, "jac": c.jac}], options={"ftol": 1e-12}
    )
    np.testing.assert_allclose(result.x, [1 / 3, 2 / 3, 1 / 3], atol=1e-6)
    root = optimize.root(ag.scipy_function(lambda x: x**2 - ag.Tensor([4.0, 9.0]), [1.0, 1.0]), [1.0, 1.0])
    np.testing.assert_allclose(root.x, [2, 3], atol=1e-6)


def test_trees_keep_their_structure_shapes_and_dtypes() -> None:
    """Linear regression: the weights of exact data are found, although the example is float32."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((20, 3)), np.array([[1.0, -2.0, 0.5]])
    example: dict[str, Any] = {"w": Tensor(np.zeros((1, 3), np.float32)), "b": 0.0, "unused": None}

    def loss(p: dict[str, Any], target: Any) -> Tensor:
        return ((x @ p["w"].T + p["b"] - target) ** 2).mean()

    f = ag.scipy_function(loss, example)
    result = optimize.minimize(f, f.x0, args=(x @ w.T + 3,), jac=f.jac, hess=f.hess, method="trust-krylov", tol=1e-12)
    solution = f.unflatten(result.x)
    np.testing.assert_allclose(solution["w"].data, w, atol=1e-6)
    assert solution["b"].item() == pytest.approx(3, abs=1e-6)
    assert (solution["w"].dtype, solution["w"].shape, solution["unused"]) == (np.float32, (1, 3), None)
    assert f.x0.dtype == np.float64


@pytest.mark.parametrize(
    ("use", "kind", "message"),
    [
        (lambda: ag.scipy_function(3.0, [1.0]), TypeError, "expected a function, got 3.0"),
        (lambda: ag.scipy_function(rosenbrock, [1, 2]), TypeError, r"example must be a floating tensor.*1, 2"),
        (lambda: ag.scipy_function(rosenbrock, "x"), TypeError, "example must be .* got 'x' of type str"),
        (lambda: ag.scipy_function(rosenbrock, START)([1.0, 2.0]), ValueError, r"shape \(4,\), like x0, got shape \(2,\)"),
        (lambda: ag.scipy_function(lambda x: 1.0, START)(START), TypeError, "must return a tensor, got 1.0"),
    ],
)
def test_wrong_arguments_raise_clear_errors(use: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()
