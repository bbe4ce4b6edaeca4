"""`Plan`: a recorded run as a flat list of steps `(function, arguments, sinks)`, ready to be replayed.

The arguments of a step are bound when the plan is built. Only arrays that are new in each run flow at replay: the function's
arguments, results that leave the plan, and views of them go to their sinks, which are places in the arguments of later steps.
Steps keep the order of the recorded run, so writes and random draws need no further care.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from ..apply import KERNEL_ERRORS, explain_error
from ..state import Modes, enter_modes, modes
from ..tensor import Array, Tensor, Transient, leaf
from ..tools.plain_text import for_stdout
from . import report
from .c.updates import use_loops
from .pool import Pool
from .python_state.guards import Guards
from .report import Entry, Row
from .signature import OutputSpec

Sinks: TypeAlias = "list[tuple[list[Any], int]]"
Step: TypeAlias = "tuple[Callable[..., Any], Sequence[Any], Sinks | None]"

TIMED_REPLAYS: Final = 1000  # the latest ones, whose times are kept


def replay_context(loops: bool) -> Context:
    """Returns a context in which NumPy does not warn, and updates are loops in C if `loops` is true.

    Entering it takes a tenth of the time of `np.errstate`.
    """
    context = copy_context()
    context.run(np.seterr, all="ignore")
    context.run(use_loops.set, loops)
    return context


@dataclass(eq=False, repr=False)
class Plan:
    """The plan of a function for one signature, and for the flags that its guards remember."""

    steps: list[Step]
    rows: list[Row]  # one for each step, for people: `print(plan)` and `viz.draw(plan)`
    guards: Guards
    pool: Pool  # memory, shared with the other plans of the function
    output: OutputSpec
    kept_alive: Sequence[Any]  # objects that the signature identifies by `id`
    inputs: list[Sinks]  # of the arguments, then of the gradients that exist before a run
    initial_grads: list[Tensor]  # the tensors that have these gradients
    assigned: list[int]  # numbers of the arguments whose `.data` the function sets
    results: list[Array | None]  # the arrays of `output.values`; None if the array is new in each run
    fresh: list[Any]  # a sink for arrays that are new in each run: results, then gradients
    kept_grads: list[tuple[Tensor, Transient]]  # gradients in the pool
    fresh_grads: list[tuple[Tensor, int]]  # gradients that are new in each run, with their number in `fresh`
    cleared_grads: list[Tensor]  # tensors whose `.grad` is None after a run
    context: Context  # that of replays
    source: str  # the C text of its loops
    times: list[deque[int]] | None = None  # nanoseconds of each step in the latest replays, if they are measured

    # -- replay ----------------------------------------------------------------------------------------------------------

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Replays the steps on the arrays of the arguments; returns the arrays of the results, which the caller owns."""
        if self.initial_grads:
            arrays = [*arrays, *(tensor._grad._data for tensor in self.initial_grads)]  # type: ignore[union-attr]
        for sinks, array in zip(self.inputs, arrays, strict=True):
            for target, i in sinks:
                target[i] = array
        self.context.run(self._run_steps, modes())
        for tensor, kept in self.kept_grads:
            tensor._grad = kept
        for tensor, i in self.fresh_grads:
            tensor._grad = leaf(np.asarray(self.fresh[i]))
        for tensor in self.cleared_grads:
            tensor._grad = None
        return [np.asarray(self.fresh[i]) if array is None else np.array(array) for i, array in enumerate(self.results)]

    def _run_steps(self, caller: Modes) -> None:
        enter_modes(caller)
        arguments: Sequence[Any] = ()
        steps = self.steps if self.times is None and caller.profiler is None else self._timed_steps()
        try:
            for function, arguments, sinks in steps:
                value = function(*arguments)
                if sinks is not None:
                    for target, i in sinks:
                        target[i] = value
        except KERNEL_ERRORS as error:
            raise self._explain(arguments, error) from None

    def _timed_steps(self) -> Iterator[Step]:
        """Yields the steps; the time of a step ends when the next one is requested."""
        profiler = modes().profiler
        clock = time.perf_counter_ns if profiler is None else profiler.clock
        with nullcontext() if profiler is None else profiler.region("replay", "replay"):
            for number, (step, row) in enumerate(zip(self.steps, self.rows, strict=True)):
                start = clock()
                yield step
                end = clock()
                if self.times is not None:
                    self.times[number].append(end - start)
                if profiler is not None:
                    shapes: dict[str, Any] = dict(zip(("inputs", "outputs"), row.shapes, strict=True))
                    profiler.span(row.kernel, start, end, bytes=row.new_bytes, **shapes, memory=row.memory)

    def _explain(self, arguments: Sequence[Any], error: Exception) -> Exception:
        """Returns the error of the step with these arguments, in the words of its operation."""
        if not arguments:  # a row block has explained it already, and a random draw has no operands
            return error
        call = next(row.call for row, step in zip(self.rows, self.steps, strict=True) if step[1] is arguments)
        operands = [leaf(np.asarray(x)) for x in arguments[: len(call.inputs)]]
        return explain_error(call.primitive, operands, call.params, error)

    # -- for people ------------------------------------------------------------------------------------------------------

    def table(self) -> list[Entry]:
        """Returns the steps as plain data, to be sorted and summed; `print(plan)` shows them as a table.

        >>> import autograd_mini as ag
        >>> f = ag.jit(lambda x: ag.tanh(x * 2) @ x)
        >>> y = [f(ag.ones((3, 3))) for _ in range(3)]
        >>> max(f.plan.table(), key=lambda step: step.flops).kernel
        'matmul'
        """
        return report.entries(self.rows, self.times)

    def __repr__(self) -> str:
        return for_stdout(report.to_text(self.table(), self.pool))

    def _repr_html_(self) -> str:
        return report.to_html(self.table(), self.pool)
