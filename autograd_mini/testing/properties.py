"""`primitive_check`: checks the properties that every operation must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..tensor import Array, Tensor, TensorLike, leaf, to_array
from ..transform import jvp
from .check import (
    GradientError,
    Report,
    Run,
    Weights,
    as_outputs,
    evaluate,
    find_entry,
    gradcheck,
    gradgradcheck,
    leaf_requiring_grad,
    position,
    split_like,
)
from .differences import Tolerance, as_vector, central_differences

LOW_PRECISION: Final = {np.dtype(np.float32): 3e-4, np.dtype(np.float16): 5e-2}


def primitive_check(
    function: Callable[..., Any],
    *operands: TensorLike,
    orders: int = 2,
    dtypes: Sequence[Any] = (np.float32, np.float16),
    seed: int = 0,
    min_checked: int = 1,
) -> Report:
    """Checks all properties of an operation's gradient at one point.

    1. The gradient equals central differences in float64, and with `orders=2` so does the gradient's gradient.
    2. In each of the lower `dtypes` the gradient equals the float64 gradient up to the precision of the dtype.
    3. Forward mode equals the difference along a random direction.
    4. Each gradient has the shape and dtype of its input, and the same values if it is computed with `create_graph=True`;
       operands and upstream gradients are not modified.

    Parameters
    ----------
    function : the operation, a function of tensors
    *operands : where to check it; converted to float64
    orders : 1, or 2 to check second derivatives too
    dtypes : the lower dtypes
    seed : of the random weights and directions
    min_checked : how many elements must be compared at least, as in `gradcheck`

    Returns
    -------
    The Report of the first property, which counts undecidable elements. Raises GradientError, an AssertionError, if a
    property is violated.

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import primitive_check
    >>> bool(primitive_check(lambda x: ag.sqrt(x), [1.0, 4.0, 9.0]))
    True
    """
    if orders not in (1, 2):
        raise ValueError(f"primitive_check: orders must be 1 or 2, got {orders!r}")
    if unknown := [d for d in map(np.dtype, dtypes) if d not in LOW_PRECISION]:
        raise ValueError(f"primitive_check: dtypes may contain float32 and float16, got {unknown[0]}")
    points = [np.array(to_array(x, np.float64)) for x in operands]
    check_gradients_keep_form(function, points, seed)
    report = gradcheck(function, *points, seed=seed, min_checked=min_checked)
    if orders > 1:
        gradgradcheck(function, *points, seed=seed, min_checked=min_checked)
    check_forward_mode(function, points, seed)
    for dtype in dtypes:
        check_low_precision(function, points, np.dtype(dtype), seed)
    return report


def require(condition: object, message: str) -> None:
    """Raises GradientError unless `condition` is true. An `assert` would do nothing under `python -O`."""
    if not condition:
        raise GradientError(message)


def _positive_weights(outputs: Sequence[Tensor], seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, y.shape).astype(y.dtype) if y.dtype.kind == "f" else None for y in outputs]


def check_gradients_keep_form(function: Callable[..., Any], points: Sequence[Array], seed: int) -> None:
    """Checks property 4: shapes, dtypes, the same values on arrays and on tensors, and that no operand is modified."""
    inputs = [leaf_requiring_grad(p) for p in points]
    before = [p.tobytes() for p in points]
    run = Run(as_outputs(function(*inputs)), inputs)
    weights = _positive_weights(run.outputs, seed)
    for y in run.outputs:
        if y._requires_grad:
            y.register_hook(_read_only)
    for k, (g, h, p) in enumerate(zip(run.pull(weights), run.pull(weights, create_graph=True), points, strict=True)):
        for found in (g, h):
            if not isinstance(found, np.ndarray):
                raise GradientError(f"the gradient for operand {k} must be an ndarray, got {type(found).__name__}")
            require(found.shape == p.shape, f"the gradient for operand {k} must have shape {p.shape}, got {found.shape}")
            require(found.dtype == p.dtype, f"the gradient for operand {k} must have dtype {p.dtype}, got {found.dtype}")
        differs = _differ(np.asarray(g), np.asarray(h))
        if differs.any():
            recorded, expected, place = _first_derivative(
                lambda w: run.pull(w, create_graph=True), run.pull, weights, k, differs
            )
            raise GradientError(
                f"the derivative {place} is {recorded:.8g} with create_graph=True, where rules compute with tensors, "
                f"but {expected:.8g} without"
            )
    require([p.tobytes() for p in points] == before, "an operand was modified")


def _differ(a: Array, b: Array) -> Array:
    """Returns where two gradients differ by more than rounding."""
    with np.errstate(all="ignore"):
        scale = float(np.abs(a[np.isfinite(a)]).max(initial=1))
        return ~np.isclose(a, b, rtol=1e-9, atol=1e-12 * scale, equal_nan=True)


def _read_only(gradient: Tensor) -> Tensor:
    """Returns a copy of a gradient that a rule cannot write into: an attempt raises an error."""
    array = gradient.data.copy()
    array.flags.writeable = False
    return leaf(array)


def check_forward_mode(function: Callable[..., Any], points: Sequence[Array], seed: int) -> None:
    """Checks property 3: J v equals the difference along v at all decidable elements."""
    rng = np.random.default_rng(seed)
    directions = [rng.uniform(-1, 1, p.shape) for p in points]
    if not all(y.dtype.kind == "f" for y in evaluate(function, points)):
        return
    if not _wrong_tangents(function, points, directions).any():
        return
    # For the message: the derivative with respect to a single element, if one of them is wrong by itself.
    for k, p in enumerate(points):
        for index in np.ndindex(p.shape):
            unit = [np.zeros_like(v) for v in directions]
            unit[k][index] = 1
            if (wrong := _wrong_tangents(function, points, unit)).any():
                _raise_forward(function, points, unit, wrong, f"the derivative with respect to operand {k}{list(index)}")
    wrong = _wrong_tangents(function, points, directions)
    _raise_forward(function, points, directions, wrong, "the directional derivative")


def _raise_forward(
    function: Callable[..., Any], points: Sequence[Array], directions: Sequence[Array], wrong: Array, what: str
) -> None:
    tangent, slopes, _ = _tangents(function, points, directions)
    raise GradientError(f"forward mode: {what} is {tangent[wrong][:3]}, but differences give {slopes[wrong][:3]}")


def _wrong_tangents(function: Callable[..., Any], points: Sequence[Array], directions: Sequence[Array]) -> Array:
    tangent, slopes, decidable = _tangents(function, points, directions)
    with np.errstate(all="ignore"):
        return decidable & ~np.isclose(tangent, slopes, rtol=2e-3, atol=1e-4)


def _tangents(function: Callable[..., Any], points: Sequence[Array], directions: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Returns J v by forward mode and by differences as vectors, and where the differences are decidable."""

    def at(step: float) -> Array:
        moved = [np.asarray(p + step * v) for p, v in zip(points, directions, strict=True)]
        return as_vector([y.data for y in evaluate(function, moved)])

    tangents = jvp(lambda *xs: as_outputs(function(*xs)), points, directions)[1]
    size = max((float(np.abs(p).max(initial=0)) for p in points), default=0.0)
    unit = float(np.finfo(Run.of(function, points).lowest_precision).eps)
    slopes, decidable = central_differences(at, at(0.0), size, Tolerance(), unit=unit)
    return as_vector([t.data for t in tangents]), slopes, decidable


