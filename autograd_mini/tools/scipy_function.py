"""Functions for SciPy's optimizers: flat float64 vectors in, values and exact derivatives out. SciPy itself is not needed."""

from __future__ import annotations

from collections.abc import Callable
from reprlib import repr as short
from typing import Any

import numpy as np

from ..apply import as_tensor_beside
from ..jacobian import hessian
from ..tensor import Array, Tensor, as_tensor
from ..transform import hvp, value_and_grad, vjp
from ..trees import Tree, leaves, numbers_to_tensors, rebuild

__all__ = ["scipy_function"]


class ScipyFunction:
    """What `scipy_function` returns: a function of a flat vector, with its derivatives as methods.

    Everything is computed in float64. Further arguments (`args` of SciPy's optimizers) are passed to the function.
    """

    def __init__(self, f: Callable[..., Any], example: Tree):
        self._f = f
        self._tree = numbers_to_tensors(example, np.dtype(np.float64))
        self._leaves = [None if x is None else _check_leaf(x) for x in leaves(self._tree)]
        self._size = sum(x.size for x in self._leaves if x is not None)

    @property
    def x0(self) -> Array:
        """The example as a flat vector: where an optimizer can start."""
        parts = [x._data.astype(np.float64).ravel() for x in self._leaves if x is not None]
        return np.concatenate([np.empty(0), *parts])

    def unflatten(self, x: Any) -> Tree:
        """Returns a flat vector, such as `result.x`, as a tree like the example, in its dtypes (numbers: float64)."""
        parts = iter(self._split(as_tensor(np.asarray(x, np.float64))))
        return rebuild(self._tree, [None if like is None else next(parts).astype(like.dtype) for like in self._leaves])

    def __call__(self, x: Any, *args: Any) -> Any:
        """Returns the value: a float for a scalar function, otherwise a flat array, as for constraints."""
        y = self._flat(as_tensor(np.array(x, np.float64)), *args).detach()
        return y.item() if y.size == 1 else y.numpy().ravel()

    def value_and_grad(self, x: Any, *args: Any) -> tuple[float, Array]:
        """Returns the value and the gradient of one pass, for `minimize(f.value_and_grad, f.x0, jac=True)`."""
        value, gradient = value_and_grad(self._flat)(np.array(x, np.float64), *args)
        return value.item(), gradient.numpy()

    def jac(self, x: Any, *args: Any) -> Array:
        """Returns the gradient of a scalar function, or the Jacobian (outputs, inputs)."""
        y, pull = vjp(lambda v: self._flat(v, *args), np.array(x, np.float64))
        rows = [pull(unit.reshape(y.shape))[0].numpy() for unit in np.eye(y.size)]
        return rows[0] if y.size == 1 else np.reshape(rows, (y.size, self._size))

    def hess(self, x: Any, *args: Any) -> Array:
        """Returns the Hessian of a scalar function."""
        matrix: Array = hessian(self._flat)(np.array(x, np.float64), *args).numpy()
        return matrix

    def hessp(self, x: Any, p: Any, *args: Any) -> Array:
        """Returns the product of the Hessian and the vector `p`, without computing the Hessian."""
        (product,) = hvp(lambda v: self._flat(v, *args), (np.array(x, np.float64),), (np.array(p, np.float64),))
        return np.asarray(product.numpy())

    def _flat(self, vector: Tensor, *args: Any) -> Tensor:
        """The function of a flat vector, as recorded operations."""
        parts = iter(self._split(vector))
        y = self._f(rebuild(self._tree, [None if like is None else next(parts) for like in self._leaves]), *args)
        if not isinstance(y, Tensor):
            raise TypeError(f"scipy_function: the function must return a tensor, got {short(y)} of type {type(y).__name__}")
        return y

    def _split(self, vector: Tensor) -> list[Tensor]:
        """Returns the parts of a flat vector in the shapes of the example."""
        if vector.shape != (self._size,):
            raise ValueError(f"scipy_function: expected a vector of shape {(self._size,)}, like x0, got shape {vector.shape}")
        likes = [like for like in self._leaves if like is not None]
        ends = np.cumsum([like.size for like in likes])
        return [vector[int(end) - like.size : int(end)].reshape(like.shape) for like, end in zip(likes, ends, strict=True)]


def _check_leaf(value: Any) -> Tensor:
    try:
        x = as_tensor_beside(value, np.dtype(np.float64)).detach()
    except (TypeError, ValueError):
        x = None
    if x is None or x.dtype.kind != "f":
        raise TypeError(
            "scipy_function: the example must be a floating tensor, array or number, or nested lists, tuples and dicts of "
            f"them, got {short(value)} of type {type(value).__name__}"
        )
    return x


def scipy_function(f: Callable[..., Any], example: Tree) -> ScipyFunction:
    """Returns `f` as a function of a flat float64 vector, for `scipy.optimize.minimize`, `root` and `least_squares`.

    The result has the methods `jac`, `hess`, `hessp` and `value_and_grad`, the starting point `x0`, and `unflatten`, which
    turns a solution into a tree like the example. A function with several outputs has a Jacobian, for constraints.

    Parameters
    ----------
    f : a function of a tensor, or of nested lists, tuples and dicts of tensors; further arguments are those in SciPy's `args`
    example : an argument of `f`, which defines the shapes and the starting point; a list of numbers is one tensor

    Examples
    --------
    >>> import autograd_mini as ag
    >>> f = ag.scipy_function(lambda p: (p["a"] - 1) ** 2 + (p["b"] ** 2).sum(), {"a": 3.0, "b": [1.0, 2.0]})
    >>> f.x0, f(f.x0), f.jac(f.x0)
    (array([3., 1., 2.]), 9.0, array([4., 2., 4.]))
    >>> from scipy.optimize import minimize  # doctest: +SKIP
    >>> result = minimize(f, f.x0, jac=f.jac, hessp=f.hessp, method="Newton-CG")  # doctest: +SKIP
    >>> f.unflatten(result.x)  # doctest: +SKIP
    {'a': Tensor(1.0, dtype=float64), 'b': Tensor([0., 0.], dtype=float64)}
    """
    if not callable(f):
        raise TypeError(f"scipy_function: expected a function, got {short(f)} of type {type(f).__name__}")
    return ScipyFunction(f, example)
