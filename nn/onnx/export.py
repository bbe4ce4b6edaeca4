"""`export_onnx`: writes a model as an ONNX file, which other programs run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autograd_mini.jit.trace import Call, Value
from autograd_mini.tensor import Tensor, TensorLike, as_tensor
from autograd_mini.tools.atomic_files import atomic_write

from ..extras import extra
from ..module import Module
from .operators import RULES, Step, UnsupportedError
from .recording import Batch, Recording, Size, depends_on, longer, merge, record

OPSET: Final = 19
IR_VERSION: Final = 9  # what programs of 2023 and later read
BATCH: Final = "batch"


def export_onnx(
    model: Callable[..., Any],
    example: TensorLike | Sequence[TensorLike],
    path: str | os.PathLike[str],
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    dynamic_batch: bool = True,
) -> None:
    """Writes a model in evaluation mode as an ONNX file (operator set 19), which ONNX Runtime and other programs run.

    The model runs once on the example, and the operations of this run are written. Python code is not: an `if` takes the branch
    that the example takes. Whatever does not depend on the input, such as normalised weights, becomes a constant. Needs the
    extra `[onnx]`.

    Raises ValueError if ONNX has no operation for one of the model's, if the model draws random numbers, or if it depends on
    the number of examples in a way that cannot be written; the message names the operation.

    Parameters
    ----------
    model : a module, or a function of tensors
    example : the input, or a tuple of inputs; with `dynamic_batch` their first axis is the batch
    path : the file to write
    input_names, output_names : names in the file; by default input, or input_0, input_1, …, and output likewise
    dynamic_batch : the file accepts any number of examples; otherwise only as many as the example has

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> from autograd_mini import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> nn.export_onnx(model, np.zeros((1, 4), np.float32), path)
    >>> path.exists()
    True
    """
    onnx = extra("onnx", "exporting a model", "onnx")
    if not callable(model):
        raise TypeError(f"export_onnx: model must be a module or a function of tensors, got {model!r:.80}")
    examples = [as_tensor(x) for x in (example if isinstance(example, (tuple, list)) else (example,))]
    if dynamic_batch and any(x.ndim == 0 or not len(x) for x in examples):
        shapes = ", ".join(str(x.shape) for x in examples)
        raise ValueError(
            f"export_onnx: example must have a batch as first axis, got shape {shapes}; "
            "pass dynamic_batch=False for an input without a batch"
        )
    first = record(model, [Tensor(x.numpy().copy()) for x in examples])
    second = record(model, [Tensor(longer(x.numpy())) for x in examples]) if dynamic_batch else first
    names = {id(t): name for name, t in _named_tensors(model)}
    graph = _Graph(onnx, first, second, len(examples[0]) if dynamic_batch else 0, names)
    inputs = _names("input_names", "input", input_names, len(first.arguments))
    outputs = _names("output_names", "output", output_names, len(first.results))
    data = graph.build(inputs, outputs)
    with atomic_write(Path(path)) as beside:
        beside.write_bytes(data)


def _named_tensors(model: Callable[..., Any]) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()] if isinstance(model, Module) else []


def _names(argument: str, word: str, chosen: Sequence[str], count: int) -> list[str]:
    given = [chosen] if isinstance(chosen, str) else list(chosen)
    names = given or ([word] if count == 1 else [f"{word}_{i}" for i in range(count)])
    if len(names) != count or len(set(names)) < count or not all(isinstance(name, str) and name for name in names):
        what = "1 name" if count == 1 else f"{count} different names"
        raise ValueError(f"export_onnx: {argument} must be {what}, got {names}")
    return names


class _Graph:
    """The ONNX graph under construction; it is the `Writer` of the rules.

    `first` and `second` are recordings with `batch` and `batch` + 1 examples; sizes that differ follow the batch.
    """

    def __init__(self, onnx: Any, first: Recording, second: Recording, batch: int, names: Mapping[int, str]):
        self.onnx = onnx
        self.first, self.batch = first, batch
        self.names = names
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self.taken: dict[Any, str] = {}  # the name of a constant by its bytes
        self.dependent = depends_on(first)
        self.name_of: dict[Value, str] = {}
        if [c.primitive.name for c in first.calls] != [c.primitive.name for c in second.calls]:
            raise ValueError(
                "export_onnx: the model computes something else for another number of examples; pass dynamic_batch=False"
            )
        self.calls = list(zip(first.calls, second.calls, strict=True))
        self.twins: dict[Value, Value] = {}
        for a, b in self.calls:
            self.twins |= zip((*a.inputs, *a.outs), (*b.inputs, *b.outs), strict=True)
        self.twins |= zip((*first.arguments, *first.results), (*second.arguments, *second.results), strict=True)
        self.count = ""  # the name of the number of examples

    def build(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        """Returns the file. Raises ValueError."""
        helper = self.onnx.helper
        self.name_of |= zip(self.first.arguments, inputs, strict=True)
        for call, twin in self.calls:
            self._call(call, twin)
        for value, name in zip(self.first.results, outputs, strict=True):
            self.nodes.append(helper.make_node("Identity", [self._name(value)], [name]))
        graph = helper.make_graph(
            self.nodes,
            "autograd_mini",
            [self._describe(v, name) for v, name in zip(self.first.arguments, inputs, strict=True)],
            [self._describe(v, name) for v, name in zip(self.first.results, outputs, strict=True)],
            list(self.weights.values()),
        )
        opset = [helper.make_opsetid("", OPSET)]
        file = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="autograd_mini")
        self.onnx.checker.check_model(file, full_check=True)
        return bytes(file.SerializeToString())

    # -- operations --------------------------------------------------------------------------------------------------------

    def _call(self, call: Call, twin: Call) -> None:
        name = call.primitive.name
        if call.primitive.effect or call.writes:
            raise ValueError(f"export_onnx: the model uses {name}, which draws random numbers or writes into a tensor")
        if self.dependent.isdisjoint(call.inputs):
            return  # its results are constants
        if name not in RULES:
            raise ValueError(f"export_onnx: ONNX has no operation for {name} ({call.primitive.formula}); known: {_known()}")
        try:
            params = {key: merge(value, twin.params[key], self.batch) for key, value in call.params.items()}
            step = Step(self, tuple(self._operands(call)), tuple(v.array for v in call.inputs), params, call.outs[0].array)
            results = RULES[name](step)
        except UnsupportedError as error:
            raise ValueError(f"export_onnx: ONNX has no operation for {error}") from None
        except ValueError as error:
            raise ValueError(
                f"export_onnx: {name} depends on the number of examples: {error}; pass dynamic_batch=False"
            ) from error
        for value, result in zip(call.outs, [results] if isinstance(results, str) else results, strict=True):
            if result is not None:
                self.name_of[value] = result

    def _operands(self, call: Call) -> list[str]:
        """Returns the names of the operands, in one dtype if the primitive promotes them."""
        uniform = call.primitive.uniform
        together = call.inputs[uniform] if isinstance(uniform, slice) else call.inputs if uniform else ()
        found = [v.array.dtype for v in together if v in self.dependent]
        dtype = np.result_type(*found) if found else None
        return [self._name(v, dtype if v in together else None) for v in call.inputs]

    def _name(self, value: Value, dtype: Any = None) -> str:
        """Returns the name of a value, converted to a dtype if one is given."""
        if value in self.dependent:
            if value not in self.name_of:
                raise ValueError("export_onnx: the model uses a result that ONNX does not compute, such as positions of maxima")
            name = self.name_of[value]
            return name if dtype in (None, value.array.dtype) else self.node("Cast", name, to=dtype)
        if value.array.shape != self.twins[value].array.shape:
            return self._expand(value, dtype)
        return self.constant(value.array, dtype, self.names.get(id(value.tensor), ""))

    def _expand(self, value: Value, dtype: Any) -> str:
        """Returns a constant whose shape follows the batch; it must be the same for each example."""
        array, sizes = value.array, merge(value.array.shape, self.twins[value].array.shape, self.batch)
        one = array[tuple(slice(0, 1) if isinstance(size, Batch) else slice(None) for size in sizes)]
        if not np.array_equal(np.broadcast_to(one, array.shape), array):
            raise ValueError("a constant that differs between the examples")
        return self.node("Expand", self.constant(one, dtype), self.sizes(sizes))

    # -- what rules write --------------------------------------------------------------------------------------------------

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one result and returns the name of the result."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        if isinstance(dtype := attributes.get("to"), np.dtype):
            attributes["to"] = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = None, name: str = "") -> str:
        """Adds a constant and returns its name; equal ones without a name of their own are one."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self.taken:
            self.taken[key] = name or f"constant_{len(self.weights)}"
            self.weights[self.taken[key]] = self.onnx.numpy_helper.from_array(array, self.taken[key])
        return self.taken[key]

    def sizes(self, sizes: Sequence[Size]) -> str:
        """Returns the name of a list of sizes, which may follow the batch."""
        if not any(isinstance(size, Batch) for size in sizes):
            return self.constant(sizes, np.int64)
        return self.node("Concat", *(self._size(size) for size in sizes), axis=0)

    def _size(self, size: Size) -> str:
        if not isinstance(size, Batch):
            return self.constant([size], np.int64)
        if not self.count:
            shape = self.node("Shape", self.name_of[self.first.arguments[0]])
            self.count = self.node("Slice", shape, self.constant([0], np.int64), self.constant([1], np.int64))
        return self.count if size.factor == 1 else self.node("Mul", self.count, self.constant([size.factor], np.int64))

    def _describe(self, value: Value, name: str) -> Any:
        sizes = merge(value.array.shape, self.twins[value].array.shape, self.batch)
        named = [self._dimension(size) for size in sizes]
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(value.array.dtype)
        return self.onnx.helper.make_tensor_value_info(name, kind, named)

    @staticmethod
    def _dimension(size: Size) -> int | str:
        if not isinstance(size, Batch):
            return size
        return BATCH if size.factor == 1 else f"{size.factor}*{BATCH}"


def _known() -> str:
    return ", ".join(sorted(RULES))
