"""`check`: compares analytic gradients of parameters with finite differences, as a table and as badges in the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from autograd_mini.backward import gradients
from autograd_mini.state import no_grad
from autograd_mini.tensor import Array, Tensor
from autograd_mini.testing.check import central_difference, find_wrong_operation
from autograd_mini.tools.plain_text import for_stdout

from .graph.nodes import Names, named_parameters
from .graph.picture import Picture, draw
from .graph.summary import format_number
from .graph.tree import align_columns

Verdict: TypeAlias = Literal["✓", "✗", "undecidable"]

TOLERANCES: Final = {"eps": 1e-6, "rtol": 1e-3, "atol": 1e-5}


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
    """The result of `check`: false if any parameter is wrong; prints as a table; `rows` holds one entry per parameter.

    `culprit` names the first operation in backward order whose rule is wrong; it is empty if all are right.
    """

    def __init__(self, rows: Sequence[ParameterCheck], culprit: str, redraw: Callable[[Mapping[str, str]], Picture]) -> None:
        self.rows, self.culprit, self._redraw = list(rows), culprit, redraw

    def __bool__(self) -> bool:
        return all(row.verdict != "✗" for row in self.rows)

    def __repr__(self) -> str:
        heads = ("parameter", "elements", "at", "analytic", "numeric", "relative error", "verdict")
        lines = align_columns([heads, *(_cells(row) for row in self.rows)])
        return for_stdout("\n".join([*lines, *self.culprit.splitlines()]))

    def draw(self) -> Picture:
        """Draws the graph with a badge at each parameter: ✓, ✗ or undecidable, and the relative error."""
        return self._redraw({row.name: _badge(row) for row in self.rows})


def check(
    function: Callable[[], Tensor],
    params: Names,
    *,
    eps: float = TOLERANCES["eps"],
    rtol: float = TOLERANCES["rtol"],
    atol: float = TOLERANCES["atol"],
) -> Check:
    """Compares the gradient of a scalar `function()` with respect to each of `params` with central differences in float64.

    Parameters hold float64 copies during the check and their original values afterwards; `.grad` does not change. Each element
    costs five forward passes, so choose a small model. At a kink an element is undecidable, not wrong. Raises ValueError if the
    result is not a scalar or no parameter requires a gradient.

    Parameters
    ----------
    function : computes the loss, a scalar Tensor; it must return the same value each time, so seed any randomness
    params : the tensors that `function` uses: a module, or a dict of name to Tensor
    eps : step of the finite differences
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
    tolerances = {"eps": eps, "rtol": rtol, "atol": atol}
    with float64_copies(parameters.values()):
        loss = function()
        if not isinstance(loss, Tensor) or loss._data.size != 1:
            raise ValueError(f"check: expected a function() that returns a scalar Tensor, got {loss!r}")
        analytic = gradients([loss], list(parameters.values()), allow_unused=True)
        arrays = [np.zeros(p.shape) if g is None else g._data for p, g in zip(parameters.values(), analytic, strict=True)]
        rows = [
            _compare(name, array, _numeric_gradient(function, p._data, tolerances), rtol, atol)
            for (name, p), array in zip(parameters.items(), arrays, strict=True)
        ]
        wrong = any(row.verdict == "✗" for row in rows)
        culprit = find_wrong_operation(function, [], **tolerances) if wrong else ""
    return Check(rows, culprit, lambda badges: draw(function(), params=params, badges=badges))


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


def _numeric_gradient(function: Callable[[], Tensor], point: Array, tolerances: Mapping[str, float]) -> Array:
    """The central difference for each element of a parameter's array; nan if the differences do not converge."""

    def value() -> float:
        with no_grad(), np.errstate(all="ignore"):
            return float(function())

    differences = [central_difference(value, point, index, **tolerances) for index in np.ndindex(point.shape)]
    return np.array([np.nan if d is None else d for d in differences]).reshape(point.shape)


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
    verdict = row.verdict + f" ({row.undecidable} undecidable)" * (0 < row.undecidable < row.size)
    at = str(list(row.index)) if row.index else ""
    analytic, numeric = format_number(row.analytic, 7), format_number(row.numeric, 7)
    return (row.name, str(row.size), at, analytic, numeric, f"{row.error:.1e}", verdict)


def _badge(row: ParameterCheck) -> str:
    return row.verdict if np.isnan(row.error) else f"{row.verdict} {row.error:.1e}"
