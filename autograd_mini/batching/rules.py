"""Batching rules: how one call of a primitive computes what one call per example would.

A batched operand has the examples along axis 0; the other operands are the same for all examples. A rule gets a `BatchedCall`
and returns results with the examples along axis 0. There is a rule for each kind of operation; a primitive names its own in the
field `batch`. Without one, an elementwise primitive uses `aligned`, and any other `loop`, which is always right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

Rule: TypeAlias = "Callable[[BatchedCall], Any]"


@dataclass(frozen=True)
class BatchedCall:
    """A call of a primitive for `n` examples.

    run      `run(inputs, params)` calls the primitive
    xp       every primitive by name, as for gradient rules
    n        the number of examples
    inputs   the operands
    batched  whether each of them has the examples along axis 0
    params   the parameters of the call for one example
    """

    run: Callable[[Sequence[Any], dict[str, Any]], Any]
    xp: Any
    n: int
    inputs: tuple[Any, ...]
    batched: tuple[bool, ...]
    params: dict[str, Any]

    def rank(self, i: int) -> int:
        """Returns the number of axes that operand i has in one example."""
        return int(self.inputs[i].ndim) - self.batched[i]

    def shape(self, i: int) -> tuple[int, ...]:
        """Returns the shape that operand i has in one example."""
        return tuple(self.inputs[i].shape[self.batched[i] :])

    def expand(self, i: int) -> Any:
        """Returns operand i with the examples along axis 0, repeated if it is the same for all."""
        x = self.inputs[i]
        return x if self.batched[i] else self.xp.broadcast_to(x, shape=(self.n, *x.shape))

    def align(self, i: int, rank: int) -> Any:
        """Returns operand i so that it broadcasts against operands of `rank` axes per example."""
        x = self.inputs[i]
        if not self.batched[i] or self.rank(i) == rank:
            return x
        return self.xp.reshape(x, shape=(self.n, *(1,) * (rank - self.rank(i)), *self.shape(i)))


# -- kinds ---------------------------------------------------------------------------------------------------------------------


def aligned(call: BatchedCall) -> Any:
    """Operands broadcast: axes of length 1 between the examples and an operand's own axes are all it takes."""
    rank = max(call.rank(i) for i in range(len(call.inputs)))
    return call.run([call.align(i, rank) for i in range(len(call.inputs))], call.params)


def repeated(call: BatchedCall) -> Any:
    """Operands broadcast, but the first one must have the shape of the result."""
    inputs = tuple(call.expand(i) for i in range(len(call.inputs)))
    return aligned(replace(call, inputs=inputs, batched=(True,) * len(inputs)))


def same(call: BatchedCall) -> Any:
    """The operation treats the first axes as a batch anyway, such as that of matrices or of the elements of an index."""
    return call.run([call.expand(i) for i in range(len(call.inputs))], call.params)


def along_axis(call: BatchedCall) -> Any:
    """The parameter `axis`, one axis or several, refers to the axes of one example."""
    axis = call.params["axis"]
    if axis is None:
        return loop(call)
    shifted = axis + 1 if isinstance(axis, int) else tuple(a + 1 for a in axis)
    return same(replace(call, params={**call.params, "axis": shifted}))


def rows(*whole: int) -> Rule:
    """The first axis of the operands is a batch already, and the examples extend it; operands in `whole` serve all rows."""

    def rule(call: BatchedCall) -> Any:
        if any(i in whole and call.batched[i] for i in range(len(call.inputs))):
            return loop(call)
        operands = [call.inputs[i] if i in whole else merge(call, i) for i in range(len(call.inputs))]
        results = call.run(operands, call.params)
        return tuple(split(call, y) for y in results) if isinstance(results, tuple) else split(call, results)

    return rule


def merge(call: BatchedCall, i: int) -> Any:
    """Returns operand i with the examples and its first axis as one axis."""
    first, *rest = call.shape(i)
    return call.xp.reshape(call.expand(i), shape=(call.n * first, *rest))


