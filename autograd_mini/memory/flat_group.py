"""`FlatGroup`: parameters that are adjacent in memory, updated as one flat array.

Where parameters are small, the calls of an update cost more than its arithmetic. `arena` allocates parameters one after the
other, and their optimizer states in the same layout. So parameter, gradient and state of a group are slices of flat arrays, and
one call of an elementwise rule on these arrays gives the same bits as one call per parameter. An eager step copies gradients to
the flat array (`nn/optim/eager_step.py`); in a compiled step the kernels write them there (`jit/update_fusion.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from ..aliases import mark_modified
from ..tensor import Array, Tensor
from .arena import ALIGNMENT, base_of

ParamGroup: TypeAlias = dict[str, Any]


class UpdateRule(Protocol):
    """An optimizer: its groups and states, and how it updates one parameter, or arrays of any shape."""

    elementwise: bool
    param_groups: list[ParamGroup]
    state: dict[Tensor, dict[str, Any]]

    def update_parameter(self, parameter: Tensor, group: ParamGroup, p: Array, g: Array) -> None: ...
    def update(self, p: Array, g: Array, state: dict[str, Any], group: ParamGroup) -> None: ...


class ParamUpdate(NamedTuple):
    """The update of one parameter, called with the parameter's array and the gradient's array."""

    rule: UpdateRule
    parameter: Tensor
    group_index: int  # not the group itself, which may be replaced between steps

    @property
    def group(self) -> ParamGroup:
        return self.rule.param_groups[self.group_index]

    @property
    def fusion_key(self) -> tuple[int, int] | None:
        """Updates with equal keys can be fused; None if this one cannot."""
        return (id(self.rule), self.group_index) if self.rule.elementwise else None

    def __call__(self, p: Array, g: Array) -> None:
        self.rule.update_parameter(self.parameter, self.group, p, g)


class FlatGroup:
    """Updates of adjacent parameters, which one call of their rule on flat arrays applies.

    `indices` are their positions among the updates that `find_groups` searched. `slices` says where each parameter lies in the
    flat array `storage`; gradient and state have the same layout.
    """

    def __init__(self, indices: range, updates: Sequence[ParamUpdate], slices: list[slice], storage: Array):
        self.indices, self.updates, self.slices, self.storage = indices, updates, slices, storage
        self.rule = updates[0].rule
        self.parameters = [update.parameter for update in updates]
        self._states = [self.rule.state.get(parameter, {}) for parameter in self.parameters]
        self._owners = list(zip(self.parameters, self._states, strict=True))
        first = self._states[0]
        self._size = len(first)
        self._counts = [name for name, value in first.items() if not isinstance(value, np.ndarray)]
        self._names = first.keys() - self._counts  # of arrays
        self._arrays = [(state, name, state[name]) for state in self._states for name in self._names]
        self._flat_state: dict[str, Any] = {name: flat_view([s[name] for s in self._states], slices) for name in self._names}

    @classmethod
    def build(cls, indices: range, updates: Sequence[ParamUpdate], arrays: Sequence[Array]) -> FlatGroup | None:
        """Returns the group of some updates of the parameters in `arrays`; None if a flat view of them or of a state fails."""
        starts = [(a.ctypes.data - arrays[0].ctypes.data) // a.itemsize for a in arrays]
        slices = [slice(start, start + a.size) for start, a in zip(starts, arrays, strict=True)]
        storage = flat_view(arrays, slices)
        names = [update.rule.state.get(update.parameter, {}).keys() for update in updates]
        if storage is None or any(other != names[0] for other in names):
            return None
        group = cls(indices, updates, slices, storage)
        return None if any(array is None for array in group._flat_state.values()) else group

    def new_gradient(self) -> Array:
        """Returns a flat array for the gradients. Its padding is 1, because 0 could give 0/0 there."""
        return np.ones_like(self.storage)

    def split(self, flat: Array) -> list[Array]:
        """Returns the parts of a flat array, in the shapes of the parameters."""
        return [flat[part].reshape(p.shape) for part, p in zip(self.slices, self.parameters, strict=True)]

    def __call__(self, p: Array, g: Array) -> None:
        """Updates all parameters, given as one flat array, by their flat gradient.

        Updates them one by one if the states are not in step: replaced by the user, or ahead of each other because a parameter
        had no gradient for a while.
        """
        if not self.in_step():
            for update, w, d in zip(self.updates, self.split(p), self.split(g), strict=True):
                update(w, d)
            return
        state, first = self._flat_state, self._states[0]
        for name in self._counts:
            state[name] = first[name]
        self.rule.update(p, g, state, self.updates[0].group)
        if self._counts or len(state) != self._size:
            self._write_back()
        mark_modified(*self.parameters)

    def in_step(self) -> bool:
        """Returns whether all states are the same arrays as before, with equal step counts."""
        current, size = self.rule.state, self._size
        for parameter, state in self._owners:
            if current.get(parameter) is not state or len(state) != size:
                return False
        for state, name, array in self._arrays:
            if state[name] is not array:
                return False
        first, *others = self._states
        return not self._counts or all(state[name] == first[name] for name in self._counts for state in others)

    def _write_back(self) -> None:
        """Gives each state its part of the entries that are not flat views: counts, and arrays that the rule has added."""
        for name in self._flat_state.keys() - self._names:
            value = self._flat_state[name]
            parts = self.split(value) if isinstance(value, np.ndarray) else [value] * len(self._states)
            for state, part in zip(self._states, parts, strict=True):
                state[name] = part


def find_groups(updates: Sequence[ParamUpdate], arrays: Sequence[Array]) -> list[FlatGroup]:
    """Returns the flat groups among updates with one `fusion_key`: two or more in a row whose parameters are adjacent.

    `arrays` are the parameters' arrays.

    >>> from autograd_mini import Tensor, nn
    >>> from autograd_mini.memory.flat_group import ParamUpdate, find_groups
    >>> parameters = [Tensor([1.0] * n, requires_grad=True) for n in (3, 2)]
    >>> optimizer = nn.SGD(parameters)
    >>> groups = find_groups([ParamUpdate(optimizer, p, 0) for p in parameters], [p._data for p in parameters])
    >>> [(group.indices, group.slices) for group in groups]
    [(range(0, 2), [slice(0, 3, None), slice(16, 18, None)])]
    """
    groups, start = [], 0
    for stop in range(1, len(arrays) + 1):
        if stop == len(arrays) or not _adjacent(arrays[stop - 1], arrays[stop]):
            members = slice(start, stop)
            group = FlatGroup.build(range(start, stop), updates[members], arrays[members]) if stop - start > 1 else None
            if group is not None:
                groups.append(group)
            start = stop
    return groups


def _adjacent(left: Array, right: Array) -> bool:
    gap = right.ctypes.data - left.ctypes.data - left.nbytes
    return 0 <= gap < ALIGNMENT and right.dtype == left.dtype and not gap % right.itemsize


def flat_view(parts: Sequence[Array], slices: Sequence[slice]) -> Array | None:
    """Returns the memory of `parts` as one flat array that has each part at its slice; None if they do not lie like that.

    >>> import numpy as np
    >>> from autograd_mini.memory.flat_group import flat_view
    >>> whole = np.arange(6.0)
    >>> flat_view([whole[:2], whole[4:]], [slice(0, 2), slice(4, 6)])
    array([0., 1., 2., 3., 4., 5.])
    """
    first = parts[0]
    base = base_of(first)
    for part, position in zip(parts, slices, strict=True):
        fits = part.ctypes.data - first.ctypes.data == (position.start - slices[0].start) * first.itemsize
        if not (fits and base_of(part) is base and part.dtype == first.dtype and part.flags.c_contiguous):
            return None
    size = slices[-1].stop - slices[0].start
    return np.ndarray((size,), first.dtype, base, first.ctypes.data - base.ctypes.data)
