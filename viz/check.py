"""`check`: compares analytic gradients of parameters with finite differences, as a table and as badges in the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from autograd_mini.state import enable_grad, no_grad
from autograd_mini.tensor import Array, Tensor
from autograd_mini.testing.blame import find_wrong_operation
from autograd_mini.testing.check import GradientError, RuleError, Run, demand_same_outputs, derivatives, is_below
from autograd_mini.testing.differences import Tolerance
from autograd_mini.tools.plain_text import for_stdout

from .graph.nodes import Names, named_parameters
from .graph.picture import Picture, draw
from .graph.summary import format_number
from .graph.tree import align_columns
from .language import translate

Verdict: TypeAlias = Literal["✓", "✗", "undecidable"]

NOTHING_CHECKED: Final = (
    "nothing was checked: finite differences contradict each other at every element (a kink, a jump, a value that is not "
    "finite, or rounding); choose other values"
)
TOO_SMALL: Final = "nothing was checked: no derivative exceeds {largest}, but atol is {atol}; pass a smaller atol"


@dataclass(frozen=True)
class ParameterCheck:
    """The result for one parameter: the element with the largest disagreement, and the verdict on all elements.

    analytic, numeric, error   the two derivatives at `index` and their relative error; nan if differences do not converge
    undecidable                how many of the `size` elements lie at a kink or jump, where differences do not converge
    """

    name: str
    size: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    undecidable: int
    verdict: Verdict


class Check:
    """The result of `check`, which prints as a table; `rows` holds one entry per parameter.

    It is false if any parameter is wrong, or if no element could be compared. `culprit` then names the first operation in
    backward order whose rule is wrong, or says that nothing was checked; it is empty if all is right.
    """

    def __init__(self, rows: Sequence[ParameterCheck], culprit: str, redraw: Callable[[Mapping[str, str]], Picture]) -> None:
        self.rows, self.culprit, self._redraw = list(rows), culprit, redraw

    def __bool__(self) -> bool:
        return not self.culprit

    def __repr__(self) -> str:
        heads = ("parameter", "elements", "at", "analytic", "numeric", "relative error", "verdict")
        lines = align_columns([tuple(map(translate, heads)), *(_cells(row) for row in self.rows)])
        return for_stdout("\n".join([*lines, *self.culprit.splitlines()]))

    def draw(self) -> Picture:
        """Draws the graph with a badge at each parameter: ✓, ✗ or undecidable, and the relative error."""
        return self._redraw({row.name: _badge(row) for row in self.rows})


def check(
    function: Callable[[], Tensor],
    params: Names,
    *,
    eps: float = 1e-6,
    rtol: float = 1e-3,
    atol: float = 1e-5,
) -> Check:
    """Compares the gradient of a scalar `function()` with respect to each of `params` with central differences in float64.

    Parameters hold float64 copies during the check and their original values afterwards; `.grad` does not change. Each element
    costs four forward passes, so choose a small model. At a kink an element is undecidable, not wrong. Raises ValueError if the
    result is not a scalar or no parameter requires a gradient, and GradientError if two calls of `function` return different
    values or if a gradient rule raises an error.

    Parameters
    ----------
    function : computes the loss, a scalar Tensor; it must return the same value each time, so seed any randomness
    params : the tensors that `function` uses: a module, or a dict of name to Tensor
    eps : step of the finite differences; larger and smaller ones follow where it decides nothing
    rtol, atol : relative and absolute tolerance

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor([1.0, -2.0], requires_grad=True)
    >>> assert viz.check(lambda: ag.square(w).sum(), {"w": w})
    >>> viz.check(lambda: ag.square(w).sum(), {"w": w}).rows[0].verdict
    '✓'
    """
    parameters = {name: p for name, p in named_parameters(params) if p._requires_grad}
    if not parameters:
        raise ValueError("check: no parameter in `params` requires a gradient; create one with requires_grad=True")
    tolerance = Tolerance(eps, rtol, atol)
    with float64_copies(parameters.values()):
        loss = _record(function)
        if not isinstance(loss, Tensor) or loss._data.size != 1:
            raise ValueError(f"check: expected a function() that returns a scalar Tensor, got {loss!r}")
        run = Run([loss], list(parameters.values()))
        try:
            analytic = run.pull([np.ones(loss.shape)])
        except RuleError as error:
            raise GradientError(f"{error}\n{find_wrong_operation([loss], tolerance)}") from error.__cause__
        numeric = _numeric_gradients(function, run, tolerance)
        rows = [
            _compare(name, g, n, rtol, atol) for name, g, n in zip(parameters, analytic, numeric, strict=True) if g is not None
        ]
        culprit = ""
        if any(row.verdict == "✗" for row in rows):
            culprit = find_wrong_operation([loss], tolerance)
        elif all(row.undecidable == row.size for row in rows):
            culprit = translate(NOTHING_CHECKED)
        elif is_below(largest := max(abs(v) for row in rows for v in (row.analytic, row.numeric) if v == v), tolerance):
            culprit = translate(TOO_SMALL, largest=f"{largest:.2g}", atol=f"{atol:g}")
    return Check(rows, culprit, lambda badges: draw(_record(function), params=params, badges=badges))


def _record(function: Callable[[], Tensor]) -> Tensor:
    with enable_grad():
        return function()


@contextmanager
def float64_copies(leaves: Iterable[Tensor]) -> Iterator[None]:
    """Replaces the values of the leaves by float64 copies inside the block and restores the original arrays afterwards."""
    originals = [(leaf, leaf._data) for leaf in leaves]
    try:
        for leaf, array in originals:
            leaf._data = array.astype(np.float64)
        yield
    finally:
        for leaf, array in originals:
            leaf._data = array


def _numeric_gradients(function: Callable[[], Tensor], run: Run, tolerance: Tolerance) -> list[Array]:
    """The central difference for each element of each parameter; nan if the differences do not converge.

    Raises GradientError if two calls of the function at the same point return different values.
    """

    def value() -> Array:
        with no_grad(), np.errstate(all="ignore"):
            return function()._data.reshape(1).astype(np.float64)

    here, unit = run.outputs[0]._data.reshape(1).astype(np.float64), float(np.finfo(run.lowest_precision).eps)
    demand_same_outputs(here, value(), unit)
    results = []
    for parameter in run.inputs:
        result = np.full(parameter.shape, np.nan)
        for index in np.ndindex(parameter.shape):
            slope, decidable = derivatives(value, here, parameter._data, index, tolerance, None, unit)
            result[index] = slope[0] if decidable[0] else np.nan
        results.append(result)
    demand_same_outputs(here, value(), unit)
    return results


def _compare(name: str, analytic: Array, numeric: Array, rtol: float, atol: float) -> ParameterCheck:
    known = ~np.isnan(numeric)
    with np.errstate(all="ignore"):
        scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), 1e-300)
        error = np.where(known, np.abs(analytic - numeric) / scale, np.nan)
        error = np.where(known & np.isclose(analytic, 0, atol=atol) & np.isclose(numeric, 0, atol=atol), 0, error)
    wrong = known & ~np.isclose(analytic, numeric, rtol=rtol, atol=atol)
    if not known.any():
        return ParameterCheck(name, analytic.size, (), np.nan, np.nan, np.nan, analytic.size, "undecidable")
    ranked = np.where(wrong, error + 1, np.nan_to_num(error, nan=-1.0))  # wrong ones first, then by error
    index = tuple(int(i) for i in np.unravel_index(int(ranked.argmax()), ranked.shape))
    verdict: Verdict = "✗" if wrong.any() else "✓"
    undecidable = int((~known).sum())
    return ParameterCheck(
        name, analytic.size, index, float(analytic[index]), float(numeric[index]), float(error[index]), undecidable, verdict
    )


def _cells(row: ParameterCheck) -> tuple[str, ...]:
    verdict = translate(row.verdict)
    if 0 < row.undecidable < row.size:
        verdict = translate("{verdict} ({count} undecidable)", verdict=verdict, count=row.undecidable)
    at = str(list(row.index)) if row.index else ""
    analytic, numeric = format_number(row.analytic, 7), format_number(row.numeric, 7)
    return (row.name, str(row.size), at, analytic, numeric, f"{row.error:.1e}", verdict)


def _badge(row: ParameterCheck) -> str:
    return translate(row.verdict) if np.isnan(row.error) else f"{row.verdict} {row.error:.1e}"
