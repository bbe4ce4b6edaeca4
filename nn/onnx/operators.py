"""How each operation is written in ONNX. The tables belong to ONNX's operator set, so they are not part of the primitives.

A rule gets a `Step` and returns the names of its results; None stands for a result that ONNX does not have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from autograd_mini.ops.neural.resample import axis_matrices
from autograd_mini.tensor import Array

from .recording import Size


class Writer(Protocol):
    """The file under construction: every method returns the name of a result in it."""

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str: ...
    def constant(self, value: Any, dtype: Any = None) -> str: ...
    def sizes(self, sizes: Sequence[Size]) -> str: ...


class Step(NamedTuple):
    """One recorded operation: the writer, the names and the arrays of its operands, its parameters, an array of its result."""

    write: Writer
    inputs: tuple[str, ...]
    arrays: tuple[Array, ...]
    params: Mapping[str, Any]
    result: Array

    def constant(self, value: Any) -> str:
        """Returns a constant of the first operand's dtype."""
        return self.write.constant(value, self.arrays[0].dtype)


Rule: TypeAlias = Callable[[Step], "str | Sequence[str | None]"]


class UnsupportedError(ValueError):
    """ONNX has no such operation, or not with these parameters."""


DIRECT: Final = {
    "abs": "Abs", "add": "Add", "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh", "arctan": "Atan",
    "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "divide": "Div", "equal": "Equal", "erf": "Erf",
    "exp": "Exp", "floor": "Floor", "greater": "Greater", "greater_equal": "GreaterOrEqual", "isinf": "IsInf",
    "isnan": "IsNaN", "less": "Less", "less_equal": "LessOrEqual", "log": "Log", "logical_and": "And", "logical_not": "Not",
    "logical_or": "Or", "logical_xor": "Xor", "matmul": "MatMul", "maximum": "Max", "minimum": "Min", "mish": "Mish",
    "multiply": "Mul", "negative": "Neg", "power": "Pow", "reciprocal": "Reciprocal", "relu": "Relu", "rint": "Round",
    "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softplus": "Softplus", "softsign": "Softsign",
    "sqrt": "Sqrt", "subtract": "Sub", "tan": "Tan", "tanh": "Tanh",
}  # fmt: skip
"""Operations without parameters that are one operator of ONNX."""
REDUCTIONS: Final = {
    "logsumexp": "ReduceLogSumExp", "max": "ReduceMax", "mean": "ReduceMean", "min": "ReduceMin", "prod": "ReduceProd",
    "sum": "ReduceSum",
}  # fmt: skip
PAD_MODES: Final = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
LAST: Final = 2**31  # the end of a slice that has none


def _direct(operator: str) -> Rule:
    return lambda step: step.write.node(operator, *step.inputs)


def _reduce(operator: str) -> Rule:
    def rule(step: Step) -> str:
        axis, keepdims = step.params.get("axis"), step.params.get("keepdims", False)
        axes = () if axis is None else (step.write.constant(np.atleast_1d(axis), np.int64),)
        return step.write.node(operator, step.inputs[0], *axes, keepdims=int(keepdims))

    return rule


def _norm(step: Step) -> str:
    operators = {1.0: "ReduceL1", 2.0: "ReduceL2"}
    order = step.params["ord"]
    if order not in operators:
        raise UnsupportedError(f"norm with ord={order}")
    return _reduce(operators[order])(step)  # type: ignore[return-value]


def _along_one_axis(operator: str) -> Rule:
    def rule(step: Step) -> str:
        axes = np.atleast_1d(step.params["axis"]).tolist()
        if len(axes) != 1:
            raise UnsupportedError(f"{operator} over {len(axes)} axes")
        return step.write.node(operator, step.inputs[0], axis=axes[0])

    return rule


