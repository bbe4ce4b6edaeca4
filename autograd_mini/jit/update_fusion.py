"""Update fusion: the updates of adjacent parameters become one update of a flat array, a `FlatGroup`.

An update takes part if its operands are a parameter and the gradient that the parameter keeps. The plan then lets the kernels
write these gradients into the group's flat gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..memory.flat_group import FlatGroup, ParamUpdate, find_groups
from ..tensor import Array, Tensor
from .pool import Pool
from .trace import Call, Value


class FusedUpdate(NamedTuple):
    """Calls that `group` replaces, in its order, and the flat array `gradient` with the gradients of all of them."""

    calls: list[Call]
    group: FlatGroup
    gradient: Array


def fuse_updates(calls: Sequence[Call], gradients: Mapping[Value, Tensor], pool: Pool) -> list[FusedUpdate]:
    """Returns the fused updates among the calls; `gradients` says which tensor keeps a value as its gradient."""
    fused = []
    for _, equal_keys in groupby(calls, key=_fusion_key):
        fusible = [call for call in equal_keys if _is_fusible(call, gradients)]
        updates, arrays = [call.params["function"] for call in fusible], [call.inputs[0].array for call in fusible]
        for group in find_groups(updates, arrays):
            fused.append(FusedUpdate([fusible[i] for i in group.indices], group, pool.flat_gradient(group)))
    return fused


def gradient_slots(fused: Iterable[FusedUpdate]) -> dict[Value, Array]:
    """Returns the part of a flat gradient in which each gradient is written, so that the update needs no copies."""
    slots: dict[Value, Array] = {}
    for calls, group, gradient in fused:
        for call, part in zip(calls, group.slices, strict=True):
            owner = call.inputs[1].owner
            slots.setdefault(owner, gradient[part].reshape(owner.array.shape))
    return slots


def _fusion_key(call: Call) -> Any:
    """Returns the key of an update that can be fused, or the call itself, which no other call equals."""
    update = call.params.get("function")
    return update.fusion_key or call if isinstance(update, ParamUpdate) else call


def _is_fusible(call: Call, gradients: Mapping[Value, Tensor]) -> bool:
    if _fusion_key(call) is call or len(call.inputs) != 2:
        return False
    p, g = call.inputs
    arrays = p.array, g.array, g.owner.array  # the last two are the same memory, perhaps in two shapes
    same_layout = all(a.size == p.array.size and a.dtype == p.array.dtype and a.flags.c_contiguous for a in arrays)
    return same_layout and g.owner.source == "call" and gradients.get(g) is p.tensor
