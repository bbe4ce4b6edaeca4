"""Guards: what a plan assumes about the state around the function. They are checked before each replay.

While a function is traced, everything it reads besides its arguments becomes a guard. If a guard fails, the function is traced
again and gets another plan; the first plan stays, and is used again when its guards hold again.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...state import watched
from ...tensor import Tensor
from .probes import same_value
from .surroundings import Surroundings

GUARDED_TYPES: Final = (bool, int, float, str, type(None), np.generic)
"""Types of module attributes that are compared by value; a compiled step notices when one of them changes."""
_MISSING: Final = object()


class Guards:
    """The assumptions of one plan.

    flags         (owner, attribute, value) of each flag that was read: `training`, `requires_grad`, hooks, module attributes
    gradients     (tensor, whether its `.grad` was None)
    operands      (tensor, time of its last write) of an older graph that the function differentiates
    surroundings  the Python state that the function can read
    """

    __slots__ = ("_structure_version", "_version", "flags", "gradients", "operands", "surroundings")

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.flags: list[tuple[Any, str, Any]] = []
        self.gradients: list[tuple[Tensor, bool]] = []
        self.operands: list[tuple[Tensor, int]] = []
        self.seal()

    def seal(self) -> None:
        """Marks the end of tracing: the guards hold now, so only later changes need a check."""
        self._version, self._structure_version = watched.version, watched.structure_version

    def hold(self) -> bool:
        """Returns whether everything is as it was when the plan was recorded. Flags are read only after one has changed."""
        for tensor, was_none in self.gradients:
            if (tensor._grad is None) is not was_none:
                return False
        for tensor, last_write in self.operands:
            if tensor._seq != last_write:
                return False
        if not self.surroundings.hold():
            return False
        if self._version != watched.version:
            if self._structure_version != watched.structure_version or not all(is_unchanged(*flag) for flag in self.flags):
                return False
            if not self.surroundings.modules_hold():
                return False
            self._version = watched.version
        return True

    def changed_guards(self) -> list[str]:
        """Returns the names of the places that have changed; if there are none, those of the flags."""
        changed = [(owner, name) for owner, name, value in self.flags if not is_unchanged(owner, name, value)]
        return self.surroundings.changed() or [f"{name.strip('_')} of {type(owner).__name__}" for owner, name in changed]


def is_unchanged(owner: Any, name: str, value: Any) -> bool:
    """Returns whether a flag is the same object as before, or an equal number or string."""
    return same_value(getattr(owner, name, _MISSING), value)
