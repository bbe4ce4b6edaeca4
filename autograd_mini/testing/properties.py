"""`primitive_check`: checks the properties that every operation must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..state import no_grad
from ..tensor import Array, Tensor, TensorLike, leaf, to_array
from ..transform import jvp
from .check import Report, _outputs, analytic_gradients, central_differences, gradcheck, gradgradcheck

LOW_PRECISION = {np.dtype(np.float32): 3e-4, np.dtype(np.float16): 5e-2}


def primitive_check(
    function: Callable[..., Any],
    *operands: TensorLike,
    orders: int = 2,
    dtypes: Sequence[Any] = (np.float32, np.float16),
    seed: int = 0,
) -> Report:
    """Checks all properties of an operation's gradient at one point.

    1. The gradient equals central differences in float64, and with `orders=2` so does the gradient's gradient.
    2. In each of the lower `dtypes` the gradient equals the float64 gradient up to the precision of the dtype.
    3. Forward mode equals the difference along a random direction.
    4. Each gradient has the shape and dtype of its input; operands and upstream gradients are not modified.

    Parameters
    ----------
    function : the operation, a function of tensors
    *operands : where to check it; converted to float64
    orders : 1, or 2 to check second derivatives too
    dtypes : the lower dtypes
    seed : of the random weights and directions

    Returns
    -------
    The Report of the first property, which counts undecidable elements. Raises AssertionError if a property is violated.

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import primitive_check
    >>> bool(primitive_check(lambda x: ag.sqrt(x), [1.0, 4.0, 9.0]))
    True
    """
    points = [np.array(to_array(x, np.float64)) for x in operands]
    check_gradients_keep_form(function, points, seed)
    report = gradcheck(function, *points, seed=seed)
    if orders > 1:
        gradgradcheck(function, *points, seed=seed)
    check_forward_mode(function, points, seed)
    for dtype in dtypes:
        check_low_precision(function, points, np.dtype(dtype), seed)
    return report


def _weights(function: Callable[..., Any], points: Sequence[Array], seed: int) -> list[Array | None]:
    with no_grad():
        outputs = _outputs(function(*[leaf(p) for p in points]))
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, y.shape).astype(y.dtype) if y.dtype.kind == "f" else None for y in outputs]


def check_gradients_keep_form(function: Callable[..., Any], points: Sequence[Array], seed: int) -> None:
    """Checks property 4: shapes and dtypes, and that no rule writes into its operands."""
    weights = _weights(function, points, seed)
    before = [p.tobytes() for p in points]
    upstream = [None if w is None else w.tobytes() for w in weights]
    inputs = [leaf(p) for p in points]
    for x in inputs:
        x.requires_grad = True
    with no_grad():
        function(*inputs)
    grads = analytic_gradients(function, points, weights)
    for k, (g, p) in enumerate(zip(grads, points, strict=True)):
        assert g is not None
        assert isinstance(g, np.ndarray), f"the gradient for operand {k} must be an ndarray, got {type(g).__name__}"
        assert g.shape == p.shape, f"the gradient for operand {k} must have shape {p.shape}, got {g.shape}"
        assert g.dtype == p.dtype, f"the gradient for operand {k} must have dtype {p.dtype}, got {g.dtype}"
    assert [p.tobytes() for p in points] == before, "an operand was modified"
    assert [None if w is None else w.tobytes() for w in weights] == upstream, "an upstream gradient was modified"


def check_forward_mode(function: Callable[..., Any], points: Sequence[Array], seed: int, eps: float = 1e-6) -> None:
    """Checks property 3: J v equals (f(x + εv) − f(x − εv)) / 2ε at all decidable elements."""
    rng = np.random.default_rng(seed)
    directions = [rng.uniform(-1, 1, p.shape) for p in points]
    if not all(y.dtype.kind == "f" for y in _evaluate(function, points)):
        return
    tangents = jvp(lambda *xs: _outputs(function(*xs)), points, directions)[1]
    shifted = [[np.asarray(p + k * eps * v) for p, v in zip(points, directions, strict=True)] for k in (-2, -1, 0, 1, 2)]
    steps = [_evaluate(function, xs) for xs in shifted]
    for k, tangent in enumerate(tangents):
        expected, decidable = central_differences(*[outputs[k].data for outputs in steps], eps=eps, rtol=1e-3, atol=1e-5)
        with np.errstate(all="ignore"):
            agrees = np.isclose(tangent.data, expected, rtol=2e-3, atol=1e-4)
        assert np.all(agrees | ~decidable), f"forward mode gives {tangent.data} for output {k}, differences give {expected}"


def check_low_precision(function: Callable[..., Any], points: Sequence[Array], dtype: np.dtype[Any], seed: int) -> None:
    """Checks property 2: at the same (rounded) point, the gradients in `dtype` and float64 agree up to the precision."""
    rounded = [p.astype(dtype) for p in points]
    exact_points = [p.astype(np.float64) for p in rounded]
    weights = [None if w is None else w.astype(dtype) for w in _weights(function, rounded, seed)]
    with np.errstate(all="ignore"):
        rough = analytic_gradients(function, rounded, weights)
        exact = analytic_gradients(function, exact_points, [None if w is None else w.astype(np.float64) for w in weights])
    tolerance = LOW_PRECISION[dtype]
    limit = float(np.finfo(dtype).max) ** 0.5
    for k, (a, b) in enumerate(zip(rough, exact, strict=True)):
        assert a is not None
        assert b is not None
        assert a.shape == b.shape, f"in {dtype} the gradient for operand {k} must have shape {b.shape}, got {a.shape}"
        finite = np.isfinite(b) & (np.abs(b) < limit)
        scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
        wrong = finite & ~np.isclose(a.astype(np.float64), b, rtol=tolerance, atol=tolerance * scale)
        assert not wrong.any(), f"in {dtype} the gradient for operand {k} is {a[wrong][:3]}, but {b[wrong][:3]} in float64"


def _evaluate(function: Callable[..., Any], points: Sequence[Array]) -> tuple[Tensor, ...]:
    with no_grad(), np.errstate(all="ignore"):
        return _outputs(function(*[leaf(p) for p in points]))
