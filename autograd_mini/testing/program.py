"""`programs()`: a hypothesis strategy for random computation graphs with sharing, fan-out, views and reductions.

A program is text: a failing test prints exactly the code that ran. A step with a value outside of a moderate range is
discarded, so every program is finite and well scaled; so is a step with a second derivative that is nan by convention, such as
that of a norm at the zero vector.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..backward import gradients
from ..primitive import registry
from ..tensor import Array, Tensor, leaf

_LIMIT = 50.0


class Program:
    """Inputs `x0, x1, …` and lines that each compute one value; a call runs them and returns the values that no line uses."""

    def __init__(self, inputs: list[Array], lines: list[str], outputs: list[str]):
        self.inputs, self.lines, self.outputs = inputs, lines, outputs

    @property
    def names(self) -> list[str]:
        return [f"x{i}" for i in range(len(self.inputs))]

    @property
    def source(self) -> str:
        """The source code of the program as a Python function."""
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def program({', '.join(self.names)}):\n{body}    return ({', '.join(self.outputs)},)\n"

    @cached_property
    def function(self) -> Callable[..., tuple[Tensor, ...]]:
        return _compile(self.source)

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.function(*tensors)

    def __repr__(self) -> str:
        inputs = "".join(
            f"{name} = np.array({array.tolist()!r}, dtype={array.dtype.name!r}).reshape({array.shape})\n"
            for name, array in zip(self.names, self.inputs, strict=True)
        )  # fmt: skip
        return (
            "\nimport numpy as np, autograd_mini as ag\nfrom autograd_mini.testing import gradcheck, gradgradcheck\n\n"
            f"{self.source}\n{inputs}gradcheck(program, {', '.join(self.names)}, min_checked=0)\n"
        )


def _compile(source: str) -> Callable[..., tuple[Tensor, ...]]:
    import autograd_mini as ag

    scope: dict[str, Any] = {"ag": ag, "np": np}
    exec(compile(source, "<program>", "exec"), scope)  # safe: the text is built from the table below
    return scope["program"]


# -- steps: lines with placeholders for the operands {x}, {y} and drawn values ------------------------------------------------
# No line selects one of several equal elements (sort, median): the gradient goes to the first one, differences see them all.

Value = tuple[str, Array]
LINES: tuple[str, ...] = (
    # arithmetic
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / (1.5 + ag.square({y}))", "ag.maximum({x}, {y})",
    "ag.minimum({x}, {y})", "ag.hypot({x}, {y})", "ag.logaddexp({x}, {y})", "ag.arctan2({x}, 2 + ag.square({y}))",
    "ag.where({x} > {y}, {x}, {y})", "{x} * {c}", "{c} - {x}", "{x} / {c}", "{x} ** 2", "{x} ** 3", "-{x}",
    "ag.clip({x}, -1, 2)", "ag.leaky_relu({x}, 0.1)",
    # reductions
    "ag.sum({x}, axis={axis}, keepdims={keep})", "ag.mean({x}, axis={axis}, keepdims={keep})",
    "ag.max({x}, axis={axis})", "ag.min({x}, axis={axis}, keepdims={keep})", "ag.prod({x}, axis={axis})",
    "ag.var({x}, axis={axis}, keepdims={keep})", "ag.std({x}, axis={axis})", "ag.norm({x}, axis={axis})",
    "ag.logsumexp({x}, axis={axis}, keepdims={keep})", "ag.sum({x})", "ag.mean({x})",
    # along an axis
    "ag.softmax({x}, axis={axis})", "ag.log_softmax({x}, axis={axis})", "ag.cumsum({x}, axis={axis})",
    "ag.cumprod({x}, axis={axis})", "ag.flip({x}, axis={axis})",
    "ag.roll({x}, {i}, axis={axis})", "ag.repeat({x}, 2, axis={axis})",
    # views and rearrangements
    "ag.reshape({x}, -1)", "{x}.T", "{x}[None]", "{x}[..., ::-1]", "{x}[{i}]", "{x}[{i}:]", "{x}[[{i}, 0, {i}]]",
    "{x}[{x} > 0]", "ag.broadcast_to({x}, (2, *{x}.shape))", "ag.swapaxes({x}, 0, -1)", "ag.moveaxis({x}, 0, -1)",
    "ag.expand_dims({x}, -1)", "ag.squeeze({x})", "ag.tile({x}, 2)", "ag.pad({x}, 1)", "ag.tril({x})",
    "ag.triu({x})", "ag.diagonal({x})", "ag.index_put({x}, {i}, {y})", "ag.stack([{x}, {y}, {x}])",
    "ag.concatenate([{x}, {y}], axis={axis})", "ag.take({x}, [{i}, 0], axis={axis})",
    # products
    "{x} @ {y}", "{x} @ {x}.T", "{x} @ {x}", "ag.outer({x}, {y})", "ag.einsum('ij,ij->i', {x}, {y})",
    "ag.trace({x})", "ag.solve(ag.eye({x}.shape[0], dtype='float64') * 4 + ag.tanh({x}), {y})",
)  # fmt: skip


def _line(draw: st.DrawFn, values: list[Value]) -> str:
    """Draws one step: a function of one operand from the registry, or a line of the table with drawn values."""
    x, y = draw(st.sampled_from(values))[0], draw(st.sampled_from(values))[0]
    if draw(st.integers(0, 3)) == 0:
        return f"ag.{draw(st.sampled_from(smooth_functions()))}({x})"
    template = draw(st.sampled_from(LINES))
    choices: dict[str, st.SearchStrategy[Any]] = {
        "axis": st.integers(-2, 1), "i": st.integers(-2, 1), "keep": st.booleans(), "c": st.sampled_from(["0.5", "-1.25", "2"]),
    }  # fmt: skip
    drawn = {name: draw(strategy) for name, strategy in choices.items() if f"{{{name}}}" in template}
    return template.format(x=x, y=y, **drawn)


def smooth_functions() -> list[str]:
    """Returns all registered elementwise functions of one operand; the moderate range keeps each inside its domain."""
    import autograd_mini as ag

    return sorted(
        name for name, p in registry.items() if p.fast_arity == 1
        and getattr(getattr(ag, name, None), "primitive", None) is p
    )  # fmt: skip


@st.composite
def programs(draw: st.DrawFn, max_steps: int = 14, max_inputs: int = 3) -> Program:
    """Draws programs of at most `max_steps` operations on float64 inputs; a failing program is printed as runnable code.

    >>> from hypothesis import given, settings
    >>> from autograd_mini.testing import gradcheck, programs
    >>> @given(programs())
    ... @settings(max_examples=5, database=None, derandomize=True, deadline=None)
    ... def test(program):
    ...     gradcheck(program, *program.inputs, min_checked=0)  # inputs may be empty
    >>> test()
    """
    shapes = st.sampled_from([(), (1,), (2,), (3,), (2, 3), (3, 2), (2, 1), (1, 3), (2, 2), (2, 1, 2), (0,), (2, 0)])
    count = draw(st.integers(1, max_inputs))
    digits = st.integers(-20, 20)
    values: list[Value] = []
    for i in range(count):
        shape = draw(shapes)
        size = int(np.prod(shape))
        drawn = draw(st.lists(digits, min_size=size, max_size=size))
        values.append((f"x{i}", np.array([d / 8 + 0.013 * (k + 1) for k, d in enumerate(drawn)]).reshape(shape)))
    inputs = [array for _, array in values]
    lines: list[str] = []
    for _ in range(draw(st.integers(1, max_steps))):
        line = _line(draw, values)
        array = _value(line, values)
        if array is None:
            continue
        name = f"v{len(lines)}"
        lines.append(f"{name} = {line}")
        values.append((name, array))
    used = " ".join(line.split("=", 1)[1] for line in lines)
    outputs = [name for name, _ in values if not _mentions(used, name) and (name[0] == "v" or not lines)]
    return Program(inputs, lines, outputs or [values[-1][0]])


def _mentions(text: str, name: str) -> bool:
    return name in "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


def _value(line: str, values: list[Value]) -> Array | None:
    """Computes the value of a line; None if its operands do not fit, or if a value or a gradient is outside of the range."""
    import autograd_mini as ag

    operands = {name: leaf(array) for name, array in values if _mentions(line, name)}
    for operand in operands.values():
        operand.requires_grad = True
    with np.errstate(all="ignore"):
        try:
            result = eval(line, {"ag": ag, **operands})  # safe: the text is built from the table above
        except (ValueError, IndexError, np.linalg.LinAlgError):
            return None
        computed = [result.data, *_derivatives(result, list(operands.values()))]
    moderate = result.size <= 64 and all(np.isfinite(a).all() and (np.abs(a) < _LIMIT).all() for a in computed)
    return result.data if moderate else None


def _derivatives(result: Tensor, operands: list[Tensor]) -> list[Array]:
    """Returns the gradients of the sum of `result`, and those of the sum of these gradients."""
    first = gradients([result], operands, [np.ones(result.shape)], create_graph=True, allow_unused=True)
    slopes = [g for g in first if g is not None and g.requires_grad]
    second = gradients(slopes, operands, [np.ones(g.shape) for g in slopes], allow_unused=True) if slopes else []
    return [g.data for g in (*first, *second) if g is not None]
