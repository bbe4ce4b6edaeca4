"""Counts references: whether a user still holds an object whose memory the engine wants to reuse.

This assumes CPython with its global lock, where each variable, attribute and item that holds an object counts one. What the
measurement itself adds differs between versions of Python, so it is measured at import, on an object with one known holder.
"""

from __future__ import annotations

from sys import getrefcount


class _Holder:
    def __init__(self) -> None:
        self.content = object()


_overhead = 0


def count_references(holder: object, attribute: str) -> int:
    """Returns how many references to the object `holder.attribute` exist, including the attribute itself.

    >>> from types import SimpleNamespace
    >>> from autograd_mini.memory.references import count_references
    >>> holder = SimpleNamespace(content=object())
    >>> count_references(holder, "content")
    1
    >>> user = holder.content
    >>> count_references(holder, "content")
    2
    """
    return getrefcount(getattr(holder, attribute)) - _overhead


_overhead = count_references(_Holder(), "content") - 1


def held_elsewhere(holder: object, attribute: str, known: int = 1) -> bool:
    """Whether more than the `known` references to `holder.attribute` exist, so that somebody else reads it too."""
    return getrefcount(getattr(holder, attribute)) > known + _overhead
