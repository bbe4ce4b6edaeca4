"""`gradcheck` and `gradgradcheck`: compare gradients with finite differences, element by element, in float64.

A check never passes without checking: it fails if the function is not deterministic, or if no element could be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..backward import gradients as differentiate
from ..backward import reachable
from ..state import enable_grad, no_grad
from ..tensor import Array, Tensor, TensorLike, leaf, to_array
from .differences import Tolerance, as_vector, central_differences

Function: TypeAlias = Callable[..., Any]
Weights: TypeAlias = list[Array | None]
"""An upstream gradient for each output; None for an integer output."""


@dataclass(frozen=True)
class Difference:
    """One derivative: of one element of an output with respect to one element of an operand, by the rule and by differences."""

    operand: int
    index: tuple[int, ...]
    output: int
    output_index: tuple[int, ...]
    analytic: float
    numeric: float

    def __str__(self) -> str:
        scale = max(abs(self.analytic), abs(self.numeric), 1e-300)
        return (
            f"derivative of {_entry('output', self.output, self.output_index)} with respect to "
            f"{_entry('operand', self.operand, self.index)}: analytic {self.analytic:.8g}, numeric {self.numeric:.8g}, "
            f"relative error {abs(self.analytic - self.numeric) / scale:.2g}"
        )


def _entry(kind: str, number: int, index: tuple[int, ...]) -> str:
    return f"{kind} {number}{list(index) if index else ''}"


@dataclass(frozen=True)
class Report:
    """The result of a check; it is true if at least one element was compared and none is wrong."""

    points: int = 0  # number of elements of the operands
    undecidable: int = 0  # how many of them finite differences cannot decide
    wrong: list[Difference] = field(default_factory=list)  # for each wrong element, the output that shows it best
    checked_by_operand: tuple[int, ...] = ()  # how many elements of each operand were compared
    largest: float = 0.0  # the largest derivative of a weighted sum of the outputs, by the rule or by differences

    @property
    def checked(self) -> int:
        """The number of elements that were compared."""
        return self.points - self.undecidable

    def __bool__(self) -> bool:
        return self.checked > 0 and not self.wrong


class GradientError(AssertionError):
    """Raised if a gradient is wrong or could not be checked. `report` is the `Report` of the comparison."""

    def __init__(self, message: str, report: Report | None = None):
        super().__init__(message)
        self.report = Report() if report is None else report


class RuleError(GradientError):
    """Raised if a backward pass raises an error."""


def gradcheck(
    function: Function,
    *operands: TensorLike,
    eps: float = 1e-6,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    seed: int = 0,
    min_checked: int = 1,
) -> Report:
    """Compares the gradient of `function(*operands)` with central differences, for every floating operand.

    Parameters
    ----------
    function : takes tensors and returns a tensor or a tuple of them; it must return the same values each time
    *operands : where to differentiate; floating ones are converted to float64
    eps : step of the differences; larger and smaller ones follow where it decides nothing
    rtol, atol : relative and absolute tolerance
    seed : of the random weights of the outputs, which make all their elements count
    min_checked : how many elements must be compared at least. With 0, random points may be empty or at a kink; then look at
        the report, which is false if nothing was checked

    Raises
    ------
    GradientError
        if an element is wrong: it names the first wrong operation in backward order, and both derivatives. Also if a gradient
        rule raises an error, if the function is not deterministic, or if too few elements could be compared

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradcheck
    >>> bool(gradcheck(lambda x, y: (x * y).tanh().sum(), [1.0, 2.0], [0.5, -1.0]))
    True
    """
    return _check(function, _points(operands), Tolerance(eps, rtol, atol), seed, min_checked, order=1)


def gradgradcheck(
    function: Function, *operands: TensorLike, seed: int = 0, min_checked: int = 1, **tolerances: float
) -> Report:
    """Checks second derivatives: `gradcheck` of the gradient, for the operands and for the upstream gradient.

    >>> import autograd_mini as ag
    >>> from autograd_mini.testing import gradgradcheck
    >>> bool(gradgradcheck(lambda x: ag.exp(x * x), [0.3, -0.5]))
    True
    """
    return _check(function, _points(operands), Tolerance(**tolerances), seed, min_checked, order=2)


def _check(function: Function, points: list[Array], tolerance: Tolerance, seed: int, min_checked: int, order: int) -> Report:
    """Runs the check of this order and raises GradientError unless it passes."""
    from .blame import find_wrong_operation

    def blame() -> str:
        return find_wrong_operation(Run.of(function, points).outputs, tolerance, order)

    if not any(p.dtype.kind == "f" for p in points):
        dtypes = ", ".join(str(p.dtype) for p in points) or "none"
        if min_checked > 0:
            raise GradientError(f"nothing was checked: no operand is floating (got {dtypes}); write 1.0 instead of 1")
        return Report()
    try:
        subject, at = (function, points) if order == 1 else second_order(function, points, seed)
        report = compare(subject, at, tolerance, seed + order - 1)
    except RuleError as error:
        raise GradientError(f"{error}\n{blame()}") from error.__cause__
    if report.wrong:
        what = "gradient" if order == 1 else "gradient of the gradient"
        lines = [f"the {what} is wrong in {len(report.wrong)} of {report.points} elements:"]
        if order == 2:
            lines.append(f"  (outputs: the gradients for operands; operands {len(points)} and later: the upstream gradients)")
        lines += [f"  {d}" for d in report.wrong[:5]]
        raise GradientError("\n".join([*lines, blame()]), report)
    # A second derivative is linear in the upstream gradients, so elements of those say little.
    if sum(report.checked_by_operand[: len(points)]) < min_checked:
        raise GradientError(_explain_nothing(report, min_checked, Run.of(function, points)), report)
    if min_checked > 0 and is_below(report.largest, tolerance):
        raise GradientError(
            f"nothing was checked: the largest derivative is {report.largest:.2g}, so with atol={tolerance.atol:g} any "
            "gradient near 0 would pass; multiply the function by a constant, or pass a smaller atol",
            report,
        )
    return report


def is_below(largest: float, tolerance: Tolerance) -> bool:
    """Returns whether a derivative is so small that `atol` accepts a wrong one, though it is not 0 (up to rounding)."""
    return 1e-8 < largest <= tolerance.atol


def _explain_nothing(report: Report, min_checked: int, run: Run) -> str:
    sizes = [x.size for x in run.inputs if x._requires_grad]
    checked = sum(report.checked_by_operand[: len(run.inputs)])
    found = "nothing was checked" if checked == 0 else f"only {checked} elements were checked, not {min_checked}"
    if not any(y.size and y.dtype.kind == "f" for y in run.outputs):
        return f"{found}: the function returns no floating element"
    if not any(sizes):
        return f"{found}: the operands have no elements"
    if (dtype := run.lowest_precision) != np.float64:
        return f"{found}: the function computes in {dtype}, too coarse for finite differences; use float64 inside it"
    open_elements = f"{sum(sizes) - checked} of {sum(sizes)} elements"
    return (
        f"{found}: finite differences contradict each other at {open_elements} (a kink, a jump, a value "
        "that is not finite, or rounding); choose other points"
    )


# -- a function as the checks see it ------------------------------------------------------------------------------------------


class Run:
    """One recorded call: its outputs, and the gradients that its rules compute for any upstream gradient."""

    def __init__(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor]):
        self.outputs, self.inputs = outputs, inputs

    @staticmethod
    def of(function: Function, points: Sequence[Array]) -> Run:
        """Calls a function at these points; floating ones require a gradient."""
        inputs = [leaf_requiring_grad(p.copy()) if p.dtype.kind == "f" else leaf(p) for p in points]
        with enable_grad(), np.errstate(all="ignore"):
            return Run(as_outputs(function(*inputs)), inputs)

    def pull(self, weights: Weights, create_graph: bool = False) -> list[Array | None]:
        """Returns the gradient for each input from the upstream gradients `weights`; None for an input without a gradient."""
        wanted = [x for x in self.inputs if x._requires_grad]
        pairs = [(y, w) for y, w in zip(self.outputs, weights, strict=True) if y._requires_grad and w is not None]
        found = iter(pull(pairs, wanted, create_graph) if pairs else [None] * len(wanted))
        grads = [next(found) if x._requires_grad else None for x in self.inputs]
        return [
            None if not x._requires_grad else np.zeros_like(x._data) if g is None else g._data
            for x, g in zip(self.inputs, grads, strict=True)
        ]

    @property
    def lowest_precision(self) -> np.dtype[Any]:
        """The coarsest floating dtype in which the function computes something that depends on its operands."""
        nodes = reachable([y for y in self.outputs if y._requires_grad]).values()
        results = [a for t in nodes for a in (t._data if isinstance(t._data, tuple) else (t._data,))]
        dtypes = {a.dtype for a in [*results, *[y._data for y in self.outputs]] if a.dtype.kind == "f"}
        return max(dtypes, key=lambda d: float(np.finfo(d).eps), default=np.dtype(np.float64))


def pull(pairs: Sequence[tuple[Tensor, Any]], inputs: Sequence[Tensor], create_graph: bool) -> list[Tensor | None]:
    """Computes gradients from pairs of an output and its upstream gradient; an error in a rule becomes a RuleError."""
    outputs, upstream = [y for y, _ in pairs], [w for _, w in pairs]
    try:
        return differentiate(outputs, inputs, upstream, create_graph=create_graph, allow_unused=True)
    except Exception as error:
        raise RuleError(f"the backward pass raised {type(error).__name__}: {error}") from error


def second_order(function: Function, points: Sequence[Array], seed: int) -> tuple[Function, list[Array]]:
    """Returns the gradient as a function of operands and upstream gradients, and a point for it."""
    outputs = evaluate(function, points)
    if not any(y.size and y.dtype.kind == "f" for y in outputs):
        return (lambda *_: outputs), list(points)  # then nothing can be checked
    shapes = [y.shape for y in outputs]
    rng = np.random.default_rng(seed)
    upstream = [np.asarray(rng.uniform(0.5, 1.5, s) * rng.choice([-1, 1], s)) for s in shapes]
    return first_order(function, len(points)), [*points, *upstream]


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
            outputs = as_outputs(function(*inputs))
            pairs = [(y, u) for y, u in zip(outputs, upstream, strict=True) if y.requires_grad]
            grads = pull(pairs, wanted, True) if pairs else [None] * len(wanted)
        return tuple(x * 0 if g is None else g for g, x in zip(grads, wanted, strict=True))

    return gradient


def leaf_requiring_grad(array: Array) -> Tensor:
    """Returns a leaf on `array` that requires a gradient."""
    tensor = leaf(array)
    tensor.requires_grad = True
    return tensor


def evaluate(function: Function, points: Sequence[Array]) -> tuple[Tensor, ...]:
    """Calls a function at these points without recording."""
    with no_grad(), np.errstate(all="ignore"):
        return as_outputs(function(*[leaf(p) for p in points]))


def as_outputs(result: Any) -> tuple[Tensor, ...]:
    """Returns what a function returned as a tuple of tensors; raises TypeError for anything else."""
    outputs = result if isinstance(result, tuple) else (result,)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(
                f"gradcheck: the function must return a Tensor or a tuple of Tensors, got {y!r} ({type(y).__name__})"
            )
    return outputs


def _points(operands: Sequence[TensorLike]) -> list[Array]:
    """Returns the operands as arrays that a check may change; floating ones in float64, also if Python floats."""
    return [np.array(to_array(x, np.float64 if to_array(x).dtype.kind == "f" else None)) for x in operands]


# -- the comparison ---------------------------------------------------------------------------------------------------------


def compare(function: Function, points: Sequence[Array], tolerance: Tolerance, seed: int) -> Report:
    """Compares the gradients of `function` at float64 `points` with differences, which change the points and restore them."""
    return compare_run(lambda: [y._data for y in evaluate(function, points)], Run.of(function, points), points, tolerance, seed)


def compare_run(
    outputs: Callable[[], list[Array]], run: Run, points: Sequence[Array], tolerance: Tolerance, seed: int
) -> Report:
    """Compares the gradients of a recorded run with differences.

    Parameters
    ----------
    outputs : computes the outputs from what `points` contain
    run : the function, recorded at the points
    points : an array for each input of the run; changed during the call and then restored
    tolerance : of the comparison
    seed : of the random weights
    """
    here = as_vector([y._data for y in run.outputs])
    unit = float(np.finfo(run.lowest_precision).eps)
    for _ in range(2):
        demand_same_outputs(here, as_vector(outputs()), unit)
    weights = random_weights(run.outputs, seed)
    flat = as_vector([w for w in weights if w is not None])
    undecidable, checked, largest = [0] * len(points), [0] * len(points), 0.0
    wrong: list[Difference] = []
    gradients = run.pull(weights) if here.size else [None] * len(points)
    for k, (point, gradient) in enumerate(zip(points, gradients, strict=True)):
        if gradient is None:
            continue
        for index in np.ndindex(point.shape):
            slopes, decidable = derivatives(lambda: as_vector(outputs()), here, point, index, tolerance, flat, unit)
            if not decidable.all():
                undecidable[k] += 1
                continue
            checked[k] += 1
            largest = max(largest, abs(float(gradient[index])), abs(float(slopes[-1])))
            if not np.isclose(gradient[index], slopes[-1], rtol=tolerance.rtol, atol=tolerance.atol):
                wrong.append(locate(run, weights, k, index, slopes[:-1]))
    demand_same_outputs(here, as_vector(outputs()), unit)
    return Report(sum(checked) + sum(undecidable), sum(undecidable), wrong, tuple(checked), largest)


def derivatives(
    outputs: Callable[[], Array],
    here: Array,
    point: Array,
    index: tuple[int, ...],
    tolerance: Tolerance,
    weights: Array | None,
    unit: float,
) -> tuple[Array, Array]:
    """Computes the derivatives of all outputs with respect to one element of `point`; see `central_differences`.

    Parameters
    ----------
    outputs : computes the outputs as a vector from what `point` contains
    here : its present result
    point, index : the element to move; restored afterwards
    tolerance, weights, unit : as in `central_differences`
    """
    original = point[index]

    def at(step: float) -> Array:
        point[index] = original + step
        return outputs()

    try:
        return central_differences(at, here, float(original), tolerance, weights=weights, unit=unit)
    finally:
        point[index] = original


def demand_same_outputs(expected: Array, found: Array, unit: float) -> None:
    """Raises GradientError unless two calls at the same point gave the same outputs, up to rounding."""
    if expected.shape == found.shape:
        with np.errstate(all="ignore"):
            allowed = 10 * unit * np.maximum(np.abs(expected), 1)
            same = (np.abs(expected - found) <= allowed) | (expected == found) | (np.isnan(expected) & np.isnan(found))
        if same.all():
            return
        found_text = f"{expected[~same][0]:.8g} and then {found[~same][0]:.8g}"
    else:
        found_text = f"{expected.size} and then {found.size} elements"
    raise GradientError(
        f"the function is not deterministic: two calls at the same point returned {found_text}; "
        "set the seed of its random numbers inside it, and let it keep no state between calls"
    )


def random_weights(outputs: Sequence[Tensor], seed: int) -> Weights:
    """Returns random upstream gradients of both signs, between 0.5 and 1.5 in size."""
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1, 1], y.shape), y.dtype) if y.dtype.kind == "f" else None
        for y in outputs
    ]


def locate(run: Run, weights: Weights, operand: int, index: tuple[int, ...], column: Array) -> Difference:
    """Finds the output element whose derivative is wrong, where the derivative of a weighted sum of all outputs is.

    Parameters
    ----------
    run : the function
    weights : the weights of the sum
    operand, index : the element of an operand
    column : the derivative of each output element with respect to it, from differences
    """
    flat = as_vector([w for w in weights if w is not None])

    def pull(chosen: Array) -> float:
        gradient = run.pull(split_like(chosen, weights))[operand]
        assert gradient is not None
        return float(gradient[index])

    entry = find_entry(flat, lambda chosen: pull(chosen) - float(chosen @ column))
    unit = np.zeros_like(flat)
    unit[entry] = 1
    output, output_index = position(entry, weights)
    return Difference(operand, index, output, output_index, pull(unit), float(column[entry]))


def find_entry(weights: Array, error: Callable[[Array], float]) -> int:
    """Finds an entry that contributes to the error of a weighted sum, by halving the set of entries with nonzero weight."""
    first, last = 0, weights.size
    while last - first > 1:
        middle = (first + last) // 2
        halves = []
        for start, end in ((first, middle), (middle, last)):
            chosen = np.zeros_like(weights)
            chosen[start:end] = weights[start:end]
            halves.append(abs(error(chosen)))
        first, last = (first, middle) if np.isnan(halves[0]) or halves[0] >= halves[1] else (middle, last)
    return first


def split_like(flat: Array, weights: Weights) -> Weights:
    """Returns a vector of all floating outputs as one array for each output."""
    arrays: Weights = []
    start = 0
    for w in weights:
        arrays.append(None if w is None else flat[start : start + w.size].reshape(w.shape).astype(w.dtype))
        start += 0 if w is None else w.size
    return arrays


def position(entry: int, weights: Weights) -> tuple[int, tuple[int, ...]]:
    """Returns the output and the index in it of an entry of the vector of all floating outputs."""
    for k, w in enumerate(weights):
        if w is not None:
            if entry < w.size:
                return k, tuple(int(i) for i in np.unravel_index(entry, w.shape))
            entry -= w.size
    raise IndexError(entry)
