"""`gradcheck`: a gradient against central differences, element by element, in float64.

An element is *undecidable*, not wrong, where the differences themselves disagree: one-sided ones at a kink or a jump, those
of two step lengths where the function is too rough to be measured.
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
    """A gradient that finite differences contradict. `report` holds every element that was compared."""

    def __init__(self, message: str, report: Report):
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Difference:
    """One element of one operand: what the rule says beside what differences say."""

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
    """The outcome of a check; true when nothing was wrong.

    points       elements compared
    undecidable  those of them where finite differences give no answer
    wrong        those where rule and differences disagree
    """

    points: int
    undecidable: int
    wrong: list[Difference] = field(default_factory=list)

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
    """Compares the gradient of `function(*operands)` by every floating operand with central differences.

    `function` takes tensors and returns a tensor or a tuple of them; its outputs are weighted with a random cotangent drawn
    from `seed`, so all elements count. Operands are converted to float64. Raises GradientError, which names the first wrong
    operation in backward order, its operands, and the analytic beside the numeric value; returns a true Report otherwise.

    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradcheck
    >>> bool(gradcheck(lambda x, y: (x * y).tanh().sum(), [1.0, 2.0], [0.5, -1.0]))
    True
    """
    points = [np.array(to_array(x, np.float64 if _floating(x) else None)) for x in operands]
    report = compare(function, points, eps=eps, rtol=rtol, atol=atol, seed=seed)
    if report:
        return report
    lines = [f"the gradient is wrong in {len(report.wrong)} of {report.points} elements:"]
    lines += [f"  {d}" for d in report.wrong[:5]]
    lines.append(blame(function, points, eps=eps, rtol=rtol, atol=atol))
    raise GradientError("\n".join(lines), report)


def gradgradcheck(function: Function, *operands: TensorLike, seed: int = 0, **tolerances: float) -> Report:
    """`gradcheck` of the gradient itself, by the operands and by the upstream gradient: the second-order test.

    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradgradcheck
    >>> bool(gradgradcheck(lambda x: ag.exp(x * x), [0.3, -0.5]))
    True
    """
    points = [np.array(to_array(x, np.float64 if _floating(x) else None)) for x in operands]
    with no_grad():
        shapes = [y.shape for y in _outputs(function(*[leaf(p) for p in points]))]
    rng = np.random.default_rng(seed)
    upstream = [rng.uniform(0.5, 1.5, s) * rng.choice([-1, 1], s) for s in shapes]
    return gradcheck(first_order(function, len(points)), *points, *upstream, seed=seed + 1, **tolerances)


def first_order(function: Function, count: int) -> Function:
    """The function (x₁ … x_count, upstream …) ↦ gradients by the floating x, recorded to be differentiated again."""

    def gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, upstream = tensors[:count], tensors[count:]
        with enable_grad():
            # Operands that are not being differentiated outside still need a graph of their own here.
            inputs = tuple(
                x if x.requires_grad or x.dtype.kind != "f" else leaf_requiring_grad(x.data) for x in inputs
            )  # fmt: skip
            wanted = [x for x in inputs if x.requires_grad]
            pairs = [(y, u) for y, u in zip(_outputs(function(*inputs)), upstream, strict=True) if y.requires_grad]
            found = gradients([y for y, _ in pairs], wanted, [u for _, u in pairs], create_graph=True, allow_unused=True)
        return tuple(x * 0 if g is None else g for g, x in zip(found, wanted, strict=True))

    return gradient


def leaf_requiring_grad(array: Array) -> Tensor:
    """A leaf on `array` that wants a gradient."""
    tensor = leaf(array)
    tensor.requires_grad = True
    return tensor


def compare(function: Function, points: Sequence[Array], *, eps: float, rtol: float, atol: float, seed: int) -> Report:
    """The bare comparison behind `gradcheck`: float64 arrays in, a Report out, nothing raised."""
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
            numeric = derivative(value, point, index, eps, rtol, atol)
            if numeric is None:
                undecidable += 1
            elif not np.isclose(gradient[index], numeric, rtol=rtol, atol=atol):
                wrong.append(Difference(k, index, float(gradient[index]), numeric))
    return Report(count, undecidable, wrong)


def derivative(
    value: Callable[[], float], point: Array, index: tuple[int, ...], eps: float, rtol: float, atol: float
) -> float | None:
    """The central difference of `value` by one element of `point`, which is put back; None where differences disagree."""
    original = point[index]

    def at(step: float) -> float:
        point[index] = original + step
        return value()

    try:
        samples = [at(k * eps) for k in (-2, -1, 0, 1, 2)]
    finally:
        point[index] = original
    slope, known = slopes(*[np.asarray(s) for s in samples], eps=eps, rtol=rtol, atol=atol)
    return float(slope) if known else None


def slopes(
    far_behind: Array, behind: Array, here: Array, ahead: Array, far_ahead: Array, *, eps: float, rtol: float, atol: float
) -> tuple[Array, Array]:
    """Central differences from values at −2ε, −ε, 0, ε, 2ε, and where they can be trusted.

    The one-sided slopes of a smooth function differ by ε f″, twice as much at twice the step; so 2 · gap(ε) − gap(2ε) vanishes
    but for a kink, whose jump of the slope it shows.
    """
    with np.errstate(all="ignore"):
        near, far = (ahead - behind) / (2 * eps), (far_ahead - far_behind) / (4 * eps)
        gap = (ahead - 2 * here + behind) / eps
        far_gap = (far_ahead - 2 * here + far_behind) / (2 * eps)
        # What rounding alone may do to any of these: a few units in the last place of the values, divided by ε.
        noise = 2e-15 * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), 1.0) / eps
        tolerance = rtol * np.abs(near) + atol + noise
        known = (np.abs(near - far) <= tolerance) & (np.abs(2 * gap - far_gap) <= tolerance) & np.isfinite(near)
    return near, known


def analytic_gradients(function: Function, points: Sequence[Array], weights: Sequence[Array | None]) -> list[Array | None]:
    """The rules' gradients by each floating operand (None for the others), for the given upstream gradients."""
    inputs = [leaf_requiring_grad(p.copy()) if p.dtype.kind == "f" else leaf(p) for p in points]
    wanted = [x for x in inputs if x.requires_grad]
    pairs = [(y, w) for y, w in zip(_outputs(function(*inputs)), weights, strict=True) if y.requires_grad and w is not None]
    if pairs:
        found = iter(gradients([y for y, _ in pairs], wanted, [w for _, w in pairs], allow_unused=True))
    else:
        found = iter([None] * len(wanted))
    result: list[Array | None] = []
    for x in inputs:
        g = next(found) if x.requires_grad else None
        result.append(np.zeros(x.shape, x.dtype) if x.requires_grad and g is None else None if g is None else g.data)
    return result


