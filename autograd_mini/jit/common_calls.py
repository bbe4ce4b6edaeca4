"""Common calls: a call that repeats an earlier one, on the same values and with the same parameters, is computed once.

Gradient rules repeat each other (h · h has two equal terms), and a layer that is used twice normalises its weight twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .trace import Call, Value


def share_common_calls(calls: Sequence[Call], outputs: Iterable[Value]) -> list[Call]:
    """Removes calls that repeat an earlier one, unless their results leave the plan, which needs its own arrays for them.

    A write may change what a tensor from outside holds, so it ends the sharing of calls that read such tensors, or results
    that a call changes in place. Those results have their own arrays too.
    """
    changed = changed_values(calls)
    leaving = {memory for out in outputs for memory in (out, out.owner)}
    known: dict[Any, Call] = {}
    same: dict[Value, Value] = {}  # a removed result, and the earlier one
    kept: list[Call] = []
    for call in calls:
        call = _on_shared_values(call, same)
        if call.primitive.effect or not call.outs:
            known = {key: earlier for key, earlier in known.items() if not _reads(earlier, changed)}
            kept.append(call)
            continue
        key = None if any(out.owner in changed for out in call.outs) else _key(call)
        earlier = call if key is None else known.setdefault(key, call)
        if earlier is call or any(out in leaving or out.owner in leaving for out in call.outs):
            kept.append(call)
        else:
            same.update(zip(call.outs, earlier.outs, strict=True))
    return kept


def _on_shared_values(call: Call, same: dict[Value, Value]) -> Call:
    """Returns a call whose operands, and the owners of its views, are the values that stay."""
    if not any(v in same for v in call.inputs):
        return call
    for out in call.outs:
        out.owner = same.get(out.owner, out.owner)
    inputs, writes = (tuple(same.get(v, v) for v in values) for values in (call.inputs, call.writes))
    return Call(call.primitive, inputs, call.params, call.outs, writes)


def changed_values(calls: Iterable[Call]) -> set[Value]:
    """Returns the values whose memory a call changes in place."""
    return {v.owner for call in calls for v in call.writes}


def _reads(call: Call, changed: set[Value]) -> bool:
    """Returns whether a call reads a tensor from outside or a value that some call changes."""
    return any(v.owner.source in ("captured", "argument", "gradient") or v.owner in changed for v in call.inputs)


def _key(call: Call) -> Any:
    """Returns what determines the results of a call, or None if that cannot be compared."""
    params = tuple((name, repr(x) if isinstance(x, float) else x) for name, x in sorted(call.params.items()))
    key = call.primitive, tuple(map(_identity, call.inputs)), params
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _identity(value: Value) -> Any:
    """Returns the value itself, or what it holds if it is a number that the function created."""
    if value.source == "constant" and value.array.ndim == 0:
        return value.array.dtype.str, value.array.tobytes()
    return value
