"""Optional packages: imported on use; an error says which one is missing and how to install it."""

from __future__ import annotations

import sys
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


def say(message: str) -> None:
    """Prints a message to stderr; without one, as in `pythonw`, nothing is printed.

    >>> from autograd_mini.nn.extras import say
    >>> say("training")
    """
    if sys.stderr is not None:
        print(message, file=sys.stderr, flush=True)


def has_terminal() -> bool:
    """Returns whether progress bars can be shown: in a terminal or in a notebook, not in a file or a pipe.

    >>> from autograd_mini.nn.extras import has_terminal
    >>> has_terminal() in (True, False)
    True
    """
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)


def progress_bar(purpose: str, shown: bool = True, **options: Any) -> Any:
    """Returns a progress bar of tqdm; it is silent unless `shown` and `has_terminal()`.

    >>> from autograd_mini.nn.extras import progress_bar
    >>> with progress_bar("counting", shown=False, total=2) as bar:
    ...     bar.update()
    """
    return extra("tqdm.auto", purpose).tqdm(disable=not (shown and has_terminal()), **options)
