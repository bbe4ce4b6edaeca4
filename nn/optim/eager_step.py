"""The eager step of an optimizer: small adjacent parameters are updated as flat groups, all others one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from autograd_mini.memory.flat_group import FlatGroup, ParamUpdate, UpdateRule, find_groups
from autograd_mini.tensor import Array, Tensor

Step: TypeAlias = "Callable[[Sequence[Array]], None]"

SMALL: Final = 1 << 12
"""Elements of the largest parameter whose gradient is copied into the flat gradient of its group."""
_MAX_CACHED: Final = 8  # sets of parameters per optimizer


class StepCache(dict[tuple[int, ...], "tuple[Sequence[Array], list[Step]]"]):
    """The steps for each set of parameters that was updated, with their arrays, so that no other array gets the same id.

    A copy is empty, because the steps update the parameters of the original.
    """

    def steps(self, rule: UpdateRule, group_index: int, parameters: Sequence[Tensor]) -> list[Step]:
        """Returns the steps that update these parameters of a group; each is called with the gradients of all of them."""
        key = (group_index, *[id(parameter._data) for parameter in parameters])
        if key in self:
            return self[key][1]
        arrays, updates = [p._data for p in parameters], [ParamUpdate(rule, p, group_index) for p in parameters]
        if not all(parameter in rule.state for parameter in parameters):  # their first step decides where the states lie
            return [_single_step(update, i) for i, update in enumerate(updates)]
        if len(self) >= _MAX_CACHED:
            self.clear()
        self[key] = arrays, _plan_steps(updates, arrays)
        return self[key][1]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def _plan_steps(updates: Sequence[ParamUpdate], arrays: Sequence[Array]) -> list[Step]:
    small = [i for i, a in enumerate(arrays) if a.size <= SMALL and updates[i].rule.elementwise]
    steps: list[Step] = []
    singles = set(range(len(updates)))
    for group in find_groups([updates[i] for i in small], [arrays[i] for i in small]):
        numbers = [small[i] for i in group.indices]
        steps.append(_group_step(group, numbers))
        singles.difference_update(numbers)
    return steps + [_single_step(updates[i], i) for i in sorted(singles)]


def _single_step(update: ParamUpdate, number: int) -> Step:
    array = update.parameter._data
    return lambda gradients: update(array, gradients[number])


def _group_step(group: FlatGroup, numbers: list[int]) -> Step:
    gradient = group.new_gradient()
    slots = list(zip(numbers, group.split(gradient), strict=True))

    def step(gradients: Sequence[Array]) -> None:
        for number, slot in slots:
            slot[...] = gradients[number]
        group(group.storage, gradient)

    return step
