"""Steps of several parameters as one: those that lie one after the other in memory are moved as a single flat array.

On small parameters, the calls cost more than the arithmetic. It is done where an optimizer declares that it works element by
element, and gives the same bits as one parameter after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from autograd_mini.memory.arena import as_flat_view, contiguous_runs
from autograd_mini.tensor import Array, Tensor, mark_modified

Group: TypeAlias = dict[str, Any]
Step: TypeAlias = "Callable[[Sequence[Array]], None]"

SMALL: Final = 1 << 12
"""Elements of the largest parameter whose gradient is copied to lie beside its neighbours' gradients."""
_KEPT: Final = 8  # arrangements of an optimizer


class Mover(Protocol):
    """What is asked of an optimizer: its groups and states, and how it moves one parameter, or arrays of any kind."""

    elementwise: bool
    param_groups: list[Group]
    state: dict[Tensor, dict[str, Any]]

    def move(self, parameter: Tensor, group: Group, p: Array, g: Array) -> None: ...
    def update(self, p: Array, g: Array, state: dict[str, Any], group: Group) -> None: ...


class Move(NamedTuple):
    """The step of one parameter, to be called with its array and its gradient's."""

    optimizer: Mover
    parameter: Tensor
    number: int  # of the parameter's group, which may be replaced

    @property
    def group(self) -> Group:
        return self.optimizer.param_groups[self.number]

    def __call__(self, p: Array, g: Array) -> None:
        self.optimizer.move(self.parameter, self.group, p, g)

    @property
    def key(self) -> tuple[int, int] | None:
        """Moves of one key can be made together; None for one that cannot."""
        return (id(self.optimizer), self.number) if self.optimizer.elementwise else None

    def joined(self, moves: Sequence[Move], places: Sequence[slice]) -> Callable[[Array, Array], None] | None:
        """The steps of several parameters as one, on flat arrays in which each parameter has its place.

        None where their states do not lie as the parameters do. When these are not what they were, or have not come equally
        far, as when one parameter had no gradient for a while, each is moved by itself.
        """
        optimizer, parameters = self.optimizer, [move.parameter for move in moves]
        states = [optimizer.state.get(parameter, {}) for parameter in parameters]
        first, others, owned = states[0], states[1:], list(zip(parameters, states, strict=True))
        counts = [name for name, value in first.items() if not isinstance(value, np.ndarray)]
        names, known = first.keys() - counts, len(first)
        arrays = [(state, name, value) for state in states for name, value in state.items() if name in names]
        if any(state.keys() != first.keys() for state in others):
            return None
        together: dict[str, Any] = {name: as_flat_view([state[name] for state in states], places) for name in names}
        if any(array is None for array in together.values()):
            return None

        def step(p: Array, g: Array) -> None:
            if not level():
                for move, place in zip(moves, places, strict=True):
                    move(p[place].reshape(move.parameter.shape), g[place].reshape(move.parameter.shape))
                return
            for name in counts:
                together[name] = first[name]
            optimizer.update(p, g, together, self.group)
            if counts or len(together) != known:
                share()
            for parameter in parameters:
                mark_modified(parameter)

        def level() -> bool:
            now = optimizer.state
            for parameter, state in owned:
                if now.get(parameter) is not state or len(state) != known:
                    return False
            for state, name, array in arrays:
                if state[name] is not array:
                    return False
            return not counts or all(state[name] == first[name] for name in counts for state in others)

        def share() -> None:
            """Gives each parameter its part of what is not one of the flat arrays."""
            for (parameter, state), place in zip(owned, places, strict=True):
                for name in together.keys() - names:
                    value = together[name]
                    state[name] = value[place].reshape(parameter.shape) if isinstance(value, np.ndarray) else value

        return step


class Arrangements(dict[tuple[int, ...], "tuple[Sequence[Array], list[Step]]"]):
    """How an optimizer moves several parameters, by their arrays, which are kept so that none can take another's identity.

    A copy is empty: what it would hold moves the parameters that it was made for.
    """

    def steps(self, optimizer: Mover, number: int, moving: Sequence[Tensor]) -> list[Step]:
        """The steps for the parameters `moving` of a group, to be called with the gradients of all of them."""
        key = (number, *[id(parameter._data) for parameter in moving])
        if key in self:
            return self[key][1]
        arrays, moves = [p._data for p in moving], [Move(optimizer, p, number) for p in moving]
        if not all(parameter in optimizer.state for parameter in moving):  # where their states will lie is not known yet
            return [_single(move, p, i) for i, (move, p) in enumerate(zip(moves, arrays, strict=True))]
        if len(self) >= _KEPT:
            self.clear()
        self[key] = arrays, _arranged(moves, arrays)
        return self[key][1]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def _arranged(moves: Sequence[Move], arrays: Sequence[Array]) -> list[Step]:
    small = [i for i, a in enumerate(arrays) if a.size <= SMALL and moves[i].optimizer.elementwise]
    steps: list[Step] = []
    alone = set(range(len(moves)))
    for numbers, places, storage in contiguous_runs([arrays[i] for i in small]):
        those = [small[n] for n in numbers]
        step = moves[those[0]].joined([moves[i] for i in those], places)
        if step is not None:
            steps.append(_gathered(step, storage, those, [(place, arrays[i]) for i, place in zip(those, places, strict=True)]))
            alone.difference_update(those)
    return steps + [_single(moves[i], arrays[i], i) for i in sorted(alone)]


def _single(move: Move, p: Array, number: int) -> Step:
    return lambda gradients: move(p, gradients[number])


def _gathered(
    step: Callable[[Array, Array], None], storage: Array, numbers: list[int], where: list[tuple[slice, Array]]
) -> Step:
    gradient = np.ones_like(storage)  # of the padding, too: 0 could make 0/0 there
    slots = [(number, gradient[place].reshape(like.shape)) for number, (place, like) in zip(numbers, where, strict=True)]

    def gathered(gradients: Sequence[Array]) -> None:
        for number, slot in slots:
            slot[...] = gradients[number]
        step(storage, gradient)

    return gathered
