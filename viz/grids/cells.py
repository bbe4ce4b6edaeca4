"""`cells`: a convolution, a pooling or an attention matrix, cell by cell, forward and backward, as one HTML page.

Nothing here knows a particular operation: the gradient rule, applied to one output cell at a time, gives the local derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict

import numpy as np

from autograd_mini.apply import CAST, ITEM
from autograd_mini.backward import reachable, run_vjp, unbroadcast
from autograd_mini.primitive import arrays
from autograd_mini.tensor import Array, Tensor

from ..graph.gradients import compute_gradients
from ..graph.nodes import Names, named_parameters
from ..graph.summary import format_number
from ..language import translate
from ..show import embed_json
from ..stepper.step import Page
from .page import build_page, script_texts

MAX_CELLS: Final = 256  # of one array on the page
MAX_TERMS: Final = 40  # of one sum in words


class Cell(TypedDict):
    """What a click on a cell shows: the sum as text, and the cells that take part, as pairs of array and place."""

    text: str
    lit: list[tuple[int, int]]


class Grid(TypedDict):
    """An array as slices of rows and columns; `values` and `grads` are texts, `heat` the values from −1 to 1."""

    name: str
    symbol: str
    slices: list[tuple[str, int, int, int]]
    values: list[str]
    grads: list[str]
    heat: list[float]
    cells: list[Cell]


class Part(NamedTuple):
    """One operand or the output: name, values, gradient, and for an operand the derivatives of each output cell.

    `uses` tells which output cells use which elements, also where the derivative happens to be 0.
    """

    name: str
    array: Array
    grad: Array
    slopes: Array | None = None
    uses: Array | None = None


@dataclass(frozen=True)
class CellPage(Page):
    """The page of one operation: `grids` holds its operands and, at the end, its output, with the text of each cell."""

    operation: str = ""
    grids: tuple[Grid, ...] = ()

    def __repr__(self) -> str:
        return f"<CellPage of {self.operation} with {len(self.grids[-1]['cells'])} output cells>"


def cells(loss: Tensor, operation: str | Tensor | None = None, *, params: Names = None) -> CellPage:
    """Returns a page that shows one operation of a program cell by cell, forward and backward.

    A click on an output cell lights the inputs that it was computed from and shows the sum; a click on an input cell lights the
    outputs that it contributed to and shows its gradient as the sum of δ times local derivatives. For attention, choose
    "softmax": the matrix of the weights, one row for each query. The first 256 elements of each array are shown. `.grad` does
    not change.

    Parameters
    ----------
    loss : a scalar Tensor
    operation : the name of the operation, such as "conv2d", "max_pool2d" or "softmax" (its first use), or a Tensor that it
        computed; None for the first one that is not elementwise
    params : names of the parameters, as in `viz.draw`

    Raises
    ------
    TypeError
        if `loss` is not a Tensor
    ValueError
        if `loss` is not a scalar or requires no gradient, or the program has no such operation

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import viz
    >>> x = ag.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True, name="x")
    >>> w = ag.Tensor([[[[10.0, 1.0]]]], requires_grad=True, name="w")
    >>> page = viz.cells(ag.conv2d(x, w).sum())
    >>> page.grids[-1]["cells"][0]["text"]
    'y[0, 0, 0, 0] = 1 · 10 + 2 · 1 = 12'
    >>> page.grids[1]["cells"][0]["text"]
    '∂L/∂w[0, 0, 0, 0] = 1 · 1 + 1 · 3 = 4'
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"cells: expected a scalar Tensor as loss, got {loss!r} of type {type(loss).__name__}")
    if loss._data.size != 1:
        raise ValueError(f"cells: expected a scalar loss, got shape {loss.shape}")
    if not loss._requires_grad:
        raise ValueError("cells: the loss requires no gradient; create its parameters with requires_grad=True")
    nodes = reachable([loss])
    output = _find(sorted(nodes.values(), key=lambda t: t._seq), operation)
    gradients = compute_gradients(loss)
    call = output._inputs[0] if output._primitive is ITEM else output
    assert call._primitive is not None
    names = {id(t): name for name, t in named_parameters(params)}
    parts = [*_operands(call, output, names, gradients), Part(output.name or "y", output._data, gradients[output._seq])]
    grids = tuple(_grids(parts, call._params))
    data = {"grids": grids, "texts": script_texts()}
    return CellPage(build_page(embed_json(data), call._primitive.name), [], call._primitive.name, grids)


