"""`programs()`: random computation graphs, with sharing, fan-out, views and reductions, for hypothesis to draw and to shrink.

A program is text: what is printed when it fails is what ran. Steps whose value would leave a tame range are left out while
drawing, so every program is finite and well scaled.
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
    """Inputs `x0, x1, …` and lines that each make one value; calling it runs the lines and returns every value nobody used."""

    def __init__(self, inputs: list[Array], lines: list[str], outputs: list[str]):
        self.inputs, self.lines, self.outputs = inputs, lines, outputs

    @property
    def names(self) -> list[str]:
        return [f"x{i}" for i in range(len(self.inputs))]

    @property
    def source(self) -> str:
        """The program as a Python function."""
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def program({', '.join(self.names)}):\n{body}    return ({', '.join(self.outputs)},)\n"

    @cached_property
    def function(self) -> Callable[..., tuple[Tensor, ...]]:
        return _compiled(self.source)

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.function(*tensors)

    def __repr__(self) -> str:
        given = "".join(
            f"{name} = np.array({array.tolist()!r}, dtype={array.dtype.name!r}).reshape({array.shape})\n"
            for name, array in zip(self.names, self.inputs, strict=True)
        )  # fmt: skip
        return (
            "\nimport numpy as np, autograd_mini as ag\nfrom autograd_mini.testing import gradcheck, gradgradcheck\n\n"
            f"{self.source}\n{given}gradcheck(program, {', '.join(self.names)})\n"
        )


def _compiled(source: str) -> Callable[..., tuple[Tensor, ...]]:
    import autograd_mini as ag

    scope: dict[str, Any] = {"ag": ag, "np": np}
    exec(compile(source, "<program>", "exec"), scope)  # the text is ours: built from the table below
    return scope["program"]


# -- the steps: each draws a line of code for given operands, or None where it does not fit them ------------------------

Value = tuple[str, Array]
Step = Callable[[st.DrawFn, list[Value]], str | None]


def _axis(draw: st.DrawFn, x: Array) -> int:
    return draw(st.integers(-x.ndim, x.ndim - 1))


def _unary(draw: st.DrawFn, values: list[Value]) -> str | None:
    name, _ = draw(st.sampled_from(values))
    function = draw(st.sampled_from(smooth_functions()))
    return f"ag.{function}({name})"


def _binary(draw: st.DrawFn, values: list[Value]) -> str | None:
    (a, x), (b, y) = draw(st.sampled_from(values)), draw(st.sampled_from(values))
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return None
    pattern = draw(
        st.sampled_from(
            ["{} + {}", "{} - {}", "{} * {}", "{} / (1.5 + ag.square({}))", "ag.maximum({}, {})", "ag.minimum({}, {})"]
        )
    )
    return pattern.format(a, b)


def _scalar(draw: st.DrawFn, values: list[Value]) -> str | None:
    name, _ = draw(st.sampled_from(values))
    constant = draw(st.sampled_from(["0.5", "-1.25", "2", "3"]))
    return draw(
        st.sampled_from([f"{name} * {constant}", f"{constant} - {name}", f"{name} ** 2", f"{name} / {constant}", f"-{name}"])
    )


def _reduction(draw: st.DrawFn, values: list[Value]) -> str | None:
    name, x = draw(st.sampled_from(values))
    function = draw(st.sampled_from(["sum", "mean", "max", "min", "logsumexp", "var"]))
    if x.ndim == 0 or not x.size:
        return None
    axis = draw(st.one_of(st.none(), st.just(_axis(draw, x))))
    return f"ag.{function}({name}, axis={axis}, keepdims={draw(st.booleans())})"


def _along(draw: st.DrawFn, values: list[Value]) -> str | None:
    name, x = draw(st.sampled_from(values))
    if x.ndim == 0 or not x.size:
        return None
    return f"ag.{draw(st.sampled_from(['softmax', 'log_softmax']))}({name}, axis={_axis(draw, x)})"


def _view(draw: st.DrawFn, values: list[Value]) -> str | None:
    name, x = draw(st.sampled_from(values))
    if x.ndim == 0:
        return draw(st.sampled_from([f"{name}[None]", f"ag.broadcast_to({name}, (2, 1))", f"ag.reshape({name}, (1, 1))"]))
    forms = [
        f"ag.reshape({name}, -1)",
        f"{name}.T",
        f"{name}[None]",
        f"{name}[..., ::-1]",
        f"ag.broadcast_to({name}, {(2, *x.shape)})",
    ]
    if x.ndim > 1:
        forms += [f"ag.swapaxes({name}, 0, -1)", f"ag.moveaxis({name}, 0, -1)"]
    if len(x):
        i = draw(st.integers(-len(x), len(x) - 1))
        forms += [f"{name}[{i}]", f"{name}[{i}:]", f"{name}[[{i}, 0, {i}]]"]
    return draw(st.sampled_from(forms)) if x.size else None


def _product(draw: st.DrawFn, values: list[Value]) -> str | None:
    (a, x), (b, y) = draw(st.sampled_from(values)), draw(st.sampled_from(values))
    if x.ndim and y.ndim and x.ndim <= 2 and y.ndim <= 2 and x.shape[-1] == y.shape[0]:
        return f"{a} @ {b}"
    if x.ndim == 2:
        return f"{a} @ {a}.T"
    return f"ag.matmul({a}, {a})" if x.ndim == 1 else None


def _joining(draw: st.DrawFn, values: list[Value]) -> str | None:
    (a, x), (b, y) = draw(st.sampled_from(values)), draw(st.sampled_from(values))
    if x.shape != y.shape:
        return None
    return draw(
        st.sampled_from(
            [f"ag.stack([{a}, {b}, {a}])", f"ag.where({a} > {b}, {a}, {b})", *([f"ag.concatenate([{a}, {b}])"] * bool(x.ndim))]
        )
    )


STEPS: tuple[Step, ...] = (_unary, _binary, _scalar, _reduction, _along, _view, _product, _joining)


def smooth_functions() -> list[str]:
    """Every registered elementwise function of one operand; the tame range keeps each inside its domain."""
    import autograd_mini as ag

    return sorted(
        name for name, p in registry.items() if p.plain == 1
        and getattr(getattr(ag, name, None), "primitive", None) is p
    )  # fmt: skip


@st.composite
def programs(draw: st.DrawFn, max_steps: int = 10, max_inputs: int = 3) -> Program:
    """Random programs of at most `max_steps` operations on float64 inputs; a failing one prints itself as runnable code.

    >>> from hypothesis import given, settings
    >>> from autograd_mini.testing import gradcheck, programs
    >>> @given(programs())
    ... @settings(max_examples=5, database=None, derandomize=True, deadline=None)
    ... def test(program):
    ...     assert gradcheck(program, *program.inputs)
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
        line = draw(st.sampled_from(STEPS))(draw, values)
        if line is None:
            continue
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
    """What the line gives, or None where it or its local derivative leaves the tame range (a cube root at 0)."""
    import autograd_mini as ag

    operands = {name: leaf(array) for name, array in values if _mentions(line, name)}
    for operand in operands.values():
        operand.requires_grad = True
    with np.errstate(all="ignore"):
        result = eval(line, {"ag": ag, **operands})  # the text is ours
        slopes = gradients([result], list(operands.values()), [np.ones(result.shape)], allow_unused=True)
    found = [result.data, *[g.data for g in slopes if g is not None]]
    tame = result.size <= 64 and all(np.isfinite(a).all() and (np.abs(a) < _LIMIT).all() for a in found)
    return result.data if tame else None
