"""Which tensors share memory, so that a write through one of them is noticed by the graphs of all the others.

A graph notices a write because it gives the written tensor a new creation number. Tensors that share memory form a group; a
write gives new numbers to the whole group. Only sharing that no graph records needs a group: `detach()`, views of tensors
outside every graph, and the variables of transforms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from numpy import may_share_memory

from .primitive import Primitive
from .state import tick

if TYPE_CHECKING:
    from .tensor import Tensor

Group = dict[int, "ref[Tensor]"]

_groups: Final[dict[int, Group]] = {}
"""By the id of a tensor, the living tensors that share memory with it, itself included."""


def link(a: Tensor, b: Tensor) -> None:
    """Notes that two tensors share memory."""
    group, other = _groups.get(id(a)), _groups.get(id(b))
    if group is not None and group is other:
        return
    if group is None:
        group, other = other, None
    if group is None:
        group = {}
    for key, member in (other or {}).items():
        group[key] = member
        _groups[key] = group
    for tensor in (a, b):
        if id(tensor) not in group:
            group[id(tensor)] = ref(tensor, _forget(id(tensor)))
            _groups[id(tensor)] = group


def link_view(out: Tensor, x: Tensor) -> None:
    """Links the result of an operation that may return a view, and its operand, if they do share memory."""
    if out._data.base is not None and may_share_memory(out._data, x._data):
        link(x, out)


def sharing(tensor: Tensor) -> Iterator[Tensor]:
    """Yields the other tensors that share memory with `tensor`."""
    for key, member in list(_groups.get(id(tensor), {}).items()):
        other = member()
        if other is not None and key != id(tensor):
            yield other


def mark_modified(tensor: Tensor) -> None:
    """Reports a write into the memory of a leaf: a backward pass through an earlier use of that memory raises an error."""
    tensor._seq = tick()
    if id(tensor) in _groups:
        for other in sharing(tensor):
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


def _forget(key: int, groups: dict[int, Group] = _groups) -> Any:
    def forget(_: Any) -> None:
        groups.pop(key, {}).pop(key, None)

    return forget