def blame(function: Function, points: Sequence[Array], **tolerances: float) -> str:
    """Names the first operation, in backward order, whose own rule disagrees with differences of its own kernel."""
    inputs = [leaf_requiring_grad(p.copy()) if p.dtype.kind == "f" else leaf(p) for p in points]
    nodes = reachable([y for y in _outputs(function(*inputs)) if y.requires_grad])
    for seq in sorted(nodes, reverse=True):
        node = nodes[seq]
        if node._primitive is None or node._primitive.name == "item":
            continue
        report = check_call(node._primitive, [x._data for x in node._inputs], node._params, **tolerances)
        if not report:
            shapes = ", ".join(f"{x.name or 'operand ' + str(i)} {x.shape}" for i, x in enumerate(node._inputs))
            made = f", made at {node._where}" if node._where else ""
            return f"first wrong operation in backward order: {node._primitive.name}({shapes}){made}\n  {report.wrong[0]}"
    return (
        "each operation agrees with differences of its own; the function itself may not be deterministic, or leaves the graph"
    )


def check_call(primitive: Primitive, operands: Sequence[Array], params: dict[str, Any], **tolerances: float) -> Report:
    """Compares one primitive's rules with differences of its kernel, at these operands."""
    return compare(lambda *xs: apply(primitive, xs, params), [np.array(x) for x in operands], seed=1, **tolerances)


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outputs = result if isinstance(result, tuple) else (result,)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: the function must return a Tensor or a tuple of them, got {type(y).__name__}")
    return outputs


def _floating(x: TensorLike) -> bool:
    return to_array(x).dtype.kind == "f"
