"""`check`: the gradient of a program by its own parameters, analytic beside numeric, as a table and as badges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from autograd_mini.backward import gradients
from autograd_mini.state import no_grad
from autograd_mini.tensor import Array, Tensor
from autograd_mini.testing.check import blame, derivative

from .graph.picture import Picture, draw
from .graph.record import Names, named_parameters
from .graph.summary import number
from .graph.tree import aligned

Verdict: TypeAlias = Literal["✓", "✗", "undecidable"]

TOLERANCES: Final = {"eps": 1e-6, "rtol": 1e-3, "atol": 1e-5}


@dataclass(frozen=True)
class Row:
    """A parameter: the element where rule and differences are furthest apart, and the verdict on all elements.

    analytic, numeric, error   the two derivatives at `index` and their relative error; nan where differences give no answer
    undecidable                how many of the `size` elements lie at a kink or jump, where differences give no answer
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
    """The outcome of `check`: false as soon as one parameter is wrong, `rows` by parameter, and a table as its text.

    `culprit` names the first operation in backward order whose own rule is wrong; empty where nothing is.
    """

    def __init__(self, rows: Sequence[Row], culprit: str, redraw: Callable[[Mapping[str, str]], Picture]) -> None:
        self.rows, self.culprit, self._redraw = list(rows), culprit, redraw

    def __bool__(self) -> bool:
        return all(row.verdict != "✗" for row in self.rows)

    def __repr__(self) -> str:
        heads = ("parameter", "elements", "at", "analytic", "numeric", "relative error", "verdict")
        lines = aligned([heads, *(_cells(row) for row in self.rows)])
        return "\n".join([*lines, *self.culprit.splitlines()])

    def draw(self) -> Picture:
        """The graph of the program, each parameter with its badge: ✓, ✗ or undecidable, and the relative error."""
        return self._redraw({row.name: _badge(row) for row in self.rows})


def check(
    function: Callable[[], Tensor],
    params: Names,
    *,
    eps: float = TOLERANCES["eps"],
    rtol: float = TOLERANCES["rtol"],
    atol: float = TOLERANCES["atol"],
) -> Check:
    """Compares the gradient of a scalar `function()` by each of `params` with central differences in float64.

    `params` are tensors that `function` uses: a module, or a dict of name to Tensor. While it runs they are float64 copies, and
    afterwards what they were; no `.grad` is touched. `function` must give the same value each time (seed what is random). Each
    element costs five forward passes, so choose a small model. An element is undecidable, not wrong, where differences
    themselves disagree, as at a kink. Raises ValueError where the result is no scalar or there is no parameter.

    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> w = ag.Tensor([1.0, -2.0], requires_grad=True)
    >>> assert viz.check(lambda: ag.square(w).sum(), {"w": w})
    >>> viz.check(lambda: ag.square(w).sum(), {"w": w}).rows[0].verdict
    '✓'
    """
    parameters = {name: p for name, p in named_parameters(params) if p._requires_grad}
    if not parameters:
        raise ValueError("check: there is no parameter that requires a gradient")
    tolerances = {"eps": eps, "rtol": rtol, "atol": atol}
    with in_float64(parameters.values()):
        loss = function()
        if not isinstance(loss, Tensor) or loss._data.size != 1:
            raise ValueError(f"check: expected a function() that returns a scalar Tensor, got {loss!r}")
        analytic = gradients([loss], list(parameters.values()), allow_unused=True)
        rows = [
            _row(name, np.zeros(p.shape) if g is None else g._data, _differences(function, p._data, tolerances), rtol, atol)
            for (name, p), g in zip(parameters.items(), analytic, strict=True)
        ]
        wrong = any(row.verdict == "✗" for row in rows)
        culprit = blame(function, [], **tolerances) if wrong else ""
    return Check(rows, culprit, lambda badges: draw(function(), params=params, badges=badges))


@contextmanager
def in_float64(leaves: Iterable[Tensor]) -> Iterator[None]:
    """Within it the leaves hold float64 copies of their values; afterwards their own storage, untouched."""
    own = [(leaf, leaf._data) for leaf in leaves]
    try:
        for leaf, array in own:
            leaf._data = array.astype(np.float64)
        yield
    finally:
        for leaf, array in own:
            leaf._data = array


def _differences(function: Callable[[], Tensor], point: Array, tolerances: Mapping[str, float]) -> Array:
    """The central difference by each element of a parameter's array, nan where there is none."""

    def value() -> float:
        with no_grad(), np.errstate(all="ignore"):
            return float(function())

    found = [derivative(value, point, index, **tolerances) for index in np.ndindex(point.shape)]
    return np.array([np.nan if d is None else d for d in found]).reshape(point.shape)


def _row(name: str, analytic: Array, numeric: Array, rtol: float, atol: float) -> Row:
    known = ~np.isnan(numeric)
    with np.errstate(all="ignore"):
        scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), 1e-300)
        error = np.where(known, np.abs(analytic - numeric) / scale, np.nan)
        error = np.where(known & np.isclose(analytic, 0, atol=atol) & np.isclose(numeric, 0, atol=atol), 0, error)
    wrong = known & ~np.isclose(analytic, numeric, rtol=rtol, atol=atol)
    if not known.any():
        return Row(name, analytic.size, (), np.nan, np.nan, np.nan, analytic.size, "undecidable")
    ranked = np.where(wrong, error + 1, np.nan_to_num(error, nan=-1.0))  # wrong ones first, then by error
    index = tuple(int(i) for i in np.unravel_index(int(ranked.argmax()), ranked.shape))
    verdict: Verdict = "✗" if wrong.any() else "✓"
    undecidable = int((~known).sum())
    return Row(
        name, analytic.size, index, float(analytic[index]), float(numeric[index]), float(error[index]), undecidable, verdict
    )


def _cells(row: Row) -> tuple[str, ...]:
    verdict = row.verdict + f" ({row.undecidable} undecidable)" * (0 < row.undecidable < row.size)
    at = str(list(row.index)) if row.index else ""
    return (row.name, str(row.size), at, number(row.analytic, 7), number(row.numeric, 7), f"{row.error:.1e}", verdict)


def _badge(row: Row) -> str:
    return row.verdict if np.isnan(row.error) else f"{row.verdict} {row.error:.1e}"
