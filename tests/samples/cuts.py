"""Makes every kernel that can split its work do so, into halves and tiles, however small the operands are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from unittest.mock import patch

import autograd_mini as ag
from autograd_mini.memory import threads

tiling = import_module("autograd_mini.jit.tiling")  # `autograd_mini.jit` is the function


@contextmanager
def cut() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, value in (
            (threads, "MIN_SPLIT_NS", 0.0),
            (tiling, "MIN_SPLIT_NS", 1e-9),
            (tiling, "_TILE_ELEMENTS", 3),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield stack.enter_context(ag.threads(2))