def _arg(operator: str) -> Rule:
    def rule(step: Step) -> str:
        axis, x = step.params.get("axis"), step.inputs[0]
        if axis is None:
            x, axis = step.write.node("Reshape", x, step.write.constant([-1], np.int64)), 0
        axis = np.atleast_1d(axis).tolist()[0]
        return step.write.node(operator, x, axis=axis, keepdims=int(step.params.get("keepdims", False)))

    return rule


def _linear(step: Step) -> str:
    x, weight, *bias = step.inputs
    if step.arrays[0].ndim == 2:
        return step.write.node("Gemm", x, weight, *bias, transB=1)
    product = step.write.node("MatMul", x, step.write.node("Transpose", weight, perm=[1, 0]))
    return step.write.node("Add", product, bias[0]) if bias else product


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Returns pairs (before, after) in ONNX's order: all before, then all after."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _conv(step: Step) -> str:
    p = step.params
    return step.write.node(
        "Conv", *step.inputs, strides=p["stride"], pads=_pads(p["padding"]), dilations=p["dilation"], group=p["groups"]
    )


def _conv_transpose(step: Step) -> str:
    """A negative padding after the image, which is the layer's `output_padding`, becomes ONNX's."""
    p = step.params
    padding = [(before, max(after, 0)) for before, after in p["padding"]]
    lengths = zip(
        step.arrays[0].shape[2:], step.arrays[1].shape[2:], p["stride"], padding, p["dilation"], p["size"], strict=True
    )
    extra = [size - ((n - 1) * s - sum(pads) + d * (k - 1) + 1) for n, k, s, pads, d, size in lengths]
    return step.write.node(
        "ConvTranspose", *step.inputs, strides=p["stride"], pads=_pads(padding), dilations=p["dilation"], group=p["groups"],
        output_padding=extra,
    )  # fmt: skip


def _max_pool(step: Step) -> list[str | None]:
    p = step.params
    pooled = step.write.node(
        "MaxPool", step.inputs[0], kernel_shape=p["kernel_size"], strides=p["stride"], pads=_pads(p["padding"]),
        dilations=p["dilation"],
    )  # fmt: skip
    return [pooled, None]


def _resample(step: Step) -> str:
    """Pooling by averages and interpolation: a product with one small matrix along each axis of the image."""
    matrices = axis_matrices(step.params["maps"], step.params["transposed"], step.arrays[0].dtype)
    x, ndim = step.inputs[0], step.arrays[0].ndim
    for axis, matrix in enumerate(matrices, ndim - len(matrices)):
        if axis == ndim - 1:
            x = step.write.node("MatMul", x, step.constant(matrix.T))
            continue
        order = [*range(ndim)]
        order[axis], order[-1] = order[-1], order[axis]
        swapped = step.write.node("Transpose", x, perm=order)
        x = step.write.node("Transpose", step.write.node("MatMul", swapped, step.constant(matrix.T)), perm=order)
    return x


def _pad(step: Step) -> str:
    width = step.write.constant(_pads(step.params["pad_width"]), np.int64)
    return step.write.node("Pad", step.inputs[0], width, step.constant(step.params["value"]), mode="constant")


def _pad_with_copies(step: Step) -> str:
    name = step.params["mode"]
    if name not in PAD_MODES:
        raise UnsupportedError(f"pad with mode={name!r}")
    width = step.write.constant(_pads(step.params["pad_width"]), np.int64)
    return step.write.node("Pad", step.inputs[0], width, mode=PAD_MODES[name])


def _getitem(step: Step) -> str:
    """Slices; then removes the axes of integers and adds those of None. One array of integers, between full slices, gathers."""
    index = step.params["index"]
    index = list(index) if isinstance(index, tuple) else [index]
    x, ndim = step.inputs[0], step.arrays[0].ndim
    if (place := next((k for k, i in enumerate(index) if i is Ellipsis), None)) is not None:
        used = sum(i is not None for i in index) - 1
        index[place : place + 1] = [slice(None)] * (ndim - used)
    arrays = [k for k, i in enumerate(index) if not (i is None or isinstance(i, (int, np.integer, slice)))]
    if arrays:
        others = [i for k, i in enumerate(index) if k not in arrays]
        if len(step.inputs) != 2 or len(arrays) != 1 or any(i != slice(None) for i in others) or step.arrays[1].dtype == bool:
            raise UnsupportedError("indexing with several arrays, or with an array of bools")
        return step.write.node("Gather", *step.inputs, axis=arrays[0])
    return _basic_index(step, x, index)


