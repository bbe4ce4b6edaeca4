"""A context in which everything that can be split is split over two threads and into tiles, however small it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from unittest.mock import patch

import autograd_mini as ag
from autograd_mini.memory import threads

_tiling = import_module("autograd_mini.jit.tiling")  # an import statement would find the function `autograd_mini.jit`


@contextmanager
def split_everything() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, value in (
            (threads, "MIN_SPLIT_NS", 0.0),
            (_tiling, "MIN_SPLIT_NS", 1e-9),
            (_tiling, "_TILE_ELEMENTS", 3),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield stack.enter_context(ag.threads(2))
