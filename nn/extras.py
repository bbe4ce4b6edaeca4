"""Optional packages: imported on use; an error says which one is missing and how to install it."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .notebook import NotebookBar, in_notebook


def extra(module: str, purpose: str, group: str = "train") -> Any:
    """Imports `module`. Raises ModuleNotFoundError with its `purpose` and the install command if it is not installed.

    `group` is the group of optional packages to which it belongs.

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
            f'{purpose} needs {package}, which is not installed: pip install "autograd-mini[{group}]"', name=package
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
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def progress_bar(purpose: str, shown: bool = True, **options: Any) -> Any:
    """Returns a progress bar: of tqdm in a terminal, HTML in a notebook. Elsewhere, or unless `shown`, it does nothing.

    >>> from autograd_mini.nn.extras import progress_bar
    >>> with progress_bar("counting", shown=False, total=2) as bar:
    ...     bar.update()
    """
    if shown and in_notebook():
        return NotebookBar(**options)
    if shown and has_terminal():
        return _bar_class(extra("tqdm.auto", purpose).tqdm)(**options)
    return _NoBar()


class _NoBar(contextlib.AbstractContextManager["_NoBar"]):
    """Has the methods of a progress bar that the library calls, and shows nothing."""

    def update(self, n: float = 1) -> None:
        """Does nothing."""

    def set_postfix(self, values: Mapping[str, object], refresh: bool = True) -> None:
        """Does nothing."""

    def __exit__(self, *exc: object) -> None:
        pass


@functools.cache
def _bar_class(tqdm: Any) -> Any:
    """Returns tqdm's class with a lock of its own and without its thread.

    tqdm's lock is shared with forked processes: if one of them is killed while it holds the lock, all others wait for ever.
    """

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, **options: Any) -> None:
            super().__init__(miniters=1, **options)  # the thread would adapt it

    def renew_lock() -> None:
        Bar._lock = threading.RLock()

    renew_lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew_lock)
    return Bar
