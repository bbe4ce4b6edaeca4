"""Optional packages: imported on use; an error says which one is missing and how to install it."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(module: str, purpose: str) -> Any:
    """Imports `module`. Raises ModuleNotFoundError with its `purpose` and the install command if it is not installed.

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