def _basic_index(step: Step, x: str, index: list[Any]) -> str:
    cuts, single, new, axis, kept = [], [], [], 0, 0
    for i in index:
        if i is None:
            new.append(kept)
        elif isinstance(i, slice):
            step_by = i.step or 1
            start, stop = (0, LAST) if step_by > 0 else (LAST, -LAST)
            if i != slice(None):
                cuts.append((start if i.start is None else i.start, stop if i.stop is None else i.stop, axis, step_by))
        else:
            single.append(axis)
            cuts.append((int(i), LAST if i == -1 else int(i) + 1, axis, 1))
        kept += i is None or isinstance(i, slice)
        axis += i is not None
    if cuts:
        x = step.write.node("Slice", x, *_columns(step, cuts))
    if single:
        x = step.write.node("Squeeze", x, step.write.constant(single, np.int64))
    if new:
        x = step.write.node("Unsqueeze", x, step.write.constant(new, np.int64))
    return x if cuts or new else step.write.node("Identity", x)


def _columns(step: Step, cuts: Sequence[tuple[int, int, int, int]]) -> list[str]:
    """Returns the operands of Slice: starts, ends, axes and steps."""
    return [step.write.constant(part, np.int64) for part in zip(*cuts, strict=True)]


def _flip(step: Step) -> str:
    return step.write.node("Slice", step.inputs[0], *_columns(step, [(LAST, -LAST, axis, -1) for axis in step.params["axis"]]))


def _gelu(step: Step) -> str:
    w, x = step.write, step.inputs[0]
    phi = w.node("Add", w.node("Erf", w.node("Mul", x, step.constant(math.sqrt(0.5)))), step.constant(1))
    return w.node("Mul", w.node("Mul", x, phi), step.constant(0.5))


def _gelu_tanh(step: Step) -> str:
    w, x = step.write, step.inputs[0]
    cube = w.node("Mul", w.node("Mul", w.node("Mul", x, x), x), step.constant(0.044715))
    t = w.node("Tanh", w.node("Mul", w.node("Add", x, cube), step.constant(math.sqrt(2 / math.pi))))
    return w.node("Mul", w.node("Mul", x, w.node("Add", t, step.constant(1))), step.constant(0.5))


def _elu(step: Step) -> str:
    elu = step.write.node("Elu", step.inputs[0], alpha=float(step.params["alpha"]))
    scale = step.params["scale"]
    return elu if scale == 1 else step.write.node("Mul", elu, step.constant(scale))


def _gate(step: Step, x: str, number: int, size: int) -> str:
    """Returns the part of one gate of the last axis."""
    bounds = ([number * size], [(number + 1) * size], [-1])
    return step.write.node("Slice", x, *(step.write.constant(b, np.int64) for b in bounds))


def _lstm_gates(step: Step) -> list[str | None]:
    w, (z, c), size = step.write, step.inputs, step.arrays[1].shape[-1]
    i, f, o = (w.node("Sigmoid", _gate(step, z, k, size)) for k in (0, 1, 3))
    new = w.node("Add", w.node("Mul", f, c), w.node("Mul", i, w.node("Tanh", _gate(step, z, 2, size))))
    return [w.node("Mul", o, w.node("Tanh", new)), new, None]


def _gru_gates(step: Step) -> list[str | None]:
    w, (u, v, h), size = step.write, step.inputs, step.arrays[2].shape[-1]
    r, z = (w.node("Sigmoid", w.node("Add", _gate(step, u, k, size), _gate(step, v, k, size))) for k in (0, 1))
    n = w.node("Tanh", w.node("Add", _gate(step, u, 2, size), w.node("Mul", r, _gate(step, v, 2, size))))
    return [w.node("Add", n, w.node("Mul", z, w.node("Sub", h, n))), None]


