"""`jacobian` and `hessian`: the passes for all unit vectors, run as one pass for a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from itertools import accumulate
from typing import Any, Final

import numpy as np

from .batching.vmap import vmap
from .ops.shape import concatenate, moveaxis, reshape, stack
from .tensor import Tensor, leaf
from .transform import Argnums, Function, _check_function, _one_or_all, _Pass, _pushforward, grad
from .trees import Tree, rebuild

__all__ = ["hessian", "jacobian"]


def jacobian(f: Function, *, argnums: Argnums = 0, has_aux: bool = False, mode: str | None = None) -> Function:
    """Returns the function x ↦ J with shape (*output, *input); for trees, a tree like the output of trees like the input.

    Several `argnums` give a tuple in place of each tree like the input; with `has_aux` the result is (J, aux). `mode` is
    "reverse" (a pass per output element), "forward" (a pass per input element), or None for fewer passes.

    >>> import autograd_mini as ag
    >>> ag.jacobian(lambda x: x * x)(ag.Tensor([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], shape=(2, 2))
    """
    _check_function("jacobian", f)
    if not (mode is None or isinstance(mode, str)) or mode not in (None, "reverse", "forward"):
        raise ValueError(f"jacobian: mode must be 'reverse', 'forward' or None, got {mode!r}")

    @wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> Tree:
        run = _Pass("jacobian", f, args, argnums, kwargs, has_aux)
        n_inputs, n_outputs = (sum(t.size for t in tensors) for tensors in (run.inputs, run.outputs))
        forward = mode == "forward" or (mode is None and n_inputs < n_outputs)
        blocks = (_jacobian_by_columns if forward else _jacobian_by_rows)(run)
        result = rebuild(run.output, [_one_or_all(argnums, run.by_argument(row)) for row in blocks])
        return (result, run.aux()) if has_aux else result

    return transformed


_FEWEST: Final = 4
"""Fewer passes than this take less time one by one."""
_CHUNK: Final = 256
"""The most passes at once; more need too much memory."""


def _unit_passes(run_pass: Function, likes: Sequence[Tensor], results: Sequence[Tensor]) -> list[list[Tensor]]:
    """Runs a pass for each unit vector: one in one element of one tensor of `likes` and zero elsewhere.

    Returns, for each tensor of `likes` and each result, the results for its elements, along a new first axis.

    Parameters
    ----------
    run_pass : a function of one tensor for each of `likes`
    likes : tensors of the shapes of its arguments
    results : tensors of the shapes of its results
    """
    total = sum(t.size for t in likes)
    chunks = [_units(likes, start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
    if total < _FEWEST:
        rows = [[run_pass([leaf(u[i]) for u in chunk]) for i in range(total)] for chunk in chunks]
        parts = [[stack(list(column)) for column in zip(*part, strict=True)] for part in rows]
    else:
        parts = [vmap(lambda *units: run_pass(units))(*map(leaf, chunk)) for chunk in chunks]
    whole = [part[0] if len(part) == 1 else concatenate(list(part), 0) for part in zip(*parts, strict=True)]
    if not whole:
        whole = [leaf(np.zeros((0, *y.shape), y.dtype)) for y in results]
    ends = list(accumulate(t.size for t in likes))
    return [[w[end - t.size : end] for w in whole] for t, end in zip(likes, ends, strict=True)]


def _units(likes: Sequence[Tensor], start: int, stop: int) -> list[np.ndarray[Any, Any]]:
    """Returns the unit vectors with the numbers from `start` to `stop`, as one array for each tensor."""
    arrays, first = [], 0
    for t in likes:
        units = np.zeros((stop - start, t.size), t.dtype)
        mine = np.arange(max(start, first), min(stop, first + t.size))
        units[mine - start, mine - first] = 1
        arrays.append(units.reshape(stop - start, *t.shape))
        first += t.size
    return arrays


def _jacobian_by_rows(run: _Pass) -> list[list[Tensor]]:
    """Computes the Jacobian's blocks [output][input], one row per output element."""
    blocks = _unit_passes(lambda units: run.pullback(units), run.outputs, run.inputs)
    return [
        [reshape(block, y.shape + x.shape) for block, x in zip(row, run.inputs, strict=True)]
        for row, y in zip(blocks, run.outputs, strict=True)
    ]


def _jacobian_by_columns(run: _Pass) -> list[list[Tensor]]:
    """Computes the same blocks, one column per input element."""
    columns = _unit_passes(lambda units: _pushforward(run, [units])[0], run.inputs, run.outputs)
    return [
        [reshape(moveaxis(column[i], 0, -1), y.shape + x.shape) for column, x in zip(columns, run.inputs, strict=True)]
        for i, y in enumerate(run.outputs)
    ]


def hessian(f: Function, *, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Returns the function x ↦ H, the Hessian of a scalar f, with shape (*input, *input).

    Several `argnums` give a tuple of rows, which are tuples of blocks; with `has_aux` the result is (H, aux).

    >>> import autograd_mini as ag
    >>> ag.hessian(lambda x: (x ** 3).sum())(ag.Tensor([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], shape=(2, 2))
    """
    _check_function("hessian", f)
    return jacobian(grad(f, argnums=argnums, has_aux=has_aux), argnums=argnums, has_aux=has_aux)
