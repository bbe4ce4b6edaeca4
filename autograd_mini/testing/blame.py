"""Finds the operation that makes a gradient wrong: each operation of the graph is checked by itself, in backward order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..apply import apply
from ..backward import reachable
from ..primitive import Primitive
from ..state import enable_grad
from ..tensor import Array, Tensor, leaf
from .check import GradientError, RuleError, Run, as_outputs, compare, first_order, second_order
from .differences import Tolerance


def find_wrong_operation(outputs: Sequence[Tensor], tolerance: Tolerance, order: int = 1) -> str:
    """Names the first operation, in backward order, whose rule raises an error or disagrees with differences of its kernel.

    Parameters
    ----------
    outputs : the results of the function, with their graph
    tolerance : of the comparison
    order : 2 to compare second derivatives as well
    """
    nodes = reachable([y for y in outputs if y._requires_grad])
    for seq in sorted(nodes, reverse=True):
        node = nodes[seq]
        if node._primitive is None or node._primitive.selects_output:
            continue
        if node._primitive.name == "checkpoint":
            if found := _find_in_segment(node, tolerance, order):
                return found
        elif problem := find_problem(node._primitive, [x._data for x in node._inputs], node._params, tolerance, order):
            shapes = ", ".join(f"{x.name or 'operand ' + str(i)} {x.shape}" for i, x in enumerate(node._inputs))
            place = f", created at {node._where}" if node._where else ""
            return f"first wrong operation in backward order: {node._primitive.name}({shapes}){place}\n  {problem}"
    return _ALL_RIGHT


_ALL_RIGHT = (
    "the rule of each operation is right, so the function uses a value outside of the graph: look for .detach(), .data, "
    ".item(), no_grad, and for operands that it reads without being passed"
)


def _find_in_segment(node: Tensor, tolerance: Tolerance, order: int) -> str:
    """Looks for the wrong operation inside a checkpoint; returns "" if all are right."""
    count = node._params["count"]
    with enable_grad():
        inputs = [leaf(x._data) for x in node._inputs[:count]]
        for x in inputs:
            x._requires_grad = x._data.dtype.kind == "f"
        found = find_wrong_operation(as_outputs(node._params["function"](*inputs)), tolerance, order)
    return "" if found == _ALL_RIGHT else found


def find_problem(
    primitive: Primitive, operands: Sequence[Array], params: dict[str, Any], tolerance: Tolerance, order: int = 1
) -> str:
    """Checks one operation at these operands; returns what is wrong, or "".

    Parameters
    ----------
    primitive : the operation
    operands, params : what it was called with; floating operands are converted to float64
    tolerance : of the comparison
    order : 2 to compare second derivatives as well
    """

    def call(*xs: Tensor) -> Any:
        return apply(primitive, xs, params)

    points = [np.array(x, np.float64 if x.dtype.kind == "f" else None) for x in operands]
    try:
        report = compare(call, points, tolerance, seed=1)
        if order > 1 and not report.wrong:
            report = compare(*second_order(call, points, seed=1), tolerance, seed=1)
    except RuleError as error:
        return _name_operand(call, points, order) or str(error)
    except (GradientError, ArithmeticError, ValueError, TypeError, IndexError):
        return ""  # its kernel cannot be checked by itself at these operands
    return str(report.wrong[0]) if report.wrong else ""


def _name_operand(call: Any, points: Sequence[Array], order: int) -> str:
    """Names the operand whose rule raises an error."""
    for k, point in enumerate(points):
        if point.dtype.kind == "f":

            def alone(x: Tensor, k: int = k) -> Any:
                return call(*[x if i == k else leaf(p) for i, p in enumerate(points)])

            try:
                weights = [np.ones(y.shape) if y.dtype.kind == "f" else None for y in Run.of(alone, [point]).outputs]
                Run.of(alone, [point]).pull(weights)
                if order > 1:
                    Run.of(first_order(alone, 1), [point, *[w for w in weights if w is not None]])
            except RuleError as error:
                return f"the rule for operand {k} raised {type(error.__cause__).__name__}: {error.__cause__}"
    return ""
