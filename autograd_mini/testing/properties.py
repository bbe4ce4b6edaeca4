"""The properties that every operation obeys, as one call: `primitive_check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..state import no_grad
from ..tensor import Array, Tensor, TensorLike, leaf, to_array
from ..transform import jvp
from .check import Report, _outputs, analytic_gradients, gradcheck, gradgradcheck, slopes

LOW_PRECISION = {np.dtype(np.float32): 3e-4, np.dtype(np.float16): 5e-2}


def primitive_check(
    function: Callable[..., Any],
    *operands: TensorLike,
    orders: int = 2,
    dtypes: Sequence[Any] = (np.float32, np.float16),
    seed: int = 0,
) -> Report:
    """Puts an operation through every property of a gradient at one point; raises AssertionError that says which one broke.

    1. the gradient equals central differences in float64, and with `orders=2` so does the gradient's gradient;
    2. in each of the lower `dtypes` the gradient agrees with the float64 one to that dtype's precision;
    3. forward mode equals the difference along a random direction;
    4. each gradient has its input's shape and dtype, operands and upstream gradients stay bit for bit as they were.

    Returns the Report of the first property, which counts undecidable elements.

    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import primitive_check
    >>> bool(primitive_check(lambda x: ag.sqrt(x), [1.0, 4.0, 9.0]))
    True
    """
    points = [np.array(to_array(x, np.float64)) for x in operands]
    gradients_keep_form(function, points, seed)
    report = gradcheck(function, *points, seed=seed)
    if orders > 1:
        gradgradcheck(function, *points, seed=seed)
    forward_agrees(function, points, seed)
    for dtype in dtypes:
        low_precision_agrees(function, points, np.dtype(dtype), seed)
    return report


def _weights(function: Callable[..., Any], points: Sequence[Array], seed: int) -> list[Array | None]:
    with no_grad():
        outputs = _outputs(function(*[leaf(p) for p in points]))
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, y.shape).astype(y.dtype) if y.dtype.kind == "f" else None for y in outputs]


def gradients_keep_form(function: Callable[..., Any], points: Sequence[Array], seed: int) -> None:
    """Property 4: shapes, dtypes, and nobody writes into what they were given."""
    weights = _weights(function, points, seed)
    before = [p.tobytes() for p in points]
    upstream = [None if w is None else w.tobytes() for w in weights]
    inputs = [leaf(p) for p in points]
    for x in inputs:
        x.requires_grad = True
    with no_grad():
        function(*inputs)
    found = analytic_gradients(function, points, weights)
    for k, (g, p) in enumerate(zip(found, points, strict=True)):
        assert g is not None
        assert isinstance(g, np.ndarray), f"the gradient by operand {k} is no ndarray but {type(g).__name__}"
        assert g.shape == p.shape, f"the gradient by operand {k} has shape {g.shape}, the operand {p.shape}"
        assert g.dtype == p.dtype, f"the gradient by operand {k} is {g.dtype}, the operand {p.dtype}"
    assert [p.tobytes() for p in points] == before, "an operand was written into"
    assert [None if w is None else w.tobytes() for w in weights] == upstream, "an upstream gradient was written into"


def forward_agrees(function: Callable[..., Any], points: Sequence[Array], seed: int, eps: float = 1e-6) -> None:
    """Property 3: J v equals (f(x + εv) − f(x − εv)) / 2ε wherever one-sided differences agree."""
    rng = np.random.default_rng(seed)
    directions = [rng.uniform(-1, 1, p.shape) for p in points]
    if not all(y.dtype.kind == "f" for y in _evaluate(function, points)):
        return
    moved = jvp(lambda *xs: _outputs(function(*xs)), points, directions)[1]
    moves = [[np.asarray(p + k * eps * v) for p, v in zip(points, directions, strict=True)] for k in (-2, -1, 0, 1, 2)]
    steps = [_evaluate(function, move) for move in moves]
    for k, tangent in enumerate(moved):
        expected, known = slopes(*[outputs[k].data for outputs in steps], eps=eps, rtol=1e-3, atol=1e-5)
        with np.errstate(all="ignore"):
            agrees = np.isclose(tangent.data, expected, rtol=2e-3, atol=1e-4)
        assert np.all(agrees | ~known), f"forward mode gives {tangent.data} for output {k}, differences {expected}"


def low_precision_agrees(function: Callable[..., Any], points: Sequence[Array], dtype: np.dtype[Any], seed: int) -> None:
    """Property 2: at the same (rounded) point, the gradient in `dtype` is the float64 one to that dtype's precision."""
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
        assert a.shape == b.shape, f"in {dtype} the gradient by operand {k} has shape {a.shape}, not {b.shape}"
        finite = np.isfinite(b) & (np.abs(b) < limit)
        scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
        wrong = finite & ~np.isclose(a.astype(np.float64), b, rtol=tolerance, atol=tolerance * scale)
        assert not wrong.any(), f"in {dtype} the gradient by operand {k} is {a[wrong][:3]}, in float64 {b[wrong][:3]}"


def _evaluate(function: Callable[..., Any], points: Sequence[Array]) -> tuple[Tensor, ...]:
    with no_grad(), np.errstate(all="ignore"):
        return _outputs(function(*[leaf(p) for p in points]))
