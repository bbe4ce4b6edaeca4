"""`gradcheck`: compares a gradient with central differences, element by element, in float64.

An element is *undecidable*, not wrong, if the differences contradict each other: one-sided differences at a kink or a jump, or
differences with two step lengths if the function is too rough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..apply import apply
from ..backward import gradients, reachable
from ..primitive import Primitive
from ..state import enable_grad, no_grad
from ..tensor import Array, Tensor, TensorLike, leaf, to_array

Function: TypeAlias = Callable[..., Any]


class GradientError(AssertionError):
    """Raised if finite differences contradict a gradient. `report` is the `Report` of the comparison."""

    def __init__(self, message: str, report: Report):
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Difference:
    """One element of one operand: the gradient from the rule and the one from finite differences."""

    operand: int
    index: tuple[int, ...]
    analytic: float
    numeric: float

    def __str__(self) -> str:
        scale = max(abs(self.analytic), abs(self.numeric), 1e-300)
        return (
            f"operand {self.operand}{list(self.index) if self.index else ''}: analytic {self.analytic:.8g}, "
            f"numeric {self.numeric:.8g}, relative error {abs(self.analytic - self.numeric) / scale:.2g}"
        )


@dataclass(frozen=True)
class Report:
    """The result of a check; it is true if no element is wrong."""

    points: int  # number of elements that were compared
    undecidable: int  # how many of them finite differences cannot decide
    wrong: list[Difference] = field(default_factory=list)  # those where the rule and the differences disagree

    def __bool__(self) -> bool:
        return not self.wrong


def gradcheck(
    function: Function,
    *operands: TensorLike,
    eps: float = 1e-6,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    seed: int = 0,
) -> Report:
    """Compares the gradient of `function(*operands)` with central differences, for every floating operand.

    Parameters
    ----------
    function : takes tensors and returns a tensor or a tuple of them
    *operands : where to differentiate; converted to float64
    eps : step of the differences
    rtol, atol : relative and absolute tolerance
    seed : of the random weights of the outputs, which make all their elements count

    Raises
    ------
    GradientError
        if an element is wrong; it names the first wrong operation in backward order and both values

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradcheck
    >>> bool(gradcheck(lambda x, y: (x * y).tanh().sum(), [1.0, 2.0], [0.5, -1.0]))
    True
    """
    points = [np.array(to_array(x, np.float64 if _is_floating(x) else None)) for x in operands]
    report = compare(function, points, eps=eps, rtol=rtol, atol=atol, seed=seed)
    if report:
        return report
    lines = [f"the gradient is wrong in {len(report.wrong)} of {report.points} elements:"]
    lines += [f"  {d}" for d in report.wrong[:5]]
    lines.append(find_wrong_operation(function, points, eps=eps, rtol=rtol, atol=atol))
    raise GradientError("\n".join(lines), report)


def gradgradcheck(function: Function, *operands: TensorLike, seed: int = 0, **tolerances: float) -> Report:
    """Checks second derivatives: `gradcheck` of the gradient, for the operands and for the upstream gradient.

    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradgradcheck
    >>> bool(gradgradcheck(lambda x: ag.exp(x * x), [0.3, -0.5]))
    True
    """
    points = [np.array(to_array(x, np.float64 if _is_floating(x) else None)) for x in operands]
    with no_grad():
        shapes = [y.shape for y in _outputs(function(*[leaf(p) for p in points]))]
    rng = np.random.default_rng(seed)
    upstream = [rng.uniform(0.5, 1.5, s) * rng.choice([-1, 1], s) for s in shapes]
    return gradcheck(first_order(function, len(points)), *points, *upstream, seed=seed + 1, **tolerances)


def first_order(function: Function, count: int) -> Function:
    """Returns the function (x₁ … x_count, upstream …) ↦ gradients for the floating x, which can be differentiated again."""

    def gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, upstream = tensors[:count], tensors[count:]
        with enable_grad():
            # Operands that are not differentiated outside need a graph here, too.
            inputs = tuple(
                x if x.requires_grad or x.dtype.kind != "f" else leaf_requiring_grad(x.data) for x in inputs
            )  # fmt: skip
            wanted = [x for x in inputs if x.requires_grad]
            pairs = [(y, u) for y, u in zip(_outputs(function(*inputs)), upstream, strict=True) if y.requires_grad]
            grads = gradients([y for y, _ in pairs], wanted, [u for _, u in pairs], create_graph=True, allow_unused=True)
        return tuple(x * 0 if g is None else g for g, x in zip(grads, wanted, strict=True))

    return gradient


def leaf_requiring_grad(array: Array) -> Tensor:
    """Returns a leaf on `array` that requires a gradient."""
    tensor = leaf(array)
    tensor.requires_grad = True
    return tensor


def compare(function: Function, points: Sequence[Array], *, eps: float, rtol: float, atol: float, seed: int) -> Report:
    """Compares like `gradcheck`, whose parameters it shares, for float64 arrays `points`; returns the Report."""
    with no_grad():
        outputs = _outputs(function(*[leaf(p) for p in points]))
    rng = np.random.default_rng(seed)
    weights = [rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1, 1], y.shape) if y.dtype.kind == "f" else None for y in outputs]
    analytic = analytic_gradients(function, points, weights)

    def value() -> float:
        with no_grad(), np.errstate(all="ignore"):
            results = _outputs(function(*[leaf(p) for p in points]))
            return float(sum(np.sum(w * y.data) for w, y in zip(weights, results, strict=True) if w is not None))

    count = undecidable = 0
    wrong: list[Difference] = []
    for k, (point, gradient) in enumerate(zip(points, analytic, strict=True)):
        if gradient is None:
            continue
        for index in np.ndindex(point.shape):
            count += 1
            numeric = central_difference(value, point, index, eps, rtol, atol)
            if numeric is None:
                undecidable += 1
            elif not np.isclose(gradient[index], numeric, rtol=rtol, atol=atol):
                wrong.append(Difference(k, index, float(gradient[index]), numeric))
    return Report(count, undecidable, wrong)


def central_difference(
    value: Callable[[], float], point: Array, index: tuple[int, ...], eps: float, rtol: float, atol: float
) -> float | None:
    """Computes the derivative of a function with respect to one element; None if it is undecidable.

    Parameters
    ----------
    value : the function, which reads `point`
    point : changed during the call and then restored
    index : the element
    eps, rtol, atol : as in `gradcheck`
    """
    original = point[index]

    def at(step: float) -> float:
        point[index] = original + step
        return value()

    try:
        samples = [at(k * eps) for k in (-2, -1, 0, 1, 2)]
    finally:
        point[index] = original
    slope, decidable = central_differences(*[np.asarray(s) for s in samples], eps=eps, rtol=rtol, atol=atol)
    return float(slope) if decidable else None


def central_differences(
    far_behind: Array, behind: Array, here: Array, ahead: Array, far_ahead: Array, *, eps: float, rtol: float, atol: float
) -> tuple[Array, Array]:
    """Computes central differences, and whether each is decidable, from values at −2ε, −ε, 0, ε, 2ε, in this order.

    The one-sided slopes of a smooth function differ by ε f″, twice as much at twice the step. So 2 · gap(ε) − gap(2ε) is zero,
    except at a kink, where it equals the jump of the slope.
    """
    with np.errstate(all="ignore"):
        near, far = (ahead - behind) / (2 * eps), (far_ahead - far_behind) / (4 * eps)
        gap = (ahead - 2 * here + behind) / eps
        far_gap = (far_ahead - 2 * here + far_behind) / (2 * eps)
        # The error from rounding: a few units in the last place of the values, divided by ε.
        noise = 2e-15 * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), 1.0) / eps
        tolerance = rtol * np.abs(near) + atol + noise
        decidable = (np.abs(near - far) <= tolerance) & (np.abs(2 * gap - far_gap) <= tolerance) & np.isfinite(near)
    return near, decidable


def analytic_gradients(function: Function, points: Sequence[Array], weights: Sequence[Array | None]) -> list[Array | None]:
    """Computes the gradient for each floating operand by the rules (None for others), from the upstream gradients `weights`."""
    inputs = [leaf_requiring_grad(p.copy()) if p.dtype.kind == "f" else leaf(p) for p in points]
    wanted = [x for x in inputs if x.requires_grad]
    pairs = [(y, w) for y, w in zip(_outputs(function(*inputs)), weights, strict=True) if y.requires_grad and w is not None]
    if pairs:
        grads = iter(gradients([y for y, _ in pairs], wanted, [w for _, w in pairs], allow_unused=True))
    else:
        grads = iter([None] * len(wanted))
    result: list[Array | None] = []
    for x in inputs:
        g = next(grads) if x.requires_grad else None
        result.append(g.data if g is not None else np.zeros(x.shape, x.dtype) if x.requires_grad else None)
    return result


def find_wrong_operation(function: Function, points: Sequence[Array], **tolerances: float) -> str:
    """Names the first operation, in backward order, whose rule disagrees with the differences of its kernel."""
    inputs = [leaf_requiring_grad(p.copy()) if p.dtype.kind == "f" else leaf(p) for p in points]
    nodes = reachable([y for y in _outputs(function(*inputs)) if y.requires_grad])
    for seq in sorted(nodes, reverse=True):
        node = nodes[seq]
        if node._primitive is None or node._primitive.name == "item":
            continue
        report = check_call(node._primitive, [x._data for x in node._inputs], node._params, **tolerances)
        if not report:
            shapes = ", ".join(f"{x.name or 'operand ' + str(i)} {x.shape}" for i, x in enumerate(node._inputs))
            place = f", created at {node._where}" if node._where else ""
            return f"first wrong operation in backward order: {node._primitive.name}({shapes}){place}\n  {report.wrong[0]}"
    return "the rule of each operation is right; the function may not be deterministic, or may use values outside of the graph"


def check_call(primitive: Primitive, operands: Sequence[Array], params: dict[str, Any], **tolerances: float) -> Report:
    """Compares the rules of one primitive with the differences of its kernel, at these operands."""
    return compare(lambda *xs: apply(primitive, xs, params), [np.array(x) for x in operands], seed=1, **tolerances)


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outputs = result if isinstance(result, tuple) else (result,)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(
                f"gradcheck: the function must return a Tensor or a tuple of Tensors, got {y!r} ({type(y).__name__})"
            )
    return outputs


def _is_floating(x: TensorLike) -> bool:
    return to_array(x).dtype.kind == "f"