def _find(order: Sequence[Tensor], wanted: str | Tensor | None) -> Tensor:
    """Returns the output of the operation, in the order of computation."""
    outputs = [t for t in order if t._primitive is not None and not isinstance(t._data, tuple)]
    made_by = [(t, (t._inputs[0] if t._primitive is ITEM else t)._primitive) for t in outputs]
    if isinstance(wanted, Tensor):
        found = [t for t, _ in made_by if t is wanted]
    elif wanted is None:
        found = [t for t, p in made_by if p and not p.elementwise and not p.relayout and not p.view and t._data.ndim > 1]
    else:
        found = [t for t, p in made_by if p and p.name == wanted]
    if not found:
        known = ", ".join(dict.fromkeys(p.name for _, p in made_by if p)) or "none"
        raise ValueError(f"cells: the loss has no operation {wanted!r}; its operations are: {known}")
    return found[0]


def _operands(call: Tensor, output: Tensor, names: dict[int, str], gradients: dict[int, Array]) -> Iterator[Part]:
    """Yields the operands of floats that have a derivative, with that of each output cell that is shown.

    An operand that requires no gradient, such as a batch of images, has here the one that reaches it through this operation.
    """
    index = output._params["index"] if output._primitive is ITEM else None

    def pull(slot: int, delta: Array) -> Array | None:
        x = call._inputs[slot]
        g: Any = delta if index is None else [delta if i == index else None for i in range(len(call._data))]
        raw = run_vjp(call, {x._seq: x}, arrays, g, False)[slot]
        return None if raw is None else np.asarray(unbroadcast(arrays, raw, x))

    count = min(output._data.size, MAX_CELLS)
    for slot, x in enumerate(call._inputs):
        through = pull(slot, gradients[output._seq]) if x._data.dtype.kind == "f" else None
        grad = gradients.get(x._seq, through)
        if grad is None:
            continue
        slopes = np.zeros((count, x._data.size))
        for j in range(count):
            delta = np.zeros(output._data.shape, output._data.dtype)  # in rows, whatever the layout of the output
            delta.reshape(-1)[j] = 1
            raw = pull(slot, delta)
            slopes[j] = 0 if raw is None else raw.reshape(-1)
        yield Part(_name(x, names) or f"x{slot}", x._data, grad, slopes, _uses(call, slot, slopes))


def _uses(call: Tensor, slot: int, slopes: Array) -> Array:
    """Returns which output cells use which elements of an operand. In a product, factors of 0 hide it, so they become 1."""
    primitive = call._primitive
    assert primitive is not None
    used = slopes != 0
    if primitive.role == "affine" and slot < 2:
        ones = [np.ones_like(x._data) for x in call._inputs]
        for j in range(len(slopes)):
            delta = np.zeros(call._data.shape, call._data.dtype)
            delta.reshape(-1)[j] = 1
            raw = primitive.vjp[slot](arrays, delta, call._data, *ones, **call._params)
            used[j] |= np.asarray(unbroadcast(arrays, raw, call._inputs[slot])).reshape(-1) != 0
    return used


def _name(x: Tensor, names: dict[int, str]) -> str:
    """Returns the name of a tensor, or of the tensor of which it is a cast."""
    while id(x) not in names and not x.name and x._primitive is CAST:
        x = x._inputs[0]
    return names.get(id(x)) or x.name or ""


def _grids(parts: Sequence[Part], params: dict[str, Any]) -> Iterator[Grid]:
    output = parts[-1]
    for k, part in enumerate(parts):
        shown = min(part.array.size, MAX_CELLS)
        flat = part.array.reshape(-1)[:shown].astype(float)
        largest = max(float(np.abs(flat).max(initial=0)), 1e-300)
        is_output = part is output
        made = [_output_cell(parts, j, params) if is_output else _input_cell(parts, k, j) for j in range(shown)]
        yield {
            "name": part.name,
            "symbol": "δ" if is_output else f"∂L/∂{part.name}",
            "slices": list(_slices(part.array.shape, shown)),
            "values": [format_number(v, 3) for v in flat],
            "grads": [format_number(v, 3) for v in part.grad.reshape(-1)[:shown]],
            "heat": [round(float(v) / largest, 3) for v in flat],
            "cells": made,
        }