def split(call: BatchedCall, y: Any) -> Any:
    """Separates the examples from the first axis of a result."""
    return call.xp.reshape(y, shape=(call.n, y.shape[0] // call.n, *y.shape[1:]))


def loop(call: BatchedCall) -> Any:
    """One call per example."""
    results = []
    for k in range(call.n):
        operands = [call.xp.getitem(x, index=(k,)) if b else x for x, b in zip(call.inputs, call.batched, strict=True)]
        results.append(call.run(operands, call.params))
    if isinstance(results[0], tuple):
        return tuple(_stack(call.xp, outputs) for outputs in zip(*results, strict=True))
    return _stack(call.xp, results)


def _stack(xp: Any, tensors: Sequence[Any]) -> Any:
    return xp.concatenate(*[xp.reshape(t, shape=(1, *t.shape)) for t in tensors], axis=0)


# -- shapes --------------------------------------------------------------------------------------------------------------------


def reshape(call: BatchedCall) -> Any:
    return call.run(call.inputs, {"shape": (call.n, *_tuple(call.params["shape"]))})


def broadcast_to(call: BatchedCall) -> Any:
    shape = _tuple(call.params["shape"])
    return call.run([call.align(0, len(shape))], {"shape": (call.n, *shape)})


def transpose(call: BatchedCall) -> Any:
    return call.run(call.inputs, {"axes": (0, *(a + 1 for a in call.params["axes"]))})


def pad(call: BatchedCall) -> Any:
    return call.run(call.inputs, {**call.params, "pad_width": ((0, 0), *call.params["pad_width"])})


def _tuple(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


# -- products ------------------------------------------------------------------------------------------------------------------


def matmul(call: BatchedCall) -> Any:
    """Vectors become matrices of one row or column; a product with one matrix for all examples stays one product."""
    xp, (a, b) = call.xp, call.inputs
    ranks = call.rank(0), call.rank(1)
    if not call.batched[1] and ranks == (1, 2):  # (N, k) @ (k, m)
        return xp.matmul(a, b)
    if not call.batched[0] and ranks == (2, 1):  # A xᵢ is row i of X Aᵀ
        return xp.matmul(b, xp.transpose(a, axes=(1, 0)))
    if ranks[0] == 1:
        a = xp.reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1]))
    if ranks[1] == 1:
        b = xp.reshape(b, shape=(*b.shape, 1))
    matrices = replace(call, inputs=(a, b))
    rank = max(matrices.rank(0), matrices.rank(1))
    y = xp.matmul(matrices.align(0, rank), matrices.align(1, rank))
    shape = y.shape[: len(y.shape) - 2] + y.shape[-2:][ranks[0] == 1 : 2 - (ranks[1] == 1)]
    return y if shape == y.shape else xp.reshape(y, shape=shape)


def linear(call: BatchedCall) -> Any:
    """h Wᵀ + b; with a weight for each example, as a product and a sum."""
    if not any(call.batched[1:]):
        return call.run(call.inputs, call.params)
    xp, weight = call.xp, call.inputs[1]
    last = weight.ndim - 1
    transposed = xp.transpose(weight, axes=(*range(last - 1), last, last - 1))
    product = matmul(replace(call, inputs=(call.inputs[0], transposed), batched=call.batched[:2], params={}))
    if len(call.inputs) == 2:
        return product
    batched = any(call.batched[:2]), call.batched[2]
    return aligned(replace(call, run=lambda x, _: xp.add(*x), inputs=(product, call.inputs[2]), batched=batched))


def einsum(call: BatchedCall) -> Any:
    """The examples get a letter of their own, in the operands that have them and in the result."""
    subscripts = call.params["subscripts"]
    letter = next((c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in subscripts), None)
    if "->" not in subscripts or "." in subscripts or letter is None:
        return loop(call)
    terms, result = subscripts.split("->")
    named = [letter * b + term for term, b in zip(terms.split(","), call.batched, strict=True)]
    return call.run(call.inputs, {"subscripts": f"{','.join(named)}->{letter}{result}"})


# -- indices -------------------------------------------------------------------------------------------------------------------


