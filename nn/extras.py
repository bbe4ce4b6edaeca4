"""Packages that only some features need: imported where they are used, and named with their remedy when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(module: str, purpose: str) -> Any:
    """The imported `module`; where it is not installed, ModuleNotFoundError says what it is for and how to get it.

    >>> from autograd_mini.nn.extras import extra
    >>> extra("json", "reading JSON").dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f'{purpose} needs {package}, which is not installed: pip install "autograd-mini[train]"', name=package
        ) from None