def check_low_precision(function: Callable[..., Any], points: Sequence[Array], dtype: np.dtype[Any], seed: int) -> None:
    """Checks property 2: at the same (rounded) point, the gradients in `dtype` and float64 agree up to the precision."""
    rounded = [p.astype(dtype) for p in points]
    rough, exact = Run.of(function, rounded), Run.of(function, [p.astype(np.float64) for p in rounded])
    weights = _positive_weights(rough.outputs, seed)
    tolerance, limit = LOW_PRECISION[dtype], float(np.finfo(dtype).max) ** 0.5
    for k, (a, b) in enumerate(zip(_pull_quietly(rough, weights), _pull_quietly(exact, weights), strict=True)):
        require(a.shape == b.shape, f"in {dtype} the gradient for operand {k} must have shape {b.shape}, got {a.shape}")
        finite = np.isfinite(b) & (np.abs(b) < limit)
        scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
        wrong = finite & ~np.isclose(a.astype(np.float64), b, rtol=tolerance, atol=tolerance * scale)
        if wrong.any():
            found, expected, place = _first_derivative(
                lambda w: _pull_quietly(rough, w), lambda w: _pull_quietly(exact, w), weights, k, wrong
            )
            raise GradientError(f"in {dtype} the derivative {place} is {found:.8g}, but {expected:.8g} in float64")


def _pull_quietly(run: Run, weights: Weights) -> list[Array]:
    with np.errstate(all="ignore"):
        wide = [None if w is None else w.astype(y.dtype) for w, y in zip(weights, run.outputs, strict=True)]
        return [g for g in run.pull(wide) if g is not None]


def _first_derivative(
    found: Callable[[Weights], Sequence[Any]],
    expected: Callable[[Weights], Sequence[Any]],
    weights: Weights,
    operand: int,
    wrong: Array,
) -> tuple[float, float, str]:
    """Finds the derivative of a single output element that two computations of gradients disagree about.

    Parameters
    ----------
    found, expected : compute the gradients for all operands from upstream gradients
    weights : the upstream gradients for which they disagree
    operand, wrong : where: in which elements of which operand
    """
    flat = as_vector([w for w in weights if w is not None])
    index = tuple(int(i) for i in np.argwhere(wrong)[0])

    def both(chosen: Array) -> tuple[float, float]:
        split = split_like(chosen, weights)
        return float(found(split)[operand][index]), float(expected(split)[operand][index])

    def error(chosen: Array) -> float:
        a, b = both(chosen)
        return a - b

    unit = np.zeros_like(flat)
    unit[entry := find_entry(flat, error)] = 1
    output, output_index = position(entry, weights)
    return *both(unit), f"of output {output}{list(output_index)} with respect to operand {operand}{list(index)}"