def index(targets: int) -> Rule:
    """Reads or writes elements of the first operands, `targets` in number; the other operands are arrays in the index.

    Where examples differ in these arrays, the index gets the number of the example as one more array.
    """

    def rule(call: BatchedCall) -> Any:
        template, positions = call.params["index"], range(targets, len(call.inputs))
        arrays = [i for i, e in enumerate(template) if hasattr(e, "position")]
        advanced = [i for i, e in enumerate(template) if i in arrays or (arrays and isinstance(e, int))]
        if advanced != list(range(advanced[0], advanced[-1] + 1)) if advanced else False:
            return loop(call)  # NumPy puts the axes of separated arrays first
        operands = [call.expand(0), *(_spread(call, targets) for _ in range(1, targets)), *(call.inputs[i] for i in positions)]
        entries = (slice(None), *template)
        if any(call.batched[i] for i in positions):
            if advanced[0] or any(call.inputs[i].dtype.kind == "b" for i in positions):
                return loop(call)
            rank = max(map(call.rank, positions))
            numbers = call.xp.reshape(_numbers(call), shape=(call.n, *(1,) * rank))
            operands = [*operands[:targets], *(call.align(i, rank) for i in positions), numbers]
            entries = (type(template[arrays[0]])(len(positions)), *template)
        shape = {"shape": (call.n, *call.params["shape"])} if "shape" in call.params else {}
        return call.run(operands, {**call.params, **shape, "index": entries})

    return rule


def index_put_value(call: BatchedCall) -> Any:
    """The gradient of a written value has the shape of that value."""
    y = index(2)(call)
    return call.xp.reshape(y, shape=(call.n, *call.shape(1)))


def _spread(call: BatchedCall, targets: int) -> Any:
    """Returns operand 1, a value that is written, with an axis for each one of what the index selects."""
    arrays = [np.zeros(call.shape(i), call.inputs[i].dtype) for i in range(targets, len(call.inputs))]
    entries = tuple(arrays[e.position] if hasattr(e, "position") else e for e in call.params["index"])
    selected = np.broadcast_to(0, call.shape(0))[entries]
    x = call.expand(1)
    return call.xp.reshape(x, shape=(call.n, *(1,) * (selected.ndim - call.rank(1)), *call.shape(1)))


def _numbers(call: BatchedCall) -> Any:
    """Returns the numbers 0 … n − 1 of the examples."""
    return call.xp.cumsum(call.xp.broadcast_to(1, shape=(call.n,)), axis=0) - 1


def embedding(call: BatchedCall) -> Any:
    return loop(call) if call.batched[0] else call.run(call.inputs, call.params)


def embedding_add(call: BatchedCall) -> Any:
    """The table of example k is the rows from k · rows on of one large table."""
    xp, n_rows = call.xp, call.params["rows"]
    g, indices = call.expand(0), call.expand(1)
    offsets = xp.reshape(_numbers(call) * n_rows, shape=(call.n, *(1,) * call.rank(1)))
    total = call.run([g, indices + offsets], {"rows": call.n * n_rows})
    return xp.reshape(total, shape=(call.n, n_rows, *total.shape[1:]))


# -- images --------------------------------------------------------------------------------------------------------------------


def by_channel(call: BatchedCall) -> Any:
    """Statistics of each channel of (B, C, …): the channels of all examples are n · C channels of one batch."""

    def join(i: int) -> Any:
        x = call.expand(i)
        if call.rank(i) == 1:
            return call.xp.reshape(x, shape=(x.shape[0] * x.shape[1],))
        n, batch, channels, *rest = x.shape
        return call.xp.reshape(call.xp.transpose(x, axes=(1, 0, *range(2, x.ndim))), shape=(batch, n * channels, *rest))

    def part(y: Any) -> Any:
        if y.ndim == 1:
            return call.xp.reshape(y, shape=(call.n, y.shape[0] // call.n))
        batch, channels, *rest = y.shape
        apart = call.xp.reshape(y, shape=(batch, call.n, channels // call.n, *rest))
        return call.xp.transpose(apart, axes=(1, 0, *range(2, apart.ndim)))

    results = call.run([join(i) for i in range(len(call.inputs))], call.params)
    return tuple(map(part, results)) if isinstance(results, tuple) else part(results)
