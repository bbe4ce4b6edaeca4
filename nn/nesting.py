"""Copies and pickles of modules that are nested to any depth, such as 2,000 `Sequential`s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .module import Module

STEP: Final = 25
BELOW: Final = "_modules_below"


class Nesting:
    """How `copy.deepcopy` and `pickle` visit a module.

    Both recurse into its attributes, several calls per module, and Python allows about 1,000. So the state of a module with
    more than `STEP` levels of modules inside starts with the modules `STEP` levels below, which are then visited first, and
    known when the recursion reaches them. For n levels it is then n / `STEP` + `STEP` modules deep.
    """

    def __getstate__(self) -> dict[str, Any]:
        below = modules_below(self, STEP)  # type: ignore[arg-type]
        return {BELOW: below, **vars(self)} if below else vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update((name, value) for name, value in state.items() if name != BELOW)


def modules_below(module: Module, levels: int) -> list[Module]:
    """Returns the modules to which the shortest path from a module goes through a number of levels.

    >>> from autograd_mini import nn
    >>> from autograd_mini.nn.nesting import modules_below
    >>> modules_below(nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh())), 2)
    [ReLU(), Tanh()]
    """
    visited = {id(module)}
    found = [module]
    for _ in range(levels):
        inner = {id(child): child for parent in found for child in parent.children() if id(child) not in visited}
        visited |= inner.keys()
        found = list(inner.values())
    return found
