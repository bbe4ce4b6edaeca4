"""`compile_trace`: turns a trace into a plan. Its body is the list of passes, which `README.md` explains."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from .allocate import Memory
from .c.loops import fuse_loops
from .common_calls import changed_values, share_common_calls
from .emit import Emitter
from .plan import TIMED_REPLAYS, Plan, replay_context
from .pool import Pool
from .scalar_fusion import fuse_scalars
from .signature import Arguments, OutputSpec
from .tiling import RowBlock, block_rows
from .trace import ASSIGN, Call, Trace, Value
from .update_fusion import fuse_updates, gradient_slots


def compile_trace(
    trace: Trace,
    output: OutputSpec,
    arguments: Arguments,
    pool: Pool,
    *,
    exact: bool = False,
    profile: bool = False,
    loops: bool = False,
) -> Plan:
    """Returns the plan that replays a traced run.

    Parameters
    ----------
    trace : the recorded calls
    output : how the function's result is built, with the values that it needs
    arguments : the call that was traced
    pool : memory that the plan shares with other plans of the function
    exact : give the bits of eager code: no scalar fusion, and matrix products are split only where eager code splits them
    profile : measure the time of each step
    loops : replace runs of elementwise calls by loops in C
    """
    trace.guards.seal()
    grads = trace.final_grads()
    grad_values = [(tensor, value) for tensor, value in grads if value is not None]
    outputs = [*output.values, *(value for _, value in grad_values)]
    # Gradients that are added to earlier ones are new in each run, because the earlier ones are still read.
    pool_grads = [] if trace.initial_grads else grad_values

    calls = fold_constants(trace.calls)
    calls = share_common_calls(calls, outputs)
    calls = drop_dead_code(calls, outputs)
    if not exact:
        calls = fuse_scalars(calls, outputs)
    kept = {value.owner for _, value in pool_grads}
    source = ""
    if loops:
        calls, source = fuse_loops(calls, outputs, [value for value in outputs if value.owner not in kept])
    fused = fuse_updates(calls, {value: tensor for tensor, value in pool_grads}, pool)
    blocks = block_rows(calls, exact)
    memory = Memory([calls_of(block) for block in blocks], outputs, pool_grads, gradient_slots(fused), pool)
    code = Emitter(blocks, memory, fused)

    arrays, fresh = code.connect_outputs(outputs)
    numbered_grads = list(enumerate(grad_values, len(output.values)))
    plan = Plan(
        steps=code.steps,
        rows=code.rows,
        guards=trace.guards,
        pool=pool,
        output=output,
        kept_alive=arguments.kept_alive,
        inputs=[code.sinks_of(value) for value in (*trace.arguments, *trace.initial_grads)],
        initial_grads=[value.tensor for value in trace.initial_grads if value.tensor is not None],
        assigned=assigned_arguments(trace),
        results=arrays[: len(output.values)],
        fresh=fresh,
        kept_grads=[(tensor, pool.keep(a)) for i, (tensor, _) in numbered_grads if (a := arrays[i]) is not None],
        fresh_grads=[(tensor, i) for i, (tensor, _) in numbered_grads if arrays[i] is None],
        cleared_grads=[tensor for tensor, value in grads if value is None],
        context=replay_context(loops),
        source=source,
        times=[deque(maxlen=TIMED_REPLAYS) for _ in code.steps] if profile else None,
    )
    free_arrays(trace.calls)
    return plan


def fold_constants(calls: Sequence[Call]) -> list[Call]:
    """Removes calls whose operands are all constants. Their results, which the traced run has computed, become constants.

    Results that a later call changes in place are computed in every replay.
    """
    rest, changed = [], changed_values(calls)
    for call in calls:
        is_pure = call.inputs and call.outs and not call.primitive.effect and not changed.intersection(call.outs)
        if is_pure and all(v.source == "constant" for v in call.inputs):
            for out in call.outs:
                out.source = "constant"
        else:
            rest.append(call)
    return rest


def drop_dead_code(calls: Sequence[Call], outputs: Iterable[Value]) -> list[Call]:
    """Removes calls whose results are not needed for `outputs`; calls with an effect stay."""
    needed, rest = set(outputs), []
    for call in reversed(calls):
        if call.primitive.effect or any(out in needed for out in call.outs):
            needed.update(call.inputs)
            rest.append(call)
    return rest[::-1]


def calls_of(block: Call | RowBlock) -> list[Call]:
    """Returns the calls of a block; a call outside of blocks is a group of one."""
    return [block] if isinstance(block, Call) else [call for call, _ in block.members]


def assigned_arguments(trace: Trace) -> list[int]:
    """Returns the numbers of the arguments whose `.data` the function sets."""
    targets = [call.inputs[0] for call in trace.calls if call.primitive is ASSIGN]
    return [trace.arguments.index(target) for target in targets if target.source == "argument"]


def free_arrays(calls: Iterable[Call]) -> None:
    """Frees the arrays of the traced run; from here on, only their shapes and dtypes are needed."""
    for call in calls:
        for value in (*call.inputs, *call.outs):
            if value.source in ("call", "argument", "gradient"):
                value.array = np.broadcast_to(np.empty((), value.array.dtype), value.array.shape)