def _bitwise(logical: str, bitwise: str) -> Rule:
    """ONNX distinguishes operations on bools from those on the bits of integers."""
    return lambda step: step.write.node(logical if step.arrays[0].dtype == bool else bitwise, *step.inputs)


def _times(factor: float) -> Rule:
    return lambda step: step.write.node("Mul", step.inputs[0], step.constant(factor))


RULES: Final[dict[str, Rule]] = {
    **{name: _direct(operator) for name, operator in DIRECT.items()},
    **{name: _reduce(operator) for name, operator in REDUCTIONS.items()},
    **{f"conv{n}d": _conv for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _conv_transpose for n in (1, 2, 3)},
    **{f"max_pool{n}d": _max_pool for n in (1, 2, 3)},
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "bitwise_and": _bitwise("And", "BitwiseAnd"),
    "bitwise_or": _bitwise("Or", "BitwiseOr"),
    "bitwise_xor": _bitwise("Xor", "BitwiseXor"),
    "broadcast_to": lambda step: step.write.node("Expand", step.inputs[0], step.write.sizes(step.params["shape"])),
    "cast": lambda step: step.write.node("Cast", step.inputs[0], to=step.result.dtype),
    "clip": lambda step: step.write.node("Clip", step.inputs[0], *(step.constant(step.params[k]) for k in ("lo", "hi"))),
    "concatenate": lambda step: step.write.node("Concat", *step.inputs, axis=step.params["axis"]),
    "copy": lambda step: step.write.node("Identity", step.inputs[0]),
    "deg2rad": _times(math.pi / 180),
    "elu": _elu,
    "embedding": lambda step: step.write.node("Gather", *step.inputs[:2], axis=0),
    "flip": _flip,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "getitem": _getitem,
    "gru_gates": _gru_gates,
    "invert": _bitwise("Not", "BitwiseNot"),
    "leaky_relu": lambda step: step.write.node("LeakyRelu", step.inputs[0], alpha=float(step.params["negative_slope"])),
    "linear": _linear,
    "log10": lambda step: step.write.node("Mul", step.write.node("Log", step.inputs[0]), step.constant(1 / math.log(10))),
    "log2": lambda step: step.write.node("Mul", step.write.node("Log", step.inputs[0]), step.constant(1 / math.log(2))),
    "log_softmax": _along_one_axis("LogSoftmax"),
    "logsigmoid": lambda step: step.write.node("Neg", step.write.node("Softplus", step.write.node("Neg", step.inputs[0]))),
    "lstm_gates": _lstm_gates,
    "norm": _norm,
    "pad": _pad,
    "pad_with_copies": _pad_with_copies,
    "rad2deg": _times(180 / math.pi),
    "relu6": lambda step: step.write.node("Clip", step.inputs[0], step.constant(0), step.constant(6)),
    "resample": _resample,
    "reshape": lambda step: step.write.node("Reshape", step.inputs[0], step.write.sizes(step.params["shape"])),
    "silu": lambda step: step.write.node("Mul", step.inputs[0], step.write.node("Sigmoid", step.inputs[0])),
    "softmax": _along_one_axis("Softmax"),
    "square": lambda step: step.write.node("Mul", step.inputs[0], step.inputs[0]),
    "transpose": lambda step: step.write.node("Transpose", step.inputs[0], perm=step.params["axes"]),
    "tril": lambda step: step.write.node("Trilu", step.inputs[0], step.write.constant(step.params["k"], np.int64), upper=0),
    "triu": lambda step: step.write.node("Trilu", step.inputs[0], step.write.constant(step.params["k"], np.int64), upper=1),
    "where": lambda step: step.write.node("Where", *step.inputs),
}
"""The rule for each operation by the name of its primitive."""
