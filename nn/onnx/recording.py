"""Records what a model computes from an example: a flat list of operations, with sizes that follow the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd_mini.jit.python_state.surroundings import Surroundings
from autograd_mini.jit.trace import Call, Trace, TraceError, Value
from autograd_mini.state import mode, no_grad
from autograd_mini.tensor import Array, Tensor
from autograd_mini.trees import leaves

from ..module import Module, evaluation


class Batch(NamedTuple):
    """A size that is a multiple of the number of examples in the batch."""

    factor: int


Size: TypeAlias = "int | Batch"


class Recording(NamedTuple):
    """The arguments, the calls in order, and the results of one run of a model."""

    arguments: list[Value]
    calls: list[Call]
    results: list[Value]


def record(model: Callable[..., Any], examples: Sequence[Tensor]) -> Recording:
    """Runs a model in evaluation mode and records every operation. Nothing that the run writes remains.

    Raises ValueError if the model needs a value in Python or does not return tensors.
    """
    with evaluation(model) if isinstance(model, Module) else nullcontext(), no_grad():
        return _record(model, Trace(examples, Surroundings(model, [])))


def _record(model: Callable[..., Any], trace: Trace) -> Recording:
    try:
        with mode("tracer", trace):
            result = model(*(value.tensor for value in trace.arguments))
        outputs = list(leaves(result))
        if not outputs or not all(isinstance(x, Tensor) for x in outputs):
            raise ValueError(f"export_onnx: the model must return tensors, got {type(result).__name__}")
        return Recording(trace.arguments, trace.calls, [trace.value_of(x) for x in outputs])
    except TraceError as error:
        raise ValueError(f"export_onnx: the model cannot be recorded: {error}") from error
    finally:
        trace.restore()


def longer(example: Array) -> Array:
    """Returns the batch with one more example, a copy of the first."""
    return np.concatenate([example, example[:1]])


def merge(first: Any, second: Any, batch: int) -> Any:
    """Returns what stands for two parameters, recorded with `batch` and with `batch` + 1 examples: equal ones, or a Batch.

    Raises ValueError if they differ in any other way.

    >>> from autograd_mini.nn.onnx.recording import merge
    >>> merge((4, 10), (5, 10), batch=4), merge((12, 10), (15, 10), batch=4)
    ((Batch(factor=1), 10), (Batch(factor=3), 10))
    """
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return tuple(merge(a, b, batch) for a, b in zip(first, second, strict=True))
    if isinstance(first, int) and isinstance(second, int) and first != second:
        factor = second - first
        if first == factor * batch:
            return Batch(factor)
    elif _same(first, second):
        return first
    raise ValueError(f"{first!r} with {batch} examples and {second!r} with {batch + 1}")


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    return first is second or bool(first == second)


def depends_on(recording: Recording) -> set[Value]:
    """Returns the values that depend on the arguments; all others are constants of the exported model."""
    found = set(recording.arguments)
    for call in recording.calls:
        if found.intersection(call.inputs):
            found.update(call.outs)
    return found
