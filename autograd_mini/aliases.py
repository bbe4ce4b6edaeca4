"""Which tensors share memory, so that a write through one of them is noticed by the graphs of all the others.

A graph notices a write because it gives the written tensor a new creation number. Tensors that share memory form a group; a
write gives new numbers to the whole group. Only sharing that no graph records needs a group: `detach()`, views of tensors
outside every graph, and the variables of transforms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from numpy import may_share_memory

from .primitive import Primitive
from .state import tick

if TYPE_CHECKING:
    from .tensor import Tensor


class _Member(ref["Tensor"]):
    """A weak reference to a tensor of a group, and the tensor's id, which is still known when the tensor is gone."""

    __slots__ = ("key",)
    key: int


Group = dict[int, _Member]

_groups: Final[dict[int, Group]] = {}
"""By the id of a tensor, the living tensors that share memory with it, itself included: at least two."""


def link(a: Tensor, b: Tensor) -> None:
    """Notes that two tensors share memory."""
    group, other = _groups.get(id(a)), _groups.get(id(b))
    if group is None:
        group, other = other, None
    if group is None:
        group = {}
    if other is not None and other is not group:
        group.update(other)
        for key in other:
            _groups[key] = group
    for tensor in (a, b):
        key = id(tensor)
        if key not in group:
            group[key] = member = _Member(tensor, _forget)
            member.key = key
            _groups[key] = group


def link_view(out: Tensor, x: Tensor) -> None:
    """Links the result of an operation that may return a view, and its operand, if they do share memory."""
    if out._data.base is not None and may_share_memory(out._data, x._data):
        link(x, out)


def mark_modified(*tensors: Tensor) -> None:
    """Reports a write into the memory of leaves: a backward pass through an earlier use of that memory raises an error."""
    for tensor in tensors:
        tensor._seq = tick()
    if _groups:
        for tensor in tensors:
            if id(tensor) in _groups:
                _mark_others(tensor)


def _mark_others(tensor: Tensor) -> None:
    """Marks the other tensors of a group: leaves as modified, results of recorded views as no longer differentiable."""
    for member in list(_groups[id(tensor)].values()):
        other = member()
        if other is None or other is tensor:
            continue
        if other._primitive is None:
            other._seq = tick()
        elif other._primitive is not MODIFIED:
            other._params = {"name": other._primitive.name}
            other._primitive = MODIFIED


def _raise_modified(*_: Any, name: str = "", **__: Any) -> Any:
    raise RuntimeError(
        f"backward: the result of {name} was modified in place, through a tensor that shares its memory, so its gradient would "
        "be wrong; modify a copy instead: .detach().copy()"
    )


MODIFIED: Final = Primitive("modified", _raise_modified, vjp=_raise_modified, formula="modified in place", derivative=("none",))


def _forget(member: Any, groups: dict[int, Group] = _groups) -> None:
    """Removes a tensor that is gone from its group, and the group if only one tensor is left."""
    group = groups.pop(member.key, None)
    if group is not None:
        group.pop(member.key, None)
        if len(group) == 1:
            groups.pop(next(iter(group)), None)