def _slices(shape: tuple[int, ...], shown: int) -> Iterator[tuple[str, int, int, int]]:
    """Yields the label, the first place, the rows and the columns of each slice over the last two axes."""
    rows, columns = (1, 1, *shape)[-2:]
    for k, index in enumerate(np.ndindex(shape[:-2])):
        start = k * rows * columns
        if start < shown and columns:
            yield str(list(index)) if index else "", start, min(rows, -(-(shown - start) // columns)), columns


def _output_cell(parts: Sequence[Part], j: int, params: dict[str, Any]) -> Cell:
    """The cells that output j was computed from; as a sum, if the operation is one."""
    output = parts[-1]
    lit = [(k, int(i)) for k, p in enumerate(parts[:-1]) if p.uses is not None for i in np.flatnonzero(p.uses[j])]
    lit += [(0, i) for i in _window(parts, j, params)]
    value = float(output.array.reshape(-1)[j])
    first = parts[0]
    assert first.slopes is not None
    at = np.flatnonzero(first.slopes[j])
    terms = [(float(first.array.reshape(-1)[i]), float(first.slopes[j, i])) for i in at]
    rest = value - sum(x * slope for x, slope in terms)
    bias = [
        float(p.array.reshape(-1)[i]) for p in parts[1:-1] if p.slopes is not None for i in np.flatnonzero(p.slopes[j] == 1)
    ]
    place = f"{output.name}{_place(output.array.shape, j)}"
    if abs(rest) < 1e-4 * max(1.0, abs(value)):
        text = _sum(place, terms, value)
    elif len(bias) >= 1 and abs(rest - bias[-1]) < 1e-4 * max(1.0, abs(value)):
        text = _sum(place, terms, value, f" + {format_number(bias[-1], 3)}")
    else:
        text = f"{place} = {format_number(value)}"
    return {"text": text, "lit": list(dict.fromkeys(lit))}


def _input_cell(parts: Sequence[Part], k: int, i: int) -> Cell:
    """The output cells that an element of operand k contributes to, and its gradient as a sum over them."""
    part, output = parts[k], parts[-1]
    assert part.slopes is not None
    assert part.uses is not None
    at = np.flatnonzero(part.uses[:, i])
    terms = [(float(output.grad.reshape(-1)[j]), float(part.slopes[j, i])) for j in at]
    value = float(part.grad.reshape(-1)[i])
    place = f"∂L/∂{part.name}{_place(part.array.shape, i)}"
    is_whole = abs(sum(g * slope for g, slope in terms) - value) < 1e-4 * max(1.0, abs(value))
    text = _sum(place, terms, value) if is_whole else f"{place} = {format_number(value)}"
    return {"text": text, "lit": [(len(parts) - 1, int(j)) for j in at]}


def _sum(left: str, terms: Sequence[tuple[float, float]], value: float, rest: str = "") -> str:
    terms = [(a, b) for a, b in terms if a and b]
    written = " + ".join(f"{_factor(a)} · {_factor(b)}" for a, b in terms[:MAX_TERMS]) or "0"
    more = f" + {translate('{count} more', count=len(terms) - MAX_TERMS)}" if len(terms) > MAX_TERMS else ""
    return f"{left} = {written}{more}{rest} = {format_number(value).replace('-', '−')}"


def _factor(value: float) -> str:
    text = format_number(value, 3).replace("-", "−")
    return f"({text})" if value < 0 else text


def _place(shape: tuple[int, ...], i: int) -> str:
    return str([int(k) for k in np.unravel_index(i, shape)]) if shape else ""


def _window(parts: Sequence[Part], j: int, params: dict[str, Any]) -> Iterator[int]:
    """Yields the elements of the first operand that lie in the window of output j, if the operation has windows."""
    if "kernel_size" not in params:
        return
    kernel, shape = params["kernel_size"], parts[0].array.shape
    place = np.unravel_index(j, parts[-1].array.shape)
    lead, corner = place[: -len(kernel)], place[-len(kernel) :]
    for offset in np.ndindex(*kernel):
        steps = zip(corner, params["stride"], params["padding"], params["dilation"], offset, strict=True)
        at = [int(c * s - pad[0] + d * o) for c, s, pad, d, o in steps]
        if all(0 <= a < n for a, n in zip(at, shape[len(lead) :], strict=True)):
            yield int(np.ravel_multi_index((*lead, *at), shape))
